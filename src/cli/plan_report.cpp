#include "plan_report.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <set>

#include "report_lines.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/cost/volume.hpp"
#include "tsrun/program/explain.hpp"
#include "tsrun/program/lower.hpp"

namespace tsrun::cli {
namespace {

std::string percent(double share) {
  std::array<char, 32> out{};
  std::snprintf(out.data(), out.size(), "%.0f %%", 100 * share);
  return out.data();
}
std::string way(const Candidate& c) { return text(to_text(c.layout), " on ", to_text(c.torus)); }

// Three digits: two times whose difference is told are not rounded to the same.
std::string seconds(double s) {
  std::array<char, 32> out{};
  const bool us = s < 1e-3, ms = s < 1;
  std::snprintf(out.data(), out.size(), "%.3g %s", us ? s * 1e6 : ms ? s * 1e3 : s, us ? "us" : ms ? "ms" : "s");
  return out.data();
}

// Seconds of a pass in which products read weights and attention its cache.
double at_work(const StepPrice& p) {
  return std::max(0.0, p.time_s - p.exposed_communication_s - p.latency_s - p.passes_s);
}

std::string work_text(const Work& work) {
  if (work.phase == Phase::prefill)
    return text("prefill of ", work.batch, work.batch == 1 ? " sequence" : " sequences", ", ", work.tokens,
                " new tokens each", work.context > 0 ? text(" on ", work.context, " cached") : "");
  return text("a decode step of ", work.batch, work.batch == 1 ? " sequence" : " sequences", " at context ",
              work.context);
}

std::string layout_in_words(const Layout& l, const Torus& torus) {
  const auto over = [&](AxisSet axes) { return to_text(axes & torus.cutting_axes()); };
  const std::string E = over(l.cut_E()), F = over(l.cut_F()), G = over(l.gathered), N = over(l.batch);
  std::string out;
  if (!G.empty()) out = text("Weights are gathered over ", G, " as they are needed and the tokens stay cut over ", G);
  else if (E.empty()) out = "Weights stay where they are, cut along F: every chip sees whole activations";
  else
    out = text("Weights stay where they are, cut along E over ", E, " and along F over ", F.empty() ? "nothing" : F,
               ": activations are gathered over ", F.empty() ? "nothing" : F, " and summed over ", E);
  out += N.empty() ? "; attention is cut over heads."
                   : text("; attention is cut over the sequences along ", N, ", so that a chip reads 1/",
                          torus.size(l.batch), " of the cache.");
  return out;
}

std::string bound_in_words(const StepPrice& p) {
  switch (bound_of(p)) {
    case Bound::latency: return "latency: hops and calls, not bytes";
    case Bound::communication: return "communication: bytes on the links";
    case Bound::memory:
      return p.passes_s > p.memory_s - p.passes_s ? "memory: passes over activations"
                                                  : "memory: reading weights and cache";
    case Bound::compute: return "compute: multiplying";
  }
  return "";
}

std::string resources_text(const StepPrice& p) {
  std::string out;
  const auto row = [&](const char* what, double of, const std::string& more) {
    out += line("    %-30s %9s  %5s   %s", what, seconds(of).c_str(), percent(of / p.time_s).c_str(), more.c_str());
  };
  row("products and attention", at_work(p),
      text("multiplying alone ", seconds(p.compute_s), ", reading weights and cache alone ",
           seconds(p.memory_s - p.passes_s)));
  row("passes over activations", p.passes_s, "norms, staging, sums");
  row("hops and calls of collectives", p.latency_s, "whatever their size");
  row("bytes that no product hides", p.exposed_communication_s,
      text("of ", seconds(p.communication_s), " on the links"));
  return out + "    bound by " + bound_in_words(p) + "\n";
}

std::string chosen_text(const PlanQuestion& q, const PhaseAnswer& phase) {
  const Choices& choices = q.question.choices;
  const Candidate& c = *phase.chosen();
  const Work& work = phase.contest.work;
  const Chip& chip = choices.chips[c.chip];
  WalkLoads walks;
  const auto time_on = [&](const Chip& other) {
    return price_pass(c.pass, other, c.weights, choices.kv, walks).time_s();
  };
  const double share =
      mfu(static_cast<double>(choices.config.parameters()), work.tokens_in_pass(), c.time_s(), c.torus.size(), chip);
  std::string out = line("  chosen     %s, weights in %s: %s (between %s and %s)", way(c).c_str(),
                         std::string(name(c.weights)).c_str(), seconds(c.time_s()).c_str(),
                         seconds(time_on(optimistic(chip))).c_str(), seconds(time_on(pessimistic(chip))).c_str());
  if (work.passes > 1)
    out += line("             %lld of them in %s", static_cast<long long>(work.passes),
                seconds(c.time_s() * static_cast<double>(work.passes)).c_str());
  out += line("             MFU %s, %.3g chip-seconds a token, %s sent by a chip", percent(share).c_str(),
              cost_per_token(work, c), bytes(bytes_per_chip(choices, c)).c_str());
  out += line("             a chip holds %s of %s: weights %s, cache %s; context up to %lld",
              bytes(c.memory.peak()).c_str(), bytes(chip.memory_bytes).c_str(), bytes(c.memory.weights).c_str(),
              bytes(c.memory.kv).c_str(), static_cast<long long>(longest_context(choices, work, c, q.kv_fraction)));
  return out + "  " + layout_in_words(c.layout, c.torus) + "\n  where the time goes\n" + resources_text(c.cost.all());
}

std::string next_text(const PlanQuestion& q, const PhaseAnswer& phase) {
  const Candidate* const next = phase.next();
  if (next == nullptr) return "  runner-up  none: no other layout can be chosen\n";
  const Candidate& best = *phase.chosen();
  const double margin = phase.choice->margin;
  const double sends = bytes_per_chip(q.question.choices, best), other = bytes_per_chip(q.question.choices, *next);
  std::string out =
      line("  runner-up  %s: %s, %.1f %% %s; a chip sends %s", way(*next).c_str(), seconds(next->time_s()).c_str(),
           100 * std::abs(margin), margin < 0 ? "faster" : "slower", bytes(other).c_str());
  if (phase.contest.settled) return out + "             the chosen layout was asked for\n";
  if (!phase.choice->is_close()) return out;
  out += line("             too close to call: the model is no better than %.0f %%.", 100 * close_call);
  return out + (sends <= other ? "             Of such ways the one that sends fewer bytes is taken: it gains as batch "
                                 "and chips grow.\n"
                               : "             It is taken for what it shares with the other phase.\n");
}

std::string flips_text(const std::vector<Flip>& flips) {
  if (flips.empty())
    return "  what would change it: no batch or length that was tried, nor hops or links up to 64 times slower or faster\n";
  std::string out = "  what would change it, one at a time\n";
  for (const Flip& f : flips) {
    const std::string at = f.in == "alpha"       ? seconds(f.at) + " a hop"
                           : f.in == "bandwidth" ? bytes(f.at) + "/s a link"
                                                 : text(static_cast<std::int64_t>(f.at));
    out += line("    %-10s %-16s %s", f.in.c_str(), at.c_str(), to_text(f.to).c_str());
  }
  return out;
}

// The best of each layout, then what cannot be chosen, each layout once.
std::string others_text(const PhaseAnswer& phase, std::int64_t top) {
  std::string out = "  candidates, each layout on its best torus\n", rejected;
  std::set<std::string> shown;
  std::int64_t listed = 0, refused = 0;
  for (const Candidate& c : phase.contest.candidates) {
    if (!shown.insert(to_text(c.layout)).second) continue;
    if (c.fits() && listed++ < top)
      out += line("    %-22s %9s   %9s a chip", way(c).c_str(), seconds(c.time_s()).c_str(),
                  bytes(c.memory.peak()).c_str());
    if (!c.fits() && refused++ < top) rejected += text("    ", way(c), ": ", c.rejected, "\n");
  }
  if (listed > top) out += text("    and ", listed - top, " more (--top)\n");
  if (listed == 0) out.clear();
  return rejected.empty() ? out : out + "  rejected\n" + rejected;
}

// One word of a command as a shell takes it, whatever is in it.
std::string shell_word(const std::string& word) {
  constexpr const char* plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./,:=@%+-";
  if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) return word;
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + "'";
}

// What is not said here a run takes as it is by default: what was asked for is said.
std::string command_text(const PlanQuestion& q, const Answer& answer) {
  const PhaseAnswer *prefill = answer.of(Phase::prefill), *decode = answer.of(Phase::decode);
  const Candidate& c = *(decode != nullptr ? decode : prefill)->chosen();
  const std::string layouts = prefill != nullptr && decode != nullptr
                                  ? text("prefill=", to_text(prefill->chosen()->layout), ",decode=", to_text(c.layout))
                                  : to_text(c.layout);
  std::string out = text("run it     mpirun -n ", c.torus.size(), " tsrun generate -m ",
                         q.model.ends_with(".h5") ? shell_word(q.model) : "MODEL.h5", " --mesh ", to_text(c.torus),
                         " --layout ", layouts, " --dtype ", name(c.weights), " --batch ",
                         answer.phases[0].contest.work.batch);
  for (const std::string& word : q.of_run) out += " " + shell_word(word);
  return out + "\n";
}

}  // namespace

