// A chip's part of the KV cache: the sequences and key/value heads that a cut gives it, of every layer.
#pragma once

#include <cstdint>
#include <vector>

#include "tsrun/kernels/attention.hpp"
#include "tsrun/model/config.hpp"
#include "tsrun/program/kv_movement.hpp"

namespace tsrun {

class KvCache {
 public:
  KvCache(const KvCut& cut, const Coord& chip, DType type, const ModelConfig& config, std::int64_t positions);

  const KvCut& cut() const { return cut_; }
  const Range& rows() const { return rows_; }               // of the sequences
  const std::vector<int>& slots() const { return slots_; }  // the key/value head of each slot
  std::int64_t layers() const { return static_cast<std::int64_t>(layers_.size()); }
  // Every sequence goes on from what this cache, of one sequence on every chip, holds.
  void share(KvCache&& prefix);
  std::int64_t shared() const { return layers_.empty() ? 0 : layers_[0].shared(); }  // positions
  KvLayer& layer(std::int64_t l) { return layers_[static_cast<std::size_t>(l)]; }
  const KvLayer& layer(std::int64_t l) const { return layers_[static_cast<std::size_t>(l)]; }
  std::int64_t local_row(std::int64_t row) const;  // of a sequence that is here
  std::int64_t slot_of(int head) const;            // of a head that is here
  std::int64_t bytes() const;                      // shared positions not counted
  std::int64_t shared_bytes() const;               // of these, held once

 private:
  KvCut cut_;
  Range rows_;
  std::vector<int> slots_;
  std::vector<KvLayer> layers_;
};

}  // namespace tsrun
