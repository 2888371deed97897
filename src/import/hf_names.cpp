#include "hf_names.hpp"

namespace tsrun::hf {
namespace {

constexpr TensorName llama[] = {
    {Weight::embed, "model.embed_tokens.weight"},
    {Weight::unembed, "lm_head.weight"},
    {Weight::final_norm, "model.norm.weight"},
    {Weight::attn_norm, "model.layers.#.input_layernorm.weight"},
    {Weight::ffn_norm, "model.layers.#.post_attention_layernorm.weight"},
    {Weight::attn_q, "model.layers.#.self_attn.q_proj.weight"},
    {Weight::attn_k, "model.layers.#.self_attn.k_proj.weight"},
    {Weight::attn_v, "model.layers.#.self_attn.v_proj.weight"},
    {Weight::attn_o, "model.layers.#.self_attn.o_proj.weight"},
    {Weight::attn_q_bias, "model.layers.#.self_attn.q_proj.bias"},
    {Weight::attn_k_bias, "model.layers.#.self_attn.k_proj.bias"},
    {Weight::attn_v_bias, "model.layers.#.self_attn.v_proj.bias"},
    {Weight::attn_o_bias, "model.layers.#.self_attn.o_proj.bias"},
    {Weight::attn_q_norm, "model.layers.#.self_attn.q_norm.weight"},
    {Weight::attn_k_norm, "model.layers.#.self_attn.k_norm.weight"},
    {Weight::ffn_gate, "model.layers.#.mlp.gate_proj.weight"},
    {Weight::ffn_in, "model.layers.#.mlp.up_proj.weight"},
    {Weight::ffn_out, "model.layers.#.mlp.down_proj.weight"},
    {Weight::ffn_gate_bias, "model.layers.#.mlp.gate_proj.bias"},
    {Weight::ffn_in_bias, "model.layers.#.mlp.up_proj.bias"},
    {Weight::ffn_out_bias, "model.layers.#.mlp.down_proj.bias"},
};

constexpr TensorName gemma3[] = {
    {Weight::embed, "model.embed_tokens.weight"},
    {Weight::unembed, "lm_head.weight"},
    {Weight::final_norm, "model.norm.weight"},
    {Weight::attn_norm, "model.layers.#.input_layernorm.weight"},
    {Weight::attn_post_norm, "model.layers.#.post_attention_layernorm.weight"},
    {Weight::ffn_norm, "model.layers.#.pre_feedforward_layernorm.weight"},
    {Weight::ffn_post_norm, "model.layers.#.post_feedforward_layernorm.weight"},
    {Weight::attn_q, "model.layers.#.self_attn.q_proj.weight"},
    {Weight::attn_k, "model.layers.#.self_attn.k_proj.weight"},
    {Weight::attn_v, "model.layers.#.self_attn.v_proj.weight"},
    {Weight::attn_o, "model.layers.#.self_attn.o_proj.weight"},
    {Weight::attn_q_bias, "model.layers.#.self_attn.q_proj.bias"},
    {Weight::attn_k_bias, "model.layers.#.self_attn.k_proj.bias"},
    {Weight::attn_v_bias, "model.layers.#.self_attn.v_proj.bias"},
    {Weight::attn_o_bias, "model.layers.#.self_attn.o_proj.bias"},
    {Weight::attn_q_norm, "model.layers.#.self_attn.q_norm.weight"},
    {Weight::attn_k_norm, "model.layers.#.self_attn.k_norm.weight"},
    {Weight::ffn_gate, "model.layers.#.mlp.gate_proj.weight"},
    {Weight::ffn_in, "model.layers.#.mlp.up_proj.weight"},
    {Weight::ffn_out, "model.layers.#.mlp.down_proj.weight"},
};

constexpr TensorName olmo2[] = {
    {Weight::embed, "model.embed_tokens.weight"},
    {Weight::unembed, "lm_head.weight"},
    {Weight::final_norm, "model.norm.weight"},
    {Weight::attn_post_norm, "model.layers.#.post_attention_layernorm.weight"},
    {Weight::ffn_post_norm, "model.layers.#.post_feedforward_layernorm.weight"},
    {Weight::attn_q, "model.layers.#.self_attn.q_proj.weight"},
    {Weight::attn_k, "model.layers.#.self_attn.k_proj.weight"},
    {Weight::attn_v, "model.layers.#.self_attn.v_proj.weight"},
    {Weight::attn_o, "model.layers.#.self_attn.o_proj.weight"},
    {Weight::attn_q_bias, "model.layers.#.self_attn.q_proj.bias"},
    {Weight::attn_k_bias, "model.layers.#.self_attn.k_proj.bias"},
    {Weight::attn_v_bias, "model.layers.#.self_attn.v_proj.bias"},
    {Weight::attn_o_bias, "model.layers.#.self_attn.o_proj.bias"},
    {Weight::attn_q_norm, "model.layers.#.self_attn.q_norm.weight"},
    {Weight::attn_k_norm, "model.layers.#.self_attn.k_norm.weight"},
    {Weight::ffn_gate, "model.layers.#.mlp.gate_proj.weight"},
    {Weight::ffn_in, "model.layers.#.mlp.up_proj.weight"},
    {Weight::ffn_out, "model.layers.#.mlp.down_proj.weight"},
};

constexpr TensorName phi3[] = {
    {Weight::embed, "model.embed_tokens.weight"},
    {Weight::unembed, "lm_head.weight"},
    {Weight::final_norm, "model.norm.weight"},
    {Weight::attn_norm, "model.layers.#.input_layernorm.weight"},
    {Weight::ffn_norm, "model.layers.#.post_attention_layernorm.weight"},
    {Weight::attn_q, "model.layers.#.self_attn.qkv_proj.weight", Fusing::stacked},
    {Weight::attn_k, "model.layers.#.self_attn.qkv_proj.weight", Fusing::stacked},
    {Weight::attn_v, "model.layers.#.self_attn.qkv_proj.weight", Fusing::stacked},
    {Weight::attn_o, "model.layers.#.self_attn.o_proj.weight"},
    {Weight::ffn_gate, "model.layers.#.mlp.gate_up_proj.weight", Fusing::halves},
    {Weight::ffn_in, "model.layers.#.mlp.gate_up_proj.weight", Fusing::halves},
    {Weight::ffn_out, "model.layers.#.mlp.down_proj.weight"},
};

constexpr TensorName starcoder2[] = {
    {Weight::embed, "model.embed_tokens.weight"},
    {Weight::unembed, "lm_head.weight"},
    {Weight::final_norm, "model.norm.weight"},
    {Weight::final_norm_bias, "model.norm.bias"},
    {Weight::attn_norm, "model.layers.#.input_layernorm.weight"},
    {Weight::attn_norm_bias, "model.layers.#.input_layernorm.bias"},
    {Weight::ffn_norm, "model.layers.#.post_attention_layernorm.weight"},
    {Weight::ffn_norm_bias, "model.layers.#.post_attention_layernorm.bias"},
    {Weight::attn_q, "model.layers.#.self_attn.q_proj.weight"},
    {Weight::attn_k, "model.layers.#.self_attn.k_proj.weight"},
    {Weight::attn_v, "model.layers.#.self_attn.v_proj.weight"},
    {Weight::attn_o, "model.layers.#.self_attn.o_proj.weight"},
    {Weight::attn_q_bias, "model.layers.#.self_attn.q_proj.bias"},
    {Weight::attn_k_bias, "model.layers.#.self_attn.k_proj.bias"},
    {Weight::attn_v_bias, "model.layers.#.self_attn.v_proj.bias"},
    {Weight::attn_o_bias, "model.layers.#.self_attn.o_proj.bias"},
    {Weight::ffn_in, "model.layers.#.mlp.c_fc.weight"},
    {Weight::ffn_in_bias, "model.layers.#.mlp.c_fc.bias"},
    {Weight::ffn_out, "model.layers.#.mlp.c_proj.weight"},
    {Weight::ffn_out_bias, "model.layers.#.mlp.c_proj.bias"},
};

constexpr TensorName gpt_neox[] = {
    {Weight::embed, "gpt_neox.embed_in.weight"},
    {Weight::unembed, "embed_out.weight"},
    {Weight::unembed, "lm_head.weight"},
    {Weight::final_norm, "gpt_neox.final_layer_norm.weight"},
    {Weight::final_norm_bias, "gpt_neox.final_layer_norm.bias"},
    {Weight::attn_norm, "gpt_neox.layers.#.input_layernorm.weight"},
    {Weight::attn_norm_bias, "gpt_neox.layers.#.input_layernorm.bias"},
    {Weight::ffn_norm, "gpt_neox.layers.#.post_attention_layernorm.weight"},
    {Weight::ffn_norm_bias, "gpt_neox.layers.#.post_attention_layernorm.bias"},
    {Weight::attn_q, "gpt_neox.layers.#.attention.query_key_value.weight", Fusing::by_heads},
    {Weight::attn_k, "gpt_neox.layers.#.attention.query_key_value.weight", Fusing::by_heads},
    {Weight::attn_v, "gpt_neox.layers.#.attention.query_key_value.weight", Fusing::by_heads},
    {Weight::attn_q_bias, "gpt_neox.layers.#.attention.query_key_value.bias", Fusing::by_heads},
    {Weight::attn_k_bias, "gpt_neox.layers.#.attention.query_key_value.bias", Fusing::by_heads},
    {Weight::attn_v_bias, "gpt_neox.layers.#.attention.query_key_value.bias", Fusing::by_heads},
    {Weight::attn_o, "gpt_neox.layers.#.attention.dense.weight"},
    {Weight::attn_o_bias, "gpt_neox.layers.#.attention.dense.bias"},
    {Weight::ffn_in, "gpt_neox.layers.#.mlp.dense_h_to_4h.weight"},
    {Weight::ffn_in_bias, "gpt_neox.layers.#.mlp.dense_h_to_4h.bias"},
    {Weight::ffn_out, "gpt_neox.layers.#.mlp.dense_4h_to_h.weight"},
    {Weight::ffn_out_bias, "gpt_neox.layers.#.mlp.dense_4h_to_h.bias"},
};

// Its matrices are those of a Conv1D: rows are input channels.
constexpr TensorName gpt2[] = {
    {Weight::embed, "transformer.wte.weight"},
    {Weight::pos_embed, "transformer.wpe.weight"},
    {Weight::unembed, "lm_head.weight"},
    {Weight::final_norm, "transformer.ln_f.weight"},
    {Weight::final_norm_bias, "transformer.ln_f.bias"},
    {Weight::attn_norm, "transformer.h.#.ln_1.weight"},
    {Weight::attn_norm_bias, "transformer.h.#.ln_1.bias"},
    {Weight::ffn_norm, "transformer.h.#.ln_2.weight"},
    {Weight::ffn_norm_bias, "transformer.h.#.ln_2.bias"},
    {Weight::attn_q, "transformer.h.#.attn.c_attn.weight", Fusing::stacked, true},
    {Weight::attn_k, "transformer.h.#.attn.c_attn.weight", Fusing::stacked, true},
    {Weight::attn_v, "transformer.h.#.attn.c_attn.weight", Fusing::stacked, true},
    {Weight::attn_q_bias, "transformer.h.#.attn.c_attn.bias", Fusing::stacked},
    {Weight::attn_k_bias, "transformer.h.#.attn.c_attn.bias", Fusing::stacked},
    {Weight::attn_v_bias, "transformer.h.#.attn.c_attn.bias", Fusing::stacked},
    {Weight::attn_o, "transformer.h.#.attn.c_proj.weight", Fusing::none, true},
    {Weight::attn_o_bias, "transformer.h.#.attn.c_proj.bias"},
    {Weight::ffn_in, "transformer.h.#.mlp.c_fc.weight", Fusing::none, true},
    {Weight::ffn_in_bias, "transformer.h.#.mlp.c_fc.bias"},
    {Weight::ffn_out, "transformer.h.#.mlp.c_proj.weight", Fusing::none, true},
    {Weight::ffn_out_bias, "transformer.h.#.mlp.c_proj.bias"},
};

constexpr TensorName gpt_bigcode[] = {
    {Weight::embed, "transformer.wte.weight"},
    {Weight::pos_embed, "transformer.wpe.weight"},
    {Weight::unembed, "lm_head.weight"},
    {Weight::final_norm, "transformer.ln_f.weight"},
    {Weight::final_norm_bias, "transformer.ln_f.bias"},
    {Weight::attn_norm, "transformer.h.#.ln_1.weight"},
    {Weight::attn_norm_bias, "transformer.h.#.ln_1.bias"},
    {Weight::ffn_norm, "transformer.h.#.ln_2.weight"},
    {Weight::ffn_norm_bias, "transformer.h.#.ln_2.bias"},
    {Weight::attn_q, "transformer.h.#.attn.c_attn.weight", Fusing::by_heads},
    {Weight::attn_k, "transformer.h.#.attn.c_attn.weight", Fusing::by_heads},
    {Weight::attn_v, "transformer.h.#.attn.c_attn.weight", Fusing::by_heads},
    {Weight::attn_q_bias, "transformer.h.#.attn.c_attn.bias", Fusing::by_heads},
    {Weight::attn_k_bias, "transformer.h.#.attn.c_attn.bias", Fusing::by_heads},
    {Weight::attn_v_bias, "transformer.h.#.attn.c_attn.bias", Fusing::by_heads},
    {Weight::attn_o, "transformer.h.#.attn.c_proj.weight"},
    {Weight::attn_o_bias, "transformer.h.#.attn.c_proj.bias"},
    {Weight::ffn_in, "transformer.h.#.mlp.c_fc.weight"},
    {Weight::ffn_in_bias, "transformer.h.#.mlp.c_fc.bias"},
    {Weight::ffn_out, "transformer.h.#.mlp.c_proj.weight"},
    {Weight::ffn_out_bias, "transformer.h.#.mlp.c_proj.bias"},
};

// The larger models have two norms, the others one, or one after the other.
constexpr TensorName falcon[] = {
    {Weight::embed, "transformer.word_embeddings.weight"},
    {Weight::unembed, "lm_head.weight"},
    {Weight::final_norm, "transformer.ln_f.weight"},
    {Weight::final_norm_bias, "transformer.ln_f.bias"},
    {Weight::attn_norm, "transformer.h.#.input_layernorm.weight"},
    {Weight::attn_norm_bias, "transformer.h.#.input_layernorm.bias"},
    {Weight::attn_norm, "transformer.h.#.ln_attn.weight"},
    {Weight::attn_norm_bias, "transformer.h.#.ln_attn.bias"},
    {Weight::ffn_norm, "transformer.h.#.post_attention_layernorm.weight"},
    {Weight::ffn_norm_bias, "transformer.h.#.post_attention_layernorm.bias"},
    {Weight::ffn_norm, "transformer.h.#.ln_mlp.weight"},
    {Weight::ffn_norm_bias, "transformer.h.#.ln_mlp.bias"},
    {Weight::attn_q, "transformer.h.#.self_attention.query_key_value.weight", Fusing::by_heads},
    {Weight::attn_k, "transformer.h.#.self_attention.query_key_value.weight", Fusing::by_heads},
    {Weight::attn_v, "transformer.h.#.self_attention.query_key_value.weight", Fusing::by_heads},
    {Weight::attn_q_bias, "transformer.h.#.self_attention.query_key_value.bias", Fusing::by_heads},
    {Weight::attn_k_bias, "transformer.h.#.self_attention.query_key_value.bias", Fusing::by_heads},
    {Weight::attn_v_bias, "transformer.h.#.self_attention.query_key_value.bias", Fusing::by_heads},
    {Weight::attn_o, "transformer.h.#.self_attention.dense.weight"},
    {Weight::attn_o_bias, "transformer.h.#.self_attention.dense.bias"},
    {Weight::ffn_in, "transformer.h.#.mlp.dense_h_to_4h.weight"},
    {Weight::ffn_in_bias, "transformer.h.#.mlp.dense_h_to_4h.bias"},
    {Weight::ffn_out, "transformer.h.#.mlp.dense_4h_to_h.weight"},
    {Weight::ffn_out_bias, "transformer.h.#.mlp.dense_4h_to_h.bias"},
};

// Rotary frequencies and causal masks that older versions wrote beside the weights.
constexpr std::string_view llama_buffers[] = {"model.layers.#.self_attn.rotary_emb.inv_freq"};
constexpr std::string_view gpt_neox_buffers[] = {"gpt_neox.layers.#.attention.rotary_emb.inv_freq",
                                                 "gpt_neox.layers.#.attention.bias",
                                                 "gpt_neox.layers.#.attention.masked_bias"};
constexpr std::string_view gpt2_buffers[] = {"transformer.h.#.attn.bias", "transformer.h.#.attn.masked_bias"};

}  // namespace

std::span<const TensorName> llama_names() { return llama; }
std::span<const TensorName> gemma3_names() { return gemma3; }
std::span<const TensorName> olmo2_names() { return olmo2; }
std::span<const TensorName> phi3_names() { return phi3; }
std::span<const TensorName> starcoder2_names() { return starcoder2; }
std::span<const TensorName> gpt_neox_names() { return gpt_neox; }
std::span<const TensorName> gpt2_names() { return gpt2; }
std::span<const TensorName> gpt_bigcode_names() { return gpt_bigcode; }
std::span<const TensorName> falcon_names() { return falcon; }

std::span<const std::string_view> llama_ignored() { return llama_buffers; }
std::span<const std::string_view> gpt_neox_ignored() { return gpt_neox_buffers; }
std::span<const std::string_view> gpt2_ignored() { return gpt2_buffers; }

}  // namespace tsrun::hf
