// Softmax in blocks of positions: the largest score so far, the sum of exponentials and the outputs are scaled down
// when a block has a larger one. Blocks are counted from the beginning of the text, and a block in which a query sees
// nothing changes nothing, so that a query's bits hang neither on the queries beside it nor on who keeps the keys.
// In decode a long context is shared out among the threads in parts of whole blocks, which are counted likewise and
// joined in their order.
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
// Positions of a part.
constexpr std::int64_t part_positions = 8 * attention_block;

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

// Positions that some query sees.
struct Seen {
  std::int64_t begin, end;
};

// What meets the keys of one slot together: tokens [first, first + count) of a row, for the heads that share it.
struct Queries {
  AttentionRow row;
  HeadGroup heads;
  std::int64_t first, count;

  std::int64_t size() const { return count * (heads.end - heads.first); }
  Seen seen_by(std::int64_t token, std::int64_t window) const {
    const std::int64_t end = row.context + token + 1;
    return {window > 0 ? std::max<std::int64_t>(0, end - window) : 0, end};
  }
  Seen seen(std::int64_t window) const {
    return {seen_by(first, window).begin, seen_by(first + count - 1, window).end};
  }
  // Where a query's Q numbers are in those of the first token here.
  std::int64_t place(std::int64_t query, const AttentionShape& shape) const {
    const std::int64_t each = heads.end - heads.first;
    return (query / each * shape.heads + heads.first + query % each) * shape.Q;
  }
};

// What a query has found in some positions: the largest score, the sum of the exponentials, and Q outputs that are still
// to be divided by it. They lie one after the other.
constexpr std::int64_t found_numbers(std::int64_t Q) { return Q + 2; }

// The running softmax of some queries, and the memory that it takes.
class QueryTile {
 public:
  // Over the positions of `seen`, a part or all of what they see; `q`: of their first token.
  void run(const AttentionShape& shape, const Queries& queries, const Seen& seen, const float* q, const KvLayer& cache);
  void keep(float* found) const;
  // Or over parts that were kept, in their order.
  void begin(const AttentionShape& shape, const Queries& queries);
  void join(const float* found);
  void write(float* out) const;

 private:
  void take_queries(const float* q);
  // The keys and values of positions [first, first + count), a block of them: as they lie in the cache where that is in
  // whole panels of one layer, else widened.
  std::pair<Operand, Operand> block_of(std::int64_t first, std::int64_t count);
  void widen_block(std::int64_t first, std::int64_t count);
  // Positions [first, first + count) of the block from one layer of the cache.
  void widen_from(const KvLayer& layer, std::int64_t sequence, std::int64_t own, std::int64_t in_block,
                  std::int64_t count);
  void add_block(std::int64_t first, std::int64_t count);
  // Makes room for scores up to `most`: what was found so far is scaled down where it is more than before.
  float raise(std::int64_t query, float most);

  const AttentionKernels& kernels_ = attention_kernels(simd_level());
  AttentionProducts products_ = nullptr;
  AttentionShape shape_;
  Queries queries_{};
  const KvLayer* cache_ = nullptr;
  std::int64_t n_ = 0;
  std::vector<float> scaled_, scores_, outputs_, largest_, sums_;
  std::vector<float> keys_, values_;  // of a block that is widened: [panel][Q][16], [position][Q]
  std::vector<float> odd_panel_;
};

template <class T>
void grow(std::vector<T>& v, std::int64_t size) {
  if (std::ssize(v) < size) v.resize(static_cast<std::size_t>(size));
}

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

// Parts of what queries see.
struct Parts {
  Seen seen;
  std::int64_t first, count;

  Parts(const Queries& queries, const AttentionShape& shape)
      : seen(queries.seen(shape.window)),
        first(seen.begin / part_positions),
        count(shape.expected == Rows::few ? ceil_div(seen.end, part_positions) - first : 1) {}
  Seen part(std::int64_t i) const {
    if (count == 1) return seen;
    const std::int64_t begin = (first + i) * part_positions;
    return {std::max(seen.begin, begin), std::min(seen.end, begin + part_positions)};
  }
};

// All of a call: every row's tokens, cut into tiles, for every slot's heads; and of each the parts.
class Attention {
 public:
  Attention(const AttentionShape& shape, std::span<const AttentionRow> rows, std::span<const int> slot_of, const float* q,
            const KvLayer& cache, float* out);
  void run();

