// How much a step moves, in elements, before any type is chosen.
//
// `moved_elements` is the size of what a collective works on. `volume` is what the paper's figures count of it: an
// all_reduce goes there and back. `sent` is what a chip really sends, read from the step's schedule: (K - 1) / K of the
// volume in a ring. Source: paper appendix A.1.
#pragma once

#include <cstdint>
#include <functional>

#include "tsrun/core/dtype.hpp"
#include "tsrun/program/program.hpp"

namespace tsrun {

// Gathered, unreduced or exchanged values of a chip, once; of a gather of weights, the weights that it gathers.
std::int64_t moved_elements(const Program& program, const Step& step);
std::int64_t volume(const Program& program, const Step& step);
double sent(const Program& program, const Step& step);  // mean over the chips
// The same in bytes: so many an activation, and weights with their scales, held as `held` says.
double sent_bytes(const Program& program, const Step& step, const std::function<DType(const WeightUse&)>& held,
                  std::int64_t element_bytes);

}  // namespace tsrun
