#include "job.hpp"

#include <algorithm>

#include "tsrun/core/text.hpp"
#include "tsrun/kernels/threads.hpp"

namespace tsrun::cli {
namespace {

// One of the types, by name.
DType dtype_option(const std::string& word, const char* option, std::initializer_list<DType> types) {
  std::vector<std::string> known;
  for (const DType type : types) {
    if (word == name(type)) return type;
    known.emplace_back(name(type));
  }
  refuse({.what = text("\"", word, "\" is not a type"),
          .where = text("--", option),
          .next = "choose one of: " + join(known, " ")});
}

struct Layouts {
  Layout prefill, decode;
};

// "auto", "ws2d/head", or "prefill=ws2d/head,decode=ws2d/head".
Layouts layouts_option(const Arguments& arguments) {
  std::string words = arguments.text("layout", "auto");
  if (words == "auto") words = "ws2d/head";
  const std::size_t comma = words.find(",decode=");
  if (words.rfind("prefill=", 0) != 0 || comma == std::string::npos) return {parse_layout(words), parse_layout(words)};
  return {parse_layout(words.substr(8, comma - 8)), parse_layout(words.substr(comma + 8))};
}

// "chip": the defaults until chips say what their software does; or the name of one schedule for all that it serves.
Schedules schedules_option(const Arguments& arguments) {
  const std::string word = arguments.text("schedules", "chip");
  if (word == "chip") return {};
  std::vector<std::string> known = {"chip"};
  for (int i = 0; i <= static_cast<int>(last_schedule); ++i) {
    const auto schedule = static_cast<ScheduleName>(i);
    if (word == name(schedule)) return schedules_named(schedule);
    known.emplace_back(name(schedule));
  }
  refuse({.what = text("\"", word, "\" is ", word == "any" ? "not built yet" : "not a schedule"),
          .where = "--schedules",
          .next = "choose one of: " + join(known, " ")});
}

// What `make` refuses is refused with `where` before the place it names.
Ids placed(const std::string& where, const std::function<Ids()>& make) {
  try {
    return make();
  } catch (const Error& error) {
    Complaint complaint = error.complaint();
    complaint.where = complaint.where.empty() ? where : where + ": " + complaint.where;
    refuse(std::move(complaint));
  }
}

}  // namespace

Job::Job(const Arguments& arguments, const MpiSession& session) {
  const std::string path = arguments.required("model", "give the model file with -m FILE.h5");
  const std::string wanted = arguments.text("mesh", "auto");
  const double timeout = arguments.real("timeout", 600, 0.001, 1e9);
  const std::int64_t threads = arguments.integer("threads", 0, 1, 4096);
  const std::optional<Torus> torus = wanted == "auto" ? std::nullopt : std::optional(parse_torus(wanted));
  // A line of ranks until the model says which torus fits it.
  mesh_ = std::make_unique<Mesh>(torus.value_or(Torus{session.size(), 1, 1}), timeout);
  mesh_->together("opening the model", [&] { file_ = std::make_unique<ModelFile>(path); });
  if (!torus) mesh_ = std::make_unique<Mesh>(auto_torus(session.size(), config().E, config().F), timeout);
  threads_ = set_threads(static_cast<int>(threads), mesh_->ranks_on_host());
}

JobFacts Job::facts() const {
  return {mesh_->size(), threads_, mesh_->hosts(), threads_ * mesh_->ranks_on_host() > host_cores()};
}

std::vector<Ids> Job::from_rank_0(const char* phase, const std::function<std::vector<Ids>()>& make) const {
  std::string wire;  // count, then each list's length and ids, as int32
  const auto put = [&wire](std::int32_t v) { wire.append(reinterpret_cast<const char*>(&v), sizeof v); };
  wire = text_from_rank_0(phase, [&] {
    const std::vector<Ids> lists = make();
    put(static_cast<std::int32_t>(lists.size()));
    for (const Ids& ids : lists) {
      put(static_cast<std::int32_t>(ids.size()));
      for (const std::int32_t id : ids) put(id);
    }
    return wire;
  });
  std::size_t at = 0;
  const auto take = [&] {
    std::int32_t v = 0;
    wire.copy(reinterpret_cast<char*>(&v), sizeof v, at);
    at += sizeof v;
    return v;
  };
  std::vector<Ids> lists(static_cast<std::size_t>(take()));
  for (Ids& ids : lists) {
    ids.resize(static_cast<std::size_t>(take()));
    std::generate(ids.begin(), ids.end(), take);
  }
  return lists;
}

std::string Job::text_from_rank_0(const char* phase, const std::function<std::string()>& make) const {
  std::string text;
  mesh_->together(phase, [&] {
    if (mesh_->rank() == 0) text = make();
  });
  return mesh_->broadcast(text);
}

Plan Job::plan(const Arguments& arguments, std::int64_t sequences, std::int64_t longest, std::int64_t grow) const {
  constexpr std::int64_t default_batch = 64;
  Plan plan;
  plan.torus = mesh_->torus();
  const Layouts layouts = layouts_option(arguments);
  plan.prefill = layouts.prefill;
  plan.decode = layouts.decode;
  plan.schedules = schedules_option(arguments);
  if (const std::string word = arguments.text("dtype", "auto"); word != "auto")
    plan.weights = dtype_option(word, "dtype", {DType::f32, DType::bf16, DType::int8, DType::int4});
  plan.kv = dtype_option(arguments.text("kv-dtype", "bf16"), "kv-dtype", {DType::f32, DType::bf16});
  plan.sequences = arguments.integer("batch", std::min(std::max<std::int64_t>(1, sequences), default_batch), 1);
  const std::int64_t needed = longest + grow;
  plan.context = arguments.integer("ctx-size", std::max<std::int64_t>(1, needed), 1);
  if (needed > config().context || needed > plan.context)
    refuse({.what = needed > config().context ? "prompt and new tokens together are longer than the model's context"
                                              : "prompt and new tokens together are longer than --ctx-size",
            .where = needed > config().context ? file_->path() : "--ctx-size",
            .numbers = {{"longest prompt", longest},
                        {"new tokens", grow},
                        {"model's context", config().context},
                        {"ctx-size", plan.context}},
            .next = "shorten the prompt, or lower -n"});
  plan.chunk = std::min(arguments.integer("prefill-chunk", 512, 1), plan.context);
  return plan;
}

std::string Job::why(const Arguments& arguments) const {
  return arguments.text("layout", "auto") == "auto"
             ? "the default until a planner chooses: two-dimensional weight-stationary, attention over heads"
             : "asked for";
}

void Job::validate_ids(const Ids& ids, const std::string& where) const {
  if (ids.empty())
    refuse({.what = "the prompt is empty", .where = where, .next = "give at least one character or one id"});
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (ids[i] < 0 || ids[i] >= config().V)
      refuse({.what = "an id is outside the model's vocabulary",
              .where = where,
              .numbers = {{"id", std::int64_t{ids[i]}},
                          {"place", static_cast<std::int64_t>(i)},
                          {"vocabulary", config().V}},
              .next = "give ids from 0 to one below the vocabulary"});
}

const Tokenizer& Job::tokenizer() const {
  if (!has_tokenizer())
    refuse({.what = "the model has no tokenizer, so it takes no text" +
                    (file_->tokenizer().reason.empty() ? "" : ": " + file_->tokenizer().reason),
            .where = file_->path(),
            .next = "give ids with --tokens 1,2,3, or for score with --tokens-file"});
  if (!tokenizer_) tokenizer_ = std::make_unique<Tokenizer>(file_->tokenizer(), file_->path());
  return *tokenizer_;
}

Ids Job::encode(const std::string& text, const std::string& where) const {
  const Tokenizer& t = tokenizer();
  return placed(where, [&] { return t.encode(text); });
}

Ids Job::encode(const std::vector<ChatMessage>& conversation, const std::string& where) const {
  const Tokenizer& t = tokenizer();
  return placed(where, [&] {
    if (!chat_) chat_ = std::make_unique<ChatTemplate>(file_->tokenizer(), file_->path());
    return t.encode(render_chat(*chat_, conversation, true), Tokenizer::Special::parse, false);
  });
}

}  // namespace tsrun::cli