 private:
  Queries queries(std::int64_t i) const;
  // Of the first token of tile i in q and out.
  std::int64_t place(std::int64_t i) const {
    return (i / (std::ssize(groups_) * tiles_) * shape_.L + i % tiles_ * tokens_) * shape_.heads * shape_.Q;
  }
  float* found(std::int64_t i, std::int64_t part) const {
    return found_ + (i * most_parts_ + part) * tokens_ * widest_ * found_numbers(shape_.Q);
  }
  void fill_missing(std::int64_t i) const;  // the rows that bring fewer tokens than others
  void run_part(std::int64_t i, std::int64_t part, QueryTile& tile) const;
  void join_parts(std::int64_t i, QueryTile& tile) const;

  const AttentionShape& shape_;
  std::span<const AttentionRow> rows_;
  const float* q_;
  const KvLayer& cache_;
  float* out_;
  std::vector<HeadGroup> groups_;
  std::int64_t widest_ = 1, tokens_ = 1, tiles_ = 1, count_ = 0, most_parts_ = 1;
  float* found_ = nullptr;
};

Attention::Attention(const AttentionShape& shape, std::span<const AttentionRow> rows, std::span<const int> slot_of,
                     const float* q, const KvLayer& cache, float* out)
    : shape_(shape), rows_(rows), q_(q), cache_(cache), out_(out), groups_(groups_of(slot_of)) {
  for (const HeadGroup& g : groups_) widest_ = std::max(widest_, g.end - g.first);
  tokens_ = std::max<std::int64_t>(1, most_queries / widest_);
  tiles_ = ceil_div(shape.L, tokens_);
  count_ = std::ssize(rows) * std::ssize(groups_) * tiles_;
  for (std::int64_t i = 0; i < count_; ++i)
    if (const Queries here = queries(i); here.count > 0) most_parts_ = std::max(most_parts_, Parts(here, shape).count);
  if (most_parts_ == 1) return;
  thread_local std::vector<float> memory;  // of the thread that shares out the work
  grow(memory, count_ * most_parts_ * tokens_ * widest_ * found_numbers(shape.Q));
  found_ = memory.data();
}

Queries Attention::queries(std::int64_t i) const {
  const AttentionRow& row = rows_[static_cast<std::size_t>(i / (std::ssize(groups_) * tiles_))];
  const std::int64_t first = i % tiles_ * tokens_;
  return {row, groups_[static_cast<std::size_t>(i / tiles_ % std::ssize(groups_))], first,
          std::clamp<std::int64_t>(row.new_tokens - first, 0, std::min(tokens_, shape_.L - first))};
}

void Attention::fill_missing(std::int64_t i) const {
  const Queries there = queries(i);
  const std::int64_t here = std::min(tokens_, shape_.L - there.first), stride = shape_.heads * shape_.Q;
  for (std::int64_t t = there.count; t < here; ++t)
    std::fill_n(out_ + place(i) + t * stride + there.heads.first * shape_.Q,
                (there.heads.end - there.heads.first) * shape_.Q, 0.0F);
}

void Attention::run_part(std::int64_t i, std::int64_t part, QueryTile& tile) const {
  const Queries here = queries(i);
  if (part == 0) fill_missing(i);
  if (here.count == 0) return;
  const Parts parts(here, shape_);
  if (part >= parts.count) return;
  tile.run(shape_, here, parts.part(part), q_ + place(i), cache_);
  parts.count == 1 ? tile.write(out_ + place(i)) : tile.keep(found(i, part));
}

void Attention::join_parts(std::int64_t i, QueryTile& tile) const {
  const Queries here = queries(i);
  const std::int64_t parts = here.count == 0 ? 1 : Parts(here, shape_).count;
  if (parts == 1) return;
  tile.begin(shape_, here);
  for (std::int64_t part = 0; part < parts; ++part) tile.join(found(i, part));
  tile.write(out_ + place(i));
}

void Attention::run() {
#pragma omp parallel
  {
    thread_local QueryTile tile;
#pragma omp for schedule(dynamic)
    for (std::int64_t job = 0; job < count_ * most_parts_; ++job) run_part(job / most_parts_, job % most_parts_, tile);
    if (most_parts_ > 1) {
#pragma omp for schedule(dynamic)
      for (std::int64_t i = 0; i < count_; ++i) join_parts(i, tile);
    }
  }
}

}  // namespace

void attention(const AttentionShape& shape, std::span<const AttentionRow> rows, std::span<const int> slot_of,
               const float* q, const KvLayer& cache, float* out) {
  Attention(shape, rows, slot_of, q, cache, out).run();
}

}  // namespace tsrun
