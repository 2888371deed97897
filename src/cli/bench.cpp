// tsrun bench: speed of prefill and decode, beside what the machine can do in the same sitting.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "bench_runs.hpp"
#include "commands.hpp"
#include "job.hpp"
#include "model_option.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun::cli {
namespace {

// "1,8,64"
std::vector<std::int64_t> numbers(const Arguments& a, const char* option, const char* otherwise, std::int64_t least) {
  std::vector<std::int64_t> list;
  for (const std::string& word : words_of(a.text(option, otherwise))) {
    const bool whole = !word.empty() && word.size() < 10 && word.find_first_not_of("0123456789") == std::string::npos;
    if (!whole || std::stoll(word) < least)
      refuse({.what = text("\"", word, "\" is not a value for it"),
              .where = text("--", option),
              .next = text("give whole numbers of at least ", least, ", separated by commas")});
    list.push_back(std::stoll(word));
  }
  return list;
}

// A file with weights, or made-up ones for a configuration.
std::unique_ptr<ModelFile> open_model(const Arguments& a) {
  const std::string given = a.required("model", "give the model file with -m FILE.h5, or a name with --random-weights");
  if (!a.flag("random-weights")) {
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(given, ignored))
      refuse({.what = "this is no model file",
              .where = given,
              .next = "make one with `tsrun convert`, or add --random-weights for a model by name or a folder"});
    return std::make_unique<ModelFile>(given);
  }
  return ModelFile::made_up(config_named(given), weights_option(a).value_or(DType::bf16));
}

std::vector<BenchTest> tests_of(const Arguments& a) {
  std::vector<BenchTest> tests;
  for (const std::int64_t depth : numbers(a, "depth", "0", 0))
    for (const std::int64_t batch : numbers(a, "batch", "1", 1))
      for (const auto& [phase, option, otherwise] :
           {std::tuple(Phase::prefill, "pp", "512"), std::tuple(Phase::decode, "tg", "128")})
        for (const std::int64_t tokens : numbers(a, option, otherwise, 0))
          if (tokens > 0) tests.push_back({phase, tokens, batch, depth});
  if (tests.empty())
    refuse({.what = "there is nothing to measure", .where = "bench", .next = "give --pp or --tg a number above 0"});
  return tests;
}

// A plan, and what was measured of it.
struct Measured {
  Plan plan;
  std::string why_prefill, why_decode;
  LoadFacts load;
  std::vector<BenchRow> rows;
  std::string program;  // for --explain
  double seconds() const {
    double all = 0;
    for (const BenchRow& row : rows) all += row.mean_s();
    return all;
  }
};

struct Sitting {
  const Job& job;
  Chip chip;  // whose costs predict
  BenchLimits limits;
  std::vector<Measured> plans;  // the chosen one first
  // Time of the chosen plan / least time - 1, over all tests; nothing where nothing was compared.
  std::optional<double> regret() const {
    if (plans.size() < 2) return {};
    double least = plans[0].seconds();
    for (const Measured& m : plans) least = std::min(least, m.seconds());
    return plans[0].seconds() / least - 1;
  }
};

// Of the passes that the test is made of, those of a prompt that takes several in the middle of it.
double predicted_tokens_per_s(const Sitting& s, const Plan& plan, const BenchTest& test) {
  const auto [rows, length] =
      test.phase == Phase::prefill ? prefill_pass(plan, test.batch, test.tokens) : PrefillPass{test.batch, 1};
  const std::int64_t context = test.depth + (test.tokens - length) / 2;
  const double pass_s = predicted_pass_s(s.job.file(), plan, s.chip,
                                         PassShape::uniform(test.phase, rows, length, context, Output::greedy));
  return static_cast<double>(rows * length) / pass_s;
}

