#include "report.hpp"

#include <algorithm>

#include "report_lines.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/cost/price.hpp"
#include "tsrun/cost/traffic.hpp"
#include "tsrun/cost/volume.hpp"
#include "tsrun/engine/host_memory.hpp"
#include "tsrun/program/explain.hpp"
#include "tsrun/program/lower.hpp"

namespace tsrun::cli {
namespace {

double percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1) + 0.5)];
}

double rate(double amount, double seconds) { return seconds > 0 ? amount / seconds : 0; }

}  // namespace

RankSpread spread_of(std::vector<double> of_ranks) {
  std::sort(of_ranks.begin(), of_ranks.end());
  return {of_ranks.front(), of_ranks[of_ranks.size() / 2], of_ranks.back()};
}

Json to_json(const RankSpread& s) { return {{"min", s.min}, {"median", s.median}, {"max", s.max}}; }

Json to_json(const Memory& m) {
  return {{"weights_bytes", m.weights},
          {"window_bytes", m.window},
          {"kv_bytes", m.kv},
          {"gathered_bytes", m.gathered},
          {"activation_bytes", m.of_pass()},
          {"predicted_peak_bytes", m.resident()}};
}

Json layout_json(const Layout& layout, const std::string& why) {
  return {{"ffn", ffn_name(layout)}, {"attention", attention_name(layout)}, {"why", why}};
}

std::string held_as(const Plan& plan) { return plan.weights ? std::string(name(*plan.weights)) : "auto"; }

RunFacts gather_facts(const Engine& engine, const Mesh& mesh) {
  RunFacts facts;
  facts.compute = spread_of(mesh.gather(engine.seconds().compute));
  facts.transfer = spread_of(mesh.gather(engine.seconds().transfer));
  facts.wait = spread_of(mesh.gather(engine.seconds().wait));
  facts.load = gather_load(engine, mesh);
  facts.peak_rss = mesh.max({peak_resident()})[0];
  for (const TrafficRow& row : engine.traffic()) {
    const auto sums = mesh.sum({row.bytes, row.predicted_bytes}), most = mesh.max({row.bytes, row.predicted_bytes});
    facts.traffic.push_back({row, static_cast<double>(sums[0]) / mesh.size(),
                             static_cast<double>(sums[1]) / mesh.size(), most[0], most[1]});
  }
  return facts;
}

void add_run(Json& out, const Engine& engine, const RunFacts& facts, const Decision& decision) {
  const Plan& plan = engine.plan();
  out["mesh"] = {plan.torus.X, plan.torus.Y, plan.torus.Z};
  out["dtype"] = held_as(plan);
  out["kv_dtype"] = name(plan.kv);
  out["chip"] = decision.chip;
  out["plan"] = {{"prefill", layout_json(plan.prefill, decision.why_prefill)},
                 {"decode", layout_json(plan.decode, decision.why_decode)}};
  out["traffic"] = Json::array();
  for (const RunFacts::Traffic& t : facts.traffic)
    out["traffic"].push_back({{"phase", name(t.row.phase)},
                              {"step", t.row.step},
                              {"tensor", t.row.tensor},
                              {"axis", std::string(1, letter(t.row.axis))},
                              {"direction", std::string(1, sign(t.row.direction))},
                              {"calls", t.row.calls},
                              {"messages", t.row.messages},
                              {"bytes_per_rank", t.bytes_mean},
                              {"bytes_per_rank_max", t.bytes_max},
                              {"predicted_bytes_per_rank", t.predicted_mean},
                              {"predicted_bytes_per_rank_max", t.predicted_max}});
  out["memory"] = to_json(engine.memory());
  out["memory"]["peak_rss_bytes"] = facts.peak_rss;
}

Json timing_json(const GenerateTiming& t, const RunFacts& facts) {
  Json timing = to_json(facts.load);
  timing.update(Json{
      {"prefill_s", t.prefill_s},
      {"prefill_tokens_per_s", rate(static_cast<double>(t.prefill_tokens), t.prefill_s)},
      {"ttft_s", t.ttft_s},
      {"decode_s", t.decode_s},
      {"decode_steps", t.decode_steps.size()},
      {"decode_tokens_per_s", rate(static_cast<double>(t.decode_tokens), t.decode_s)},
      {"tpot_ms", {{"p50", percentile(t.decode_steps, 0.5) * 1e3}, {"p95", percentile(t.decode_steps, 0.95) * 1e3}}},
      {"compute_s", to_json(facts.compute)},
      {"transfer_s", to_json(facts.transfer)},
      {"wait_s", to_json(facts.wait)}});
  return timing;
}

