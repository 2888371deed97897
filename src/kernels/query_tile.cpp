#include "query_tile.hpp"

#include <cmath>
#include <limits>
#include <numbers>

#include "tsrun/core/integer.hpp"

namespace tsrun {
namespace {

constexpr std::int64_t panel = KvLayer::key_panel;

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

// Panels of the block lie as its positions do. A panel of the layer stands across two of them where the layer does not
// begin with a block.
void QueryTile::widen_from(const KvLayer& layer, std::int64_t sequence, std::int64_t own, std::int64_t in_block,
                      std::int64_t count) {
  const std::int64_t Q = shape_.Q;
  kernels_.widen_values(layer.type(), Q, count, layer.values(sequence, queries_.heads.slot, own),
                        values_.data() + in_block * Q);
  for (std::int64_t at = own / panel * panel; at < own + count; at += panel) {
    const std::byte* const keys = layer.keys(sequence, queries_.heads.slot, at);
    const std::int64_t begin = std::max(at, own), end = std::min(at + panel, own + count), to = in_block + begin - own;
    if (to % panel == begin - at && (end - begin == panel || begin == at)) {
      kernels_.widen_keys(layer.type(), Q, layer.panel_positions(at), keys, keys_.data() + to / panel * panel * Q);
      continue;
    }
    kernels_.widen_keys(layer.type(), Q, layer.panel_positions(at), keys, odd_panel_.data());
    for (std::int64_t p = begin; p < end; ++p) {
      const std::int64_t place = in_block + p - own;
      for (std::int64_t c = 0; c < Q; ++c)
        keys_[static_cast<std::size_t>((place / panel * Q + c) * panel + place % panel)] =
            odd_panel_[static_cast<std::size_t>(c * panel + p - at)];
    }
  }
}

void QueryTile::widen_block(std::int64_t first, std::int64_t count) {
  const std::int64_t shared = std::clamp<std::int64_t>(cache_->shared() - first, 0, count);
  if (shared > 0) widen_from(*cache_->prefix(), 0, first, 0, shared);
  if (shared < count)
    widen_from(*cache_, queries_.row.sequence, first + shared - cache_->shared(), shared, count - shared);
}

std::pair<Operand, Operand> QueryTile::block_of(std::int64_t first, std::int64_t count) {
  const std::int64_t Q = shape_.Q, shared = cache_->shared();
  const bool all_shared = first + count <= shared, none_shared = first >= shared;
  const KvLayer& layer = all_shared && shared > 0 ? *cache_->prefix() : *cache_;
  const std::int64_t sequence = &layer == cache_ ? queries_.row.sequence : 0, own = &layer == cache_ ? first - shared : first;
  const bool is_whole = (all_shared || none_shared) && own % panel == 0 &&
                        layer.panel_positions(own + (count - 1) / panel * panel) == panel;
  if (layer.type() == DType::int8 || !is_whole) {
    widen_block(first, count);
    return {{DType::f32, std::as_bytes(std::span(keys_)).data(), 4 * panel, 4 * panel * Q, 0},
            {DType::f32, std::as_bytes(std::span(values_)).data(), 4 * Q, 4 * panel, 0}};
  }
  const std::int64_t width = bits(layer.type()) / 8;
  const std::int64_t next = attention_block * width * Q;  // the next block lies behind this one
  return {{layer.type(), layer.keys(sequence, queries_.heads.slot, own), width * panel, width * panel * Q, next},
          {layer.type(), layer.values(sequence, queries_.heads.slot, own), width * Q, width * panel, next}};
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

// Those of its positions that some query of the tile sees.
void QueryTile::add_block(std::int64_t first, std::int64_t count) {
  const std::int64_t Q = shape_.Q, each = queries_.heads.end - queries_.heads.first;
  const auto [keys, values] = block_of(first, count);
  products_(scaled_.data(), n_, Q, Q, keys, round_up(count, panel), false, scores_.data(), attention_block);
  for (std::int64_t i = 0; i < n_; ++i) {
    float* const scores = scores_.data() + i * attention_block;
    const Seen seen = queries_.seen_by(queries_.first + i / each, shape_.window);
    const std::int64_t begin = std::clamp<std::int64_t>(seen.begin - first, 0, count);
    const std::int64_t end = std::clamp<std::int64_t>(seen.end - first, 0, count);
    if (begin >= end) {
      std::fill_n(scores, attention_block, 0.0F);
      continue;
    }
    std::fill(scores, scores + begin, -std::numeric_limits<float>::infinity());
    std::fill(scores + end, scores + attention_block, -std::numeric_limits<float>::infinity());
    const float most = raise(i, kernels_.largest(scores));
    sums_[static_cast<std::size_t>(i)] += kernels_.exponentials(scores, most);
  }
  products_(scores_.data(), n_, attention_block, count, values, Q, true, outputs_.data(), Q);
}

void QueryTile::run(const AttentionShape& shape, const Queries& queries, const Seen& seen, const float* q,
                    const KvLayer& cache) {
  begin(shape, queries);
  cache_ = &cache;
  const AttentionProducts in_bf16 = attention_products_in_bf16(simd_level());
  const bool rounds = in_bf16 != nullptr && cache.type() != DType::f32 && shape.expected == Rows::many;
  products_ = rounds ? in_bf16 : kernels_.products;
  grow(scores_, n_ * attention_block);
  grow(keys_, attention_block * shape.Q);
  grow(values_, attention_block * shape.Q);
  grow(odd_panel_, panel * shape.Q);
  take_queries(q);
  for (std::int64_t block = seen.begin / attention_block * attention_block; block < seen.end; block += attention_block)
    add_block(block, std::min(attention_block, seen.end - block));
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
