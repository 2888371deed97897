// tsrun plan: every way to cut the work over the chips, priced; the choice, why, and what would change it.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <thread>

#include "commands.hpp"
#include "pareto.hpp"
#include "plan_report.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun::cli {
namespace {

Flips flips_of(const PlanQuestion& q, const Answer& answer) {
  Flips all;
  WalkLoads walks;
  for (const PhaseAnswer& phase : answer.phases)
    all.push_back(phase.choice && !phase.contest.settled
                      ? flips(q.question.choices, phase.contest.work, *phase.chosen(), walks)
                      : std::vector<Flip>{});
  return all;
}

// The best offer by the objective, of decode where both phases are asked for.
const Offer* best_of(const std::vector<Offer>& all, const PlanQuestion& q) {
  const Phase phase = q.question.works.back().phase;
  const auto merit = [&](const Offer& o) {
    if (q.objective == Objective::latency) return o.time_s();
    return q.objective == Objective::cost ? o.cost : o.time_s() / o.work.tokens_in_pass();
  };
  const Offer* best = nullptr;
  for (const Offer& o : all)
    if (o.work.phase == phase && (best == nullptr || merit(o) < merit(*best))) best = &o;
  return best;
}

void run_sweep(const PlanQuestion& q, const Sweep& sweep, const Arguments& a, const Console& console, Json& document) {
  const auto threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  const std::vector<Offer> all = offers(q.question, sweep.chips, sweep.batches, threads);
  if (all.empty())
    give_up({.what = "nothing that was swept can be chosen: it does not fit, or is over the limit",
             .where = "--sweep",
             .next = "sweep more chips or smaller batches, raise the limit, or ask about one of them to learn more"});
  const Offer& best = *best_of(all, q);
  if (console.prints()) std::cout << "\n" << offers_text(all, best, q.objective);
  if (const auto path = a.text("pareto")) write_pareto(*path, q, all);
  document["sweep"] = Json::array();
  for (const Offer& o : all) document["sweep"].push_back(offer_json(o));
  document["best"] = offer_json(best);
}

}  // namespace

po::options_description plan_options() {
  po::options_description o("Plan");
  // clang-format off: a table
  o.add_options()
    ("model,m", po::value<std::string>()->value_name("NAME|config.json|FILE.h5"), "the model; names: data/models")
    ("chip", po::value<std::string>()->value_name("NAME|FILE"), "whose costs: tpu_v4 .. or a chip file (host)")
    ("chips", po::value<std::string>()->value_name("N"), "how many of them")
    ("mesh", po::value<std::string>()->value_name("XxYxZ|auto"), "their torus (auto: every one of N chips)")
    ("phase", po::value<std::string>()->value_name("PHASE"), "prefill, decode or both (both)")
    ("batch", po::value<std::string>()->value_name("B"), "sequences (1)")
    ("prompt", po::value<std::string>()->value_name("L"), "tokens of each prompt (2048)")
    ("generate", po::value<std::string>()->value_name("N"), "new tokens of each sequence (64)")
    ("context", po::value<std::string>()->value_name("C"), "cached positions (decode: prompt + generate/2; prefill: 0)")
    ("dtype", po::value<std::string>()->value_name("TYPE"), "of the weights: bf16 (default), int8, int4, f32, or a,b to choose from")
    ("kv-dtype", po::value<std::string>()->value_name("TYPE"), "of the cache: bf16 (default), f32, int8")
    ("layout", po::value<std::string>()->value_name("FFN/ATTN"), "as in generate; it is priced and listed even where it does not fit (auto)")
    ("objective", po::value<std::string>()->value_name("GOAL"), "latency (default), throughput or cost: what decides between batches and numbers of chips")
    ("max-latency-ms", po::value<std::string>()->value_name("MS"), "limit of a decode step, or of a prefill that is planned alone")
    ("schedules", po::value<std::string>()->value_name("chip|any|NAME"), "as the chip's software has them (default), free, or one for all")
    ("wrap", po::value<std::string>()->value_name("auto|all|none"), "whether the ends of an axis are joined (auto: the chip's rule)")
    ("kv-fraction", po::value<std::string>()->value_name("F"), "longest context for a cache of this share of memory (what is left)")
    ("top", po::value<std::string>()->value_name("K"), "candidates listed of each phase (10; in JSON all, unless given)")
    ("explain", po::bool_switch(), "print the chosen programs with bytes and predicted times")
    ("sweep", po::value<std::vector<std::string>>()->value_name("batch=1..1024|chips=8..256"), "go through these by doubling; may be given twice")
    ("pareto", po::value<std::string>()->value_name("FILE.csv|.svg|.html"), "write latency against cost of what was swept");
  // clang-format on
  return o.add(common_options());
}

int run_plan(const Arguments& a, const Console& console) {
  const auto start = std::chrono::steady_clock::now();
  const PlanQuestion q = plan_question(a);
  const std::optional<Sweep> sweep = sweep_option(a, q);
  if (const auto path = a.text("pareto")) require_picture(*path);
  const std::int64_t top = a.integer("top", 10, 1);
  Json document = envelope("plan", {});
  document["clock"] = "model";

  WalkLoads walks;
  const Answer answer = decide(q.question, walks);
  document["planned_s"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const Flips flips = flips_of(q, answer);
  if (console.prints()) std::cout << plan_text(q, answer, flips, top);
  if (console.prints() && a.flag("explain")) std::cout << program_text(q, answer);
  if (console.json_wanted()) add_plan(document, q, answer, flips, a.has("top") ? top : 0);
  if (sweep) {
    run_sweep(q, *sweep, a, console, document);
  } else if (!answer.is_complete()) {
    return console.fail(cannot(q.question, answer), std::move(document));
  }
  console.write(document);
  return 0;
}

}  // namespace tsrun::cli
