// The chip whose costs the planner uses, from the options --chip, --schedules and --wrap.
#pragma once

#include <string>
#include <vector>

#include "arguments.hpp"
#include "tsrun/cost/chip.hpp"

namespace tsrun::cli {

// The chip of `--chip` with `--wrap` and `--schedules` applied: one entry, or with `--schedules any` one for each way
// in which its software could move activations and multiply. "host" is $TSRUN_CHIP, else ./host.json, else that of the
// user's cache folder, else the figures that come with tsrun.
std::vector<Chip> chip_option(const Arguments& arguments, const std::string& otherwise);
// What it keeps to, in a line.
std::string software_note(const Arguments& arguments, const std::vector<Chip>& chips);

}  // namespace tsrun::cli
