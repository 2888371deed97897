// What `plan` says: to people why a layout is chosen and what would change that, to programs every number.
#pragma once

#include <string>
#include <vector>

#include "console.hpp"
#include "plan_question.hpp"
#include "tsrun/planner/frontier.hpp"

namespace tsrun::cli {

// What would make another layout better, for each phase that has a choice.
using Flips = std::vector<std::vector<Flip>>;

std::string plan_text(const PlanQuestion& question, const Answer& answer, const Flips& flips, std::int64_t top);
// The chosen programs, a line a step, with bytes and predicted times.
std::string program_text(const PlanQuestion& question, const Answer& answer);

// "chosen", "candidates" (`top` of each phase; 0: all) and "flips".
void add_plan(Json& document, const PlanQuestion& question, const Answer& answer, const Flips& flips, std::int64_t top);

// Why a layout is as it is, in two or three sentences: what stays where, and what bounds it.
std::string why_in_words(const Candidate& candidate);

}  // namespace tsrun::cli
