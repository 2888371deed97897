// The table of families: what each model_type of Hugging Face implies, and what is read in its own way.
#include <algorithm>
#include <cmath>

#include "hf_family.hpp"
#include "hf_names.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun {
namespace {

constexpr HfKeys llama_keys = {.qkv_bias = "attention_bias", .attn_out_bias = "attention_bias", .ffn_bias = "mlp_bias"};
constexpr HfKeys attention_bias_keys = {.qkv_bias = "attention_bias", .attn_out_bias = "attention_bias"};
constexpr HfKeys gpt_neox_keys = {.K = {}, .Q = {}, .norm_epsilon = "layer_norm_eps", .qkv_bias = "attention_bias",
                                  .attn_out_bias = "attention_bias", .rope_base = "rotary_emb_base",
                                  .rope_share = "rotary_pct"};
constexpr HfKeys gpt2_keys = {.layers = "n_layer", .E = "n_embd", .F = "n_inner", .H = "n_head", .K = {}, .Q = {},
                              .context = "n_positions", .norm_epsilon = "layer_norm_epsilon",
                              .activation = "activation_function", .rope_base = {}, .rope_share = {}};
constexpr HfKeys falcon_keys = {.F = "ffn_hidden_size", .K = {}, .Q = {}, .norm_epsilon = "layer_norm_epsilon",
                                .activation = "activation", .qkv_bias = "bias", .attn_out_bias = "bias",
                                .ffn_bias = "bias"};

void adjust_cohere(const HfConfig& file, ModelConfig& c) {
  c.logit_scale = file.real("logit_scale").value_or(0.0625);
  if (file.boolean("use_qk_norm").value_or(false)) file.unsupported("layer norms of q and k", "use_qk_norm");
}

void adjust_gemma3(const HfConfig& file, ModelConfig& c) {
  c.embed_scale = std::sqrt(static_cast<double>(c.E));
  const double scalar = file.real("query_pre_attn_scalar").value_or(256);
  if (!(scalar > 0)) file.contradiction("query_pre_attn_scalar is not positive", {{"query_pre_attn_scalar", scalar}});
  c.attn_scale = scalar == static_cast<double>(c.Q) ? 0 : 1 / std::sqrt(scalar);
}

void adjust_smollm3(const HfConfig& file, ModelConfig& c) {
  if (file.boolean("use_sliding_window").value_or(false))
    file.unsupported("sliding windows on layers without positions", "use_sliding_window");
  const std::int64_t interval = file.integer("no_rope_layer_interval").value_or(4);
  if (interval < 1) file.contradiction("no_rope_layer_interval is not positive", {{"interval", interval}});
  std::vector<bool> unrotated;
  for (std::int64_t i = 0; i < std::min<std::int64_t>(c.layers, 10000); ++i)  // validate() refuses more
    unrotated.push_back((i + 1) % interval == 0);
  if (const auto rotated = file.integers("no_rope_layers")) {  // 1 where a layer is rotated, whatever the name says
    if (std::ssize(*rotated) < c.layers)
      file.contradiction("no_rope_layers is shorter than the layers",
                         {{"layers", c.layers}, {"no_rope_layers", static_cast<std::int64_t>(std::ssize(*rotated))}});
    for (std::size_t i = 0; i < unrotated.size(); ++i) unrotated[i] = (*rotated)[i] == 0;
  }
  c.nope_every = every_nth(unrotated, file, "an irregular pattern of layers without positions", "no_rope_layers");
}

// PaLM was never published as a folder: its fields are called as Llama's, and the one of its block as GPT-NeoX's.
void adjust_palm(const HfConfig& file, ModelConfig& c) {
  if (!file.boolean("use_parallel_residual").value_or(true)) c.block = Block::serial;
}

void adjust_gpt_neox(const HfConfig& file, ModelConfig& c) {
  c.block = file.boolean("use_parallel_residual").value_or(true) ? Block::parallel : Block::serial;
  c.two_norms = c.block == Block::parallel;
}

void adjust_gpt_bigcode(const HfConfig& file, ModelConfig& c) {
  c.K = file.boolean("multi_query").value_or(true) ? 1 : c.H;
}

void adjust_starcoder2(const HfConfig& file, ModelConfig& c) {
  c.qkv_bias = c.attn_out_bias = c.ffn_bias = file.boolean("use_bias").value_or(true);
}

// The decoder of the 40B and later ones is called new: grouped heads, always parallel. The 7B's has one key head.
void adjust_falcon(const HfConfig& file, ModelConfig& c) {
  const bool is_new = file.boolean("new_decoder_architecture").value_or(false);
  const bool is_parallel = file.boolean("parallel_attn").value_or(true);
  const std::int64_t norms = file.integer("num_ln_in_parallel_attn").value_or(is_new ? 2 : 1);
  if (norms < 1 || norms > 2 || (!is_new && norms == 2) || (is_new && !is_parallel))
    file.contradiction("this decoder is none of Falcon's", {{"num_ln_in_parallel_attn", norms}});
  c.block = is_parallel ? Block::parallel : Block::serial;
  c.two_norms = norms == 2;
  if (is_new)
    c.K = file.integer("num_kv_heads").value_or(c.H);
  else if (file.boolean("multi_query").value_or(true))
    c.K = 1;
}

const std::vector<HfFamily>& rows() {
  static const std::vector<HfFamily> all = {
      {.model_type = "llama", .class_name = "LlamaForCausalLM", .facts = {.norm_epsilon = 1e-6}, .keys = llama_keys,
       .tensors = hf::llama_names(), .prefix = "model.", .ignored = hf::llama_ignored()},
      {.model_type = "mistral", .class_name = "MistralForCausalLM", .facts = {.norm_epsilon = 1e-6},
       .tensors = hf::llama_names(), .prefix = "model.", .ignored = hf::llama_ignored(), .windows = Windows::all,
       .window = 4096},
      {.model_type = "cohere", .class_name = "CohereForCausalLM",
       .facts = {.norm = Norm::layer, .block = Block::parallel, .tied = true, .rope_base = 0,
                 .rope_pairing = Pairing::adjacent},
       .keys = {.Q = {}, .norm_epsilon = "layer_norm_eps", .qkv_bias = "attention_bias",
                .attn_out_bias = "attention_bias"},
       .tensors = hf::llama_names(), .prefix = "model.", .adjust = adjust_cohere},
      {.model_type = "qwen2", .class_name = "Qwen2ForCausalLM", .facts = {.norm_epsilon = 1e-6, .qkv_bias = true},
       .tensors = hf::llama_names(), .prefix = "model.", .ignored = hf::llama_ignored(), .windows = Windows::if_used},
      {.model_type = "qwen3", .class_name = "Qwen3ForCausalLM",
       .facts = {.Q = 128, .norm_epsilon = 1e-6, .qk_norm = QkNorm::head}, .keys = attention_bias_keys,
       .tensors = hf::llama_names(), .prefix = "model.", .windows = Windows::if_used},
      {.model_type = "gemma3_text", .class_name = "Gemma3ForCausalLM",
       .facts = {.Q = 256, .norm_epsilon = 1e-6, .norm_offset = 1, .norm_place = NormPlace::around,
                 .activation = Activation::gelu_tanh, .tied = true, .qk_norm = QkNorm::head, .rope_base = 1e6,
                 .rope_local_base = 1e4},
       .keys = {.activation = "hidden_activation", .qkv_bias = "attention_bias", .attn_out_bias = "attention_bias"},
       .tensors = hf::gemma3_names(), .prefix = "model.", .windows = Windows::some, .window = 4096,
       .adjust = adjust_gemma3},
      {.model_type = "phi3", .class_name = "Phi3ForCausalLM", .facts = {}, .keys = {.Q = {}},
       .tensors = hf::phi3_names(), .prefix = "model.", .windows = Windows::all},
      {.model_type = "gpt_neox", .class_name = "GPTNeoXForCausalLM",
       .facts = {.norm = Norm::layer, .norm_bias = true, .activation = Activation::gelu, .gated = false,
                 .qkv_bias = true, .attn_out_bias = true, .ffn_bias = true},
       .keys = gpt_neox_keys, .tensors = hf::gpt_neox_names(), .prefix = "gpt_neox.",
       .ignored = hf::gpt_neox_ignored(), .rope_share = 0.25, .adjust = adjust_gpt_neox},
      {.model_type = "gpt2", .class_name = "GPT2LMHeadModel",
       .facts = {.norm = Norm::layer, .norm_bias = true, .activation = Activation::gelu_tanh, .gated = false,
                 .qkv_bias = true, .attn_out_bias = true, .ffn_bias = true, .tied = true,
                 .positions = Positions::learned},
       .keys = gpt2_keys, .tensors = hf::gpt2_names(), .prefix = "transformer.", .ignored = hf::gpt2_ignored(),
       .F_per_E = 4},
      {.model_type = "gpt_bigcode", .class_name = "GPTBigCodeForCausalLM",
       .facts = {.norm = Norm::layer, .norm_bias = true, .activation = Activation::gelu_tanh, .gated = false,
                 .qkv_bias = true, .attn_out_bias = true, .ffn_bias = true, .tied = true,
                 .positions = Positions::learned},
       .keys = gpt2_keys, .tensors = hf::gpt_bigcode_names(), .prefix = "transformer.", .ignored = hf::gpt2_ignored(),
       .F_per_E = 4, .adjust = adjust_gpt_bigcode},
      {.model_type = "falcon", .class_name = "FalconForCausalLM",
       .facts = {.norm = Norm::layer, .norm_bias = true, .activation = Activation::gelu, .gated = false, .tied = true},
       .keys = falcon_keys, .tensors = hf::falcon_names(), .prefix = "transformer.", .F_per_E = 4,
       .adjust = adjust_falcon},
      {.model_type = "olmo2", .class_name = "Olmo2ForCausalLM",
       .facts = {.norm_place = NormPlace::after, .qk_norm = QkNorm::all}, .keys = attention_bias_keys,
       .tensors = hf::olmo2_names(), .prefix = "model."},
      {.model_type = "smollm3", .class_name = "SmolLM3ForCausalLM",
       .facts = {.norm_epsilon = 1e-6, .tied = true, .rope_base = 2e6}, .keys = llama_keys,
       .tensors = hf::llama_names(), .prefix = "model.", .adjust = adjust_smollm3},
      {.model_type = "palm", .class_name = "PaLMForCausalLM",
       .facts = {.norm_epsilon = 1e-6, .norm_offset = 1, .block = Block::parallel, .tied = true},
       .tensors = hf::llama_names(), .prefix = "model.", .adjust = adjust_palm},
      {.model_type = "starcoder2", .class_name = "Starcoder2ForCausalLM",
       .facts = {.norm = Norm::layer, .norm_bias = true, .activation = Activation::gelu_tanh, .gated = false,
                 .tied = true},
       .keys = {.Q = {}, .norm_epsilon = "norm_epsilon"}, .tensors = hf::starcoder2_names(), .prefix = "model.",
       .windows = Windows::all, .adjust = adjust_starcoder2},
  };
  return all;
}

// Fields that say "nothing of the kind" with one value, where they are there at all, and with any other a thing that
// tsrun does not compute. A part of a name stands for all names that hold it.
struct Neutral {
  std::string_view part;
  Json value;
  std::string_view otherwise;
};
const std::vector<Neutral>& neutral_fields() {
  static const std::vector<Neutral> all = {
      {"expert", 0, "mixture-of-experts"},
      {"moe", 0, "mixture-of-experts"},
      {"quantization_config", {}, "weights quantised for another program"},
      {"softcapping", {}, "logit soft-capping"},
      {"alibi", false, "ALiBi positions"},
      {"use_bidirectional_attention", false, "attention that is not causal"},
      {"is_encoder_decoder", false, "an encoder"},
      {"add_cross_attention", false, "cross-attention"},
      {"scale_attn_weights", true, "attention without a scale"},
      {"scale_attn_by_inverse_layer_idx", false, "an attention scale that differs from layer to layer"},
      {"clip_qkv", {}, "clipping of q, k and v"},
      {"residual_multiplier", 1, "a residual scale"},
      {"attention_multiplier", {}, "an attention scale of another family"},
      {"num_nextn_predict_layers", 0, "layers that predict further tokens"},
  };
  return all;
}

}  // namespace

const HfFamily& hf_family_of(const HfConfig& file) {
  const auto type = file.string("model_type");
  const HfFamily* found = nullptr;
  std::vector<std::string> known;
  for (const HfFamily& family : rows()) {
    if (type == family.model_type) found = &family;
    known.emplace_back(family.model_type);
  }
  if (!found)
    refuse({.what = type ? text("unknown model_type \"", printable(*type), "\"")
                         : std::string("the configuration does not say its model_type"),
            .where = file.where(), .next = text("tsrun reads ", join(known))});
  const auto classes = file.strings("architectures").value_or(std::vector<std::string>{});
  if (!classes.empty() && classes.front() != found->class_name)
    refuse({.what = text("the folder holds a ", printable(classes.front()), ", which is not a plain language model"),
            .where = file.where(), .next = text("give a folder of a ", found->class_name)});
  return *found;
}

void check_fields(const HfConfig& file) {
  for (const auto& [key, value] : file.json().items())
    for (const Neutral& neutral : neutral_fields())
      if (key.find(neutral.part) != std::string::npos && !value.is_null() && value != neutral.value)
        file.unsupported(neutral.otherwise, key);
}

}  // namespace tsrun