// Shares of the limits, of the mean speed.
struct Shares {
  double mfu, bandwidth;
};
Shares shares_of(const BenchRow& row, const Sitting& s) {
  const auto parameters = static_cast<double>(s.job.config().parameters());
  const double runs_per_s = row.tokens_per_s() / row.tokens();
  return {2 * parameters * row.tokens_per_s() / s.limits.flops_per_s, row.bytes * runs_per_s / s.limits.bytes_per_s};
}

Json row_json(const Sitting& s, const Measured& m, const BenchRow& row) {
  const bool prefills = row.test.phase == Phase::prefill;
  const Shares shares = shares_of(row, s);
  Json runs = Json::array();
  for (const double seconds : row.seconds) runs.push_back(row.tokens() / seconds);
  Json plan = prefills ? layout_json(m.plan.prefill, m.why_prefill) : layout_json(m.plan.decode, m.why_decode);
  plan["mesh"] = {m.plan.torus.X, m.plan.torus.Y, m.plan.torus.Z};
  return {{"test", name(row.test)},
          {"depth", row.test.depth},
          {"batch", row.test.batch},
          {"tokens_per_s", row.tokens_per_s()},
          {"stddev", row.deviation()},
          {"runs", runs},
          {"plan", plan},
          {"predicted_tokens_per_s", predicted_tokens_per_s(s, m.plan, row.test)},
          {"mfu", shares.mfu},
          {"bandwidth_share", shares.bandwidth},
          {"bytes_read", row.bytes},
          {"compute_s", to_json(row.compute)},
          {"transfer_s", to_json(row.transfer)},
          {"wait_s", to_json(row.wait)}};
}

Json document_of(const Sitting& s) {
  Json document = envelope("bench", s.job.facts());
  const Plan& plan = s.plans[0].plan;
  document["model"] = s.job.config().name;
  document["parameters"] = s.job.config().parameters();
  document["mesh"] = {plan.torus.X, plan.torus.Y, plan.torus.Z};
  document["dtype"] = held_as(plan);
  document["kv_dtype"] = name(plan.kv);
  document["chip"] = s.chip.name;
  document["timing"] = to_json(s.plans[0].load);
  document["rows"] = Json::array();
  for (const Measured& m : s.plans)
    for (const BenchRow& row : m.rows) document["rows"].push_back(row_json(s, m, row));
  document["peak"] = {{"flops_per_s", s.limits.flops_per_s}, {"bytes_per_s", s.limits.bytes_per_s}};
  document["regret"] = s.regret() ? Json(*s.regret()) : Json();
  return document;
}

