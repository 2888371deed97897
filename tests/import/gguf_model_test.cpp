// A file's model: facts by architecture, tensors in the model's order and types, and no contradiction believed.
#include <doctest/doctest.h>

#include <cmath>
#include <numbers>

#include "reading.hpp"
#include "refusal.hpp"
#include "small_models.hpp"

using namespace tsrun;
using namespace tsrun::test;

namespace {

Image bias(std::uint64_t n) { return counted(1, n); }

// Llama 3's divisors as its converter writes them, in f32.
Image llama3_divisors(int R, float base, float factor, float low, float high, float original) {
  Image out;
  for (int i = 0; i < R; i += 2) {
    const float frequency = 1.0F / std::pow(base, static_cast<float>(i) / static_cast<float>(R));
    const float wavelength = 2 * std::numbers::pi_v<float> / frequency;
    const float smooth = (original / wavelength - low) / (high - low);
    const bool fast = wavelength < original / high, slow = wavelength > original / low;
    put(out, fast ? 1.0F : slow ? factor : 1 / ((1 - smooth) / factor + smooth));
  }
  return out;
}

}  // namespace

TEST_CASE("a llama file becomes the facts of a llama") {
  const auto source = open_image(small_llama());
  ModelConfig expected;
  expected.name = "small llama";
  expected.architecture = "llama";
  expected.layers = 1;
  expected.E = expected.F = 32;
  expected.H = 2;
  expected.K = 1;
  expected.Q = 16;
  expected.V = 8;
  expected.context = 64;
  expected.norm_epsilon = 1e-5F;
  expected.tied = true;
  expected.rope_dims = 16;
  CHECK(source->config() == expected);
  const std::vector<TensorSpec> specs = tensors_of(expected);
  REQUIRE(source->tensors().size() == specs.size());
  for (std::size_t i = 0; i < specs.size(); ++i) CHECK(source->tensors()[i].spec.path == specs[i].path);
}

TEST_CASE("a command-r file becomes the facts of a Cohere") {
  const ModelConfig c = open_image(small_command_r())->config();
  CHECK(c.norm == Norm::layer);
  CHECK_FALSE(c.norm_bias);
  CHECK(c.block == Block::parallel);
  CHECK(c.activation == Activation::silu);
  CHECK(c.gated);
  CHECK(c.rope_pairing == Pairing::adjacent);
  CHECK(c.tied);
  CHECK(c.logit_scale == 0.0625);
  CHECK(c.norm_offset == 0);
}

TEST_CASE("a palm file becomes the facts of a PaLM") {
  const ModelConfig c = open_image(small_palm())->config();
  CHECK(c.norm == Norm::rms);
  CHECK(c.norm_offset == 1);
  CHECK(c.block == Block::parallel);
  CHECK(c.activation == Activation::silu);
  CHECK(c.rope_pairing == Pairing::adjacent);
  CHECK(c.K == 1);
  CHECK(c.tied);
  GgufImage image = small_palm();
  add_matrix(image, "output.weight", 8, 32);
  CHECK_FALSE(open_image(image)->config().tied);
}

TEST_CASE("llama's rows of q and k are put back into Hugging Face's order, any rows of any type") {
  const auto source = open_image(small_llama());
  const std::vector<int> head{0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15};
  std::vector<int> two_heads = head;
  for (const int row : head) two_heads.push_back(16 + row);
  CHECK(origins(all_f32(*source, Weight::attn_q), 32) == two_heads);
  CHECK(origins(all_f32(*source, Weight::attn_v), 32)[1] == 1);

  const std::size_t k = index_of(*source, Weight::attn_k);  // Q8_0, value row + column
  CHECK(source->tensors()[k].type == DType::int8);
  const std::vector<float> rows = all_f32(*source, Weight::attn_k);
  for (std::size_t r = 0; r < 16; ++r) CHECK(rows[32 * r + 5] == static_cast<float>(head[r] + 5));
  CHECK(decoded(source->read(k, 0, 16)) == rows);
  for (std::int64_t first = 0; first < 16; ++first)
    for (std::int64_t count = 0; first + count <= 16; ++count) {
      const std::vector<float> part(rows.begin() + 32 * first, rows.begin() + 32 * (first + count));
      CHECK(decoded(source->read(k, first, count)) == part);
    }
}

TEST_CASE("families that are stored in order are read in order") {
  for (const GgufImage& image : {small_command_r(), small_palm()}) {
    const std::vector<int> rows = origins(all_f32(*open_image(image), Weight::attn_q), 32);
    for (int r = 0; r < 32; ++r) CHECK(rows[static_cast<std::size_t>(r)] == r);
  }
}

