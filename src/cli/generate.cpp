// tsrun generate: prompts in, text out.
#include <algorithm>
#include <cstdio>
#include <iostream>

#include "commands.hpp"
#include "job.hpp"
#include "prompts.hpp"
#include "report.hpp"
#include "results_file.hpp"
#include "results_header.hpp"
#include "tsrun/core/splitmix.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun::cli {
namespace {

Sampling sampling_options(const Arguments& a) {
  constexpr double any = 1e9;
  Sampling s;
  s.temperature = a.real("temp", 0, 0, any);
  s.top_k = a.integer("top-k", 0, 0);
  s.top_p = a.real("top-p", 1, 0, 1);
  s.min_p = a.real("min-p", 0, 0, 1);
  s.repeat_penalty = a.real("repeat-penalty", 1, 1e-6, any);
  s.seed = static_cast<std::uint64_t>(a.integer("seed", 0, 0));
  return s;
}

Json sampling_json(const Sampling& s, std::int64_t n_predict) {
  return {{"n_predict", n_predict}, {"temp", s.temperature}, {"top_k", s.top_k},
          {"top_p", s.top_p},       {"min_p", s.min_p},      {"repeat_penalty", s.repeat_penalty},
          {"seed", s.seed}};
}

// What is put around the prompts; null where they are taken as they are.
Json chat_json(const Arguments& a) {
  if (!a.flag("chat")) return {};
  return {{"system", a.has("system") ? Json(*a.text("system")) : Json()}};
}

// When a sequence ends, beside its length.
Json end_rules_json(const Arguments& a) {
  return {{"stop", a.list("stop")}, {"ignore_eos", a.flag("ignore-eos")}};
}

// Shows texts as they grow: one sequence streams, several come whole.
class Stream {
 public:
  // `kept`: the results are also written to a file.
  Stream(const Console& console, const Job& job, const std::vector<Prompt>& prompts, bool kept)
      : console_(console), kept_(kept), one_(prompts.size() == 1), job_(job), prompts_(prompts) {
    if (console.prints() && one_ && !prompts[0].text.empty()) show(prompts[0].text);
  }
  void grow(std::size_t sequence, const Generated& so_far, bool finished) {
    if (!console_.prints()) return;
    if (!job_.has_tokenizer()) {
      if (finished) show(text(prompts_[sequence].id, ":", ids_text(so_far.tokens), "\n"));
      return;
    }
    if (one_) {
      // All that the result's text has: a stop text in full, and no end token.
      if (so_far.finish != Finish::eos && !so_far.tokens.empty())
        show(utf8_.push(job_.tokenizer().token_bytes(so_far.tokens.back())));
      if (finished) show(utf8_.finish() + "\n");
    } else if (finished) {
      show(text("--- ", prompts_[sequence].id, "\n", shown_text(job_, so_far), "\n"));
    }
  }
  // The text of a result, its end token left out.
  static std::string shown_text(const Job& job, const Generated& g) {
    Utf8Stream utf8;
    const std::ptrdiff_t end_token = g.finish == Finish::eos ? 1 : 0;
    const std::string whole = utf8.push(job.tokenizer().decode({g.tokens.begin(), g.tokens.end() - end_token}));
    return whole + utf8.finish();
  }

 private:
  static std::string ids_text(const Ids& ids) {
    std::string out;
    for (const std::int32_t id : ids) out += " " + std::to_string(id);
    return out;
  }
  void show(const std::string& words) const { console_.show(words, kept_); }

