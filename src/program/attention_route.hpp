// The way of queries, keys and values from the cut of the projections to the cut of attention, and of the heads'
// outputs back: the same movements in the other direction.
//
//   projections  tokens_G H_B' (partialsum-A')      attention  B_N H_rest
// Keys and values go the same way as columns C, or are projected from the rows of attention's cut where their weights
// are replicated. A' is scattered over the batch where N contains it, else over the heads; what G cuts of the tokens
// and N does not goes to the heads, what N still lacks comes from them. Source: paper section 3.3, for any sets.
#pragma once

#include <vector>

#include "tsrun/program/program.hpp"
#include "writer.hpp"

namespace tsrun {

class AttentionRoute {
 public:
  // Decides how the tokens are cut, and writes what follows from it into the program: the padded B and L, the cut of
  // the cache and the key/value slots of a chip.
  explicit AttentionRoute(Program& program);

  Dim tokens() const { return tokens_; }  // the dimension that G cuts: B, or L where the batch is smaller than G
  // The dimension over which the projections' partial sums are scattered.
  Dim scattered_q() const { return scatters_batch_ ? Dim::B : Dim::H; }
  Dim scattered_kv() const { return scatters_batch_ ? Dim::B : Dim::C; }
  // From there: queries alone, or with keys and values, after the scatter.
  StepWriter::Values there(StepWriter& w, const StepWriter::Values& qkv) const;
  // Keys and values whose weights are whole over B: projected where they are needed, from the normed x of this block.
  StepWriter::Values replicated_kv(StepWriter& w, ValueId x) const;
  ValueId back(StepWriter& w, ValueId heads) const;
  // The axes, minor on C, over which keys and values are gathered until every chip's heads are whole.
  const AxisStack& kv_gather() const { return kv_gather_; }

 private:
  // An all_to_all between tokens and heads; the group as it is pushed.
  struct Exchange {
    AxisStack group;
    Dim tokens = Dim::B;
    bool to_heads = false;
  };
  void cut_tokens(Program& p);
  void refuse_replicated(const Program& p) const;
  void place_kv(Program& p);

  Dim tokens_ = Dim::B;
  bool scatters_batch_ = false;
  std::vector<Exchange> exchanges_;
  AxisStack heads_;  // what cuts H and C in attention
  AxisStack kv_gather_;
};

}  // namespace tsrun
