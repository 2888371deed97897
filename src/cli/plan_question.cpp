#include "plan_question.hpp"

#include <algorithm>
#include <charconv>
#include <set>

#include "chip_options.hpp"
#include "model_option.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun::cli {
namespace {

constexpr std::int64_t most_chips = 512, most_sequences = 1 << 20, most_positions = 1 << 26, most_tokens = 1LL << 36;

void add_works(const Arguments& a, PlanQuestion& q) {
  const std::string phase = a.text("phase", "both");
  if (phase != "prefill" && phase != "decode" && phase != "both")
    refuse({.what = text("\"", phase, "\" is not a phase"),
            .where = "--phase",
            .next = "choose one of: prefill decode both"});
  const std::int64_t batch = a.integer("batch", 1, 1, most_sequences);
  q.prompt = a.integer("prompt", 2048, 1, most_positions);
  q.generate = a.integer("generate", 64, 1, most_positions);
  const bool told = a.has("context");
  const std::int64_t context = a.integer("context", 0, 0, most_positions);
  if (batch > most_tokens / q.prompt)
    refuse({.what = "that many tokens in one pass are more than any machine holds",
            .where = "--batch, --prompt",
            .numbers = {{"sequences", batch}, {"tokens of each", q.prompt}, {"most tokens", most_tokens}},
            .next = "ask about a smaller batch, or shorter prompts"});
  const std::int64_t before = told && phase == "prefill" ? context : 0;
  const std::int64_t at = told && phase != "prefill" ? context : q.prompt + q.generate / 2;
  // The cache has room for the whole run, or for the step at a context that is told.
  const std::int64_t whole = before + q.prompt + (phase == "prefill" ? 0 : q.generate);
  const std::int64_t positions = told && phase == "decode" ? at + 1 : std::max(whole, at + 1);
  std::vector<Work>& works = q.question.works;
  if (phase != "decode") works.push_back({Phase::prefill, batch, q.prompt, before, 1, positions});
  if (phase != "prefill") works.push_back({Phase::decode, batch, 1, at, q.generate, positions});
  works.back().limit_s = latency_limit(a);
}

std::optional<Torus> mesh_option(const Arguments& a, PlanQuestion& q) {
  q.chips = static_cast<int>(a.integer("chips", 0, 1, most_chips));
  const std::string word = a.text("mesh", "auto");
  if (word == "auto") {
    if (q.chips == 0)
      refuse(
          {.what = "the number of chips is not given", .where = "--chips", .next = "add --chips N, or --mesh XxYxZ"});
    return {};
  }
  const Torus mesh = parse_torus(word);
  if (mesh.size() > most_chips)
    refuse({.what = "more chips than any torus here has",
            .where = "--mesh",
            .numbers = {{"chips", std::int64_t{mesh.size()}}, {"most", most_chips}},
            .next = "ask about fewer"});
  if (q.chips != 0 && mesh.size() != q.chips)
    refuse({.what = "the mesh has another number of chips",
            .where = "--mesh",
            .numbers = {{"chips", std::int64_t{q.chips}}, {"of the mesh", std::int64_t{mesh.size()}}},
            .next = "leave one of them out"});
  q.chips = mesh.size();
  return mesh;
}

// "1..1024" as 1 2 4 .. 1024; the last is there even if it is not a doubling of the first.
std::vector<std::int64_t> doublings(const std::string& range, std::int64_t most) {
  std::int64_t from = 0, to = 0;
  const char* const end = range.data() + range.size();
  const auto first = std::from_chars(range.data(), end, from);
  const bool dots = first.ec == std::errc() && end - first.ptr > 2 && first.ptr[0] == '.' && first.ptr[1] == '.';
  const auto last = std::from_chars(dots ? first.ptr + 2 : end, end, to);
  if (!dots || last.ec != std::errc() || last.ptr != end || from < 1 || to < from || to > most)
    refuse({.what = text("\"", range, "\" is not a range to sweep"),
            .where = "--sweep",
            .numbers = {{"least", std::int64_t{1}}, {"most", most}},
            .next = "write batch=1..1024 or chips=8..256"});
  std::vector<std::int64_t> values;
  for (; from < to; from *= 2) values.push_back(from);
  values.push_back(to);
  return values;
}

}  // namespace

