// Softmax in blocks of positions: the largest score so far, the sum of exponentials and the outputs are scaled down
// when a block has a larger one. Blocks are counted from the beginning of the text, and a block in which a query sees
// nothing changes nothing, so that a query's bits hang neither on the queries beside it nor on who keeps the keys.
#include "tsrun/kernels/attention.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "attention_kernels.hpp"
#include "tsrun/core/integer.hpp"

namespace tsrun {

namespace simd_portable {
extern const AttentionKernels attention;
}
#ifdef TSRUN_X86
namespace simd_avx2 {
extern const AttentionKernels attention;
}
namespace simd_avx512 {
extern const AttentionKernels attention;
}
namespace simd_amx {
void attention_products(const float* a, std::int64_t n, std::int64_t a_stride, std::int64_t depth,
                        const Operand& b, std::int64_t width, bool onto, float* out, std::int64_t out_stride);
}
#endif

const AttentionKernels& attention_kernels(SimdLevel level) {
#ifdef TSRUN_X86
  if (level >= SimdLevel::avx512) return simd_avx512::attention;
  if (level == SimdLevel::avx2) return simd_avx2::attention;
#endif
  static_cast<void>(level);
  return simd_portable::attention;
}

AttentionProducts attention_products_in_bf16(SimdLevel level) {
#ifdef TSRUN_X86
  if (level == SimdLevel::amx) return simd_amx::attention_products;
#endif
  static_cast<void>(level);
  return nullptr;
}

namespace {

constexpr std::int64_t panel = KvLayer::key_panel;
// Queries that go together through a head's keys: those of all heads that share them, of as many tokens as fit.
constexpr std::int64_t most_queries = 32;

// Query heads [first, end) read this slot.
struct HeadGroup {
  std::int64_t first, end;
  std::int64_t slot;
};

std::vector<HeadGroup> groups_of(std::span<const int> slot_of) {
  std::vector<HeadGroup> groups;
  for (std::int64_t h = 0; h < std::ssize(slot_of); ++h) {
    const int slot = slot_of[static_cast<std::size_t>(h)];
    if (groups.empty() || groups.back().slot != slot) groups.push_back({h, h, slot});
    groups.back().end = h + 1;
  }
  return groups;
}

// Some tokens of a row for the heads of one slot, and the memory that this takes.
class QueryTile {
 public:
  void run(const AttentionShape& shape, const AttentionRow& row, const HeadGroup& heads, std::int64_t first_token,
           std::int64_t tokens, const float* q, const KvLayer& cache, float* out);

 private:
  struct Seen {
    std::int64_t begin, end;  // positions
  };
  void take_queries(const float* q, std::int64_t stride);
  // The keys and values of positions [first, first + count), a block of them: as they lie in the cache where that is in
  // whole panels of one layer, else widened.
  std::pair<Operand, Operand> block_of(std::int64_t first, std::int64_t count);
  void widen_block(std::int64_t first, std::int64_t count);
  // Positions [first, first + count) of the block from one layer of the cache.
  void widen_from(const KvLayer& layer, std::int64_t sequence, std::int64_t own, std::int64_t in_block,
                  std::int64_t count);
  void add_block(std::int64_t first, std::int64_t count);

