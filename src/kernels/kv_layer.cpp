// How keys and values lie in the cache.
#include <cmath>
#include <cstring>
#include <type_traits>
#include <vector>

#include "tsrun/core/integer.hpp"
#include "tsrun/kernels/attention.hpp"

namespace tsrun {
namespace {

template <std::int64_t count>
using Bytes = std::integral_constant<std::int64_t, count>;

// One head's numbers as a cache of this type holds them: numbers, then scales.
void encode(DType type, const float* in, std::int64_t Q, std::byte* out) {
  if (type == DType::f32) {
    std::memcpy(out, in, static_cast<std::size_t>(Q) * 4);
    return;
  }
  if (type == DType::bf16) {
    for (std::int64_t c = 0; c < Q; ++c) {
      const std::uint16_t v = f32_to_bf16(in[c]);
      std::memcpy(out + 2 * c, &v, 2);
    }
    return;
  }
  for (std::int64_t first = 0; first < Q; first += group_size) {
    const std::int64_t end = std::min(Q, first + group_size);
    float most = 0;
    for (std::int64_t c = first; c < end; ++c) most = std::max(most, std::abs(in[c]));
    const std::uint16_t half = f32_to_f16(std::min(most / 127, 65504.0F));
    const float scale = f16_to_f32(half), inverse = scale == 0 ? 0 : 1 / scale;
    for (std::int64_t c = first; c < end; ++c)
      out[c] = static_cast<std::byte>(
          static_cast<std::int8_t>(std::nearbyint(std::clamp(in[c] * inverse, -127.0F, 127.0F))));
    std::memcpy(out + Q + first / group_size * 2, &half, 2);
  }
}

}  // namespace

KvLayer::KvLayer(DType type, std::int64_t sequences, std::int64_t slots, std::int64_t positions, std::int64_t Q)
    : type_(type),
      slots_(slots),
      positions_(positions),
      Q_(Q),
      keys_(sequences * slots * positions * cached_bytes(type, Q)),
      values_(keys_.bytes()) {}

const std::byte* KvLayer::keys(std::int64_t sequence, std::int64_t slot, std::int64_t first) const {
  return keys_.data() + head_at(sequence, slot) + first * cached_bytes(type_, Q_);
}

const std::byte* KvLayer::values(std::int64_t sequence, std::int64_t slot, std::int64_t first) const {
  return values_.data() + head_at(sequence, slot) + first * cached_bytes(type_, Q_);
}

// move(place in the head's keys, place in the key's own order, bytes), which are known where it is compiled: of a key each
// number goes to a place of its own.
template <class Move>
void KvLayer::each_piece_of_key(std::int64_t position, Move move) const {
  const std::int64_t first = position / key_panel * key_panel, rows = panel_positions(first);
  const std::int64_t panel = first * cached_bytes(type_, Q_), inside = position - first;
  const auto each_number = [&](auto width) {
    for (std::int64_t c = 0; c < Q_; ++c) {
      const std::int64_t scales = type_ == DType::int8 ? c / group_size * 2 * rows : 0;  // of the groups before
      move(panel + scales + (c * rows + inside) * width, c * width, width);
    }
  };
  if (type_ == DType::f32) return each_number(Bytes<4>{});
  if (type_ == DType::bf16) return each_number(Bytes<2>{});
  each_number(Bytes<1>{});
  for (std::int64_t g = 0; g * group_size < Q_; ++g)
    move(panel + (std::min(Q_, (g + 1) * group_size) + 2 * g) * rows + 2 * inside, Q_ + 2 * g, Bytes<2>{});
}

// The same of a head's first keys, one after the other. Whole panels lie alike in every cache, and move as they are.
template <class Move>
void KvLayer::each_piece_of_keys(std::int64_t positions, Move move) const {
  const std::int64_t bytes = cached_bytes(type_, Q_), whole = positions / key_panel * key_panel;
  if (whole > 0) move(std::int64_t{0}, std::int64_t{0}, whole * bytes);
  for (std::int64_t p = whole; p < positions; ++p)
    each_piece_of_key(p, [&](std::int64_t in_panel, std::int64_t own, auto size) { move(in_panel, p * bytes + own, size); });
}

void KvLayer::store(std::int64_t sequence, std::int64_t slot, std::int64_t position, const float* key,
                    const float* value) {
  const std::int64_t own = position - shared(), bytes = cached_bytes(type_, Q_);
  thread_local std::vector<std::byte> encoded;
  encoded.resize(static_cast<std::size_t>(bytes));
  encode(type_, key, Q_, encoded.data());
  std::byte* const keys = keys_.data() + head_at(sequence, slot);
  each_piece_of_key(own, [&](std::int64_t to, std::int64_t from, auto size) {
    std::memcpy(keys + to, encoded.data() + from, static_cast<std::size_t>(size));
  });
  encode(type_, value, Q_, values_.data() + head_at(sequence, slot) + own * bytes);
}

void KvLayer::copy_out(std::int64_t sequence, std::int64_t slot, std::int64_t positions, std::byte* to) const {
  const std::int64_t bytes = cached_bytes(type_, Q_);
  const std::byte* const keys = keys_.data() + head_at(sequence, slot);
  each_piece_of_keys(positions, [&](std::int64_t from, std::int64_t at, auto size) {
    std::memcpy(to + at, keys + from, static_cast<std::size_t>(size));
  });
  std::memcpy(to + positions * bytes, values(sequence, slot, 0), static_cast<std::size_t>(positions * bytes));
}

void KvLayer::copy_in(std::int64_t sequence, std::int64_t slot, std::int64_t positions, const std::byte* from) {
  const std::int64_t bytes = cached_bytes(type_, Q_);
  std::byte* const keys = keys_.data() + head_at(sequence, slot);
  each_piece_of_keys(positions, [&](std::int64_t to, std::int64_t at, auto size) {
    std::memcpy(keys + to, from + at, static_cast<std::size_t>(size));
  });
  std::memcpy(values_.data() + head_at(sequence, slot), from + positions * bytes,
              static_cast<std::size_t>(positions * bytes));
}

}  // namespace tsrun
