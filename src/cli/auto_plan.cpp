#include "auto_plan.hpp"

#include <algorithm>
#include <cmath>

#include "chip_options.hpp"
#include "plan_question.hpp"
#include "plan_report.hpp"
#include "tsrun/core/integer.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun::cli {
namespace {

// Most weights of a layer are those of the feed-forward; their type prices the others too.
DType held_mostly(const ModelFile& file, const Plan& plan) {
  return held_type(file.tensor(Weight::ffn_in, 0), plan.weights);
}

// Prefill as passes that are all alike, half of the longest prompt behind them where it takes several; decode at the
// middle of its growth.
std::vector<Work> works_of(const Plan& plan, const RunWork& run) {
  const std::int64_t rows = std::min(plan.sequences, std::max<std::int64_t>(1, run.sequences));
  const auto [together, length] = prefill_pass(plan, rows, run.longest);
  const std::int64_t passes = std::max<std::int64_t>(1, ceil_div(run.tokens, together * length));
  std::vector<Work> works = {
      {Phase::prefill, together, length, run.longest > length ? run.longest / 2 : 0, passes, plan.context}};
  if (run.grow > 0)
    works.push_back({Phase::decode, rows, 1, run.longest + run.grow / 2,
                     run.grow * std::max<std::int64_t>(1, ceil_div(run.sequences, rows)), plan.context});
  return works;
}

std::string why(const PhaseAnswer& phase) {
  const Candidate& c = *phase.chosen();
  if (phase.contest.settled) return "asked for";
  std::string words = why_in_words(c);
  if (const Candidate* const next = phase.next())
    words += text(" Next is ", to_text(next->layout), ": ", human_seconds(next->time_s()), " against ",
                  human_seconds(c.time_s()), phase.choice->is_close() ? ", too close to call." : ".");
  return words;
}

constexpr ScheduleName Schedules::*kinds[] = {
    &Schedules::all_gather, &Schedules::reduce_scatter, &Schedules::reduce_scatter_tokens,
    &Schedules::all_reduce, &Schedules::all_to_all,     &Schedules::gather_weights};

Json to_json(const std::optional<double>& seconds) { return seconds ? Json(*seconds) : Json(); }
std::optional<double> seconds_of(const Json& json) {
  return json.is_null() ? std::nullopt : std::optional(json.get<double>());
}

Question question_of(const Arguments& arguments, const ModelFile& file, const Plan& plan, const RunWork& run, int ranks,
                     const std::optional<Torus>& mesh, const RankRoom& room) {
  Question question;
  question.choices = {file.config(),
                      chips_of_run(arguments),
                      mesh ? std::vector<Torus>{*mesh} : tori_of(ranks),
                      named_layouts(),
                      {held_mostly(file, plan)},
                      plan.kv,
                      room.window};
  question.works = works_of(plan, run);
  objective_option(arguments);  // of one batch on one number of chips every objective asks for the fastest
  question.works.back().limit_s = latency_limit(arguments);
  for (Chip& chip : question.choices.chips)
    if (room.bytes > 0) chip.memory_bytes = static_cast<double>(room.bytes);
  return question;
}

}  // namespace

RunWork work_of(const std::vector<std::vector<std::int32_t>>& prompts, std::int64_t grow) {
  RunWork work{.sequences = std::ssize(prompts), .tokens = 0, .longest = 1, .grow = grow};
  for (const auto& ids : prompts) {
    work.tokens += std::ssize(ids);
    work.longest = std::max(work.longest, std::ssize(ids));
  }
  return work;
}

std::vector<Chip> chips_of_run(const Arguments& arguments) {
  std::vector<Chip> chips = chip_option(arguments, "host");
  const Schedules own;
  for (Chip& chip : chips) {
    chip.kv = KvStorage::columns;
    chip.released_heads = chip.q_through_heads = false;
    // A cut through a block falls between its tokens: a token's sums would depend on how many there are.
    if (cuts_blocks(chip.schedules.reduce_scatter)) chip.schedules.reduce_scatter = ScheduleName::latency;
    if (arguments.text("schedules", "chip") != "chip") continue;
    chip.schedules.all_reduce = own.all_reduce;
    chip.schedules.reduce_scatter_tokens = own.reduce_scatter_tokens;
  }
  return chips;
}