  const AttentionKernels& kernels_ = attention_kernels(simd_level());
  AttentionProducts products_ = nullptr;
  AttentionShape shape_;
  AttentionRow row_;
  HeadGroup heads_{};
  const KvLayer* cache_ = nullptr;
  std::int64_t n_ = 0, first_token_ = 0;
  std::vector<Seen> seen_;
  std::vector<float> queries_, scores_, outputs_, largest_, sums_;
  std::vector<float> keys_, values_;  // of a block that is widened: [panel][Q][16], [position][Q]
  std::vector<float> odd_panel_;
};

template <class T>
void grow(std::vector<T>& v, std::int64_t size) {
  if (std::ssize(v) < size) v.resize(static_cast<std::size_t>(size));
}

void QueryTile::take_queries(const float* q, std::int64_t stride) {
  const std::int64_t Q = shape_.Q, heads = heads_.end - heads_.first;
  const float scale = shape_.scale * std::numbers::log2e_v<float>;
  grow(queries_, n_ * Q);
  grow(outputs_, n_ * Q);
  grow(scores_, n_ * attention_block);
  largest_.assign(static_cast<std::size_t>(n_), -std::numeric_limits<float>::infinity());
  sums_.assign(static_cast<std::size_t>(n_), 0.0F);
  seen_.clear();
  std::fill_n(outputs_.begin(), n_ * Q, 0.0F);
  for (std::int64_t i = 0; i < n_; ++i) {
    const std::int64_t token = first_token_ + i / heads, end = row_.context + token + 1;
    seen_.push_back({shape_.window > 0 ? std::max<std::int64_t>(0, end - shape_.window) : 0, end});
    const float* const from = q + i / heads * stride + (heads_.first + i % heads) * Q;
    std::transform(from, from + Q, queries_.begin() + i * Q, [scale](float v) { return v * scale; });
  }
}

// Panels of the block lie as its positions do. A panel of the layer stands across two of them where the layer does not
// begin with a block.
void QueryTile::widen_from(const KvLayer& layer, std::int64_t sequence, std::int64_t own, std::int64_t in_block,
                      std::int64_t count) {
  const std::int64_t Q = shape_.Q;
  kernels_.widen_values(layer.type(), Q, count, layer.values(sequence, heads_.slot, own),
                        values_.data() + in_block * Q);
  for (std::int64_t at = own / panel * panel; at < own + count; at += panel) {
    const std::byte* const keys = layer.keys(sequence, heads_.slot, at);
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
    widen_from(*cache_, row_.sequence, first + shared - cache_->shared(), shared, count - shared);
}

std::pair<Operand, Operand> QueryTile::block_of(std::int64_t first, std::int64_t count) {
  const std::int64_t Q = shape_.Q, shared = cache_->shared();
  const bool all_shared = first + count <= shared, none_shared = first >= shared;
  const KvLayer& layer = all_shared && shared > 0 ? *cache_->prefix() : *cache_;
  const std::int64_t sequence = &layer == cache_ ? row_.sequence : 0, own = &layer == cache_ ? first - shared : first;
  const bool is_whole = (all_shared || none_shared) && own % panel == 0 &&
                        layer.panel_positions(own + (count - 1) / panel * panel) == panel;
  if (layer.type() == DType::int8 || !is_whole) {
    widen_block(first, count);
    return {{DType::f32, std::as_bytes(std::span(keys_)).data(), 4 * panel, 4 * panel * Q, 0},
            {DType::f32, std::as_bytes(std::span(values_)).data(), 4 * Q, 4 * panel, 0}};
  }
  const std::int64_t width = bits(layer.type()) / 8;
  const std::int64_t next = attention_block * width * Q;  // the next block lies behind this one
  return {{layer.type(), layer.keys(sequence, heads_.slot, own), width * panel, width * panel * Q, next},
          {layer.type(), layer.values(sequence, heads_.slot, own), width * Q, width * panel, next}};
}

// Those of its positions that some query of the tile sees.
void QueryTile::add_block(std::int64_t first, std::int64_t count) {
  const std::int64_t Q = shape_.Q;
  const auto [keys, values] = block_of(first, count);
  products_(queries_.data(), n_, Q, Q, keys, round_up(count, panel), false, scores_.data(), attention_block);
  for (std::int64_t i = 0; i < n_; ++i) {
    const auto at = static_cast<std::size_t>(i);
    float* const scores = scores_.data() + i * attention_block;
    const std::int64_t begin = std::clamp<std::int64_t>(seen_[at].begin - first, 0, count);
    const std::int64_t end = std::clamp<std::int64_t>(seen_[at].end - first, 0, count);
    if (begin >= end) {
      std::fill_n(scores, attention_block, 0.0F);
      continue;
    }
    std::fill(scores, scores + begin, -std::numeric_limits<float>::infinity());
    std::fill(scores + end, scores + attention_block, -std::numeric_limits<float>::infinity());
    const float before = largest_[at], most = std::max(before, kernels_.largest(scores));
    const float factor = before == most ? 1 : std::exp2(before - most);
    largest_[at] = most;
    sums_[at] = sums_[at] * factor + kernels_.exponentials(scores, most);
    if (factor != 1) std::for_each_n(outputs_.begin() + i * Q, Q, [factor](float& v) { v *= factor; });
  }
  products_(scores_.data(), n_, attention_block, count, values, Q, true, outputs_.data(), Q);
}

void QueryTile::run(const AttentionShape& shape, const AttentionRow& row, const HeadGroup& heads,
                    std::int64_t first_token, std::int64_t tokens, const float* q, const KvLayer& cache, float* out) {
  shape_ = shape;
  row_ = row;
  heads_ = heads;
  cache_ = &cache;
  first_token_ = first_token;
  const std::int64_t each = heads.end - heads.first, stride = shape.heads * shape.Q, Q = shape.Q;
  n_ = tokens * each;
  const AttentionProducts in_bf16 = attention_products_in_bf16(simd_level());
  const bool rounds = in_bf16 != nullptr && cache.type() != DType::f32 && shape.expected == Rows::many;
  products_ = rounds ? in_bf16 : kernels_.products;
  grow(keys_, attention_block * Q);
  grow(values_, attention_block * Q);
  grow(odd_panel_, panel * Q);
  take_queries(q, stride);
  const std::int64_t reach = seen_.back().end;
  for (std::int64_t block = seen_.front().begin / attention_block * attention_block; block < reach;
       block += attention_block)
    add_block(block, std::min(attention_block, reach - block));
  for (std::int64_t i = 0; i < n_; ++i) {
    const float factor = 1 / sums_[static_cast<std::size_t>(i)];  // a token sees itself at least
    const auto from = outputs_.begin() + i * Q;
    std::transform(from, from + Q, out + i / each * stride + (heads.first + i % each) * Q,
                   [factor](float v) { return v * factor; });
  }
}

}  // namespace

void attention(const AttentionShape& shape, std::span<const AttentionRow> rows, std::span<const int> slot_of,
               const float* q, const KvLayer& cache, float* out) {
  const std::vector<HeadGroup> groups = groups_of(slot_of);
  std::int64_t widest = 1;
  for (const HeadGroup& g : groups) widest = std::max(widest, g.end - g.first);
  const std::int64_t tokens = std::max<std::int64_t>(1, most_queries / widest), tiles = ceil_div(shape.L, tokens);
  const std::int64_t stride = shape.heads * shape.Q, each = std::ssize(groups);
  const std::int64_t jobs = std::ssize(rows) * each * tiles;
#pragma omp parallel for schedule(dynamic)
  for (std::int64_t job = 0; job < jobs; ++job) {
    thread_local QueryTile tile;
    const std::int64_t r = job / (each * tiles), first = job % tiles * tokens;
    const HeadGroup& heads = groups[static_cast<std::size_t>(job / tiles % each)];
    const AttentionRow& row = rows[static_cast<std::size_t>(r)];
    const std::int64_t at = (r * shape.L + first) * stride, here = std::min(tokens, shape.L - first);
    const std::int64_t count = std::clamp<std::int64_t>(row.new_tokens - first, 0, here);
    for (std::int64_t i = count; i < here; ++i)
      std::fill_n(out + at + i * stride + heads.first * shape.Q, (heads.end - heads.first) * shape.Q, 0.0F);
    if (count > 0) tile.run(shape, row, heads, first, count, q + at, cache, out + at);
  }
}

}  // namespace tsrun
