// A Hugging Face folder's model: facts by model_type, tensors in the model's order, shards, and no contradiction
// believed.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>

#include "reading.hpp"
#include "refusal.hpp"
#include "small_folders.hpp"

using namespace tsrun;
using namespace tsrun::test;

namespace {

void expect_refused(const HfImage& image, std::initializer_list<std::string> words) {
  expect_refusal([&] { image.open(); }, words);
}
// The small llama with one field of its configuration changed.
HfImage llama_with(const char* key, nlohmann::json value) {
  HfImage image = small_hf_llama();
  image.config[key] = std::move(value);
  return image;
}
ModelConfig config_with(const char* key, nlohmann::json value) {
  return llama_with(key, std::move(value)).open()->config();
}

// A golden folder, its configuration to be changed.
HfImage golden_folder(const std::string& name) {
  const std::string folder = TSRUN_SOURCE_DIR "/tests/golden/" + name + "/";
  const auto bytes = [&](const char* file) {
    const auto opened = open_bytes(folder + file);
    Image out(static_cast<std::size_t>(opened->size()));
    opened->read(0, out);
    return out;
  };
  HfImage image;
  const Image config = bytes("config.json");
  const auto* const text = reinterpret_cast<const char*>(config.data());
  image.config = nlohmann::json::parse(text, text + config.size());
  image.others["model.safetensors"] = bytes("model.safetensors");
  return image;
}

// The small llama in two files, with their index.
struct Sharded {
  HfImage image;
  SafetensorsImage first, second;
  nlohmann::json map;

  Sharded() : image(small_hf_llama()) {
    for (SafetensorsImage::Tensor& t : image.weights.tensors) {
      SafetensorsImage& shard = first.tensors.size() < 4 ? first : second;
      map[t.name] = &shard == &first ? "one.safetensors" : "two.safetensors";
      shard.tensors.push_back(t);
    }
  }
  HfImage folder() const {
    HfImage out = image;
    out.others["one.safetensors"] = first.bytes();
    out.others["two.safetensors"] = second.bytes();
    out.others["model.safetensors.index.json"] = image_of(nlohmann::json{{"metadata", {}}, {"weight_map", map}}.dump());
    return out;
  }
};

}  // namespace

TEST_CASE("a llama folder becomes the facts of a llama, its rows as they are stored") {
  const auto source = small_hf_llama().open();
  ModelConfig expected;
  expected.name = "test.folder";
  expected.norm_epsilon = 1e-5F;
  expected.architecture = "llama";
  expected.layers = 1;
  expected.E = 32;
  expected.F = 48;
  expected.H = 2;
  expected.K = 1;
  expected.Q = 16;
  expected.V = 8;
  expected.context = 64;
  expected.tied = true;
  expected.rope_dims = 16;
  CHECK(source->config() == expected);
  const std::vector<TensorSpec> specs = tensors_of(expected);
  REQUIRE(source->tensors().size() == specs.size());
  for (std::size_t i = 0; i < specs.size(); ++i) CHECK(source->tensors()[i].spec.path == specs[i].path);
  const std::vector<int> rows = origins(all_f32(*source, Weight::attn_q), 32);
  for (int r = 0; r < 32; ++r) CHECK(rows[static_cast<std::size_t>(r)] == r);
}

TEST_CASE("fields that may be absent have transformers' defaults, and null is absent") {
  HfImage image = small_hf_llama();
  for (const char* const key : {"rms_norm_eps", "rope_theta", "hidden_act", "architectures"}) image.config.erase(key);
  image.config["head_dim"] = nullptr;
  image.config["rope_scaling"] = nullptr;
  const ModelConfig c = image.open()->config();
  CHECK(c.norm_epsilon == 1e-6F);  // as a GGUF file of the same weights has it
  CHECK(c.rope_base == 10000);
  CHECK(c.Q == 16);
  image.config.erase("tie_word_embeddings");
  expect_refused(image, {"lacks the tensor lm_head.weight"});
  image = small_hf_llama();
  image.config.erase("num_key_value_heads");  // as many as query heads, which the tensors deny
  expect_refused(image, {"model.layers.0.self_attn.k_proj.weight", "in the file 16 x 32", "asked for 32 x 32"});
}

