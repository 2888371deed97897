#include "query_tile.hpp"

#include <cmath>
#include <limits>
#include <numbers>

#include "tsrun/core/integer.hpp"

namespace tsrun {
namespace {

constexpr std::int64_t panel = KvLayer::key_panel;

// Positions of a piece in decode: of which the cache's keys, and its values, take some KiB.
constexpr std::int64_t piece_of(std::int64_t position_bytes) {
  constexpr std::int64_t bytes = 8 << 10;
  return std::clamp(bytes / position_bytes / panel * panel, panel, attention_block(Rows::few));
}

}  // namespace

void QueryTile::begin(const AttentionShape& shape, const Queries& queries) {
  shape_ = shape;
  queries_ = queries;
  n_ = queries.size();
  grow(outputs_, n_ * shape.Q);
  largest_.assign(static_cast<std::size_t>(n_), -std::numeric_limits<float>::infinity());
  sums_.assign(static_cast<std::size_t>(n_), 0.0F);
  std::fill_n(outputs_.begin(), n_ * shape.Q, 0.0F);
}

void QueryTile::take_queries(const float* q) {
  const std::int64_t Q = shape_.Q;
  const float scale = shape_.scale * std::numbers::log2e_v<float>;
  grow(scaled_, n_ * Q);
  for (std::int64_t i = 0; i < n_; ++i) {
    const float* const from = q + queries_.place(i, shape_);
    std::transform(from, from + Q, scaled_.begin() + i * Q, [scale](float v) { return v * scale; });
  }
}

template <class Part>
void QueryTile::each_part(std::int64_t first, std::int64_t count, Part part) {
  const std::int64_t shared = std::clamp<std::int64_t>(cache_->shared() - first, 0, count);
  if (shared > 0) part(*cache_->prefix(), 0, first, 0, shared);
  if (shared < count)
    part(*cache_, queries_.row.sequence, first + shared - cache_->shared(), shared, count - shared);
}

// Panels of a piece lie as its positions do. A panel of the layer stands across two of them where the layer does not
// begin with a piece.
void QueryTile::widen_keys(const KvLayer& layer, std::int64_t sequence, std::int64_t own, std::int64_t in_piece,
                           std::int64_t count) {
  const std::int64_t Q = shape_.Q;
  for (std::int64_t at = own / panel * panel; at < own + count; at += panel) {
    const std::byte* const keys = layer.keys(sequence, queries_.heads.slot, at);
    const std::int64_t begin = std::max(at, own), end = std::min(at + panel, own + count), to = in_piece + begin - own;
    if (to % panel == begin - at && (end - begin == panel || begin == at)) {
      kernels_.widen_keys(layer.type(), Q, layer.panel_positions(at), keys, widened_.data() + to / panel * panel * Q);
      continue;
    }
    kernels_.widen_keys(layer.type(), Q, layer.panel_positions(at), keys, odd_panel_.data());
    for (std::int64_t p = begin; p < end; ++p) {
      const std::int64_t place = in_piece + p - own;
      for (std::int64_t c = 0; c < Q; ++c)
        widened_[static_cast<std::size_t>((place / panel * Q + c) * panel + place % panel)] =
            odd_panel_[static_cast<std::size_t>(c * panel + p - at)];
    }
  }
}

Operand QueryTile::keys_of(std::int64_t first, std::int64_t count) {
  const std::int64_t Q = shape_.Q;
  Operand keys{DType::f32, std::as_bytes(std::span(widened_)).data(), 4 * panel, 4 * panel * Q};
  each_part(first, count, [&](const KvLayer& layer, std::int64_t sequence, std::int64_t own, std::int64_t in_piece,
                              std::int64_t here) {
    const bool is_whole = here == count && own % panel == 0 &&
                          layer.panel_positions(own + (count - 1) / panel * panel) == panel;
    if (layer.type() == DType::int8 || !is_whole) return widen_keys(layer, sequence, own, in_piece, here);
    const std::int64_t width = bits(layer.type()) / 8;
    keys = {layer.type(), layer.keys(sequence, queries_.heads.slot, own), width * panel, width * panel * Q,
            piece_ * width * Q};
  });
  return keys;
}

Operand QueryTile::values_of(std::int64_t first, std::int64_t count) {
  const std::int64_t Q = shape_.Q;
  Operand values{DType::f32, std::as_bytes(std::span(widened_)).data(), 4 * Q, 4 * panel};
  each_part(first, count, [&](const KvLayer& layer, std::int64_t sequence, std::int64_t own, std::int64_t in_piece,
                              std::int64_t here) {
    const std::byte* const there = layer.values(sequence, queries_.heads.slot, own);
    if (layer.type() == DType::int8 || here < count)
      return kernels_.widen_values(layer.type(), Q, here, there, widened_.data() + in_piece * Q);
    const std::int64_t width = bits(layer.type()) / 8;
    values = {layer.type(), there, width * Q, width * panel, piece_ * width * Q};
  });
  return values;
}

float QueryTile::raise(std::int64_t query, float most) {
  const auto at = static_cast<std::size_t>(query);
  const float before = largest_[at];
  if (most <= before) return before;
  const float factor = std::exp2(before - most);
  largest_[at] = most;
  sums_[at] *= factor;
  std::for_each_n(outputs_.begin() + query * shape_.Q, shape_.Q, [factor](float& v) { v *= factor; });
  return most;
}

// Up to the last position that some query of the tile sees, from the piece on that holds the first.
void QueryTile::add_block(std::int64_t first, std::int64_t count) {
  const std::int64_t Q = shape_.Q, each = queries_.heads.end - queries_.heads.first;
  const std::int64_t scored = round_up(count, panel);
  const std::int64_t unseen = std::max<std::int64_t>(0, queries_.seen(shape_.window).begin - first) / piece_ * piece_;
  for (std::int64_t s = unseen; s < count; s += piece_) {
    const std::int64_t here = std::min(piece_, count - s);
    products_(scaled_.data(), n_, Q, Q, keys_of(first + s, here), round_up(here, panel), false, scores_.data() + s,
              block_);
  }
  for (std::int64_t i = 0; i < n_; ++i) {
    float* const scores = scores_.data() + i * block_;
    const Seen seen = queries_.seen_by(queries_.first + i / each, shape_.window);
    const std::int64_t begin = std::clamp<std::int64_t>(seen.begin - first, 0, count);
    const std::int64_t end = std::clamp<std::int64_t>(seen.end - first, 0, count);
    if (begin >= end) {
      std::fill_n(scores, scored, 0.0F);
      continue;
    }
    std::fill(scores + unseen, scores + begin, -std::numeric_limits<float>::infinity());
    std::fill(scores + end, scores + scored, -std::numeric_limits<float>::infinity());
    const float most = raise(i, kernels_.largest(scores + unseen, scored - unseen));
    sums_[static_cast<std::size_t>(i)] += kernels_.exponentials(scores + unseen, scored - unseen, most);
  }
  for (std::int64_t s = unseen; s < count; s += piece_) {
    const std::int64_t here = std::min(piece_, count - s);
    products_(scores_.data() + s, n_, block_, here, values_of(first + s, here), Q, true, outputs_.data(), Q);
  }
}

void QueryTile::run(const AttentionShape& shape, const Queries& queries, const Seen& seen, const float* q,
                    const KvLayer& cache) {
  begin(shape, queries);
  cache_ = &cache;
  const AttentionProducts in_bf16 = attention_products_in_bf16(simd_level(), shape.expected);
  products_ = in_bf16 != nullptr && cache.type() != DType::f32 ? in_bf16 : kernels_.products;
  block_ = attention_block(shape.expected);
  piece_ = shape.expected == Rows::few ? piece_of(cached_bytes(cache.type(), shape.Q)) : block_;
  grow(scores_, n_ * block_);
  grow(widened_, piece_ * shape.Q);
  grow(odd_panel_, panel * shape.Q);
  take_queries(q);
  for (std::int64_t block = seen.begin / block_ * block_; block < seen.end; block += block_)
    add_block(block, std::min(block_, seen.end - block));
}

void QueryTile::keep(float* found) const {
  for (std::int64_t i = 0; i < n_; ++i) {
    *found++ = largest_[static_cast<std::size_t>(i)];
    *found++ = sums_[static_cast<std::size_t>(i)];
    found = std::copy_n(outputs_.begin() + i * shape_.Q, shape_.Q, found);
  }
}

void QueryTile::join(const float* found) {
  for (std::int64_t i = 0; i < n_; ++i, found += found_numbers(shape_.Q)) {
    if (found[1] == 0) continue;  // it sees nothing there
    const float factor = std::exp2(found[0] - raise(i, found[0]));
    sums_[static_cast<std::size_t>(i)] += found[1] * factor;
    const auto to = outputs_.begin() + i * shape_.Q;
    std::transform(found + 2, found + 2 + shape_.Q, to, to, [factor](float v, float sum) { return sum + v * factor; });
  }
}

void QueryTile::write(float* out) const {
  for (std::int64_t i = 0; i < n_; ++i) {
    const float factor = 1 / sums_[static_cast<std::size_t>(i)];  // a token sees itself at least
    const auto from = outputs_.begin() + i * shape_.Q;
    std::transform(from, from + shape_.Q, out + queries_.place(i, shape_), [factor](float v) { return v * factor; });
  }
}

}  // namespace tsrun
