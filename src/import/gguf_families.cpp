// The families of GGUF files; the names of their tensors and keys are those of llama.cpp's `gguf` python package.
#include <cmath>

#include "gguf_family.hpp"
#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun {
namespace {

constexpr TensorName common_names[] = {
    {Weight::embed, "token_embd.weight"},
    {Weight::pos_embed, "position_embd.weight"},
    {Weight::unembed, "output.weight"},
    {Weight::final_norm, "output_norm.weight"},
    {Weight::final_norm_bias, "output_norm.bias"},
    {Weight::attn_norm, "blk.#.attn_norm.weight"},
    {Weight::attn_norm_bias, "blk.#.attn_norm.bias"},
    {Weight::ffn_norm, "blk.#.ffn_norm.weight"},
    {Weight::ffn_norm_bias, "blk.#.ffn_norm.bias"},
    {Weight::attn_post_norm, "blk.#.post_attention_norm.weight"},
    {Weight::ffn_post_norm, "blk.#.post_ffw_norm.weight"},
    {Weight::attn_q_norm, "blk.#.attn_q_norm.weight"},
    {Weight::attn_k_norm, "blk.#.attn_k_norm.weight"},
    {Weight::attn_q, "blk.#.attn_q.weight"},
    {Weight::attn_q_bias, "blk.#.attn_q.bias"},
    {Weight::attn_k, "blk.#.attn_k.weight"},
    {Weight::attn_k_bias, "blk.#.attn_k.bias"},
    {Weight::attn_v, "blk.#.attn_v.weight"},
    {Weight::attn_v_bias, "blk.#.attn_v.bias"},
    {Weight::attn_o, "blk.#.attn_output.weight"},
    {Weight::attn_o_bias, "blk.#.attn_output.bias"},
    {Weight::ffn_gate, "blk.#.ffn_gate.weight"},
    {Weight::ffn_gate_bias, "blk.#.ffn_gate.bias"},
    {Weight::ffn_in, "blk.#.ffn_up.weight"},
    {Weight::ffn_in_bias, "blk.#.ffn_up.bias"},
    {Weight::ffn_out, "blk.#.ffn_down.weight"},
    {Weight::ffn_out_bias, "blk.#.ffn_down.bias"},
};

constexpr TensorName fused_names[] = {
    {Weight::embed, "token_embd.weight"},
    {Weight::pos_embed, "position_embd.weight"},
    {Weight::unembed, "output.weight"},
    {Weight::final_norm, "output_norm.weight"},
    {Weight::final_norm_bias, "output_norm.bias"},
    {Weight::attn_norm, "blk.#.attn_norm.weight"},
    {Weight::attn_norm_bias, "blk.#.attn_norm.bias"},
    {Weight::ffn_norm, "blk.#.ffn_norm.weight"},
    {Weight::ffn_norm_bias, "blk.#.ffn_norm.bias"},
    {Weight::attn_q, "blk.#.attn_qkv.weight", Fusing::stacked},
    {Weight::attn_q_bias, "blk.#.attn_qkv.bias", Fusing::stacked},
    {Weight::attn_k, "blk.#.attn_qkv.weight", Fusing::stacked},
    {Weight::attn_k_bias, "blk.#.attn_qkv.bias", Fusing::stacked},
    {Weight::attn_v, "blk.#.attn_qkv.weight", Fusing::stacked},
    {Weight::attn_v_bias, "blk.#.attn_qkv.bias", Fusing::stacked},
    {Weight::attn_o, "blk.#.attn_output.weight"},
    {Weight::attn_o_bias, "blk.#.attn_output.bias"},
    {Weight::ffn_gate, "blk.#.ffn_gate.weight"},
    {Weight::ffn_gate_bias, "blk.#.ffn_gate.bias"},
    {Weight::ffn_in, "blk.#.ffn_up.weight"},
    {Weight::ffn_in_bias, "blk.#.ffn_up.bias"},
    {Weight::ffn_out, "blk.#.ffn_down.weight"},
    {Weight::ffn_out_bias, "blk.#.ffn_down.bias"},
};

// Gate and in are one tensor too; some files have q, k and v apart.
constexpr TensorName phi3_names[] = {
    {Weight::embed, "token_embd.weight"},
    {Weight::pos_embed, "position_embd.weight"},
    {Weight::unembed, "output.weight"},
    {Weight::final_norm, "output_norm.weight"},
    {Weight::final_norm_bias, "output_norm.bias"},
    {Weight::attn_norm, "blk.#.attn_norm.weight"},
    {Weight::attn_norm_bias, "blk.#.attn_norm.bias"},
    {Weight::ffn_norm, "blk.#.ffn_norm.weight"},
    {Weight::ffn_norm_bias, "blk.#.ffn_norm.bias"},
    {Weight::attn_q, "blk.#.attn_qkv.weight", Fusing::stacked},
    {Weight::attn_q_bias, "blk.#.attn_qkv.bias", Fusing::stacked},
    {Weight::attn_k, "blk.#.attn_qkv.weight", Fusing::stacked},
    {Weight::attn_k_bias, "blk.#.attn_qkv.bias", Fusing::stacked},
    {Weight::attn_v, "blk.#.attn_qkv.weight", Fusing::stacked},
    {Weight::attn_v_bias, "blk.#.attn_qkv.bias", Fusing::stacked},
    {Weight::attn_q, "blk.#.attn_q.weight"},
    {Weight::attn_q_bias, "blk.#.attn_q.bias"},
    {Weight::attn_k, "blk.#.attn_k.weight"},
    {Weight::attn_k_bias, "blk.#.attn_k.bias"},
    {Weight::attn_v, "blk.#.attn_v.weight"},
    {Weight::attn_v_bias, "blk.#.attn_v.bias"},
    {Weight::attn_o, "blk.#.attn_output.weight"},
    {Weight::attn_o_bias, "blk.#.attn_output.bias"},
    {Weight::ffn_gate, "blk.#.ffn_up.weight", Fusing::halves},
    {Weight::ffn_in, "blk.#.ffn_up.weight", Fusing::halves},
    {Weight::ffn_out, "blk.#.ffn_down.weight"},
};

// Where there are two norms, attn_norm is that of the FFN.
constexpr TensorName falcon_names[] = {
    {Weight::embed, "token_embd.weight"},
    {Weight::pos_embed, "position_embd.weight"},
    {Weight::unembed, "output.weight"},
    {Weight::final_norm, "output_norm.weight"},
    {Weight::final_norm_bias, "output_norm.bias"},
    {Weight::attn_norm, "blk.#.attn_norm_2.weight"},
    {Weight::attn_norm_bias, "blk.#.attn_norm_2.bias"},
    {Weight::attn_norm, "blk.#.attn_norm.weight"},
    {Weight::attn_norm_bias, "blk.#.attn_norm.bias"},
    {Weight::ffn_norm, "blk.#.attn_norm.weight"},
    {Weight::ffn_norm_bias, "blk.#.attn_norm.bias"},
    {Weight::attn_q, "blk.#.attn_qkv.weight", Fusing::stacked},
    {Weight::attn_q_bias, "blk.#.attn_qkv.bias", Fusing::stacked},
    {Weight::attn_k, "blk.#.attn_qkv.weight", Fusing::stacked},
    {Weight::attn_k_bias, "blk.#.attn_qkv.bias", Fusing::stacked},
    {Weight::attn_v, "blk.#.attn_qkv.weight", Fusing::stacked},
    {Weight::attn_v_bias, "blk.#.attn_qkv.bias", Fusing::stacked},
    {Weight::attn_o, "blk.#.attn_output.weight"},
    {Weight::attn_o_bias, "blk.#.attn_output.bias"},
    {Weight::ffn_gate, "blk.#.ffn_gate.weight"},
    {Weight::ffn_gate_bias, "blk.#.ffn_gate.bias"},
    {Weight::ffn_in, "blk.#.ffn_up.weight"},
    {Weight::ffn_in_bias, "blk.#.ffn_up.bias"},
    {Weight::ffn_out, "blk.#.ffn_down.weight"},
    {Weight::ffn_out_bias, "blk.#.ffn_down.bias"},
};

constexpr std::string_view layer_epsilon = "attention.layer_norm_epsilon";
constexpr std::string_view window_key = "attention.sliding_window";

void adjust_gemma3(const Gguf& file, const Architecture& a, ModelConfig& c) {
  c.window = file.integer(key_of(a, window_key)).value_or(0);
  if (c.window == 0)
    refuse({.what = text("the file lacks the key ", key_of(a, window_key)), .where = file.where(),
            .next = "convert the model again with a current converter"});
  c.full_every = file.integer(key_of(a, "attention.sliding_window_pattern")).value_or(6);
  c.rope_local_base = file.real(key_of(a, "rope.freq_base_swa")).value_or(1e4);
  c.embed_scale = std::sqrt(static_cast<double>(c.E));
  // No key says it: the 27B, which llama.cpp tells by its layers, scales by the width per head, which is not its own.
  if (c.layers == 62) c.attn_scale = std::sqrt(static_cast<double>(c.H) / static_cast<double>(c.E));
}

void adjust_phi3(const Gguf& file, const Architecture& a, ModelConfig& c) {
  c.window = file.integer(key_of(a, window_key)).value_or(0);
  if (c.window >= c.context) c.window = 0;  // no position can leave it
  for (const char* const factors : {"rope_factors_long.weight", "rope_factors_short.weight"})
    if (file.tensor(factors))
      refuse({.what = "the model has LongRoPE rotary scaling, which tsrun does not compute", .where = file.where(),
              .numbers = {{"tensor", std::string(factors)}}, .next = "choose a model without it"});
}

void adjust_gptneox(const Gguf& file, const Architecture& a, ModelConfig& c) {
  c.block = file.boolean(key_of(a, "use_parallel_residual")).value_or(true) ? Block::parallel : Block::serial;
  c.two_norms = c.block == Block::parallel;
}

void adjust_falcon(const Gguf& file, const Architecture&, ModelConfig& c) {
  c.two_norms = file.tensor("blk.0.attn_norm_2.weight") != nullptr;
}

constexpr std::string_view gemma3_keys[] = {window_key, "attention.sliding_window_pattern", "rope.freq_base_swa"};
constexpr std::string_view phi3_keys[] = {window_key};
constexpr std::string_view gptneox_keys[] = {"use_parallel_residual"};

}  // namespace