TEST_CASE("where only part of a head rotates, only that part is reordered") {
  GgufImage image = small_llama();
  image.u32("llama.rope.dimension_count", 4);
  const std::vector<int> rows = origins(all_f32(*open_image(image), Weight::attn_q), 32);
  CHECK(std::vector<int>(rows.begin(), rows.begin() + 6) == std::vector<int>{0, 2, 1, 3, 4, 5});
  CHECK(std::vector<int>(rows.begin() + 16, rows.begin() + 22) == std::vector<int>{16, 18, 17, 19, 20, 21});
}

TEST_CASE("biases of each kind are read where they stand, those of q and k reordered") {
  GgufImage image = small_llama();
  image.tensor("blk.0.attn_q.bias", {32}, type_f32, bias(32));
  image.tensor("blk.0.attn_k.bias", {16}, type_f32, bias(16));
  expect_refusal(image, {"lacks the tensor blk.0.attn_v.bias"});
  image.tensor("blk.0.attn_v.bias", {16}, type_f32, bias(16));
  image.tensor("blk.0.attn_output.bias", {32}, type_f32, bias(32));
  for (const char* const name : {"blk.0.ffn_gate.bias", "blk.0.ffn_up.bias", "blk.0.ffn_down.bias"})
    image.tensor(name, {32}, type_f32, bias(32));
  const auto source = open_image(image);
  CHECK(source->config().qkv_bias);
  CHECK(source->config().attn_out_bias);
  CHECK(source->config().ffn_bias);
  const std::vector<float> q = all_f32(*source, Weight::attn_q_bias);
  CHECK(std::vector<float>(q.begin(), q.begin() + 3) == std::vector<float>{0, 2, 4});
  CHECK(q[8] == 1);
  CHECK(q[17] == 18);
  CHECK(decoded(source->read(index_of(*source, Weight::attn_q_bias), 0, 1)) == q);
  CHECK(all_f32(*source, Weight::attn_v_bias)[1] == 1);
  expect_refusal([&] {
    GgufImage palm = small_palm();
    palm.tensor("blk.0.attn_output.bias", {32}, type_f32, bias(32));
    open_image(palm);
  }, {"blk.0.attn_output.bias", "palm"});
}

TEST_CASE("a quantised vector is kept as f32") {
  GgufImage image = small_llama();
  image.named("output_norm.weight").type = type_q8_0;
  image.named("output_norm.weight").data = counted_q8_0(1, 32);
  const auto source = open_image(image);
  const std::size_t i = index_of(*source, Weight::final_norm);
  CHECK(source->tensors()[i].type == DType::f32);
  CHECK(source->tensors()[i].exact);
  CHECK(source->tensors()[i].source_type == "Q8_0");
  CHECK(decoded(source->read(i, 0, 1))[9] == 9);
}

TEST_CASE("an untied unembedding is read") {
  GgufImage image = small_llama();
  add_matrix(image, "output.weight", 8, 32);
  const auto source = open_image(image);
  CHECK_FALSE(source->config().tied);
  CHECK(all_f32(*source, Weight::unembed)[33] == 101);
}

TEST_CASE("what may be absent has its default") {
  GgufImage image = small_llama();
  for (const char* const key :
       {"llama.rope.freq_base", "llama.rope.dimension_count", "llama.vocab_size", "general.name"})
    image.drop(key);
  const ModelConfig c = open_image(image)->config();
  CHECK(c.rope_base == 10000);
  CHECK(c.rope_dims == 16);
  CHECK(c.V == 8);
  CHECK(c.name == "test");
  image.drop("llama.attention.head_count_kv");  // as many as query heads, which the tensors deny
  expect_refusal(image, {"blk.0.attn_k.weight", "in the file 16 x 32", "asked for 32 x 32"});
}

TEST_CASE("a field that is missing is refused by key") {
  for (const char* const suffix : {"block_count", "context_length", "embedding_length", "feed_forward_length",
                                   "attention.head_count", "attention.layer_norm_rms_epsilon"}) {
    GgufImage image = small_llama();
    image.drop(std::string("llama.") + suffix);
    expect_refusal(image, {"lacks the key", std::string("llama.") + suffix});
  }
  GgufImage image = small_command_r();
  image.drop("command-r.logit_scale");
  expect_refusal(image, {"lacks the key command-r.logit_scale"});
  image = small_llama();
  image.drop("general.architecture");
  expect_refusal(image, {"general.architecture", "llama, qwen2", "command-r, palm"});
}

