// A config.json as the facts of a model.
#include "hf_family.hpp"

namespace tsrun {
namespace {

Activation read_activation(const HfConfig& file, std::string_view key, Activation otherwise) {
  struct Named {
    std::string_view name;
    Activation value;
  };
  constexpr Named known[] = {
      {"silu", Activation::silu}, {"swish", Activation::silu}, {"gelu", Activation::gelu}, {"relu", Activation::relu},
      {"gelu_new", Activation::gelu_tanh}, {"gelu_pytorch_tanh", Activation::gelu_tanh},
      {"gelu_fast", Activation::gelu_tanh}};
  const auto name = file.string(key);
  if (!name) return otherwise;
  for (const Named& one : known)
    if (one.name == *name) return one.value;
  file.unsupported("an activation function of another kind", key);
}

void read_sizes(const HfConfig& file, const HfFamily& family, ModelConfig& c) {
  const HfKeys& keys = family.keys;
  c.layers = file.required_integer(keys.layers);
  c.E = file.required_integer(keys.E);
  c.V = file.required_integer("vocab_size");
  c.H = file.required_integer(keys.H);
  c.context = file.required_integer(keys.context);
  const bool is_plain = c.E > 0 && c.E < std::int64_t{1} << 40;  // absurd sizes are refused by validate()
  c.F = family.F_per_E > 0 && !file.has(keys.F) ? (is_plain ? family.F_per_E * c.E : 0) : file.required_integer(keys.F);
  c.K = keys.K.empty() ? c.H : file.integer(keys.K).value_or(c.H);
  if (!keys.Q.empty()) c.Q = file.integer(keys.Q).value_or(c.Q);
  if (c.Q == 0 && (c.H < 1 || c.E < 1 || c.E % c.H != 0))
    file.contradiction("the width is not a multiple of the heads, and no head width is given",
                       {{"E", c.E}, {"H", c.H}});
  if (c.Q == 0) c.Q = c.E / c.H;
}

}  // namespace

ModelConfig read_config(const HfConfig& file, const HfFamily& family) {
  const HfKeys& keys = family.keys;
  ModelConfig c = family.facts;
  c.architecture = family.model_type;
  read_sizes(file, family, c);
  // In f32, in which it is added and a GGUF file has it: the same weights give the same bits whatever they came from.
  c.norm_epsilon = static_cast<float>(file.real(keys.norm_epsilon).value_or(c.norm_epsilon));
  c.activation = read_activation(file, keys.activation, c.activation);
  const auto bias = [&](std::string_view key, bool otherwise) {
    return key.empty() ? otherwise : file.boolean(key).value_or(otherwise);
  };
  c.qkv_bias = bias(keys.qkv_bias, c.qkv_bias);
  c.attn_out_bias = bias(keys.attn_out_bias, c.attn_out_bias);
  c.ffn_bias = bias(keys.ffn_bias, c.ffn_bias);
  c.tied = file.boolean("tie_word_embeddings").value_or(c.tied);
  read_windows(file, family, c);
  if (c.positions == Positions::rotary) read_rope(file, family, c);
  if (family.adjust) family.adjust(file, c);
  validate(c, file.where());
  return c;
}

std::int64_t every_nth(const std::vector<bool>& marked, const HfConfig& file, std::string_view feature,
                       std::string_view key) {
  std::size_t n = 0;
  while (n < marked.size() && !marked[n]) ++n;
  if (n == marked.size()) return 0;
  ++n;
  for (std::size_t i = 0; i < marked.size(); ++i)
    if (n == 1 || marked[i] != ((i + 1) % n == 0)) file.unsupported(feature, key);
  return static_cast<std::int64_t>(n);
}

}  // namespace tsrun