std::span<const Architecture> architectures() {
  static const std::vector<Architecture> all = {
      {.name = "llama", .facts = {}, .qk_rows = QkRows::neighbours, .tensors = common_names},
      {.name = "qwen2", .facts = {}, .tensors = common_names},
      {.name = "qwen3", .facts = {.qk_norm = QkNorm::head}, .tensors = common_names},
      {.name = "gemma3",
       .facts = {.norm_place = NormPlace::around, .activation = Activation::gelu_tanh, .qk_norm = QkNorm::head},
       .tensors = common_names, .further_keys = gemma3_keys, .adjust = adjust_gemma3},
      {.name = "phi3", .facts = {}, .tensors = phi3_names, .further_keys = phi3_keys, .adjust = adjust_phi3},
      {.name = "olmo2", .facts = {.norm_place = NormPlace::after, .qk_norm = QkNorm::all}, .tensors = common_names},
      // No key says which of its layers are not rotated.
      {.name = "smollm3", .facts = {.nope_every = 4}, .qk_rows = QkRows::neighbours, .tensors = common_names},
      {.name = "gptneox",
       .facts = {.norm = Norm::layer, .norm_bias = true, .activation = Activation::gelu, .gated = false},
       .epsilon_key = layer_epsilon, .tensors = fused_names, .further_keys = gptneox_keys, .adjust = adjust_gptneox},
      {.name = "gpt2",
       .facts = {.norm = Norm::layer, .norm_bias = true, .activation = Activation::gelu_tanh, .gated = false,
                 .positions = Positions::learned},
       .epsilon_key = layer_epsilon, .tensors = fused_names},
      {.name = "starcoder",
       .facts = {.norm = Norm::layer, .norm_bias = true, .activation = Activation::gelu_tanh, .gated = false,
                 .positions = Positions::learned},
       .epsilon_key = layer_epsilon, .tensors = fused_names},
      {.name = "starcoder2",
       .facts = {.norm = Norm::layer, .norm_bias = true, .activation = Activation::gelu_tanh, .gated = false},
       .epsilon_key = layer_epsilon, .tensors = common_names},
      {.name = "falcon",
       .facts = {.norm = Norm::layer, .norm_bias = true, .block = Block::parallel, .activation = Activation::gelu,
                 .gated = false},
       .epsilon_key = layer_epsilon, .tensors = falcon_names, .adjust = adjust_falcon},
      {.name = "command-r",
       .facts = {.norm = Norm::layer, .block = Block::parallel, .rope_pairing = Pairing::adjacent},
       .tying = Tying::always, .epsilon_key = layer_epsilon, .biases = Presence::never,
       .logit_scale = Presence::required, .stretch = Stretch::linear, .tensors = common_names},
      // Our own name: PaLM as in its paper, the norm's scale stored as s of (1 + s).
      {.name = "palm", .facts = {.norm_offset = 1, .block = Block::parallel, .rope_pairing = Pairing::adjacent},
       .biases = Presence::never, .logit_scale = Presence::optional, .embed_scale = Presence::optional,
       .stretch = Stretch::never, .tensors = common_names},
  };
  return all;
}

}  // namespace tsrun