TEST_CASE("a field that is missing, of another kind or absurd is refused by name") {
  for (const char* const key : {"vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
                                "num_attention_heads", "max_position_embeddings"}) {
    HfImage image = small_hf_llama();
    image.config.erase(key);
    expect_refused(image, {"lacks", key});
    for (const nlohmann::json& value : {nlohmann::json("32"), nlohmann::json(2.5), nlohmann::json::array()})
      expect_refused(llama_with(key, value), {key, "whole number"});
    constexpr std::int64_t one = 1;
    for (const std::int64_t value : {one - 1, -one, one << 40, std::numeric_limits<std::int64_t>::max()})
      CHECK_THROWS_AS(llama_with(key, value).open(), Error);
  }
  expect_refused(llama_with("num_hidden_layers", 2), {"lacks the tensor model.layers.1."});
  expect_refused(llama_with("num_hidden_layers", 20000), {"too many layers"});
  expect_refused(llama_with("rms_norm_eps", "small"), {"rms_norm_eps", "finite number"});
  expect_refused(llama_with("tie_word_embeddings", 1), {"tie_word_embeddings", "true or false"});
  expect_refused(llama_with("head_dim", 15), {"odd width"});
  expect_refused(llama_with("num_attention_heads", 3), {"not a multiple of the heads"});
  expect_refused(llama_with("hidden_act", "relu2"), {"activation", "relu2"});
}

TEST_CASE("an unknown family, another class, and a folder that is none are refused by name") {
  expect_refused(llama_with("model_type", "mamba"), {"mamba", "tsrun reads llama, mistral"});
  expect_refused(llama_with("model_type", "mixtral"), {"mixtral"});
  expect_refused(llama_with("architectures", {"LlamaForSequenceClassification"}),
                 {"LlamaForSequenceClassification", "LlamaForCausalLM"});
  HfImage image = small_hf_llama();
  image.config.erase("model_type");
  expect_refused(image, {"model_type"});
  image = small_hf_llama();
  image.others["config.json"] = image_of("{\"model_type\": \"llama\", \"model_type\": \"llama\"}");
  expect_refused(image, {"config.json", "model_type", "twice"});
  image.others["config.json"] = image_of("weights");
  expect_refused(image, {"config.json", "not JSON"});
  expect_refusal([] { open_source(*folder_in_memory({}, "test.folder")); }, {"config.json"});
}

TEST_CASE("what tsrun does not compute is refused by name, and its absence is not") {
  const std::pair<const char*, nlohmann::json> features[] = {
      {"num_experts", 8}, {"num_local_experts", 8}, {"moe_intermediate_size", 64}, {"n_routed_experts", 4},
      {"attn_logit_softcapping", 50.0}, {"final_logit_softcapping", 30.0}, {"alibi", true},
      {"quantization_config", {{"quant_method", "gptq"}}}, {"use_bidirectional_attention", true}, {"clip_qkv", 8.0}};
  for (const auto& [key, value] : features) {
    expect_refused(llama_with(key, value), {key, "does not compute"});
    CHECK_NOTHROW(llama_with(key, nullptr).open());
  }
  CHECK_NOTHROW(llama_with("num_experts", 0).open());
  CHECK_NOTHROW(llama_with("alibi", false).open());
  CHECK_NOTHROW(llama_with("torch_dtype", "bfloat16").open());
}

TEST_CASE("rotary facts are read in the old form and the new") {
  const nlohmann::json llama3 = {{"rope_type", "llama3"}, {"factor", 8.0}, {"low_freq_factor", 1.0},
                                 {"high_freq_factor", 4.0}, {"original_max_position_embeddings", 8192}};
  const ModelConfig old = config_with("rope_scaling", llama3);
  CHECK(old.rope_scaling == RopeScaling::llama3);
  CHECK(old.rope_factor == 8);
  CHECK(old.rope_original_context == 8192);
  nlohmann::json both = llama3;
  both["rope_theta"] = 10000.0;
  CHECK(config_with("rope_parameters", both) == old);
  both["rope_theta"] = 5e5;
  CHECK(config_with("rope_parameters", both).rope_base == 5e5);
  CHECK(config_with("rope_scaling", {{"type", "linear"}, {"factor", 4}}).rope_factor == 4);
  CHECK(config_with("rope_scaling", {{"type", "default"}}).rope_scaling == RopeScaling::none);
  for (const char* const type : {"dynamic", "longrope", "su", "mrope"})
    expect_refused(llama_with("rope_scaling", {{"type", type}, {"factor", 4}}), {type, "rope_scaling.type"});
  expect_refused(llama_with("rope_scaling", {{"type", "linear"}}), {"rope_scaling.factor"});
  expect_refused(llama_with("rope_scaling", {{"type", "linear"}, {"factor", -1}}), {"factor"});
  nlohmann::json cut = llama3;
  cut.erase("original_max_position_embeddings");
  expect_refused(llama_with("rope_scaling", cut), {"rope_scaling.original_max_position_embeddings"});
  CHECK(config_with("partial_rotary_factor", 0.5).rope_dims == 8);
  expect_refused(llama_with("partial_rotary_factor", 1.5), {"share"});
}

