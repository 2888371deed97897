#include "tsrun/planner/decide.hpp"

#include <algorithm>
#include <cmath>

#include "tsrun/core/text.hpp"

namespace tsrun {
namespace {

// Settled layouts come first: of layouts that cut alike on a torus the first stands for all.
Choices with_settled(Choices choices, const Settled& settled) {
  for (const Phase phase : {Phase::decode, Phase::prefill})
    if (const auto& layout = settled.of(phase)) choices.layouts.insert(choices.layouts.begin(), *layout);
  return choices;
}

std::string way(const Candidate& c) {
  return text(to_text(c.layout), " on ", to_text(c.torus), " in ", name(c.weights));
}

Error too_large(const Contest& contest, const Candidate& least, double has) {
  const auto needs = static_cast<double>(least.memory.peak());
  return {Exit::goal,
          {.what = text("no way of ", name(contest.work.phase), " fits the chips"),
           .where = "memory",
           .numbers = {{"the least", way(least)},
                       {"a chip needs", human_bytes(needs)},
                       {"it has", human_bytes(has)},
                       {"weights", human_bytes(static_cast<double>(least.memory.weights))},
                       {"cache", human_bytes(static_cast<double>(least.memory.kv))},
                       {"missing", human_bytes(needs - has)}},
           .next = text("take about ", static_cast<std::int64_t>(std::ceil(needs / has)),
                        " times as many chips, a smaller batch or context, or narrower types")}};
}

Error too_slow(const Contest& contest, const Candidate& fastest) {
  const double limit = *contest.work.limit_s;
  return {Exit::goal,
          {.what = text("no way of ", name(contest.work.phase), " meets the latency limit"),
           .where = "--max-latency-ms",
           .numbers = {{"the fastest", way(fastest)},
                       {"takes", human_seconds(fastest.time_s())},
                       {"limit", human_seconds(limit)},
                       {"over it by", human_seconds(fastest.time_s() - limit)}},
           .next = "raise the limit, take another number of chips or a smaller batch, or narrower types"}};
}

// The reason of the phase's contest alone, if there is one.
std::optional<Error> cannot_win(const Choices& choices, const Contest& contest) {
  const Candidate *least = nullptr, *fastest = nullptr;
  std::string impossible;
  for (const Candidate& c : contest.candidates) {
    if (contest.can_win(c)) return {};
    if (contest.settled && !cut_alike(c.torus, *contest.settled, c.layout)) continue;
    if (!c.is_priced()) {
      impossible = c.rejected;
      continue;
    }
    if (least == nullptr || c.memory.peak() < least->memory.peak()) least = &c;
    const bool has_room = static_cast<double>(c.memory.peak()) <= choices.chips[c.chip].memory_bytes;
    if (has_room && (fastest == nullptr || c.time_s() < fastest->time_s())) fastest = &c;
  }
  if (fastest != nullptr) return too_slow(contest, *fastest);
  if (least != nullptr) return too_large(contest, *least, choices.chips[least->chip].memory_bytes);
  return Error(Exit::goal, {.what = text("no layout of ", name(contest.work.phase), " can be lowered: ", impossible),
                            .where = "--layout",
                            .next = "state another layout, or leave it out"});
}

}  // namespace

bool Answer::is_complete() const {
  return std::all_of(phases.begin(), phases.end(), [](const PhaseAnswer& p) { return p.choice.has_value(); });
}

const PhaseAnswer* Answer::of(Phase phase) const {
  for (const PhaseAnswer& p : phases)
    if (p.contest.work.phase == phase) return &p;
  return nullptr;
}

Answer decide(const Question& question, WalkLoads& walks) {
  const Choices choices = with_settled(question.choices, question.settled);
  Answer answer;
  for (const Work& work : question.works)
    answer.phases.push_back({{work, candidates(choices, work, walks), question.settled.of(work.phase)}, {}});
  if (answer.phases.size() == 1) {
    answer.phases[0].choice = choose(choices, answer.phases[0].contest);
  } else if (const auto both = choose_both(choices, answer.phases[0].contest, answer.phases[1].contest)) {
    answer.phases[0].choice = both->prefill;
    answer.phases[1].choice = both->decode;
  }
  return answer;
}

Error cannot(const Question& question, const Answer& answer) {
  for (const PhaseAnswer& phase : answer.phases)
    if (auto reason = cannot_win(question.choices, phase.contest)) return *std::move(reason);
  return {Exit::goal,
          {.what = "prefill and decode can each be done, but not over one copy of the weights",
           .where = question.settled.prefill || question.settled.decode ? "--layout" : "memory",
           .next = "state layouts that store the weights alike: a wg_ layout goes with ws2d, and with @1d "
                   "after its name with ws1d"}};
}

}  // namespace tsrun
