// Where query heads sit when they are padded to the cut, and which key/value heads a chip must hold.
//
// A padded head reads the key/value head of the real head before it, so padding never adds a slot; a real head h
// reads h / (H / K) with the true H and K. Slots, not axis sets, say who holds which key/value head: 8 of them over
// 64 chips is each on 8 chips. Grouped heads are not in the paper, which cuts multi-head and multiquery attention
// (section 3.3); with one key/value head, or one for each query head, these are its cuts.
#pragma once

#include <cstdint>
#include <vector>

#include "tsrun/layout/partition.hpp"

namespace tsrun {

struct HeadPlacement {
  std::vector<int> head;  // padded position -> real head, -1 where there is none
  std::vector<int> kv;    // padded position -> the key/value head it reads
  std::int64_t padded() const { return static_cast<std::int64_t>(head.size()); }
};

// H heads over K key/value heads on `cut` chips. Two ways: zeros after the last head, or K' groups with the real
// heads first in each so that no chip straddles groups; the one with fewer padded heads, then fewer slots. `run`: their
// number is a multiple of this as well, and nothing stands between the real ones, so that a chip's part of what is
// stored for each head can end where groups of weights do.
HeadPlacement place_heads(std::int64_t H, std::int64_t K, int cut, int run = 1);

// The key/value heads that these positions read, ascending.
std::vector<int> kv_slots(const HeadPlacement& placement, Range positions);

}  // namespace tsrun