void print_head(bool csv, const Sitting& s) {
  if (csv) {
    std::printf("model,dtype,kv_dtype,mesh,threads,layout,test,depth,batch,tokens_per_s,stddev,predicted_tokens_per_s,mfu,"
                "bandwidth_share,compute_s,transfer_s,wait_s\n");
    return;
  }
  const JobFacts facts = s.job.facts();
  const ModelConfig& config = s.job.config();
  std::printf("%s, %lld parameters, weights %s, cache %s; %d ranks of %d threads on %d host%s%s\n", config.name.c_str(),
              static_cast<long long>(config.parameters()), held_as(s.plans[0].plan).c_str(),
              std::string(name(s.plans[0].plan.kv)).c_str(), facts.ranks, facts.threads, facts.hosts,
              facts.hosts == 1 ? "" : "s",
              placement_text(facts).c_str());
  std::printf("load %s\n", load_text(s.plans[0].load).c_str());
  std::printf("peak %.1f GFLOP/s, reading %.2f GB/s (all ranks, in this sitting; wall clock); predicted by the costs of %s\n\n",
              s.limits.flops_per_s * 1e-9, s.limits.bytes_per_s * 1e-9, s.chip.name.c_str());
  std::printf("| test | depth | batch | mesh | layout | tokens/s | predicted | of peak | of bandwidth | compute s | "
              "transfer s | wait s |\n"
              "| --- | ---: | ---: | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
}

// A line of a table: for people with what it was measured on above it, or for spreadsheets.
void print_row(bool csv, const Sitting& s, const Measured& m, const BenchRow& row) {
  const Shares share = shares_of(row, s);
  const std::string layout = to_text(row.test.phase == Phase::prefill ? m.plan.prefill : m.plan.decode);
  const std::string test = name(row.test), mesh = to_text(m.plan.torus);
  const auto depth = static_cast<long long>(row.test.depth), batch = static_cast<long long>(row.test.batch);
  const double predicted = predicted_tokens_per_s(s, m.plan, row.test);
  if (csv)
    std::printf("%s,%s,%s,%s,%d,%s,%s,%lld,%lld,%.3f,%.3f,%.3f,%.4f,%.4f,%.4f,%.4f,%.4f\n",
                s.job.config().name.c_str(), held_as(m.plan).c_str(), std::string(name(m.plan.kv)).c_str(), mesh.c_str(),
                s.job.facts().threads, layout.c_str(), test.c_str(), depth, batch, row.tokens_per_s(), row.deviation(),
                predicted, share.mfu, share.bandwidth, row.compute.median, row.transfer.median, row.wait.median);
  else
    std::printf("| %s | %lld | %lld | %s | %s | %.2f ± %.2f | %.2f | %.1f %% | %.1f %% | %.3f | %.3f | %.3f |\n",
                test.c_str(), depth, batch, mesh.c_str(), layout.c_str(), row.tokens_per_s(), row.deviation(), predicted,
                100 * share.mfu, 100 * share.bandwidth, row.compute.median, row.transfer.median, row.wait.median);
}

void print(bool csv, const Sitting& s) {
  print_head(csv, s);
  for (const Measured& m : s.plans)
    for (const BenchRow& row : m.rows) print_row(csv, s, m, row);
  if (!csv && s.regret())
    std::printf("\nregret %.1f %%: what the planner's choice, the first, takes longer than the fastest measured\n",
                100 * *s.regret());
  if (!csv)
    for (const Measured& m : s.plans)
      if (!m.program.empty()) std::printf("\n%s", m.program.c_str());
  std::fflush(stdout);
}

// The cache has room for the deepest test, of the most sequences.
RunWork work_of(const std::vector<BenchTest>& tests) {
  RunWork work{
      .sequences = 1, .tokens = 0, .longest = 1, .grow = 0, .slots = {}, .shorter = "lower --pp, --tg or --depth"};
  for (const BenchTest& test : tests) {
    work.sequences = std::max(work.sequences, test.batch);
    if (test.phase == Phase::prefill) work.longest = std::max(work.longest, test.depth + test.tokens);
    else work.grow = std::max(work.grow, test.tokens);
  }
  for (const BenchTest& test : tests)
    if (test.phase == Phase::decode) work.longest = std::max(work.longest, test.depth + test.tokens - work.grow);
  work.tokens = work.sequences * work.longest;
  work.slots = work.sequences;
  return work;
}

// Whether the tests would be run in the same way by both: what is not run may differ.
bool is_same_run(const Plan& a, const Plan& b, const std::vector<BenchTest>& tests) {
  const bool prefills = std::any_of(tests.begin(), tests.end(),
                                    [](const BenchTest& t) { return t.phase == Phase::prefill || t.depth > 0; });
  const bool decodes =
      std::any_of(tests.begin(), tests.end(), [](const BenchTest& t) { return t.phase == Phase::decode; });
  return a.torus == b.torus && (a.torus.size() == 1 || a.schedules == b.schedules) &&
         (!prefills || cut_alike(a.torus, a.prefill, b.prefill)) &&
         (!decodes || cut_alike(a.torus, a.decode, b.decode));
}

// Every test of one plan. The machine's limits are probed beside the first.
void measure(Sitting& s, Measured m, const std::vector<BenchTest>& tests, int repetitions, bool explains,
             const Console& console, Progress& progress) {
  std::optional<Mesh> other;
  if (!(m.plan.torus == s.job.mesh().torus())) other.emplace(m.plan.torus, s.job.mesh().timeout());
  const Mesh& mesh = other ? *other : s.job.mesh();
  Engine engine = load_engine(s.job.file(), m.plan, mesh, console);
  m.load = gather_load(engine, mesh);
  if (s.plans.empty()) s.limits = probe_limits(engine, mesh);
  Bench bench(engine, mesh);
  for (const BenchTest& test : tests) {
    m.rows.push_back(bench.measure(test, repetitions));
    progress.at(static_cast<double>(m.rows.size()) / static_cast<double>(tests.size()), name(test));
  }
  if (explains) m.program = explain_run(engine, gather_facts(engine, mesh), s.chip);
  s.plans.push_back(std::move(m));
}

}  // namespace

