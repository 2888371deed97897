// The planner's answer to a question about one phase or both: all candidates, and what is chosen of them.
#pragma once

#include <optional>
#include <vector>

#include "tsrun/planner/candidates.hpp"

namespace tsrun {

// Layouts that are settled before anything is priced.
struct Settled {
  std::optional<Layout> prefill, decode;
  const std::optional<Layout>& of(Phase phase) const { return phase == Phase::prefill ? prefill : decode; }
};

struct Question {
  Choices choices;
  std::vector<Work> works;  // of prefill, of decode, or of both
  Settled settled;
};

struct PhaseAnswer {
  Contest contest;
  std::optional<Choice> choice;  // nothing where no candidate can be chosen

  const Candidate* chosen() const { return choice ? &contest.candidates[choice->best] : nullptr; }
  const Candidate* next() const { return choice && choice->next ? &contest.candidates[*choice->next] : nullptr; }
};

struct Answer {
  std::vector<PhaseAnswer> phases;  // as the works

  bool is_complete() const;
  const PhaseAnswer* of(Phase phase) const;
};

// Both phases are chosen together, over one copy of the weights.
Answer decide(const Question& question, WalkLoads& walks);

// Why there is no choice (exit 3): the candidate that comes nearest, and what it lacks.
Error cannot(const Question& question, const Answer& answer);

}  // namespace tsrun
