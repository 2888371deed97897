#include "gguf_family.hpp"

#include <algorithm>

#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"
#include "words.hpp"

namespace tsrun {
namespace {

// Keys that are read, or that change nothing.
constexpr std::string_view known_keys[] = {
    "vocab_size", "context_length", "embedding_length", "block_count", "feed_forward_length", "attention.head_count",
    "attention.head_count_kv", "attention.key_length", "attention.value_length", "rope.dimension_count",
    "rope.freq_base", "rope.scaling.type", "rope.scaling.factor", "rope.scale_linear",
    "rope.scaling.original_context_length", "rope.scaling.finetuned", "tensor_data_layout",
};

constexpr std::string_view yarn_keys[] = {"rope.scaling.yarn_beta_fast", "rope.scaling.yarn_beta_slow",
                                          "rope.scaling.yarn_attn_factor"};

// Keys that say "nothing of the kind" with one value, and with any other a thing that tsrun does not compute.
struct Neutral {
  std::string_view suffix;
  double value;
  std::string_view otherwise;
};
constexpr std::string_view logit_scale_key = "logit_scale", embed_scale_key = "embedding_scale";
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
  const auto holds = [suffix](std::span<const std::string_view> keys) {
    return std::find(keys.begin(), keys.end(), suffix) != keys.end();
  };
  return suffix == a.epsilon_key || (suffix == logit_scale_key && a.logit_scale != Presence::never) ||
         (suffix == embed_scale_key && a.embed_scale != Presence::never) || holds(a.further_keys) ||
         holds(known_keys) || (a.stretch == Stretch::all && holds(yarn_keys));
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

const Architecture& architecture_of(const Gguf& file) {
  const auto name = file.string("general.architecture");
  std::vector<std::string> known;
  for (const Architecture& a : architectures()) {
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

}  // namespace tsrun
