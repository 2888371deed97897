#include "tsrun/planner/candidates.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "tsrun/core/text.hpp"

namespace tsrun {
namespace {

// The same for layouts that cut alike.
std::tuple<std::string, std::string, std::string> key_of(const Torus& torus, const Layout& l) {
  const AxisSet cutting = torus.cutting_axes();
  return {to_text(l.stored_E & cutting), to_text(l.gathered & cutting), to_text(l.batch & cutting)};
}

// Empty where it can.
std::string why_not(const Candidate& c, const Work& work, const Chip& chip) {
  const auto human = [](auto bytes) { return human_bytes(static_cast<double>(bytes)); };
  const Memory& m = c.memory;
  if (static_cast<double>(m.peak()) > chip.memory_bytes)
    return text("needs ", human(m.peak()), " a chip (weights ", human(m.weights), ", cache ", human(m.kv),
                "), which has ", human(chip.memory_bytes));
  if (work.limit_s && c.time_s() > *work.limit_s)
    return text("takes ", human_seconds(c.time_s()), ", over the limit of ", human_seconds(*work.limit_s));
  return {};
}

Candidate priced(const Choices& choices, const Work& work, const PassShape& shape, const Torus& torus,
                 const Layout& layout, DType weights, std::size_t chip, WalkLoads& walks) {
  Candidate c{torus, layout, weights, chip, {}, {}, {}, {}};
  Layout held = layout;
  held.quant_group = is_grouped(weights) ? static_cast<int>(group_size) : 1;
  try {
    c.pass = lower_pass(choices.config, choices.chips[chip], torus, held, shape);
  } catch (const Error& error) {
    c.rejected = error.complaint().what;
    return c;
  }
  c.cost = price_pass(c.pass, choices.chips[chip], weights, choices.kv, walks);
  c.memory = pass_memory(c.pass, weights, choices.kv, work.positions, choices.chips[chip].activation_bytes);
  c.memory.window = choices.window;
  c.rejected = why_not(c, work, choices.chips[chip]);
  return c;
}

int longest_axis(const Torus& t) { return std::max({t.X, t.Y, t.Z}); }

// Of equal times the more compact torus first.
bool is_better(const Candidate& a, const Candidate& b) {
  const auto rank = [](const Candidate& c) {
    return std::tuple(!c.fits(), !c.is_priced(), c.time_s(), longest_axis(c.torus));
  };
  return rank(a) < rank(b);
}

bool same_layout(const Candidate& a, const Candidate& b) {
  return ffn_name(a.layout) == ffn_name(b.layout) && a.layout.batch == b.layout.batch;
}

// Among those within a close call of the fastest, the one that sends least.
template <class Time, class Bytes>
std::size_t decided(std::size_t count, Time time, Bytes bytes) {
  std::size_t fastest = 0;
  for (std::size_t i = 1; i < count; ++i)
    if (time(i) < time(fastest)) fastest = i;
  std::size_t best = fastest;
  double least = bytes(fastest);
  for (std::size_t i = 0; i < count; ++i) {
    if (i == fastest || time(i) > time(fastest) * (1 + close_call)) continue;
    const double sent = bytes(i);
    if (sent < least * (1 - 1e-9) || (sent <= least * (1 + 1e-9) && time(i) < time(best))) best = i, least = sent;
  }
  return best;
}

void find_next(const std::vector<Candidate>& all, Choice& choice) {
  const Candidate& best = all[choice.best];
  for (std::size_t i = 0; i < all.size() && all[i].fits(); ++i)
    if (!same_layout(all[i], best)) {
      choice.next = i;
      choice.margin = all[i].time_s() / best.time_s() - 1;
      return;
    }
}

std::vector<std::size_t> that_can_win(const Contest& contest) {
  std::vector<std::size_t> some;
  for (std::size_t i = 0; i < contest.candidates.size(); ++i)
    if (contest.can_win(contest.candidates[i])) some.push_back(i);
  return some;
}

std::size_t best_of(const Choices& choices, const Contest& contest, const std::vector<std::size_t>& some) {
  const std::vector<Candidate>& all = contest.candidates;
  return some[decided(
      some.size(), [&](std::size_t i) { return all[some[i]].time_s(); },
      [&](std::size_t i) { return bytes_per_chip(choices, all[some[i]]); })];
}

}  // namespace

std::vector<Candidate> candidates(const Choices& choices, const Work& work, WalkLoads& walks) {
  std::vector<Candidate> all;
  const PassShape shape = work.shape();
  for (const Torus& torus : choices.tori) {
    std::set<std::tuple<std::string, std::string, std::string>> seen;
    for (const Layout& layout : choices.layouts)
      if (seen.insert(key_of(torus, layout)).second)
        for (const DType weights : choices.weights)
          for (std::size_t chip = 0; chip < choices.chips.size(); ++chip)
            all.push_back(priced(choices, work, shape, torus, layout, weights, chip, walks));
  }
  std::stable_sort(all.begin(), all.end(), is_better);
  return all;
}

double bytes_per_chip(const Choices& choices, const Candidate& c) {
  return bytes_sent(c.pass, c.weights, choices.chips[c.chip].activation_bytes);
}

double cost_per_token(const Work& work, const Candidate& c) {
  return c.torus.size() * c.time_s() / work.tokens_in_pass();
}

std::int64_t longest_context(const Choices& choices, const Work& work, const Candidate& c,
                             std::optional<double> share) {
  const double all = choices.chips[c.chip].memory_bytes;
  const auto others = static_cast<double>(c.memory.weights + c.memory.at_work() - c.memory.kv);
  const KvCut cut = kv_cut(choices.config, c.torus, c.pass.program().layout, work.batch);
  return max_context(choices.config, cut, choices.kv, share ? *share * all : std::max(0.0, all - others));
}

bool cut_alike(const Torus& torus, const Layout& a, const Layout& b) { return key_of(torus, a) == key_of(torus, b); }

std::optional<Choice> choose(const Choices& choices, const Contest& contest) {
  const std::vector<std::size_t> some = that_can_win(contest);
  if (some.empty()) return {};
  Choice choice;
  choice.best = best_of(choices, contest, some);
  find_next(contest.candidates, choice);
  return choice;
}

std::optional<PairChoice> choose_both(const Choices& choices, const Contest& prefill, const Contest& decode) {
  struct Pair {
    std::size_t prefill = 0, decode = 0;
  };
  // What both phases share: torus, types, software and the stored cut of the weights.
  using Storage = std::tuple<int, int, std::string, DType, std::size_t, KvStorage>;
  const auto storage = [](const Candidate& c) {
    return Storage{c.torus.X, c.torus.Y, to_text(c.layout.stored_E & c.torus.cutting_axes()),
                   c.weights, c.chip,    c.pass.program().layout.kv};
  };
  std::map<Storage, std::pair<std::vector<std::size_t>, std::vector<std::size_t>>> of;
  for (const std::size_t i : that_can_win(prefill)) of[storage(prefill.candidates[i])].first.push_back(i);
  for (const std::size_t i : that_can_win(decode)) of[storage(decode.candidates[i])].second.push_back(i);
  std::vector<Pair> pairs;  // of each storage
  for (const auto& [shared, sides] : of)
    if (!sides.first.empty() && !sides.second.empty())
      pairs.push_back({best_of(choices, prefill, sides.first), best_of(choices, decode, sides.second)});
  if (pairs.empty()) return {};
  const auto both = [&](double of_prefill, double of_decode) {
    return of_prefill * static_cast<double>(prefill.work.passes) + of_decode * static_cast<double>(decode.work.passes);
  };
  const Pair& best = pairs[decided(
      pairs.size(),
      [&](std::size_t i) {
        return both(prefill.candidates[pairs[i].prefill].time_s(), decode.candidates[pairs[i].decode].time_s());
      },
      [&](std::size_t i) {
        return both(bytes_per_chip(choices, prefill.candidates[pairs[i].prefill]),
                    bytes_per_chip(choices, decode.candidates[pairs[i].decode]));
      })];
  PairChoice choice;
  choice.prefill.best = best.prefill;
  choice.decode.best = best.decode;
  find_next(prefill.candidates, choice.prefill);
  find_next(decode.candidates, choice.decode);
  return choice;
}

Chip optimistic(Chip chip) {
  chip.alpha_s /= 2;
  chip.call_s /= 2;
  chip.efficiency = 1;
  return chip;
}

Chip pessimistic(Chip chip) {
  chip.alpha_s *= 2;
  chip.call_s *= 2;
  return chip;
}

}  // namespace tsrun
