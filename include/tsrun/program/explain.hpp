// The program as text: a line per step with partitions before and after. The first layer stands for all; of those that
// are not as it is the number is said.
#pragma once

#include <functional>
#include <string>

#include "tsrun/program/program.hpp"

namespace tsrun {

// `note` adds to each line what a caller knows about a step: bytes, seconds, counts.
std::string explain(const Program& program, const std::function<std::string(const Step&)>& note = {});

// "q k v": the values that a step writes, as reports name them.
std::string written(const Program& program, const Step& step);
// What a step that communicates moves: values, or weights.
std::string moved_names(const Program& program, const Step& step);

}  // namespace tsrun
