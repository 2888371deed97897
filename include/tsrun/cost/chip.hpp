// A chip as the cost model sees it: what it could do, the few constants that say what it really does, and what its
// software does with a program.
//
// The constants: `efficiency` of its matrix units, memory and weight gathers, `alpha` a hop,
// `call` a collective, `passes` of memory traffic over every buffer of activations around a product. Files: data/chips.
#pragma once

#include <cstdint>
#include <string>

#include "tsrun/core/dtype.hpp"
#include "tsrun/layout/layout.hpp"
#include "tsrun/program/program.hpp"

namespace tsrun {

// Whether the ends of an axis are joined. A slice of TPU v4 gets its wraps from optical switches, and only when every
// axis is a multiple of four (Google Cloud, TPU v4 topologies).
enum class Wrap : std::uint8_t { never, always, all_axes_multiple_of_4 };

// How long a product with the communication beside it takes.
enum class Fused : std::uint8_t {
  max,     // the longer of the two
  chunked  // chunk by chunk: the rounds and the chunks beside them, and the chunk that no round is beside
};

struct Chip {
  std::string name;
  std::string source;       // for people: where the figures come from
  bool calibrated = false;  // the constants were fitted to measurements

  double bf16_flops = 0, int8_flops = 0, f32_flops = 0;  // a second; int8_flops where weights are int8
  double memory_bytes = 0;
  double memory_bytes_per_s = 0;
  double link_bytes_per_s = 0;  // of each link, in each direction
  Wrap wrap = Wrap::always;

  double efficiency = 1;
  double alpha_s = 0;  // a hop
  double call_s = 0;   // a collective
  double passes = 0;
  double pass_s = 0;  // a pass of the whole model, outside its layers
  int activation_bytes = 4;  // of a number between steps, as its software holds and sends it

  KvStorage kv = KvStorage::columns;
  bool released_heads = false;  // query heads padded as the code released with the paper does
  bool q_through_heads = false;
  Fused fused = Fused::chunked;
  AxisSet overlap = axes_xyz;  // axes whose movements run beside products
  Schedules schedules;

  bool wraps(const Torus& torus) const;
  double flops(DType weights) const;
};

}  // namespace tsrun