Decision decide_run(const Arguments& arguments, const ModelFile& file, const Plan& plan, const RunWork& run, int ranks,
                    const std::optional<Torus>& mesh, const Settled& settled, const RankRoom& room) {
  Question question = question_of(arguments, file, plan, run, ranks, mesh, room);
  question.settled = settled;
  WalkLoads walks;
  Answer answer = decide(question, walks);
  if (!answer.is_complete() && question.works.back().limit_s) throw cannot(question, answer);
  if (!answer.is_complete()) {
    // The engine, which knows each weight and buffer, says what is missing.
    for (Chip& chip : question.choices.chips) chip.memory_bytes = INFINITY;
    answer = decide(question, walks);
  }
  const Chip& first = question.choices.chips[0];
  Decision decision{.torus = question.choices.tori[0],
                    .prefill = {},
                    .decode = {},
                    .schedules = first.schedules,
                    .chip = first.name,
                    .measured = first.calibrated,
                    .why_prefill = "asked for",
                    .why_decode = "asked for",
                    .prefill_s = {},
                    .step_s = {}};
  if (!answer.is_complete()) {  // what is stated cannot be: the engine refuses it with the nearest that can
    const Layout any = settled.decode    ? *settled.decode
                       : settled.prefill ? *settled.prefill
                                         : parse_layout("ws2d/head");
    decision.prefill = settled.prefill.value_or(any);
    decision.decode = settled.decode.value_or(any);
    return decision;
  }
  const PhaseAnswer& prefill = *answer.of(Phase::prefill);
  const PhaseAnswer* const decode = answer.of(Phase::decode);
  decision.torus = prefill.chosen()->torus;
  decision.schedules = question.choices.chips[prefill.chosen()->chip].schedules;
  decision.prefill = settled.prefill.value_or(prefill.chosen()->layout);
  decision.decode = settled.decode.value_or(decode != nullptr ? decode->chosen()->layout : decision.prefill);
  decision.why_prefill = why(prefill);
  decision.why_decode = decode != nullptr ? why(*decode) : "there is no decode";
  decision.prefill_s = prefill.chosen()->time_s() * static_cast<double>(prefill.contest.work.passes);
  if (decode != nullptr) decision.step_s = decode->chosen()->time_s();
  return decision;
}

std::vector<Decision> fastest_runs(const Arguments& arguments, const ModelFile& file, const Plan& plan,
                                   const RunWork& run, int ranks, const std::optional<Torus>& mesh,
                                   const RankRoom& room, std::size_t count) {
  const Question question = question_of(arguments, file, plan, run, ranks, mesh, room);
  WalkLoads walks;
  std::vector<Decision> best;
  for (const Candidate& c : candidates(question.choices, question.works.back(), walks)) {
    if (!c.fits() || best.size() == count) break;
    const Chip& chip = question.choices.chips[c.chip];
    best.push_back({.torus = c.torus,
                    .prefill = c.layout,
                    .decode = c.layout,
                    .schedules = chip.schedules,
                    .chip = chip.name,
                    .measured = chip.calibrated,
                    .why_prefill = "compared",
                    .why_decode = "compared",
                    .prefill_s = {},
                    .step_s = {}});
  }
  return best;
}

PrefillPass prefill_pass(const Plan& plan, std::int64_t sequences, std::int64_t tokens) {
  const std::int64_t length = std::min(tokens, plan.chunk);
  return {std::min(plan.prefill_rows(length), sequences), length};
}

double predicted_pass_s(const ModelFile& file, const Plan& plan, Chip chip, const PassShape& shape) {
  chip.schedules = plan.schedules;
  WalkLoads walks;
  const Layout& layout = shape.phase == Phase::prefill ? plan.prefill : plan.decode;
  return price_pass(lower_pass(file.config(), chip, plan.torus, layout, shape), chip, held_mostly(file, plan), plan.kv,
                    walks)
      .time_s();
}

std::string to_wire(const Decision& d) {
  Json wire = {{"mesh", to_text(d.torus)},    {"prefill", to_text(d.prefill)},
               {"decode", to_text(d.decode)}, {"chip", d.chip},
               {"measured", d.measured},      {"why_prefill", d.why_prefill},
               {"why_decode", d.why_decode},  {"prefill_s", to_json(d.prefill_s)},
               {"step_s", to_json(d.step_s)}, {"schedules", Json::array()}};
  for (const auto kind : kinds) wire["schedules"].push_back(static_cast<int>(d.schedules.*kind));
  return wire.dump();
}

Decision from_wire(const std::string& text) {
  const Json wire = Json::parse(text);
  Decision d{.torus = parse_torus(wire["mesh"].get<std::string>()),
             .prefill = parse_layout(wire["prefill"].get<std::string>()),
             .decode = parse_layout(wire["decode"].get<std::string>()),
             .schedules = {},
             .chip = wire["chip"],
             .measured = wire["measured"],
             .why_prefill = wire["why_prefill"],
             .why_decode = wire["why_decode"],
             .prefill_s = seconds_of(wire["prefill_s"]),
             .step_s = seconds_of(wire["step_s"])};
  for (std::size_t i = 0; i < std::size(kinds); ++i)
    d.schedules.*kinds[i] = static_cast<ScheduleName>(wire["schedules"][i].get<int>());
  return d;
}

}  // namespace tsrun::cli
