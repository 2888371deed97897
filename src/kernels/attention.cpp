// Attention as the threads see it: tiles of queries, and in decode parts of a long context, in whole blocks that are
// counted from the beginning of the text and joined in their order.
#include "tsrun/kernels/attention.hpp"

#include <algorithm>
#include <vector>

#include "query_tile.hpp"
#include "tsrun/core/integer.hpp"
#include "tsrun/kernels/team.hpp"

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
namespace simd_avx512_bf16 {
void attention_products(const float* a, std::int64_t n, std::int64_t a_stride, std::int64_t depth,
                        const Operand& b, std::int64_t width, bool onto, float* out, std::int64_t out_stride);
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

AttentionProducts attention_products_in_bf16(SimdLevel level, Rows expected) {
#ifdef TSRUN_X86
  if (level == SimdLevel::amx && expected == Rows::many) return simd_amx::attention_products;
  if (level >= SimdLevel::avx512_bf16) return simd_avx512_bf16::attention_products;
#endif
  static_cast<void>(level);
  static_cast<void>(expected);
  return nullptr;
}

namespace {

// Queries that go together through a head's keys: those of all heads that share them, of as many tokens as fit.
constexpr std::int64_t most_queries = 32;
// Positions of a part: a block.
constexpr std::int64_t part_positions = attention_block(Rows::few);

void take_groups(std::span<const int> slot_of, std::vector<HeadGroup>& groups) {
  groups.clear();
  for (std::int64_t h = 0; h < std::ssize(slot_of); ++h) {
    const int slot = slot_of[static_cast<std::size_t>(h)];
    if (groups.empty() || groups.back().slot != slot) groups.push_back({h, h, slot});
    groups.back().end = h + 1;
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

QueryTile& tile_of_thread() {
  thread_local QueryTile tile;
  return tile;
}

// All of a call: every row's tokens, cut into tiles, for every slot's heads; and of each the parts.
class Attention {
 public:
  Attention(const AttentionShape& shape, std::span<const AttentionRow> rows, std::span<const int> slot_of, const float* q,
            const KvLayer& cache, float* out);
  void run() const;

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
  void run_part(std::int64_t i, std::int64_t part) const;
  void join_parts(std::int64_t i) const;

  const AttentionShape& shape_;
  std::span<const AttentionRow> rows_;
  const float* q_;
  const KvLayer& cache_;
  float* out_;
  // Kept from call to call, by the thread that shares out the work.
  static thread_local std::vector<HeadGroup> groups_of_thread_;
  static thread_local Pages found_memory_;
  std::vector<HeadGroup>& groups_ = groups_of_thread_;
  std::int64_t widest_ = 1, tokens_ = 1, tiles_ = 1, count_ = 0, most_parts_ = 1;
  float* found_ = nullptr;
};

thread_local std::vector<HeadGroup> Attention::groups_of_thread_;
thread_local Pages Attention::found_memory_;

Attention::Attention(const AttentionShape& shape, std::span<const AttentionRow> rows, std::span<const int> slot_of,
                     const float* q, const KvLayer& cache, float* out)
    : shape_(shape), rows_(rows), q_(q), cache_(cache), out_(out) {
  take_groups(slot_of, groups_);
  for (const HeadGroup& g : groups_) widest_ = std::max(widest_, g.end - g.first);
  tokens_ = std::clamp<std::int64_t>(most_queries / widest_, 1, std::max<std::int64_t>(1, shape.L));
  tiles_ = ceil_div(shape.L, tokens_);
  count_ = std::ssize(rows) * std::ssize(groups_) * tiles_;
  for (std::int64_t i = 0; i < count_; ++i)
    if (const Queries here = queries(i); here.count > 0) most_parts_ = std::max(most_parts_, Parts(here, shape).count);
  if (most_parts_ == 1) return;
  found_ = room<float>(found_memory_, count_ * most_parts_ * tokens_ * widest_ * found_numbers(shape.Q));
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

void Attention::run_part(std::int64_t i, std::int64_t part) const {
  const Queries here = queries(i);
  if (part == 0) fill_missing(i);
  if (here.count == 0) return;
  const Parts parts(here, shape_);
  if (part >= parts.count) return;
  QueryTile& tile = tile_of_thread();
  tile.run(shape_, here, parts.part(part), q_ + place(i), cache_);
  parts.count == 1 ? tile.write(out_ + place(i)) : tile.keep(found(i, part));
}

void Attention::join_parts(std::int64_t i) const {
  const Queries here = queries(i);
  const std::int64_t parts = here.count == 0 ? 1 : Parts(here, shape_).count;
  if (parts == 1) return;
  QueryTile& tile = tile_of_thread();
  tile.begin(shape_, here);
  for (std::int64_t part = 0; part < parts; ++part) tile.join(found(i, part));
  tile.write(out_ + place(i));
}

void Attention::run() const {
  share_out(count_ * most_parts_, true, [this](std::int64_t job) { run_part(job / most_parts_, job % most_parts_); });
  if (most_parts_ > 1) share_out(count_, true, [this](std::int64_t i) { join_parts(i); });
}

}  // namespace

void attention(const AttentionShape& shape, std::span<const AttentionRow> rows, std::span<const int> slot_of,
               const float* q, const KvLayer& cache, float* out) {
  Attention(shape, rows, slot_of, q, cache, out).run();
}

}  // namespace tsrun
