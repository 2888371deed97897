// What a run leaves open, mesh and layouts, asked of the planner: by rank 0, for all.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "console.hpp"
#include "tsrun/cost/chip.hpp"
#include "tsrun/engine/engine.hpp"
#include "tsrun/planner/decide.hpp"

namespace tsrun::cli {

// What a run has to do.
struct RunWork {
  std::int64_t sequences = 1;
  std::int64_t tokens = 0;   // of all prompts
  std::int64_t longest = 1;  // prompt
  std::int64_t grow = 0;     // new tokens of each sequence; 0: there is no decode
  std::optional<std::int64_t> slots = {};  // of the cache, whatever --batch says
  const char* shorter = "shorten the prompt, or lower -n";  // what to do where it is too long, in the command's words
};

RunWork work_of(const std::vector<std::vector<std::int32_t>>& prompts, std::int64_t grow);

// What was decided, the same on every rank.
struct Decision {
  Torus torus;
  Layout prefill, decode;
  Schedules schedules;
  std::string chip;       // whose costs decided
  bool measured = false;  // on that chip, not taken from data sheets
  std::string why_prefill, why_decode;
  std::optional<double> prefill_s, step_s;  // predicted; nothing where the planner was not needed or knows no way
};

// What a rank may take of its host's memory, and what it takes of that beside its weights while it loads.
struct RankRoom {
  std::int64_t bytes = 0;  // 0: nobody knows
  std::int64_t window = 0;
};

// `plan` holds what is stated or has no choice: types, slots, context, chunk. `settled` and `mesh` are not asked about.
// Throws (exit 3) where a limit cannot be met.
Decision decide_run(const Arguments& arguments, const ModelFile& file, const Plan& plan, const RunWork& work, int ranks,
                    const std::optional<Torus>& mesh, const Settled& settled, const RankRoom& room);

// The fastest ways by prediction, each for both phases: `count` of them, or as many as there are. Ordered by the last
// phase of the work.
std::vector<Decision> fastest_runs(const Arguments& arguments, const ModelFile& file, const Plan& plan,
                                   const RunWork& work, int ranks, const std::optional<Torus>& mesh,
                                   const RankRoom& room, std::size_t count);

// The passes, all alike, in which the engine prefills prompts of so many tokens each (generate.hpp, next_pass).
struct PrefillPass {
  std::int64_t rows = 1, length = 1;  // sequences together, and tokens of each
};
PrefillPass prefill_pass(const Plan& plan, std::int64_t sequences, std::int64_t tokens);

// A pass of the plan, priced as it is run.
double predicted_pass_s(const ModelFile& file, const Plan& plan, Chip chip, const PassShape& shape);

std::string to_wire(const Decision& decision);
Decision from_wire(const std::string& text);

// The chips of the options as their costs apply to what this runtime does: its own program, token sums in the order of
// the chips.
std::vector<Chip> chips_of_run(const Arguments& arguments);

}  // namespace tsrun::cli