  const Console& console_;
  bool kept_, one_;
  const Job& job_;
  const std::vector<Prompt>& prompts_;
  Utf8Stream utf8_;
};

Json sequence_json(const Job& job, const Prompt& prompt, const Generated& g) {
  return {{"id", prompt.written_id},
          {"prompt_tokens", prompt.ids},
          {"tokens", g.tokens},
          {"text", job.has_tokenizer() ? Json(Stream::shown_text(job, g)) : Json()},
          {"finish", name(g.finish)}};
}

std::string tokens_sha256(const std::vector<Generated>& results) {
  std::string bytes;
  const auto put = [&bytes](std::uint32_t v) {
    for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(v >> shift & 255U);
  };
  for (const Generated& g : results) {
    put(static_cast<std::uint32_t>(g.tokens.size()));
    for (const std::int32_t id : g.tokens) put(static_cast<std::uint32_t>(id));
  }
  return sha256(bytes);
}

// A number of each prompt that is that of its id, wherever the prompt stands and whether or not others are done already;
// on every rank. `prompts` are those of rank 0.
std::vector<std::uint64_t> numbers_of_ids(const Job& job, const std::vector<Prompt>& prompts) {
  const std::string wire = job.text_from_rank_0("numbering the prompts", [&] {
    std::string bytes;
    for (const Prompt& p : prompts) {
      const std::uint64_t number = hash_of(p.id);
      bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
    }
    return bytes;
  });
  std::vector<std::uint64_t> numbers(wire.size() / sizeof(std::uint64_t));
  wire.copy(reinterpret_cast<char*>(numbers.data()), wire.size());
  return numbers;
}

GenerateOptions engine_options(const Arguments& a, const Job& job, std::int64_t n_predict) {
  GenerateOptions options;
  options.n_predict = n_predict;
  options.sampling = sampling_options(a);
  if (!a.flag("ignore-eos"))
    options.ends = [&tokenizer = job.file().tokenizer()](std::int32_t id) { return tokenizer.is_end(id); };
  const std::vector<std::string> stops = a.list("stop");
  if (std::find(stops.begin(), stops.end(), "") != stops.end())
    refuse({.what = "every text has an empty one", .where = "--stop", .next = "give at least one letter, or leave it out"});
  if (!stops.empty())
    options.stops = [&job, stops](const Ids& tokens) {
      const std::string so_far = job.tokenizer().decode(tokens);
      return std::any_of(stops.begin(), stops.end(),
                         [&](const std::string& s) { return so_far.find(s) != std::string::npos; });
    };
  return options;
}

}  // namespace

po::options_description generate_options() {
  po::options_description o("What to generate");
  // clang-format off: a table
  o.add_options()
    ("prompt,p", po::value<std::vector<std::string>>()->value_name("TEXT"), "a prompt")
    ("file,f", po::value<std::string>()->value_name("FILE"),
     "a text file is one prompt; .jsonl has {\"id\", \"prompt\"} or {\"id\", \"messages\"} lines")
    ("tokens", po::value<std::vector<std::string>>()->value_name("1,2,3"), "a prompt as ids; repeat for a batch")
    ("chat", po::bool_switch(), "a prompt is what the user says: put it into the model's chat template")
    ("system", po::value<std::string>()->value_name("TEXT"), "with --chat: the system message, where there is no other")
    ("n-predict,n", po::value<std::string>()->value_name("N"), "new tokens of each (128)")
    ("batch", po::value<std::string>()->value_name("N"), "sequences decoded together (all prompts, at most 64)")
    ("temp", po::value<std::string>()->value_name("T"), "temperature; 0 is greedy (0)")
    ("top-k", po::value<std::string>()->value_name("K"), "only the K likeliest tokens (0: all)")
    ("top-p", po::value<std::string>()->value_name("P"), "only the likeliest that make up P (1)")
    ("min-p", po::value<std::string>()->value_name("P"), "only those at least P times as likely as the likeliest (0)")
    ("repeat-penalty", po::value<std::string>()->value_name("R"), "weakens the last 64 tokens' ids (1: off)")
    ("seed,s", po::value<std::string>()->value_name("S"), "of the random numbers (0)")
    ("ignore-eos", po::bool_switch(), "go on after the model's end token")
    ("stop", po::value<std::vector<std::string>>()->value_name("TEXT"), "end a sequence when it has this text, which stays")
    ("output,o", po::value<std::string>()->value_name("FILE.jsonl"), "append each result as it finishes")
    ("resume", po::bool_switch(), "go on with that file: skip what it has");
  // clang-format on
  return o.add(model_options("decode a step")).add(common_options());
}