std::string why_in_words(const Candidate& c) {
  return text(layout_in_words(c.layout, c.torus), " Bound by ", bound_in_words(c.cost.all()), ".");
}

std::string plan_text(const PlanQuestion& q, const Answer& answer, const Flips& flips, std::int64_t top) {
  const ModelConfig& config = q.question.choices.config;
  std::string out =
      line("%s, %.2f B parameters, on %d chips, cache in %s", q.model.c_str(),
           static_cast<double>(config.parameters()) / 1e9, q.chips, std::string(name(q.question.choices.kv)).c_str());
  out += text(q.software, "; times are of the model's clock\n");
  for (std::size_t i = 0; i < answer.phases.size(); ++i) {
    const PhaseAnswer& phase = answer.phases[i];
    out += "\n" + work_text(phase.contest.work) + "\n";
    if (phase.choice) out += chosen_text(q, phase) + next_text(q, phase) + flips_text(flips[i]);
    out += others_text(phase, top);
  }
  return answer.is_complete() ? out + "\n" + command_text(q, answer) : out;
}

std::string program_text(const PlanQuestion& q, const Answer& answer) {
  const Choices& choices = q.question.choices;
  std::string out;
  WalkLoads walks;
  for (const PhaseAnswer& phase : answer.phases) {
    if (!phase.choice) continue;
    const Candidate& c = *phase.chosen();
    const Chip& chip = choices.chips[c.chip];
    const auto held = [&](const WeightUse&) { return c.weights; };
    const Program program =
        lower(choices.config, c.torus, c.pass.program().layout, phase.contest.work.shape(), chip.schedules);
    const PassPrice priced = price(program, chip, held, choices.kv, walks);
    out += "\n" + explain(program, [&](const Step& step) {
             const auto i = static_cast<std::size_t>(&step - program.steps.data());
             const double moved =
                 communicates(step.op) ? sent_bytes(program, step, held, chip.activation_bytes) : 0;
             std::string note = moved > 0 ? bytes(moved) : "";
             note.resize(std::max<std::size_t>(note.size() + 2, 12), ' ');
             return priced.steps[i].time_s > 0 ? note + human_seconds(priced.steps[i].time_s) : note;
           });
  }
  return out;
}

}  // namespace tsrun::cli
