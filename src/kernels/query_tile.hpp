// Softmax in blocks of positions: the largest score so far, the sum of exponentials and the outputs are scaled down
// when a block has a larger one. Blocks are counted from the beginning of the text, and a block in which a query sees
// nothing changes nothing, so that a query's bits hang neither on the queries beside it nor on who keeps the keys.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "attention_kernels.hpp"
#include "tsrun/kernels/attention.hpp"
#include "tsrun/kernels/simd_level.hpp"

namespace tsrun {

// Query heads [first, end) read this slot.
struct HeadGroup {
  std::int64_t first, end;
  std::int64_t slot;
};

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
  // Keys, and values, of a piece of a block: as they lie in the cache where they lie in one layer, keys in whole panels,
  // else widened. While a piece is met, the next one is fetched, in the order in which it lies; the processor then
  // fetches still further ahead by itself.
  Operand keys_of(std::int64_t first, std::int64_t count);
  Operand values_of(std::int64_t first, std::int64_t count);
  // part(layer, sequence there, first position there, positions of the piece before it, positions) of each layer that
  // holds some of a piece.
  template <class Part>
  void each_part(std::int64_t first, std::int64_t count, Part part);
  void widen_keys(const KvLayer& layer, std::int64_t sequence, std::int64_t own, std::int64_t in_piece,
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
  std::int64_t block_ = 0, piece_ = 0;  // positions of a block, and of a piece of it
  std::vector<float> scaled_, scores_, outputs_, largest_, sums_;
  std::vector<float> widened_;  // a piece: keys [panel][Q][16], or values [position][Q]
  std::vector<float> odd_panel_;
};

template <class T>
void grow(std::vector<T>& v, std::int64_t size) {
  if (std::ssize(v) < size) v.resize(static_cast<std::size_t>(size));
}

}  // namespace tsrun
