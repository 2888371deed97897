// Complete Hugging Face folders of a few kilobytes in memory, whose values tell where they came from.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "safetensors_image.hpp"
#include "small_models.hpp"
#include "tsrun/import/source.hpp"

namespace tsrun::test {

inline Image image_of(const std::string& text) {
  Image out;
  for (const char c : text) out.push_back(static_cast<std::byte>(c));
  return out;
}

struct HfImage {
  nlohmann::json config;
  SafetensorsImage weights;
  std::map<std::string, Image> others{};  // further files

  std::map<std::string, Image> files() const {
    std::map<std::string, Image> out = others;
    out.try_emplace("config.json", image_of(config.dump()));
    if (!others.contains("model.safetensors.index.json")) out.try_emplace("model.safetensors", weights.bytes());
    return out;
  }
  std::unique_ptr<ModelSource> open() const { return open_source(*folder_in_memory(files(), "test.folder")); }

  void matrix(const std::string& name, std::uint64_t rows, std::uint64_t columns) {
    weights.tensor(name, "F32", {rows, columns}, counted(rows, columns));
  }
  void vector(const std::string& name, std::uint64_t size) { weights.tensor(name, "F32", {size}, counted(1, size)); }
  void vectors(std::initializer_list<const char*> names, std::uint64_t size) {
    for (const char* const name : names) vector(name, size);
  }
};

// E 32, F 48, H 2, K 1, Q 16, V 8, one layer.
inline HfImage small_folder(const std::string& model_type, const std::string& class_name) {
  HfImage image;
  image.config = {{"model_type", model_type}, {"architectures", {class_name}}, {"vocab_size", 8}, {"hidden_size", 32},
                  {"intermediate_size", 48}, {"num_hidden_layers", 1}, {"num_attention_heads", 2},
                  {"num_key_value_heads", 1}, {"max_position_embeddings", 64}};
  return image;
}

inline HfImage small_hf_llama() {
  HfImage image = small_folder("llama", "LlamaForCausalLM");
  image.config["rms_norm_eps"] = 1e-5;
  image.config["rope_theta"] = 10000.0;
  image.config["tie_word_embeddings"] = true;
  image.config["hidden_act"] = "silu";
  const std::string layer = "model.layers.0.";
  image.matrix("model.embed_tokens.weight", 8, 32);
  image.matrix(layer + "self_attn.q_proj.weight", 32, 32);
  image.matrix(layer + "self_attn.k_proj.weight", 16, 32);
  image.matrix(layer + "self_attn.v_proj.weight", 16, 32);
  image.matrix(layer + "self_attn.o_proj.weight", 32, 32);
  image.matrix(layer + "mlp.gate_proj.weight", 48, 32);
  image.matrix(layer + "mlp.up_proj.weight", 48, 32);
  image.matrix(layer + "mlp.down_proj.weight", 32, 48);
  image.vectors({"model.layers.0.input_layernorm.weight", "model.layers.0.post_attention_layernorm.weight",
                 "model.norm.weight"}, 32);
  return image;
}

// GPT-2: E 32, F 128, H = K 2, transposed and fused.
inline HfImage small_gpt2() {
  HfImage image;
  image.config = {{"model_type", "gpt2"}, {"architectures", {"GPT2LMHeadModel"}}, {"vocab_size", 8}, {"n_embd", 32},
                  {"n_layer", 1}, {"n_head", 2}, {"n_positions", 16}, {"layer_norm_epsilon", 1e-5},
                  {"activation_function", "gelu_new"}};
  image.matrix("transformer.wte.weight", 8, 32);
  image.matrix("transformer.wpe.weight", 16, 32);
  image.matrix("transformer.h.0.attn.c_attn.weight", 32, 96);
  image.matrix("transformer.h.0.attn.c_proj.weight", 32, 32);
  image.matrix("transformer.h.0.mlp.c_fc.weight", 32, 128);
  image.matrix("transformer.h.0.mlp.c_proj.weight", 128, 32);
  image.vector("transformer.h.0.attn.c_attn.bias", 96);
  image.vector("transformer.h.0.mlp.c_fc.bias", 128);
  image.vectors({"transformer.h.0.attn.c_proj.bias", "transformer.h.0.mlp.c_proj.bias", "transformer.h.0.ln_1.weight",
                 "transformer.h.0.ln_1.bias", "transformer.h.0.ln_2.weight", "transformer.h.0.ln_2.bias",
                 "transformer.ln_f.weight", "transformer.ln_f.bias"}, 32);
  return image;
}

// Falcon with groups of two query heads and a key: E 32, H 4, K 2, Q 8.
inline HfImage small_falcon() {
  HfImage image = small_folder("falcon", "FalconForCausalLM");
  image.config["num_attention_heads"] = 4;
  image.config["num_kv_heads"] = 2;
  image.config["new_decoder_architecture"] = true;
  image.config["ffn_hidden_size"] = 48;
  const std::string layer = "transformer.h.0.";
  image.matrix("transformer.word_embeddings.weight", 8, 32);
  image.matrix(layer + "self_attention.query_key_value.weight", 64, 32);
  image.matrix(layer + "self_attention.dense.weight", 32, 32);
  image.matrix(layer + "mlp.dense_h_to_4h.weight", 48, 32);
  image.matrix(layer + "mlp.dense_4h_to_h.weight", 32, 48);
  image.vectors({"transformer.h.0.ln_attn.weight", "transformer.h.0.ln_attn.bias", "transformer.h.0.ln_mlp.weight",
                 "transformer.h.0.ln_mlp.bias", "transformer.ln_f.weight", "transformer.ln_f.bias"}, 32);
  return image;
}

}  // namespace tsrun::test
