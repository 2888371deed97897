// What a chip must hold: said before anything is allocated.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

#include "tsrun/core/dtype.hpp"
#include "tsrun/program/kv_movement.hpp"
#include "tsrun/program/program.hpp"

namespace tsrun {

struct Memory {
  std::int64_t process = 0;      // the program and its libraries, before anything is loaded
  std::int64_t weights = 0;      // bytes of the chip's shards, padding included
  // While weights are loaded, the ranks of a host share one window that they read into.
  std::int64_t window = 0;       // its bytes divided by these ranks
  std::int64_t window_seen = 0;  // its bytes that the rank touches: all of them count as resident in each rank
  std::int64_t kv = 0;           // of the cache: sequences x slots x positions
  std::int64_t gathered = 0;     // of weights gathered for use
  std::int64_t activations = 0;  // of the values of a pass, and of the inputs of products in the form of the weights
  std::int64_t staging = 0;      // of the buffers in which collectives, and moves of the cache, are packed
  std::int64_t results = 0;      // of what a pass gives back

  std::int64_t of_pass() const { return activations + staging + results; }
  std::int64_t at_work() const { return kv + gathered + of_pass(); }
  // What is taken of a host's memory: the window is given back before the cache is made.
  std::int64_t peak() const { return process + weights + std::max(window, at_work()); }
  // What the system counts as resident of the one process: of memory that is shared, all that it has seen.
  std::int64_t resident() const { return process + weights + std::max(window_seen, at_work()); }
};

// Bytes of a chip's share of one stored weight, held as `type`; vectors are whole and f32.
std::int64_t weight_bytes(const ModelConfig& config, const Torus& torus, const PaddedSizes& sizes, const WeightUse& use,
                          DType type);

// A chip's part of a cache with room for `positions` of each sequence.
std::int64_t kv_bytes(const ModelConfig& config, const KvCut& cut, DType type, std::int64_t positions);

// The most positions of each sequence for which the chip's part of the cache stays within `bytes`.
std::int64_t max_context(const ModelConfig& config, const KvCut& cut, DType type, double bytes);

// Bytes of the buffers through which these moves go, one layer after the other: of all that leaves a chip and all that
// comes to it, each the most of any chip, and of one head that stays.
std::int64_t moving_bytes(const ModelConfig& config, const KvMoves& moves, DType type);

// `held` says what each weight is held as; the cache, cut as the program's attention, has `sequences` of up to
// `context` positions in `kv` type. Moves of the cache are not counted.
Memory memory(const Program& program, const std::function<DType(const WeightUse&)>& held, DType kv,
              std::int64_t sequences, std::int64_t context);

}  // namespace tsrun
