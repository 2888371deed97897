// The published measurements of data/paper as points.
#pragma once

#include <string>
#include <vector>

#include "tsrun/planner/validate.hpp"

namespace tsrun {

// Figures 1, 6, 7 and 8 (without its multihead column) and tables 2 and 3: 109 points. Refuses a file that lacks a
// column or has a cell that is not what its column holds, naming file, line and column.
std::vector<PublishedPoint> read_published(const std::string& folder);

}  // namespace tsrun
