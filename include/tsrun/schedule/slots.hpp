// Where the slots of a schedule's buffer lie, in bytes.
//
// A block of e elements in p parts has parts of e / p elements, rounded down or up: nothing is padded. Blocks whose bytes
// are a multiple of four are cut between f32 elements, others between bytes.
#pragma once

#include <cstdint>

#include "tsrun/schedule/schedule.hpp"

namespace tsrun {

class SlotBytes {
 public:
  SlotBytes(const Schedule& schedule, std::int64_t block_bytes)
      : blocks_(schedule.blocks), parts_(schedule.parts), unit_(block_bytes % 4 == 0 ? 4 : 1), units_(block_bytes / unit_) {}

  // Where part j of a block begins within the block; part `parts` begins at its end.
  std::int64_t part(int j) const { return units_ * j / parts_ * unit_; }
  // Where a slot begins in the buffer; that after the last begins at its end.
  std::int64_t begin(int slot) const {
    const int j = slot / blocks_;
    return part(j) * blocks_ + slot % blocks_ * (part(j + 1) - part(j));
  }
  std::int64_t bytes(const Blocks& blocks) const {
    std::int64_t sum = 0;
    blocks.each_run([&](int first, int count) { sum += begin(first + count) - begin(first); });
    return sum;
  }

 private:
  int blocks_, parts_;
  std::int64_t unit_, units_;
};

}  // namespace tsrun
