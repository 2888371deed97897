// The answer of `plan` for programs.
#include "plan_report.hpp"

namespace tsrun::cli {
namespace {

static_assert(sizeof(Schedules) == 6 * sizeof(ScheduleName),
              "a new schedule is written here too, and told to other ranks in auto_plan.cpp");
Json schedules_json(const Schedules& s) {
  return {{"all_gather", name(s.all_gather)},         {"reduce_scatter", name(s.reduce_scatter)},
          {"all_reduce", name(s.all_reduce)},         {"all_to_all", name(s.all_to_all)},
          {"gather_weights", name(s.gather_weights)}, {"reduce_scatter_tokens", name(s.reduce_scatter_tokens)}};
}

class Writer {
 public:
  explicit Writer(const PlanQuestion& q) : q_(q), choices_(q.question.choices) {}

  Json candidate(const Work& work, const Candidate& c) {
    Json out = {{"phase", name(work.phase)}, {"mesh", {c.torus.X, c.torus.Y, c.torus.Z}},
                {"ffn", ffn_name(c.layout)}, {"attention", attention_name(c.layout)},
                {"dtype", name(c.weights)},  {"batch", work.batch},
                {"context", work.context}};
    if (c.is_priced()) add_price(out, work, c);
    else
      for (const char* field : {"time_s", "time_low_s", "time_high_s", "phase_time_s", "mfu", "cost_chip_s_per_token",
                                "compute_s", "memory_s", "communication_s", "exposed_communication_s", "latency_s",
                                "bytes_per_chip", "memory_bytes_per_chip", "max_context"})
        out[field] = nullptr;
    out["fits"] = c.fits();
    out["rejected"] = c.fits() ? Json() : Json(c.rejected);
    out["schedules"] = schedules_json(choices_.chips[c.chip].schedules);
    return out;
  }

 private:
  void add_price(Json& out, const Work& work, const Candidate& c) {
    const Chip& chip = choices_.chips[c.chip];
    const StepPrice p = c.cost.all();
    const auto on = [&](const Chip& other) {
      return price_pass(c.pass, other, c.weights, choices_.kv, walks_).time_s();
    };
    out["time_s"] = c.time_s();
    out["time_low_s"] = on(optimistic(chip));
    out["time_high_s"] = on(pessimistic(chip));
    out["phase_time_s"] = c.time_s() * static_cast<double>(work.passes);
    out["mfu"] =
        mfu(static_cast<double>(choices_.config.parameters()), work.tokens_in_pass(), c.time_s(), c.torus.size(), chip);
    out["cost_chip_s_per_token"] = cost_per_token(work, c);
    out["compute_s"] = p.compute_s;
    out["memory_s"] = p.memory_s;
    out["activation_passes_s"] = p.passes_s;
    out["communication_s"] = p.communication_s;
    out["exposed_communication_s"] = p.exposed_communication_s;
    out["latency_s"] = p.latency_s;
    out["bytes_per_chip"] = bytes_per_chip(choices_, c);
    out["memory_bytes_per_chip"] = c.memory.peak();
    out["max_context"] = longest_context(choices_, work, c, q_.kv_fraction);
  }

  const PlanQuestion& q_;
  const Choices& choices_;
  WalkLoads walks_;
};

}  // namespace

void add_plan(Json& document, const PlanQuestion& q, const Answer& answer, const Flips& flips, std::int64_t top) {
  Writer writer(q);
  document["model"] = q.model;
  document["chip"] = q.question.choices.chips[0].name;
  document["software"] = q.software;
  document["objective"] = name(q.objective);
  document["chosen"] = Json::object();
  document["candidates"] = Json::array();
  document["flips"] = Json::array();
  for (std::size_t i = 0; i < answer.phases.size(); ++i) {
    const PhaseAnswer& phase = answer.phases[i];
    const Work& work = phase.contest.work;
    const std::string of(name(work.phase));
    document["chosen"][of] = phase.choice ? writer.candidate(work, *phase.chosen()) : Json();
    if (phase.choice) {
      document["chosen"][of]["margin"] = phase.next() != nullptr ? Json(phase.choice->margin) : Json();
      document["chosen"][of]["too_close_to_call"] = phase.choice->is_close();
      document["chosen"][of]["why"] = why_in_words(*phase.chosen());
    }
    std::int64_t listed = 0;
    for (const Candidate& c : phase.contest.candidates) {
      const bool stated = phase.contest.settled && cut_alike(c.torus, *phase.contest.settled, c.layout);
      if (top == 0 || listed < top || stated) document["candidates"].push_back(writer.candidate(work, c));
      ++listed;
    }
    for (const Flip& flip : flips[i])
      document["flips"].push_back({{"phase", of},
                                   {"in", flip.in},
                                   {"at", flip.at},
                                   {"from", to_text(phase.chosen()->layout)},
                                   {"to", to_text(flip.to)}});
  }
}

}  // namespace tsrun::cli
