// tsrun inspect: what is in a model file.
#include <iomanip>
#include <iostream>
#include <numeric>
#include <optional>

#include "commands.hpp"
#include "report.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/engine/engine.hpp"
#include "tsrun/store/model_file.hpp"
#include "tsrun/tokenizer/chat_name.hpp"

namespace tsrun::cli {
namespace {

Json shape(const TensorSpec& spec) { return spec.is_vector ? Json{spec.columns} : Json{spec.rows, spec.columns}; }

void print(const ModelFile& file) {
  const ModelConfig& c = file.config();
  std::cout << file.path() << ": " << c.name << ", " << c.parameters() << " parameters\n";
  const Json facts = to_json(c);
  for (const auto& [fact, value] : facts.items())
    std::cout << "  " << std::left << std::setw(24) << fact << value.dump() << "\n";
  const TokenizerData& t = file.tokenizer();
  std::cout << "tokenizer  " << word(t.kind) << ", " << t.tokens.size() << " tokens, " << t.merges.size() << " merges"
            << (t.reason.empty() ? "" : ": " + t.reason) << "\n";
  const std::string chat = t.chat_template.empty() ? "no template" : "template " + chat_name(t.chat_template);
  std::cout << "chat       " << chat << "\n";
  for (const StoredTensor& tensor : file.tensors())
    std::cout << "  " << std::left << std::setw(28) << tensor.spec.path << std::setw(9) << name(tensor.type)
              << std::setw(18) << shape(tensor.spec).dump() << human_bytes(static_cast<double>(tensor.bytes())) << "\n";
}

// What a rank would hold: one sequence as long as the model was made for.
Plan example_plan(const ModelFile& file, const Torus& torus) {
  Plan plan;
  plan.torus = torus;
  plan.prefill = plan.decode = parse_layout("ws2d/head");
  plan.context = file.config().context;
  plan.chunk = std::min<std::int64_t>(plan.chunk, plan.context);
  return plan;
}

// All ranks on one, a thread each.
HostRanks host_of(const Torus& torus) {
  HostRanks host{std::vector<int>(static_cast<std::size_t>(torus.size())), torus.size()};
  std::iota(host.ranks.begin(), host.ranks.end(), 0);
  return host;
}

void print(const Memory& m, const Plan& plan) {
  const auto human = [](std::int64_t n) { return human_bytes(static_cast<double>(n)); };
  std::cout << text("a rank of ", to_text(plan.torus), " in ", to_text(plan.decode), ", one sequence of ", plan.context,
                    ": weights ", human(m.weights), ", cache ", human(m.kv), ", activations ",
                    human(m.of_pass()), ", together ", human(m.weights + m.at_work()),
                    "; while it loads ", human(m.weights + m.window_seen), "\n");
}

Json rank_json(const Memory& m, const Plan& plan) {
  Json out = {{"mesh", {plan.torus.X, plan.torus.Y, plan.torus.Z}},
              {"layout", to_text(plan.decode)},
              {"sequences", plan.sequences},
              {"context", plan.context},
              {"kv_dtype", name(plan.kv)}};
  out.update(to_json(m));
  return out;
}

}  // namespace

po::options_description inspect_options() {
  po::options_description o("Inspect");
  o.add_options()
    ("file", po::value<std::string>()->value_name("FILE.h5"), "the model file")
    ("mesh", po::value<std::string>()->value_name("XxYxZ"), "also what a rank of this mesh would hold")
    ("verify", po::bool_switch(), "read everything and check every checksum");
  return o.add(common_options());
}

int run_inspect(const Arguments& a, const Console& console) {
  const ModelFile file(a.required("file", "write tsrun inspect FILE.h5"));
  const bool verify = a.flag("verify");
  if (verify) {
    Progress progress(console.reports(), "verify");
    file.verify([&progress](std::int64_t done, std::int64_t all) {
      const auto bytes = static_cast<double>(done);
      progress.at(bytes / static_cast<double>(std::max<std::int64_t>(1, all)), human_bytes(bytes));
    });
  }
  std::optional<Plan> plan;
  if (const auto mesh = a.text("mesh")) plan = example_plan(file, parse_torus(*mesh));
  const Memory memory = plan ? predict_memory(file, *plan, host_of(plan->torus)) : Memory{};
  if (console.prints()) {
    print(file);
    if (plan) print(memory, *plan);
    if (verify) std::cout << "every checksum is right\n";
  }
  Json document = envelope("inspect", {});
  document["config"] = to_json(file.config());
  document["parameters"] = file.config().parameters();
  document["tensors"] = Json::array();
  for (const StoredTensor& t : file.tensors())
    document["tensors"].push_back(
        {{"name", t.spec.path}, {"shape", shape(t.spec)}, {"dtype", name(t.type)}, {"bytes", t.bytes()}});
  const TokenizerData& t = file.tokenizer();
  document["tokenizer"] = {{"kind", word(t.kind)},
                           {"tokens", t.tokens.size()},
                           {"merges", t.merges.size()},
                           {"bos", t.bos ? Json(*t.bos) : Json()},
                           {"eos", t.eos ? Json(*t.eos) : Json()},
                           {"ends", t.ends},
                           {"chat_template", !t.chat_template.empty()},
                           {"chat_family", t.chat_template.empty() ? Json() : Json(chat_name(t.chat_template))},
                           {"reason", t.reason.empty() ? Json() : Json(t.reason)}};
  document["rank"] = plan ? rank_json(memory, *plan) : Json();
  document["verified"] = verify ? Json(true) : Json();
  console.write(document);
  return 0;
}

}  // namespace tsrun::cli
