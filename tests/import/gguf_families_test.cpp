// Families of GGUF files beside Llama: what they imply, how their fused tensors are taken apart, and what is refused.
// That they are computed right is shown by the golden models (reference_test).
#include <doctest/doctest.h>

#include <cmath>

#include "reading.hpp"
#include "refusal.hpp"
#include "small_models.hpp"

using namespace tsrun;
using namespace tsrun::test;

namespace {

// E 32, F 32, H 2, K 1, Q 16, V 8, one layer, q, k and v fused.
GgufImage fused(const std::string& arch, const char* epsilon) {
  GgufImage image;
  add_sizes(image, arch);
  image.f32(arch + ".attention." + epsilon, 1e-5F);
  add_matrix(image, "token_embd.weight", 8, 32);
  add_matrix(image, "blk.0.attn_qkv.weight", 64, 32);
  add_matrix(image, "blk.0.attn_output.weight", 32, 32);
  add_matrix(image, "blk.0.ffn_down.weight", 32, 32);
  for (const char* const name : {"output_norm.weight", "blk.0.attn_norm.weight"})
    image.tensor(name, {32}, type_f32, counted(1, 32));
  return image;
}

GgufImage small_phi3() {
  GgufImage image = fused("phi3", "layer_norm_rms_epsilon");
  add_matrix(image, "blk.0.ffn_up.weight", 64, 32);
  image.tensor("blk.0.ffn_norm.weight", {32}, type_f32, counted(1, 32));
  return image;
}

GgufImage small_gpt(const std::string& arch) {
  GgufImage image = fused(arch, "layer_norm_epsilon");
  add_matrix(image, "blk.0.ffn_up.weight", 32, 32);
  image.tensor("blk.0.ffn_norm.weight", {32}, type_f32, counted(1, 32));
  for (const char* const name : {"output_norm.bias", "blk.0.attn_norm.bias", "blk.0.ffn_norm.bias"})
    image.tensor(name, {32}, type_f32, counted(1, 32));
  return image;
}

GgufImage small_gemma3() {
  GgufImage image;
  add_sizes(image, "gemma3");
  image.f32("gemma3.attention.layer_norm_rms_epsilon", 1e-6F);
  image.u32("gemma3.attention.sliding_window", 16);
  add_tensors(image);
  for (const char* const name : {"ffn_norm", "post_attention_norm", "post_ffw_norm"})
    image.tensor(std::string("blk.0.") + name + ".weight", {32}, type_f32, counted(1, 32));
  for (const char* const name : {"attn_q_norm", "attn_k_norm"})
    image.tensor(std::string("blk.0.") + name + ".weight", {16}, type_f32, counted(1, 16));
  return image;
}

std::vector<int> rows_from(int first, int count) {
  std::vector<int> out;
  for (int i = 0; i < count; ++i) out.push_back(first + i);
  return out;
}

}  // namespace

TEST_CASE("fused q, k and v, and gate and in, are taken apart") {
  const auto source = open_image(small_phi3());
  const auto rows = [&](Weight weight) { return origins(all_f32(*source, weight), 32); };
  CHECK(rows(Weight::attn_q) == rows_from(0, 32));
  CHECK(rows(Weight::attn_k) == rows_from(32, 16));
  CHECK(rows(Weight::attn_v) == rows_from(48, 16));
  CHECK(rows(Weight::ffn_gate) == rows_from(0, 32));
  CHECK(rows(Weight::ffn_in) == rows_from(32, 32));
  CHECK(source->tensors()[index_of(*source, Weight::attn_k)].bytes == 16 * 32 * sizeof(float));
}

TEST_CASE("a fused tensor that is quantised is taken apart as it is") {
  GgufImage image = small_phi3();
  image.named("blk.0.attn_qkv.weight").type = type_q8_0;
  image.named("blk.0.attn_qkv.weight").data = counted_q8_0(64, 32);
  const auto source = open_image(image);
  const std::size_t k = index_of(*source, Weight::attn_k);
  CHECK(source->tensors()[k].type == DType::int8);
  CHECK(source->tensors()[k].exact);
  const std::vector<float> values = decoded(source->read(k, 3, 2));
  CHECK(values[0] == 35);
  CHECK(values[32] == 36);
  CHECK(values == [&] {
    std::vector<float> out(64);
    source->read_f32(k, 3, 2, out.data());
    return out;
  }());
}