Settled layouts_option(const Arguments& arguments) {
  const std::string words = arguments.text("layout", "auto");
  if (words == "auto") return {};
  if (words.find('=') == std::string::npos) return {parse_layout(words), parse_layout(words)};
  Settled settled;
  for (const std::string& word : words_of(words)) {
    const std::size_t equals = word.find('=');
    const std::string phase = word.substr(0, equals);
    std::optional<Layout>& layout = phase == name(Phase::prefill) ? settled.prefill : settled.decode;
    if (equals == std::string::npos || layout || (phase != name(Phase::prefill) && phase != name(Phase::decode)))
      refuse({.what = text("\"", word, "\" does not say the layout of one phase"),
              .where = "--layout",
              .next = "write prefill=FFN/ATTENTION,decode=FFN/ATTENTION, or one of the two, or FFN/ATTENTION for both"});
    layout = parse_layout(word.substr(equals + 1));
  }
  return settled;
}

std::string_view name(Objective objective) {
  switch (objective) {
    case Objective::latency: return "latency";
    case Objective::throughput: return "throughput";
    case Objective::cost: return "cost";
  }
  return "";
}

Objective objective_option(const Arguments& a) {
  const std::string word = a.text("objective", "latency");
  for (const Objective o : {Objective::latency, Objective::throughput, Objective::cost})
    if (word == name(o)) return o;
  refuse({.what = text("\"", word, "\" is not an objective"),
          .where = "--objective",
          .next = "choose one of: latency throughput cost"});
}

std::optional<double> latency_limit(const Arguments& a) {
  if (!a.has("max-latency-ms")) return {};
  return a.real("max-latency-ms", 0, 1e-6, 1e12) / 1e3;
}

PlanQuestion plan_question(const Arguments& a) {
  PlanQuestion q;
  q.model = a.required("model", "name a model, or give a config.json or a FILE.h5, with --model");
  const std::optional<Torus> mesh = mesh_option(a, q);
  Choices& choices = q.question.choices;
  choices.config = config_named(q.model);
  choices.chips = chip_option(a, "host");
  choices.tori = mesh ? std::vector<Torus>{*mesh} : tori_of(q.chips);
  choices.layouts = named_layouts();
  for (const std::string& word : words_of(a.text("dtype", "bf16")))
    choices.weights.push_back(type_named(word, "dtype", {DType::bf16, DType::int8, DType::int4, DType::f32}));
  choices.kv = cache_option(a);
  q.question.settled = layouts_option(a);
  q.objective = objective_option(a);
  if (a.has("kv-fraction")) q.kv_fraction = a.real("kv-fraction", 0, 1e-6, 1);
  q.software = software_note(a, choices.chips);
  for (const char* option : {"kv-dtype", "chip", "schedules", "wrap"})
    if (const auto value = a.text(option)) q.of_run.insert(q.of_run.end(), {text("--", option), *value});
  add_works(a, q);
  return q;
}

std::optional<Sweep> sweep_option(const Arguments& a, const PlanQuestion& q) {
  const std::vector<std::string> asked = a.list("sweep");
  if (asked.empty()) {
    if (a.has("pareto"))
      refuse({.what = "there is nothing to draw",
              .where = "--pareto",
              .next = "add --sweep batch=1..1024 or --sweep chips=8..256"});
    return {};
  }
  Sweep sweep = {{q.chips}, {q.question.works[0].batch}};
  std::set<std::string> swept;
  for (const std::string& one : asked) {
    const std::size_t equals = one.find('=');
    const std::string what = one.substr(0, equals), range = equals == std::string::npos ? "" : one.substr(equals + 1);
    if (!swept.insert(what).second)
      refuse({.what = text(what, " is swept twice"),
              .where = "--sweep",
              .next = text("give one range, from the least to the most: ", what, "=8..256")});
    if (what == "batch") {
      sweep.batches = doublings(range, most_sequences);
    } else if (what == "chips") {
      if (a.text("mesh", "auto") != "auto")
        refuse({.what = "a mesh has one number of chips",
                .where = "--sweep",
                .next = "leave --mesh out, or do not sweep chips"});
      sweep.chips.clear();
      for (const std::int64_t n : doublings(range, most_chips)) sweep.chips.push_back(static_cast<int>(n));
    } else {
      refuse({.what = text("\"", what, "\" cannot be swept"),
              .where = "--sweep",
              .next = "write batch=1..1024 or chips=8..256"});
    }
  }
  const std::int64_t tokens = sweep.batches.back() * q.prompt;
  if (tokens > most_tokens)
    refuse(
        {.what = "that many tokens in one pass are more than any machine holds",
         .where = "--sweep",
         .numbers = {{"sequences", sweep.batches.back()}, {"tokens of each", q.prompt}, {"most tokens", most_tokens}},
         .next = "sweep smaller batches, or ask about shorter prompts"});
  return sweep;
}

}  // namespace tsrun::cli
