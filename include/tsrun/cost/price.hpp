// What a program costs on a chip: every term sits on the step where it arises, and a pass is the sum of its steps.
//
//   product       2-norm of compute and traffic of weights, then passes over the activations that go in and come out
//   attention     compute, then the cache read once
//   collective    its rounds, and the time of a call
//   both at once  the longer of the two, or chunk by chunk (Fused), over the axes that the chip overlaps
// Source: paper section 2 (compute, memory, communication); which terms meet how is what fits its measurements best
// (validate.hpp).
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "tsrun/core/dtype.hpp"
#include "tsrun/cost/chip.hpp"
#include "tsrun/cost/walk_time.hpp"
#include "tsrun/program/program.hpp"

namespace tsrun {

// Seconds on one chip; all chips take the same steps.
struct StepPrice {
  double compute_s = 0;                // of products and attention, were nothing else to do
  double memory_s = 0;                 // of reading weights, cache and activations, were nothing else to do
  double passes_s = 0;                 // of them passes over activations, beside which nothing runs
  double communication_s = 0;          // of bytes on the fullest link
  double exposed_communication_s = 0;  // of them those that no product hides
  double latency_s = 0;                // hops and calls
  double time_s = 0;                   // of the whole step
  double flops = 0;
  StepPrice& operator+=(const StepPrice& other);
  StepPrice times(double n) const;
};

// What takes most of a pass, or of a step.
enum class Bound : std::uint8_t { compute, memory, communication, latency };
std::string_view name(Bound bound);
Bound bound_of(const StepPrice& price);

struct PassPrice {
  std::vector<StepPrice> steps;  // as the program's
  StepPrice layers;              // sum of the steps of layers
  StepPrice outside;  // of the others; where the chip says what a pass takes outside its layers, that and the
                      // product with the unembedding
  double time_s() const { return layers.time_s + outside.time_s; }
};

// `held` says what each weight is held as, `kv` the cache.
PassPrice price(const Program& program, const Chip& chip, const std::function<DType(const WeightUse&)>& held, DType kv);
// The same, with the walks that are known already.
PassPrice price(const Program& program, const Chip& chip, const std::function<DType(const WeightUse&)>& held, DType kv,
                WalkLoads& walks);

// Model FLOPs utilisation as the paper counts it: two FLOPs per parameter and token that is asked for, against the peak
// of all chips in bf16.
double mfu(double parameters, double tokens, double seconds, int chips, const Chip& chip);

}  // namespace tsrun
