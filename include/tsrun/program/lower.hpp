// From a model, a torus, a layout and the shape of a pass to the steps of one chip.
//
// Pure: no MPI, any torus size. The steps are those of programs.md sections 2 to 5 over the axis sets A and B.
#pragma once

#include "tsrun/program/program.hpp"

namespace tsrun {

// Refuses (exit 2) a layout whose steps are not built, naming the nearest that is.
Program lower(const ModelConfig& config, const Torus& torus, const Layout& layout, const PassShape& shape,
              const Schedules& schedules = {});

}  // namespace tsrun
