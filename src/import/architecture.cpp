#include "architecture.hpp"

#include <algorithm>

#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"
#include "words.hpp"

namespace tsrun {
namespace {

// The names are the same in all families read so far; a family that differs brings a table of its own.
constexpr TensorName common_names[] = {
    {Weight::embed, "token_embd.weight"},
    {Weight::unembed, "output.weight"},
    {Weight::final_norm, "output_norm.weight"},
    {Weight::attn_norm, "blk.#.attn_norm.weight"},
    {Weight::ffn_norm, "blk.#.ffn_norm.weight"},
    {Weight::attn_q, "blk.#.attn_q.weight"},
    {Weight::attn_k, "blk.#.attn_k.weight"},
    {Weight::attn_v, "blk.#.attn_v.weight"},
    {Weight::attn_o, "blk.#.attn_output.weight"},
    {Weight::attn_q_bias, "blk.#.attn_q.bias"},
    {Weight::attn_k_bias, "blk.#.attn_k.bias"},
    {Weight::attn_v_bias, "blk.#.attn_v.bias"},
    {Weight::attn_o_bias, "blk.#.attn_output.bias"},
    {Weight::ffn_gate, "blk.#.ffn_gate.weight"},
    {Weight::ffn_in, "blk.#.ffn_up.weight"},
    {Weight::ffn_out, "blk.#.ffn_down.weight"},
    {Weight::ffn_gate_bias, "blk.#.ffn_gate.bias"},
    {Weight::ffn_in_bias, "blk.#.ffn_up.bias"},
    {Weight::ffn_out_bias, "blk.#.ffn_down.bias"},
};

constexpr std::string_view rms_epsilon = "attention.layer_norm_rms_epsilon";
constexpr std::string_view layer_epsilon = "attention.layer_norm_epsilon";
constexpr std::string_view logit_scale_key = "logit_scale";
constexpr std::string_view embed_scale_key = "embedding_scale";

constexpr Architecture rows[] = {
    {.name = "llama", .norm = Norm::rms, .norm_offset = 0, .block = Block::serial, .activation = Activation::silu,
     .gated = true, .pairing = Pairing::half, .qk_rows = QkRows::neighbours, .tying = Tying::without_output,
     .epsilon_key = rms_epsilon, .biases = Presence::optional, .logit_scale = Presence::never,
     .embed_scale = Presence::never, .stretch = Stretch::linear_or_llama3, .tensors = common_names},
    {.name = "command-r", .norm = Norm::layer, .norm_offset = 0, .block = Block::parallel,
     .activation = Activation::silu, .gated = true, .pairing = Pairing::adjacent, .qk_rows = QkRows::as_stored,
     .tying = Tying::always, .epsilon_key = layer_epsilon, .biases = Presence::never,
     .logit_scale = Presence::required, .embed_scale = Presence::never, .stretch = Stretch::linear,
     .tensors = common_names},
    // Our own name: PaLM as in its paper, the norm's scale stored as s of (1 + s).
    {.name = "palm", .norm = Norm::rms, .norm_offset = 1, .block = Block::parallel, .activation = Activation::silu,
     .gated = true, .pairing = Pairing::adjacent, .qk_rows = QkRows::as_stored, .tying = Tying::without_output,
     .epsilon_key = rms_epsilon, .biases = Presence::never, .logit_scale = Presence::optional,
     .embed_scale = Presence::optional, .stretch = Stretch::never, .tensors = common_names},
};

// Keys that are read, or that change nothing.
constexpr std::string_view known_keys[] = {
    "vocab_size", "context_length", "embedding_length", "block_count", "feed_forward_length", "attention.head_count",
    "attention.head_count_kv", "attention.key_length", "attention.value_length", "rope.dimension_count",
    "rope.freq_base", "rope.scaling.type", "rope.scaling.factor", "rope.scale_linear",
    "rope.scaling.original_context_length", "rope.scaling.finetuned", "tensor_data_layout",
};

// Keys that say "nothing of the kind" with one value, and with any other a thing that tsrun does not compute.
struct Neutral {
  std::string_view suffix;
  double value;
  std::string_view otherwise;
};
constexpr Neutral neutral_keys[] = {
    {"expert_count", 0, "mixture-of-experts"},
    {"expert_used_count", 0, "mixture-of-experts"},
    {"expert_shared_count", 0, "mixture-of-experts"},
    {"expert_feed_forward_length", 0, "mixture-of-experts"},
    {"attention.sliding_window", 0, "sliding-window attention"},
    {"attn_logit_softcapping", 0, "attention logit soft-capping"},
    {"final_logit_softcapping", 0, "output logit soft-capping"},
    {"attention.causal", 1, "attention that is not causal"},
    {"attention.clamp_kqv", 0, "clamping of q, k and v"},
    {"attention.max_alibi_bias", 0, "ALiBi positions"},
    {"attention.scale", 0, "an attention scale of its own"},
    {"rope.scaling.attn_factor", 1, "a rotary attention factor"},
    {"residual_scale", 1, "a residual scale"},
    {logit_scale_key, 1, "a logit scale"},
    {embed_scale_key, 1, "an embedding scale"},
    {"pooling_type", 0, "pooling"},
};

std::optional<double> number_of(const GgufValue& value) {
  if (const auto* const v = std::get_if<std::uint64_t>(&value)) return static_cast<double>(*v);
  if (const auto* const v = std::get_if<std::int64_t>(&value)) return static_cast<double>(*v);
  if (const auto* const v = std::get_if<double>(&value)) return *v;
  if (const auto* const v = std::get_if<bool>(&value)) return *v ? 1.0 : 0.0;
  return std::nullopt;
}

bool reads(const Architecture& a, std::string_view suffix) {
  return suffix == a.epsilon_key || (suffix == logit_scale_key && a.logit_scale != Presence::never) ||
         (suffix == embed_scale_key && a.embed_scale != Presence::never) ||
         std::find(std::begin(known_keys), std::end(known_keys), suffix) != std::end(known_keys);
}

void check_key(const Gguf& file, const Architecture& a, const std::string& key, const GgufValue& value) {
  const std::string_view suffix = std::string_view(key).substr(a.name.size() + 1);
  if (reads(a, suffix)) return;
  for (const Neutral& neutral : neutral_keys) {
    if (neutral.suffix != suffix) continue;
    const auto number = number_of(value);
    if (number && *number == neutral.value) return;
    refuse({.what = text("the model has ", neutral.otherwise, ", which tsrun does not compute for ", a.name),
            .where = file.where(), .numbers = {{key, number ? Number(*number) : Number(std::string("a list"))}},
            .next = "choose a model without it"});
  }
  refuse({.what = text("the key ", printable(key), " says something about this ", a.name, " that tsrun does not know"),
          .where = file.where(), .next = "the result could be wrong, so the model is not read; choose another"});
}

// What is not one whole model.
void check_general(const Gguf& file) {
  if (const auto type = file.string("general.type"); type && *type != "model")
    refuse({.what = text("the file is not a model but of type \"", printable(*type), "\""), .where = file.where(),
            .next = "give the file of the model itself"});
  if (const auto parts = file.integer("split.count"); parts && *parts > 1)
    refuse({.what = "the file is one part of a split model", .where = file.where(),
            .numbers = {{"split.count", *parts}}, .next = "join the parts first (llama-gguf-split --merge)"});
  constexpr std::int64_t newest = 2;
  if (const auto version = file.integer("general.quantization_version"); version && *version > newest)
    refuse({.what = "the meaning of the file's quantised blocks is newer than this tsrun", .where = file.where(),
            .numbers = {{"general.quantization_version", *version}, {"newest known", newest}}, .next = "update tsrun"});
}

}  // namespace

std::span<const Architecture> architectures() { return rows; }

const Architecture& architecture_of(const Gguf& file) {
  const auto name = file.string("general.architecture");
  std::vector<std::string> known;
  for (const Architecture& a : rows) {
    if (name == a.name) return a;
    known.emplace_back(a.name);
  }
  refuse({.what = name ? text("unknown architecture \"", printable(*name), "\"")
                       : std::string("the file does not say its architecture (general.architecture)"),
          .where = file.where(), .next = text("tsrun reads ", join(known))});
}

void check_keys(const Gguf& file, const Architecture& a) {
  check_general(file);
  const std::string prefix = text(a.name, ".");
  for (auto at = file.values().lower_bound(prefix); at != file.values().end() && at->first.starts_with(prefix); ++at)
    check_key(file, a, at->first, at->second);
}

std::string key_of(const Architecture& a, std::string_view suffix) { return text(a.name, ".", suffix); }

std::string tensor_name(const Architecture& a, Weight weight, int layer) {
  for (const TensorName& entry : a.tensors) {
    if (entry.weight != weight) continue;
    const std::size_t at = entry.pattern.find('#');
    if (at == std::string_view::npos) return std::string(entry.pattern);
    return text(entry.pattern.substr(0, at), layer, entry.pattern.substr(at + 1));
  }
  return {};
}

}  // namespace tsrun
