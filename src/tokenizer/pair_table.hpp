// What two neighbouring tokens merge into: a hash table of pairs of ids, with open addressing.
//
// It is asked three times for every byte of a text, and is most of what encoding takes.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tsrun {

struct Merge {
  std::int32_t rank = -1, id = -1;  // of the merged token; -1 where the two do not merge
};

class PairTable {
 public:
  // For up to `pairs` pairs.
  void reserve(std::size_t pairs) {
    slots_.assign(std::bit_ceil(2 * pairs + 2), {});
    shift_ = 64 - std::countr_zero(slots_.size());
  }
  // False if the pair is there already.
  bool insert(std::int32_t left, std::int32_t right, Merge merge) {
    Slot& slot = slots_[place_of(key_of(left, right))];
    if (slot.merge.id >= 0) return false;
    slot = {key_of(left, right), merge};
    return true;
  }
  // Calls pair(left, right) for each, in no order.
  template <class Pair>
  void each_pair(const Pair& pair) const {
    for (const Slot& slot : slots_)
      if (slot.merge.id >= 0)
        pair(static_cast<std::int32_t>(slot.key >> 32U), static_cast<std::int32_t>(slot.key & 0xffffffffU));
  }
  Merge find(std::int32_t left, std::int32_t right) const { return slots_[place_of(key_of(left, right))].merge; }

 private:
  struct Slot {
    std::uint64_t key = 0;
    Merge merge;
  };
  static std::uint64_t key_of(std::int32_t left, std::int32_t right) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32U | static_cast<std::uint32_t>(right);
  }
  // Of the pair, or of the empty slot where it would stand. Multiplicative hashing, Knuth's volume 3, section 6.4.
  std::size_t place_of(std::uint64_t key) const {
    auto at = static_cast<std::size_t>(key * 0x9e3779b97f4a7c15U >> shift_);
    while (slots_[at].merge.id >= 0 && slots_[at].key != key) at = (at + 1) & (slots_.size() - 1);
    return at;
  }

  std::vector<Slot> slots_ = std::vector<Slot>(2);
  int shift_ = 63;
};

}  // namespace tsrun
