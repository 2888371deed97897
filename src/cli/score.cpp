// tsrun score: log-probabilities and perplexity of given text.
#include <cmath>
#include <iostream>
#include <memory>

#include "commands.hpp"
#include "job.hpp"
#include "prompts.hpp"
#include "report.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/store/logits_file.hpp"

namespace tsrun::cli {
namespace {

std::vector<Ids> read_texts(const Arguments& a, const Job& job) {
  std::vector<Ids> texts;
  if (const auto path = a.text("tokens-file")) texts = parse_ids_file(*path);
  if (const auto path = a.text("file")) texts.push_back(job.encode(read_file(*path), *path));
  if (texts.empty())
    refuse({.what = "there is no text", .where = "score", .next = "give -f FILE or --tokens-file FILE.json"});
  for (std::size_t i = 0; i < texts.size(); ++i) job.validate_ids(texts[i], text("text ", i));
  return texts;
}

// On rank 0; the others learn what went wrong there.
void on_rank_0(const Job& job, const char* phase, const std::function<void()>& work) {
  job.mesh().together(phase, [&] {
    if (job.mesh().rank() == 0) work();
  });
}

void dump_logits(Engine& engine, const std::vector<Ids>& texts, LogitsFile* file, const Job& job) {
  for (std::size_t i = 0; i < texts.size(); ++i) {
    on_rank_0(job, "writing logits", [&] { file->begin(i, std::ssize(texts[i]), engine.config().V); });
    all_logits(engine, texts[i], [&](const std::vector<float>& part) {
      on_rank_0(job, "writing logits", [&] { file->append(part); });
    });
  }
  on_rank_0(job, "writing logits", [&] { file->commit(); });
}

}  // namespace

po::options_description score_options() {
  po::options_description o("What to score");
  // clang-format off: a table
  o.add_options()
    ("file,f", po::value<std::string>()->value_name("FILE"), "a text file")
    ("tokens-file", po::value<std::string>()->value_name("FILE.json"), "an array of arrays of ids")
    ("logits", po::value<std::string>()->value_name("FILE.h5"), "also write all logits");
  // clang-format on
  return o.add(model_options("take a pass of a text")).add(common_options());
}

int run_score(const Arguments& a, const Console& console, const MpiSession& session) {
  Job job(a, session);
  const std::vector<Ids> texts = job.from_rank_0("reading the text", [&] { return read_texts(a, job); });
  std::int64_t scored = 0;
  for (const Ids& ids : texts) scored += std::ssize(ids) - 1;
  RunWork work = work_of(texts, 0);
  work.sequences = 1;  // one after the other
  work.shorter = "score a shorter text";
  Plan plan = job.plan(a, work);
  plan.widest = a.has("logits") ? Output::all_logits : Output::score;
  std::unique_ptr<LogitsFile> logits;  // before any work, so that none is done in vain
  if (const auto path = a.text("logits"))
    on_rank_0(job, "opening the logits file", [&] { logits = std::make_unique<LogitsFile>(*path); });
  Engine engine = load_engine(job.file(), plan, job.mesh(), console);
  const std::vector<std::vector<float>> scores = score(engine, texts);
  if (a.has("logits")) dump_logits(engine, texts, logits.get(), job);

  double nll = 0;
  std::int64_t tokens = 0;
  for (const auto& list : scores)
    for (const float logprob : list) nll -= logprob;
  for (const Ids& ids : texts) tokens += std::ssize(ids);
  const double perplexity = scored > 0 ? std::exp(nll / static_cast<double>(scored)) : 0;
  const RunFacts facts = gather_facts(engine, job.mesh());
  if (a.flag("explain") && console.prints()) std::cout << explain_run(engine, facts, chips_of_run(a)[0]);
  if (console.prints())
    std::cout << text(tokens, " tokens, nll ", nll, ", ",
                      scored > 0 ? text("perplexity ", perplexity)
                                 : "no perplexity: the first token of a text has nothing before it",
                      "\n");
  if (console.reports()) std::cerr << "load       " << load_text(facts.load) << "\n";
  if (!console.json_wanted()) return 0;
  Json document = envelope("score", job.facts());
  add_run(document, engine, facts, job.decision());
  document["tokens"] = tokens;
  document["nll"] = nll;
  document["perplexity"] = scored > 0 ? Json(perplexity) : Json();
  document["logprobs"] = Json::array();
  for (const auto& list : scores) {
    Json row = {nullptr};  // the first token has nothing before it
    for (const float logprob : list) row.push_back(logprob);
    document["logprobs"].push_back(std::move(row));
  }
  document["timing"] = to_json(facts.load);
  console.write(document);
  return 0;
}

}  // namespace tsrun::cli
