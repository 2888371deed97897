// From a model, a torus, a layout and the shape of a pass to the steps of one chip.
//
// Pure: no MPI, any torus size. One program serves all layouts, for the axis sets A, B, G and N (layout.hpp) say what each
// step moves; over a set without axes it moves nothing and is left out. Source: paper sections 3.2 to 3.4 and its appendix A.
#pragma once

#include "tsrun/program/program.hpp"

namespace tsrun {

// Refuses (exit 2) a layout whose steps are not built, naming the nearest that is.
Program lower(const ModelConfig& config, const Torus& torus, const Layout& layout, const PassShape& shape,
              const Schedules& schedules = {});

}  // namespace tsrun
