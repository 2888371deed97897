// Moving the KV cache from one cut of attention to another: a list of who sends which head of which sequence to whom.
//
// A cut over the batch axes N gives a chip a run of the sequences and, as slots, the key/value heads that its query
// heads read. Every (sequence, head) that a chip needs comes from the nearest chip that has it; from itself it is free,
// so that multiquery caches go from heads to batch without a byte. A list, not a collective: slot lists may be
// irregular. The paper (section 3.3) moves queries between such cuts; a cache moves here where prefill and decode cut
// attention differently.
#pragma once

#include <cstdint>
#include <vector>

#include "tsrun/layout/layout.hpp"
#include "tsrun/layout/partition.hpp"
#include "tsrun/program/program.hpp"

namespace tsrun {

// Who holds what of a cache of `rows` sequences, a multiple of the cut.
struct KvCut {
  Torus torus;
  AxisSet batch;  // N
  std::int64_t rows = 0;
  HeadPlacement heads;
  bool everywhere = false;  // every chip has all rows, of the heads that the cut gives it: what all sequences share

  int blocks() const { return everywhere ? 1 : torus.size(batch); }  // into which the sequences are cut
  Range rows_of(const Coord& chip) const {
    return everywhere ? Range{0, rows} : shard(torus, axis_order.only(batch), chip, rows);
  }
  // The key/value heads of a chip's slots, ascending.
  std::vector<int> slots_of(const Coord& chip) const;
  int most_slots() const;
  // Whether both cut sequences and heads alike: axes of size 1 do not count.
  bool same_cut(const KvCut& other) const;
};

// The cut that a layout's attention asks for, of at least `sequences`.
KvCut kv_cut(const ModelConfig& config, const Torus& torus, const Layout& layout, std::int64_t sequences);

struct RowMove {
  std::int64_t from = 0;       // row of the cache before
  std::int64_t to = 0;         // row of the cache after
  std::int64_t positions = 0;  // that are filled
};

// One head of one sequence, keys and values.
struct KvMove {
  int from = 0;  // rank
  int to = 0;    // rank; the same: copied in place
  int head = 0;
  RowMove row;
};

// Ordered by (from, to); the same list on every rank.
using KvMoves = std::vector<KvMove>;
KvMoves plan_kv_movement(const KvCut& before, const KvCut& after, const std::vector<RowMove>& rows);

// One row to every chip, in waves along x, y and z, so that nobody sends to all: a chip that got a head in one wave
// gives it on in the next.
struct KvWave {
  bool from_after = false;  // the source is the cache that is being filled
  KvMoves moves;
};
std::vector<KvWave> plan_kv_distribution(const KvCut& before, const KvCut& after, const RowMove& row);

}  // namespace tsrun