int run_generate(const Arguments& a, const Console& console, const MpiSession& session) {
  GenerateTiming timing;
  const std::int64_t n_predict = a.integer("n-predict", 128, 0, INT32_MAX);
  Job job(a, session);
  const GenerateOptions asked = engine_options(a, job, n_predict);
  const std::optional<std::string> path = a.text("output");
  if (a.flag("resume") && !path)
    refuse({.what = "there is nothing to resume",
            .where = "--resume",
            .next = "name the results file with -o FILE.jsonl"});

  std::unique_ptr<ResultsFile> results_file;  // these two on rank 0 only; ids go to all
  std::vector<Prompt> prompts;
  const std::vector<Ids> ids = job.from_rank_0("reading the prompts", [&] {
    if (path) results_file = std::make_unique<ResultsFile>(*path, a.flag("resume"));
    prompts = read_prompts(a, job, n_predict);
    if (results_file) std::erase_if(prompts, [&](const Prompt& p) { return results_file->has(p.id); });
    std::vector<Ids> all;
    for (const Prompt& p : prompts) all.push_back(p.ids);
    return all;
  });
  if (results_file && !results_file->is_locked())
    console.warn("the results file is where no locks are: see that no other run writes it");
  if (!a.list("stop").empty()) job.mesh().together("building the tokenizer", [&] { job.tokenizer(); });
  const Json recorded = Json::parse(job.text_from_rank_0("reading the results file", [&] {
    return results_file && !results_file->header().is_null() ? results_file->header()["plan"].dump() : "null";
  }));
  Plan plan = job.plan(a, work_of(ids, n_predict), recorded);
  plan.prefix = shared_prefix(ids);
  plan.widest = output_for(asked.sampling, job.config().V, plan.torus.size());
  if (plan.widest == Output::candidates) plan.candidates = asked.sampling.candidates();

  const Json header =
      results_header(job, plan, sampling_json(asked.sampling, n_predict), end_rules_json(a), chat_json(a));
  job.mesh().together("opening the results file", [&] {
    if (results_file && !recorded.is_null()) refuse_other_run(results_file->header(), header, *path);
  });

  if (console.reports()) std::cerr << choice_text(plan, job.decision());
  if (console.verbose()) std::cerr << to_text(plan) << "\n";
  Engine engine = load_engine(job.file(), plan, job.mesh(), console);
  job.mesh().together("writing the results file", [&] {
    if (results_file) results_file->begin(header);
  });
  Stream stream(console, job, prompts, path.has_value());
  Progress progress(console.reports() && ids.size() > 1, "generate");
  std::size_t done = 0;
  GenerateOptions options = asked;
  options.sequence_numbers = numbers_of_ids(job, prompts);
  if (console.speaks())
    options.progress = [&](std::size_t sequence, const Generated& so_far, bool finished) {
      stream.grow(sequence, so_far, finished);
      if (!finished) return;
      progress.at(static_cast<double>(++done) / static_cast<double>(ids.size()), text(done, " of ", ids.size()));
      if (results_file) results_file->append(sequence_json(job, prompts[sequence], so_far));
    };
  const std::vector<Generated> results = generate(engine, ids, options, timing);

  const RunFacts facts = gather_facts(engine, job.mesh());
  if (a.flag("explain") && console.prints()) std::cout << "\n" << explain_run(engine, facts, chips_of_run(a)[0]);
  if (console.reports()) std::cerr << report_text(engine, facts, timing, job.facts());
  if (!console.json_wanted()) return 0;
  Json document = envelope("generate", job.facts());
  add_run(document, engine, facts, job.decision());
  document["sequences"] = Json::array();
  for (std::size_t i = 0; i < results.size(); ++i)
    document["sequences"].push_back(sequence_json(job, prompts[i], results[i]));
  document["tokens_sha256"] = tokens_sha256(results);
  document["timing"] = timing_json(timing, facts);
  const Decision& decision = job.decision();
  document["predicted"] = {{"prefill_s", decision.prefill_s ? Json(*decision.prefill_s) : Json()},
                           {"tpot_ms", decision.step_s ? Json(*decision.step_s * 1e3) : Json()}};
  console.write(document);
  return 0;
}

}  // namespace tsrun::cli