TEST_CASE("a field that contradicts a tensor or another field is refused with both numbers") {
  const auto with = [](const char* key, std::uint32_t value) {
    GgufImage image = small_llama();
    image.u32(std::string("llama.") + key, value);
    return image;
  };
  expect_refusal(with("embedding_length", 64), {"token_embd.weight", "in the file 8 x 32", "asked for 8 x 64"});
  expect_refusal(with("feed_forward_length", 48),
                 {"blk.0.ffn_gate.weight", "in the file 32 x 32", "asked for 48 x 32"});
  expect_refusal(with("vocab_size", 9), {"llama.vocab_size", "rows 8", "vocab_size 9"});
  expect_refusal(with("block_count", 2), {"lacks the tensor blk.1.attn_norm.weight"});
  expect_refusal(with("block_count", 1000000), {"layers 1000000", "tensors 11"});
  expect_refusal(with("block_count", 0), {"layers 0"});
  expect_refusal(with("attention.head_count", 3), {"E 32", "H 3"});
  expect_refusal(with("attention.head_count", 0), {"E 32", "H 0"});
  expect_refusal(with("attention.head_count_kv", 0), {"K 0"});
  expect_refusal(with("attention.value_length", 8), {"key_length 16", "value_length 8"});
  expect_refusal(with("attention.key_length", 8), {"rope.dimension_count 16", "head width 8"});
  expect_refusal(with("rope.dimension_count", 7), {"rope.dimension_count 7"});
  expect_refusal(with("rope.dimension_count", 0), {"rope.dimension_count 0"});
  GgufImage image = small_llama();
  image.i32s("llama.feed_forward_length", {32});
  expect_refusal(image, {"llama.feed_forward_length", "layer to layer"});
}

TEST_CASE("missing and unexpected tensors are refused by name") {
  for (const char* const name :
       {"token_embd.weight", "blk.0.attn_k.weight", "blk.0.ffn_norm.weight", "output_norm.weight"}) {
    GgufImage image = small_llama();
    image.drop_tensor(name);
    expect_refusal(image, {std::string("lacks the tensor ") + name});
  }
  GgufImage image = small_llama();
  image.tensor("blk.0.attn_q_norm.weight", {16}, type_f32, bias(16));
  expect_refusal(image, {"blk.0.attn_q_norm.weight", "no llama"});
  image = small_command_r();
  add_matrix(image, "output.weight", 8, 32);
  expect_refusal(image, {"output.weight", "no command-r"});
  image = small_llama();
  image.tensor("evil\x1b[31m", {16}, type_f32, bias(16));
  expect_refusal(image, {"evil\\x1b[31m"});
}

TEST_CASE("what tsrun does not compute is refused by name, its neutral value accepted") {
  struct Row {
    const char* suffix;
    float neutral, other;
    const char* said;
  };
  const Row rows[] = {{"expert_count", 0, 8, "mixture-of-experts"},
                      {"attention.sliding_window", 0, 4096, "sliding-window"},
                      {"attn_logit_softcapping", 0, 50, "soft-capping"},
                      {"final_logit_softcapping", 0, 30, "soft-capping"},
                      {"attention.clamp_kqv", 0, 8, "clamping"},
                      {"attention.max_alibi_bias", 0, 8, "ALiBi"},
                      {"residual_scale", 1, 0.5F, "residual scale"},
                      {"logit_scale", 1, 0.5F, "logit scale"},
                      {"embedding_scale", 1, 12, "embedding scale"}};
  for (const Row& row : rows) {
    GgufImage image = small_llama();
    const std::string key = std::string("llama.") + row.suffix;
    image.f32(key, row.neutral);
    CHECK_NOTHROW(open_image(image));
    image.f32(key, row.other);
    expect_refusal(image, {key, row.said});
  }
  GgufImage image = small_llama();
  image.boolean("llama.attention.causal", false);
  expect_refusal(image, {"llama.attention.causal", "not causal"});
  image = small_llama();
  image.u32("llama.something_new", 1);
  expect_refusal(image, {"llama.something_new"});
  image = small_llama();
  image.u32("mistral.something_new", 1);  // another family's keys say nothing here
  CHECK_NOTHROW(open_image(image));
}

TEST_CASE("an unknown architecture, an adapter, a part and newer blocks are refused by name") {
  GgufImage image = small_llama();
  image.string("general.architecture", "mamba");
  expect_refusal(image, {"mamba", "tsrun reads llama, qwen2"});
  image = small_llama();
  image.string("general.type", "adapter");
  expect_refusal(image, {"adapter"});
  image = small_llama();
  image.u32("split.count", 3);
  expect_refusal(image, {"split", "3"});
  image = small_llama();
  image.u32("general.quantization_version", 9);
  expect_refusal(image, {"general.quantization_version 9"});
}