TEST_CASE("older forms of a configuration are the same model") {
  HfImage gemma = golden_folder("gemma3"), old = gemma;
  for (const char* const key : {"rope_parameters", "layer_types", "_sliding_window_pattern"}) old.config.erase(key);
  old.config["rope_theta"] = 1e6;
  old.config["rope_local_base_freq"] = 1e4;
  old.config["rope_scaling"] = {{"rope_type", "linear"}, {"factor", 4}};
  old.config["sliding_window_pattern"] = 6;
  CHECK(old.open()->config() == gemma.open()->config());
  CHECK(old.open()->config().full_every == 6);
  old.config["sliding_window"] = nullptr;
  expect_refused(old, {"sliding_window null", "local layers"});
  old = gemma;
  old.config["query_pre_attn_scalar"] = 16;
  CHECK(old.open()->config().attn_scale == 0.25);

  const HfImage neox = golden_folder("gptneox");
  old = neox;
  old.config.erase("rope_parameters");
  old.config["rotary_emb_base"] = 10000;
  old.config["rotary_pct"] = 0.5;
  CHECK(old.open()->config() == neox.open()->config());
  old.config.erase("rotary_pct");
  CHECK(old.open()->config().rope_dims == 2);  // a quarter of 8

  const HfImage smollm3 = golden_folder("smollm3");
  CHECK(smollm3.open()->config().nope_every == 4);
  old = smollm3;
  old.config["no_rope_layers"] = {1, 1, 1, 0, 0};
  expect_refused(old, {"no_rope_layers", "irregular"});
  old.config["no_rope_layers"] = {1, 1};
  expect_refused(old, {"no_rope_layers 2", "layers 5"});
}

