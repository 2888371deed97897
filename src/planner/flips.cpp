// Where another layout is chosen: one quantity at a time goes up and down by powers of two until it is.
#include <cmath>
#include <functional>

#include "tsrun/planner/candidates.hpp"

namespace tsrun {
namespace {

struct Quantity {
  const char* name;
  double now;
  double least, most;
  std::function<void(Choices&, Work&, double)> set;
};

std::vector<Quantity> quantities(const Choices& choices, const Work& work) {
  const Chip& chip = choices.chips[0];
  const auto whole = [](double v) { return static_cast<std::int64_t>(std::llround(v)); };
  const auto each_chip = [](Choices& c, double Chip::*field, double v) {
    for (Chip& one : c.chips) one.*field = v;
  };
  // clang-format off: a table
  std::vector<Quantity> all = {
      {"batch", static_cast<double>(work.batch), 1, 1 << 16, [=](Choices&, Work& w, double v) { w.batch = whole(v); }},
      {"alpha", chip.alpha_s, chip.alpha_s / 64, chip.alpha_s * 64,
       [=](Choices& c, Work&, double v) { each_chip(c, &Chip::alpha_s, v); }},
      {"bandwidth", chip.link_bytes_per_s, chip.link_bytes_per_s / 64, chip.link_bytes_per_s * 64,
       [=](Choices& c, Work&, double v) { each_chip(c, &Chip::link_bytes_per_s, v); }}};
  if (work.phase == Phase::decode)
    all.push_back({"context", static_cast<double>(work.context), 64, 1 << 22,
                   [=](Choices&, Work& w, double v) { w.context = whole(v); }});
  else
    all.push_back({"prompt", static_cast<double>(work.tokens), 1, 1 << 20,
                   [=](Choices&, Work& w, double v) { w.tokens = whole(v); }});
  // clang-format on
  return all;
}

enum class Way : std::int8_t { down = -1, up = 1 };

// The powers of two that are tried, the nearest first. Their exponents are counted: a value that is doubled may become
// infinite, or 0 on the way down, and stays within limits that are as well.
std::vector<double> tried(const Quantity& q, Way way) {
  constexpr int most = 24;  // from the smallest limit to the largest
  const double exponent = std::log2(q.now);
  const auto first = static_cast<int>(way == Way::down ? std::ceil(exponent) - 1 : std::floor(exponent) + 1);
  std::vector<double> values;
  for (int i = 0; i < most; ++i) {
    const double value = std::exp2(first + static_cast<int>(way) * i);
    if (value >= q.least && value <= q.most) values.push_back(value);
  }
  return values;
}

// What would be chosen of everything that can be lowered: whether it still fits the memory is another question.
std::optional<Layout> layout_at(Choices choices, Work work, const Quantity& q, double value, WalkLoads& walks) {
  q.set(choices, work, value);
  for (Chip& chip : choices.chips) chip.memory_bytes = INFINITY;
  work.limit_s.reset();
  const Contest contest{work, candidates(choices, work, walks)};
  const std::optional<Choice> choice = choose(choices, contest);
  if (!choice) return {};
  return contest.candidates[choice->best].layout;
}

}  // namespace

std::vector<Flip> flips(const Choices& choices, const Work& work, const Candidate& chosen, WalkLoads& walks) {
  Choices here = choices;
  here.tori = {chosen.torus};
  here.weights = {chosen.weights};
  here.chips = {choices.chips[chosen.chip]};
  std::vector<Flip> found;
  for (const Quantity& q : quantities(here, work)) {
    if (!(q.now > 0)) continue;
    for (const Way way : {Way::down, Way::up})
      for (const double value : tried(q, way)) {
        const std::optional<Layout> to = layout_at(here, work, q, value, walks);
        if (!to || to_text(*to) == to_text(chosen.layout)) continue;
        found.push_back({q.name, value, *to});
        break;
      }
  }
  return found;
}

}  // namespace tsrun