std::string choice_text(const Plan& plan, const Decision& decision) {
  return text("mesh ", to_text(plan.torus), ", by the costs of ", decision.chip,
              decision.measured ? "" : " (defaults, not measured here: good for comparing, not for promising times)",
              "\n  prefill ", to_text(plan.prefill),
              ": ", decision.why_prefill, "\n  decode ", to_text(plan.decode), ": ", decision.why_decode, "\n");
}

std::string explain_run(const Engine& engine, const RunFacts& facts, const Chip& chip) {
  const Plan& plan = engine.plan();
  std::string out;
  for (const Phase phase : {Phase::prefill, Phase::decode}) {
    const PassShape* const shape = engine.widest_pass(phase);
    if (shape == nullptr) continue;
    const Layout& layout = phase == Phase::prefill ? plan.prefill : plan.decode;
    const Program program = lower(engine.config(), plan.torus, layout, *shape, plan.schedules);
    const auto held = [&engine](const WeightUse& use) { return engine.held(use); };
    const PassPrice priced = price(program, chip, held, plan.kv);
    out += explain(program, [&](const Step& step) {
      const double predicted_s = priced.steps[static_cast<std::size_t>(&step - program.steps.data())].time_s;
      const std::string time = predicted_s > 0 ? text(human_seconds(predicted_s), " (", chip.name, ")") : "";
      if (!communicates(step.op)) return time;
      std::int64_t calls = 0;
      double counted = 0, predicted = 0;
      for (const RunFacts::Traffic& t : facts.traffic) {
        if (t.row.phase != phase || t.row.step != name(step.op) || t.row.tensor != moved_names(program, step)) continue;
        calls = std::max(calls, t.row.calls);
        counted += t.bytes_mean;
        predicted += t.predicted_mean;
      }
      return text(bytes(sent_bytes(program, step, held, engine_activation_bytes)), " a call, ", time, "; run: ", calls,
                  " calls, sent ", bytes(counted), ", predicted ", bytes(predicted));
    });
  }
  return out;
}

std::string report_text(const Engine& engine, const RunFacts& facts, const GenerateTiming& t, const JobFacts& job) {
  const Plan& plan = engine.plan();
  const Memory& m = engine.memory();
  std::string out = "\n";
  out += line("model      %s, %lld parameters, weights held as %s, cache as %s", engine.config().name.c_str(),
              static_cast<long long>(engine.config().parameters()),
              plan.weights ? std::string(name(*plan.weights)).c_str() : "stored", std::string(name(plan.kv)).c_str());
  out += line("mesh       %s: %d ranks on %d host%s, %d thread%s each%s", to_text(plan.torus).c_str(), job.ranks,
              job.hosts, job.hosts == 1 ? "" : "s", job.threads, job.threads == 1 ? "" : "s",
              placement_text(job).c_str());
  out += line("layouts    prefill %s, decode %s", to_text(plan.prefill).c_str(), to_text(plan.decode).c_str());
  out += text("load       ", load_text(facts.load), "\n");
  out += line("prefill    %lld tokens in %.3f s: %.1f tokens/s; first token after %.3f s",
              static_cast<long long>(t.prefill_tokens), t.prefill_s,
              rate(static_cast<double>(t.prefill_tokens), t.prefill_s), t.ttft_s);
  out +=
      line("decode     %lld tokens in %.3f s: %.1f tokens/s; a step %.2f ms (p50), %.2f ms (p95)",
           static_cast<long long>(t.decode_tokens), t.decode_s, rate(static_cast<double>(t.decode_tokens), t.decode_s),
           percentile(t.decode_steps, 0.5) * 1e3, percentile(t.decode_steps, 0.95) * 1e3);
  out += line("a rank     compute %.2f s, transfer %.2f s, wait %.2f s (medians)", facts.compute.median,
              facts.transfer.median, facts.wait.median);
  out += line("memory     of a rank: weights %s, cache %s, activations %s; predicted %s, peak resident %s",
              bytes(m.weights).c_str(), bytes(m.kv).c_str(), bytes(m.of_pass()).c_str(),
              bytes(m.resident()).c_str(), bytes(facts.peak_rss).c_str());
  if (!facts.traffic.empty())
    out += "sent       phase    step            tensors              link     calls   bytes of a rank   predicted\n";
  for (const RunFacts::Traffic& r : facts.traffic)
    out += line("           %-8s %-15s %-22s %c%c  %7lld  %16s  %10s", std::string(name(r.row.phase)).c_str(),
                r.row.step.c_str(), r.row.tensor.c_str(), sign(r.row.direction), letter(r.row.axis),
                static_cast<long long>(r.row.calls), bytes(r.bytes_mean).c_str(), bytes(r.predicted_mean).c_str());
  return out + "           (wall clock)\n";
}

}  // namespace tsrun::cli