TEST_CASE("a fused tensor of another size than its parts is refused with both") {
  GgufImage image = small_phi3();
  image.named("blk.0.attn_qkv.weight").shape = {32, 96};
  image.named("blk.0.attn_qkv.weight").data = counted(96, 32);
  expect_refusal(image, {"blk.0.attn_qkv.weight", "in the file 96 x 32", "asked for 64 x 32"});
}

TEST_CASE("Gemma 3's windows, bases and scales are those that its keys say or its family implies") {
  GgufImage image = small_gemma3();
  const ModelConfig c = open_image(image)->config();
  CHECK(c.norm_place == NormPlace::around);
  CHECK(c.norm_offset == 0);
  CHECK(c.qk_norm == QkNorm::head);
  CHECK(c.window == 16);
  CHECK(c.full_every == 6);
  CHECK(c.rope_local_base == 10000);
  CHECK(c.embed_scale == doctest::Approx(std::sqrt(32.0)));
  image.f32("gemma3.rope.freq_base_swa", 500);
  image.u32("gemma3.attention.sliding_window_pattern", 3);
  image.u32("gemma3.attention.sliding_window", 64);  // no position can leave it, but its layers turn otherwise
  CHECK(open_image(image)->config().rope_local_base == 500);
  CHECK(open_image(image)->config().full_every == 3);
  CHECK(open_image(image)->config().window == 64);
  image.f32("gemma3.final_logit_softcapping", 30);
  expect_refusal(image, {"soft-capping", "gemma3"});
  image = small_gemma3();
  image.drop("gemma3.attention.sliding_window");
  expect_refusal(image, {"lacks the key gemma3.attention.sliding_window"});
}

TEST_CASE("windows of other families are read where they are computed, and refused where not") {
  GgufImage image = small_phi3();
  image.u32("phi3.attention.sliding_window", 64);
  CHECK(open_image(image)->config().window == 0);
  image.u32("phi3.attention.sliding_window", 17);
  CHECK(open_image(image)->config().window == 17);
  GgufImage llama = small_llama();
  llama.u32("llama.attention.sliding_window", 17);
  expect_refusal(llama, {"sliding-window attention", "llama"});
}

TEST_CASE("LongRoPE is refused by name") {
  GgufImage image = small_phi3();
  image.tensor("rope_factors_long.weight", {8}, type_f32, counted(1, 8));
  expect_refusal(image, {"LongRoPE", "rope_factors_long.weight"});
}

TEST_CASE("a GPT-NeoX is parallel unless its key says otherwise, a Falcon has as many norms as its file") {
  GgufImage neox = small_gpt("gptneox");
  CHECK(open_image(neox)->config().two_norms);
  neox.boolean("gptneox.use_parallel_residual", false);
  CHECK(open_image(neox)->config().block == Block::serial);
  GgufImage falcon = small_gpt("falcon");
  falcon.drop_tensor("blk.0.ffn_norm.weight");
  falcon.drop_tensor("blk.0.ffn_norm.bias");
  CHECK_FALSE(open_image(falcon)->config().two_norms);
  falcon.tensor("blk.0.attn_norm_2.weight", {32}, type_f32, counted(1, 32));
  expect_refusal(falcon, {"lacks the tensor"});
  falcon.tensor("blk.0.attn_norm_2.bias", {32}, type_f32, counted(1, 32));
  const auto source = open_image(falcon);
  CHECK(source->config().two_norms);
  CHECK(source->tensors()[index_of(*source, Weight::attn_norm)].source_name == "blk.0.attn_norm_2.weight");
  CHECK(source->tensors()[index_of(*source, Weight::ffn_norm)].source_name == "blk.0.attn_norm.weight");
}

TEST_CASE("learned positions must be there for the whole context") {
  GgufImage image = small_gpt("gpt2");
  expect_refusal(image, {"lacks the tensor position_embd.weight"});
  add_matrix(image, "position_embd.weight", 32, 32);
  expect_refusal(image, {"position_embd.weight", "in the file 32 x 32", "asked for 64 x 32"});
  image.u32("gpt2.context_length", 32);
  const ModelConfig c = open_image(image)->config();
  CHECK(c.positions == Positions::learned);
  CHECK(c.rope_dims == 0);
}
