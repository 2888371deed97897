#include "job.hpp"

#include <algorithm>

#include "plan_question.hpp"
#include "tsrun/core/integer.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/engine/host_memory.hpp"
#include "tsrun/engine/placement.hpp"
#include "tsrun/kernels/threads.hpp"

namespace tsrun::cli {
namespace {

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

// Ranks read the file for themselves, and a host may have another one under its name.
void require_one_model(const ModelFile& file, const Mesh& mesh) {
  const std::string mine = std::to_string(file.identity()), first = mesh.broadcast(mine);
  mesh.together("comparing the model files", [&] {
    if (mine != first)
      refuse({.what = "the model file is not the one that rank 0 opened",
              .where = file.path(),
              .numbers = {{"identity", mine}, {"rank 0's", first}},
              .next = "put one file where all hosts see it, or copy it to each of them again"});
  });
}

// A run that is resumed goes on with the plan of the results file; what is stated now is held against it later.
void keep_recorded(const Json& recorded, int ranks, std::optional<Torus>& mesh, Settled& settled) {
  const auto text_of = [&](const char* field) { return recorded[field].get<std::string>(); };
  if (!mesh)
    if (const Torus torus = parse_torus(text_of("mesh")); torus.size() == ranks) mesh = torus;
  if (!settled.prefill) settled.prefill = parse_layout(text_of("prefill"));
  if (!settled.decode) settled.decode = parse_layout(text_of("decode"));
}

}  // namespace

Job::Job(const Arguments& arguments, const MpiSession& session)
    : Job(arguments, session, [&arguments] {
        return std::make_unique<ModelFile>(arguments.required("model", "give the model file with -m FILE.h5"));
      }) {}

Job::Job(const Arguments& arguments, const MpiSession& session,
         const std::function<std::unique_ptr<ModelFile>()>& open) {
  const std::string wanted = arguments.text("mesh", "auto");
  const std::int64_t threads = arguments.integer("threads", 0, 1, 4096);
  if (wanted != "auto") asked_ = parse_torus(wanted);
  // A line of ranks until it is known what there is to do.
  mesh_ = std::make_unique<Mesh>(asked_.value_or(Torus{session.size(), 1, 1}), timeout_option(arguments));
  mesh_->together("opening the model", [&] { file_ = open(); });
  require_one_model(*file_, *mesh_);
  threads_ = place_rank(*mesh_, static_cast<int>(threads));
  const std::vector<double> domains = mesh_->gather(numa_domains());
  numa_domains_ = static_cast<int>(*std::max_element(domains.begin(), domains.end()));
}

JobFacts Job::facts() const {
  return {mesh_->size(), threads_, mesh_->hosts(), threads_ * mesh_->ranks_on_host() > host_cores(),
          numa_domains_};
}

RankRoom Job::room() const {
  const std::int64_t ranks = mesh_->ranks_on_host();
  return {available_memory() / ranks, ceil_div(load_window(*file_, threads_ * ranks).bytes, ranks)};
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

Plan Job::plan(const Arguments& arguments, const RunWork& work, const Json& recorded) {
  constexpr std::int64_t default_batch = 64;
  Plan plan;
  const bool resumed = !recorded.is_null();
  plan.weights = resumed && !arguments.has("dtype") ? weights_named(recorded["dtype"]) : weights_option(arguments);
  plan.kv = resumed && !arguments.has("kv-dtype") ? cache_named(recorded["kv_dtype"]) : cache_option(arguments);
  const std::int64_t wanted = std::min(std::max<std::int64_t>(1, work.sequences), default_batch);
  plan.sequences = work.slots ? *work.slots : arguments.integer("batch", wanted, 1);
  plan.context = arguments.integer("ctx-size", std::max<std::int64_t>(1, work.longest + work.grow), 1);
  validate_length(arguments, work);
  plan.chunk = std::min(arguments.integer("prefill-chunk", 512, 1), plan.context);

  decision_ = from_wire(text_from_rank_0("choosing the layouts", [&] {
    Settled settled = layouts_option(arguments);
    std::optional<Torus> mesh = asked_;
    if (resumed) keep_recorded(recorded, mesh_->size(), mesh, settled);
    return to_wire(decide_run(arguments, *file_, plan, work, mesh_->size(), mesh, settled, room()));
  }));
  if (mesh_->torus() != decision_.torus) mesh_ = std::make_unique<Mesh>(decision_.torus, mesh_->timeout());
  plan.torus = decision_.torus;
  plan.prefill = decision_.prefill;
  plan.decode = decision_.decode;
  plan.schedules = decision_.schedules;
  return plan;
}

std::vector<Plan> Job::fastest(const Arguments& arguments, const Plan& plan, const RunWork& work,
                               std::size_t count) const {
  const std::string wire = text_from_rank_0("ordering the layouts", [&] {
    Json all = Json::array();
    for (const Decision& d : fastest_runs(arguments, *file_, plan, work, mesh_->size(), asked_, room(), count))
      all.push_back(to_wire(d));
    return all.dump();
  });
  std::vector<Plan> plans;
  for (const Json& one : Json::parse(wire)) {
    const Decision d = from_wire(one.get<std::string>());
    plans.push_back(plan);
    plans.back().torus = d.torus;
    plans.back().prefill = plans.back().decode = d.decode;
    plans.back().schedules = d.schedules;
  }
  return plans;
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

void Job::validate_length(const Arguments& arguments, const RunWork& work, const std::string& where) const {
  const std::int64_t needed = work.longest + work.grow;
  const std::int64_t context = arguments.integer("ctx-size", std::max<std::int64_t>(1, needed), 1);
  const bool beyond_model = needed > config().context;
  if (!beyond_model && needed <= context) return;
  refuse({.what = text("prompt and new tokens together are longer than ",
                       beyond_model ? "the model's context" : "--ctx-size"),
          .where = !where.empty() ? where : beyond_model ? file_->path() : "--ctx-size",
          .numbers = {{"tokens of the prompt", work.longest},
                      {"new tokens", work.grow},
                      {"model's context", config().context},
                      {"ctx-size", context}},
          .next = text(beyond_model ? "" : "raise --ctx-size, or ", work.shorter)});
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