po::options_description bench_options() {
  po::options_description o("What to measure");
  // clang-format off: a table
  o.add_options()("pp", po::value<std::string>()->value_name("N,.."),
                  "prefill of prompts of N tokens, as many as --batch (512; 0: none)")(
      "tg", po::value<std::string>()->value_name("N,.."), "N decode steps of --batch sequences (128; 0: none)")(
      "batch", po::value<std::string>()->value_name("N,.."), "sequences at a time (1)")(
      "depth", po::value<std::string>()->value_name("N,.."), "positions in the cache before (0)")(
      "repetitions,r", po::value<std::string>()->value_name("N"), "times each, after one to warm up (5)")(
      "output", po::value<std::string>()->value_name("md|csv|json"), "the form of the table (md)")(
      "compare-layouts", po::value<std::string>()->value_name("K"),
      "also measure those of the K ways predicted fastest that are not the choice, and tell what it costs against the "
      "best")(
      "random-weights", po::bool_switch(),
      "made-up weights: -m may then be the name of a model, a Hugging Face folder or a config.json");
  // clang-format on
  return o.add(model_options("decode a step (where --tg is 0: to take a pass of the prompts)")).add(common_options());
}

int run_bench(const Arguments& a, const Console& console, const MpiSession& session) {
  const std::vector<BenchTest> tests = tests_of(a);
  const auto repetitions = static_cast<int>(a.integer("repetitions", 5, 1, 10000));
  const std::string output = a.text("output", "md");
  if (output != "md" && output != "csv" && output != "json")
    refuse({.what = text("\"", output, "\" is not a form"), .where = "--output", .next = "choose one of: md csv json"});
  const bool explains = a.flag("explain");
  const auto compared = static_cast<std::size_t>(a.integer("compare-layouts", 0, 1, 1000));
  Job job(a, session, [&a] { return open_model(a); });
  const RunWork work = work_of(tests);
  Plan plan = job.plan(a, work);
  plan.widest = Output::greedy;
  Sitting sitting{job, {}, {}, {}};
  job.mesh().together("reading the chip", [&] { sitting.chip = chips_of_run(a)[0]; });
  Progress progress(console.reports(), "bench");
  measure(sitting, {plan, job.decision().why_prefill, job.decision().why_decode, {}, {}, {}}, tests, repetitions, explains,
          console, progress);
  if (compared > 0)
    for (const Plan& other : job.fastest(a, plan, work, compared))
      if (!is_same_run(other, plan, tests))
        measure(sitting, {other, "compared", "compared", {}, {}, {}}, tests, repetitions, explains, console, progress);
  if (compared > 0 && sitting.plans.size() == 1)
    console.warn("there is nothing to compare: the planner's choice is all of these ways");
  const bool as_json = output == "json";
  if (console.prints() && !as_json) print(output == "csv", sitting);
  if (!console.json_wanted() && !(console.prints() && as_json)) return 0;
  const Json document = document_of(sitting);
  if (console.prints() && as_json) std::cout << bytes_of(document) << std::flush;
  console.write(document);
  return 0;
}

}  // namespace tsrun::cli