TEST_CASE("YaRN's attention factor is the paper's unless the file says otherwise") {
  const nlohmann::json yarn = {{"type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 32768}};
  const auto with = [&](const char* key, double value) {
    nlohmann::json changed = yarn;
    changed[key] = value;
    return config_with("rope_scaling", changed);
  };
  const ModelConfig c = config_with("rope_scaling", yarn);
  CHECK(c.rope_scaling == RopeScaling::yarn);
  CHECK(c.rope_attention_factor == doctest::Approx(0.1 * std::log(4) + 1));
  CHECK(c.rope_beta_fast == 32);
  CHECK(c.rope_beta_slow == 1);
  CHECK(with("attention_factor", 0.7).rope_attention_factor == 0.7);
  CHECK(with("beta_fast", 16).rope_beta_fast == 16);
  nlohmann::json whole = yarn;
  whole["truncate"] = false;
  expect_refused(llama_with("rope_scaling", whole), {"truncate"});
}

TEST_CASE("windows: which layers have one, and none that no position can leave") {
  HfImage image = small_hf_llama();
  image.config["model_type"] = "mistral";
  image.config["architectures"] = {"MistralForCausalLM"};
  const auto window = [&] { return image.open()->config().window; };
  CHECK(window() == 0);  // 4096 by default, beyond the context
  image.config["sliding_window"] = nullptr;
  CHECK(window() == 0);
  image.config["sliding_window"] = 64;
  CHECK(window() == 0);
  image.config["sliding_window"] = 63;
  CHECK(window() == 63);
  image.config["max_position_embeddings"] = 8192;
  image.config.erase("sliding_window");
  CHECK(window() == 4096);
  image.config["sliding_window"] = -1;
  expect_refused(image, {"sliding_window -1"});
  CHECK(config_with("sliding_window", 16).window == 0);  // a llama has none, whatever its file says
}

TEST_CASE("layers are local by their types, by a pattern, or not at all") {
  HfImage image = small_hf_llama();
  image.config["model_type"] = "qwen2";
  image.config["architectures"] = {"Qwen2ForCausalLM"};
  image.config["sliding_window"] = 16;
  for (const char* const name : {"q", "k", "v"})
    image.vector(std::string("model.layers.0.self_attn.") + name + "_proj.bias", name[0] == 'q' ? 32 : 16);
  CHECK(image.open()->config().window == 0);  // use_sliding_window is false by default
  image.config["use_sliding_window"] = true;
  CHECK(image.open()->config().window == 0);  // from layer 28 on
  image.config["max_window_layers"] = 0;
  CHECK(image.open()->config().window == 16);
  image.config["layer_types"] = {"full_attention"};
  CHECK(image.open()->config().window == 0);
  image.config["layer_types"] = {"chunked_attention"};
  expect_refused(image, {"chunked_attention", "layer_types"});
  image.config["layer_types"] = {"full_attention", "sliding_attention"};
  expect_refused(image, {"layer_types", "layers 1"});
  image.config["num_hidden_layers"] = 2;
  expect_refused(image, {"irregular", "layer_types"});
}

TEST_CASE("tensors of the wrong shape or type, missing or unknown, are refused by name") {
  const std::string v = "model.layers.0.self_attn.v_proj.weight";
  HfImage image = small_hf_llama();
  image.weights.named(v).shape = {32, 16};
  expect_refused(image, {v, "in the file 32 x 16", "asked for 16 x 32"});
  image = small_hf_llama();
  image.weights.named(v).type = "I32";
  expect_refused(image, {v, "I32"});
  image = small_hf_llama();
  image.weights.drop(v);
  expect_refused(image, {"lacks the tensor", v});
  image = small_hf_llama();
  image.vector("model.layers.0.self_attn.q_norm.weight", 16);
  expect_refused(image, {"model.layers.0.self_attn.q_norm.weight", "no llama"});
  image = small_hf_llama();
  image.vector("model.layers.0.self_attn.rotary_emb.inv_freq", 8);
  CHECK_NOTHROW(image.open());
}

TEST_CASE("an unembedding beside a tied embedding must be the same") {
  HfImage image = small_hf_llama();
  image.matrix("lm_head.weight", 8, 32);
  CHECK_NOTHROW(image.open());
  image.weights.named("lm_head.weight").data[100] ^= std::byte{1};
  expect_refused(image, {"lm_head.weight", "tied"});
  image.config["tie_word_embeddings"] = false;
  CHECK_FALSE(image.open()->config().tied);
}

TEST_CASE("a prefix that a folder leaves out is not missed") {
  HfImage image = small_gpt2();
  for (SafetensorsImage::Tensor& t : image.weights.tensors) t.name = t.name.substr(std::string("transformer.").size());
  CHECK(image.open()->tensors().front().source_name == "wte.weight");
}

TEST_CASE("GPT-2's matrices are turned and split, any rows of them") {
  const auto source = small_gpt2().open();
  const ModelConfig& c = source->config();
  CHECK(c.positions == Positions::learned);
  CHECK(c.F == 128);
  CHECK(c.norm_bias);
  CHECK(c.tied);
  // Row r, column c of the file is 100 r + c: so row r, column c of the model is 100 c + r, and k begins 32 later.
  for (const auto& [weight, first] : {std::pair{Weight::attn_q, 0}, {Weight::attn_k, 32}, {Weight::attn_v, 64}}) {
    const std::vector<float> values = all_f32(*source, weight);
    for (const int row : {0, 1, 31})
      for (const int column : {0, 5, 31})
        CHECK(values[static_cast<std::size_t>(32 * row + column)] == static_cast<float>(100 * column + first + row));
    const std::size_t i = index_of(*source, weight);
    CHECK(decoded(source->read(i, 7, 3)) == std::vector<float>(values.begin() + 7 * 32, values.begin() + 10 * 32));
  }
  CHECK(all_f32(*source, Weight::attn_k_bias)[3] == 35);
  CHECK(all_f32(*source, Weight::ffn_out)[128 * 2 + 100] == 10002);
}

TEST_CASE("Falcon's heads are taken apart group by group") {
  const auto source = small_falcon().open();
  CHECK(source->config().two_norms);
  CHECK(source->config().K == 2);
  // Each group: 16 rows of q, 8 of k, 8 of v.
  const auto rows = [&](Weight weight) { return origins(all_f32(*source, weight), 32); };
  std::vector<int> q, k, v;
  for (int group = 0; group < 2; ++group)
    for (int i = 0; i < 16; ++i) {
      q.push_back(32 * group + i);
      if (i < 8) k.push_back(32 * group + 16 + i);
      if (i < 8) v.push_back(32 * group + 24 + i);
    }
  CHECK(rows(Weight::attn_q) == q);
  CHECK(rows(Weight::attn_k) == k);
  CHECK(rows(Weight::attn_v) == v);
  const std::size_t i = index_of(*source, Weight::attn_q);
  for (std::int64_t first = 0; first < 32; ++first)
    for (std::int64_t count = 0; first + count <= 32; count += 3) {
      const std::vector<int> part(q.begin() + first, q.begin() + first + count);
      CHECK(origins(decoded(source->read(i, first, count)), 32) == part);
    }
  HfImage image = small_falcon();
  image.config["alibi"] = true;
  expect_refused(image, {"ALiBi"});
  image = small_falcon();
  image.config["parallel_attn"] = false;
  expect_refused(image, {"none of Falcon's"});
}

TEST_CASE("a sharded folder is one model") {
  const auto whole = small_hf_llama().open(), sharded = Sharded().folder().open();
  REQUIRE(whole->config() == sharded->config());
  for (std::size_t i = 0; i < whole->tensors().size(); ++i) {
    const TensorSpec& spec = whole->tensors()[i].spec;
    CHECK(whole->read(i, 0, spec.rows).values == sharded->read(i, 0, spec.rows).values);
  }
}

TEST_CASE("a shard that is missing, swapped, repeated or cut is refused by name") {
  HfImage folder = Sharded().folder();
  folder.others.erase("two.safetensors");
  expect_refused(folder, {"two.safetensors", "missing"});
  folder = Sharded().folder();
  std::swap(folder.others["one.safetensors"], folder.others["two.safetensors"]);
  expect_refused(folder, {"another file than the index says", "one.safetensors", "two.safetensors"});
  folder = Sharded().folder();
  folder.others["two.safetensors"] = folder.others["one.safetensors"];
  expect_refused(folder, {"another file than the index says", "found in two.safetensors"});
  folder = Sharded().folder();
  folder.others["two.safetensors"].pop_back();
  expect_refused(folder, {"two.safetensors", "past the end"});
  Sharded short_one;
  short_one.second.tensors.pop_back();
  expect_refused(short_one.folder(), {"two.safetensors lacks the tensor model.norm.weight"});
  Sharded long_one;
  long_one.second.tensor("extra", "F32", {1}, Image(4));
  expect_refused(long_one.folder(), {"extra", "two.safetensors", "not in the index"});
  Sharded outside;
  outside.map["model.norm.weight"] = "../two.safetensors";
  expect_refused(outside.folder(), {"../two.safetensors", "not the name of a file"});
  outside.map["model.norm.weight"] = 2;
  expect_refused(outside.folder(), {"model.norm.weight"});
  outside.map = nullptr;
  expect_refused(outside.folder(), {"weight_map"});
  expect_refusal([] {
    HfImage image = small_hf_llama();
    auto files = image.files();
    files.erase("model.safetensors");
    files["pytorch_model.bin"] = {};
    open_source(*folder_in_memory(files, "test.folder"));
  }, {"neither model.safetensors nor model.safetensors.index.json"});
}

TEST_CASE("a configuration with any byte changed is refused, or read to the end") {
  const std::string config = small_hf_llama().config.dump();
  for (std::size_t at = 0; at < config.size(); ++at)
    for (const char change : {'\0', '"', '9', '-', 'e', '}'}) {
      HfImage image = small_hf_llama();
      std::string changed = config;
      changed[at] = change;
      image.others["config.json"] = image_of(changed);
      try {
        const auto source = image.open();
        for (std::size_t i = 0; i < source->tensors().size(); ++i) source->read(i, 0, source->tensors()[i].spec.rows);
      } catch (const Error& error) {
        CHECK(error.exit() == Exit::request);
      }
    }
}