TEST_CASE("linear rotary scaling and YaRN are read; others are refused by name") {
  GgufImage image = small_llama();
  image.string("llama.rope.scaling.type", "linear");
  image.f32("llama.rope.scaling.factor", 4);
  CHECK(open_image(image)->config().rope_scaling == RopeScaling::linear);
  CHECK(open_image(image)->config().rope_factor == 4);
  image.f32("llama.rope.scaling.factor", -4);
  expect_refusal(image, {"scaling factor"});
  image.f32("llama.rope.scaling.factor", 1);
  CHECK(open_image(image)->config().rope_scaling == RopeScaling::none);
  image.drop("llama.rope.scaling.type");
  image.drop("llama.rope.scaling.factor");
  image.f32("llama.rope.scale_linear", 2);
  CHECK(open_image(image)->config().rope_factor == 2);
  for (const char* const type : {"longrope", "dynamic"}) {
    image.string("llama.rope.scaling.type", type);
    expect_refusal(image, {type});
  }
  image.string("llama.rope.scaling.type", "yarn");
  image.f32("llama.rope.scaling.factor", 4);
  image.u32("llama.rope.scaling.original_context_length", 32);
  image.f32("llama.rope.scaling.yarn_beta_fast", 16);
  const ModelConfig yarn = open_image(image)->config();
  CHECK(yarn.rope_scaling == RopeScaling::yarn);
  CHECK(yarn.rope_factor == 4);
  CHECK(yarn.rope_original_context == 32);
  CHECK(yarn.rope_beta_fast == 16);
  CHECK(yarn.rope_attention_factor == doctest::Approx(1.138629436));
  image.f32("llama.rope.scaling.attn_factor", 0.5F);
  expect_refusal(image, {"rotary attention factor"});
  GgufImage palm = small_palm();
  palm.f32("palm.rope.scaling.factor", 2);
  expect_refusal(palm, {"rope.scaling.factor", "palm"});
}

TEST_CASE("Llama 3's rotary scaling is recovered from its divisors, and nothing else is taken for it") {
  GgufImage image = small_llama();
  image.f32("llama.rope.freq_base", 500000);
  image.tensor("rope_freqs.weight", {8}, type_f32, llama3_divisors(16, 500000, 32, 1, 4, 8192));
  const ModelConfig c = open_image(image)->config();
  CHECK(c.rope_scaling == RopeScaling::llama3);
  CHECK(c.rope_factor == 32);
  CHECK(c.rope_low_freq_factor == 1);
  CHECK(c.rope_high_freq_factor == 4);
  CHECK(c.rope_original_context == 8192);

  GgufImage wrong = image;
  wrong.named("rope_freqs.weight").data = llama3_divisors(16, 500000, 32, 1, 8, 8192);
  expect_refusal(wrong, {"rope_freqs.weight", "Llama 3", "factor 32"});
  wrong.named("rope_freqs.weight").data = llama3_divisors(16, 500000, 32, 1, 4, 4096);
  expect_refusal(wrong, {"rope_freqs.weight", "Llama 3"});
  wrong.u32("llama.rope.scaling.original_context_length", 4096);
  CHECK(open_image(wrong)->config().rope_original_context == 4096);
  wrong = image;
  Image& nudged = wrong.named("rope_freqs.weight").data;  // a frequency between the bounds, by a ten-thousandth
  float divisor = 0;
  std::memcpy(&divisor, nudged.data() + 4 * sizeof divisor, sizeof divisor);
  divisor *= 1.0001F;
  std::memcpy(nudged.data() + 4 * sizeof divisor, &divisor, sizeof divisor);
  expect_refusal(wrong, {"rope_freqs.weight", "frequency 4"});
  wrong = image;
  wrong.f32("llama.rope.scaling.factor", 2);
  expect_refusal(wrong, {"rope_freqs.weight", "linear"});
  wrong = image;
  wrong.named("rope_freqs.weight").shape = {4};
  expect_refusal(wrong, {"rope_freqs.weight", "numbers 4", "frequencies 8"});
  wrong = image;
  Image& data = wrong.named("rope_freqs.weight").data;
  data.clear();
  for (int i = 0; i < 8; ++i) put(data, i == 3 ? std::nanf("") : 1.0F);
  expect_refusal(wrong, {"rope_freqs.weight", "frequency 3"});
  wrong = image;
  wrong.named("rope_freqs.weight").data = llama3_divisors(16, 500000, 1, 1, 4, 8192);
  CHECK(open_image(wrong)->config().rope_scaling == RopeScaling::none);
  GgufImage other = small_command_r();
  other.tensor("rope_freqs.weight", {8}, type_f32, llama3_divisors(16, 10000, 8, 1, 4, 8192));
  expect_refusal(other, {"rope_freqs.weight", "command-r"});
}
