// The next token from its logits, or from those of them that can still win.
//
// The random number depends on (seed, sequence, position) only, so a text does not change with its batch, its slot or
// the mesh's idea of time. What number a sequence has is the caller's to say (GenerateOptions::sequence_numbers).
#pragma once

#include <cstdint>
#include <span>

#include "tsrun/kernels/rows.hpp"

namespace tsrun {

struct Sampling {
  double temperature = 0;     // 0: the largest logit
  std::int64_t top_k = 0;     // 0: all
  double top_p = 1;           // smallest set of likeliest tokens with at least this probability
  double min_p = 0;           // tokens at least this share of the likeliest one's probability
  double repeat_penalty = 1;  // logits of the last 64 tokens' ids: divided if positive, multiplied if negative
  std::uint64_t seed = 0;

  bool greedy() const { return temperature <= 0 && repeat_penalty == 1; }
  // So many of the likeliest by their logits, of the whole vocabulary or of each part of it, have all among them that a
  // token is drawn from; 0 where there is no such number.
  std::int64_t candidates() const;
};

// Uniform in [0, 1).
double random_number(std::uint64_t seed, std::uint64_t sequence, std::uint64_t position);

// `history`: the sequence so far, prompt included. Penalty, temperature, then top-k, top-p and min-p.
std::int32_t sample(std::span<const float> logits, const Sampling& sampling, std::span<const std::int32_t> history,
                    std::uint64_t sequence);
// The same token, from candidates in any order.
std::int32_t sample(std::span<const Best> candidates, const Sampling& sampling, std::span<const std::int32_t> history,
                    std::uint64_t sequence);

}  // namespace tsrun
