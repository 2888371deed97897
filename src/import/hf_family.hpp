// The families of Hugging Face folders that tsrun reads, as data: a row says what a model_type implies, how its
// config.json calls things, and how its tensors are named.
//
// Adding a family is adding a row. Defaults are those that transformers takes where config.json leaves a field out.
#pragma once

#include <span>
#include <string_view>

#include "hf_config.hpp"
#include "names.hpp"
#include "tsrun/model/config.hpp"

namespace tsrun {

// Names of fields; an empty one means that the family has no such field.
struct HfKeys {
  std::string_view layers = "num_hidden_layers";
  std::string_view E = "hidden_size";
  std::string_view F = "intermediate_size";
  std::string_view H = "num_attention_heads";
  std::string_view K = "num_key_value_heads";  // absent: as many as query heads
  std::string_view Q = "head_dim";             // absent: the row's, or E / H
  std::string_view context = "max_position_embeddings";
  std::string_view norm_epsilon = "rms_norm_eps";
  std::string_view activation = "hidden_act";
  std::string_view qkv_bias{}, attn_out_bias{}, ffn_bias{};  // absent: the row's
  std::string_view rope_base = "rope_theta";
  std::string_view rope_share = "partial_rotary_factor";
};

// Which layers the field sliding_window is for: none, all, those that layer_types or a pattern say, or the same only
// where use_sliding_window is set.
enum class Windows : std::uint8_t { none, all, some, if_used };

struct HfFamily {
  std::string_view model_type;
  std::string_view class_name;  // in `architectures`
  ModelConfig facts;            // what the family implies, and its defaults; rope_base 0: it must be stated
  HfKeys keys{};
  std::span<const TensorName> tensors;
  std::string_view prefix;      // of tensors, which some folders leave out
  std::span<const std::string_view> ignored{};  // tensors that are computed from the configuration; '#' is the layer
  std::int64_t F_per_E = 0;     // F where it is absent; 0: it must be stated
  double rope_share = 1;        // of a head, that is rotated
  Windows windows = Windows::none;
  std::int64_t window = 0;      // where sliding_window is absent, which is not the same as null
  // What only this family has; called when all else is read.
  void (*adjust)(const HfConfig& file, ModelConfig& config) = nullptr;
};

// The row of model_type; an unknown one is refused by name, and so is a class that is no plain language model.
const HfFamily& hf_family_of(const HfConfig& file);
// Refuses fields that would change what is computed in a way tsrun does not know.
void check_fields(const HfConfig& file);

// The whole configuration. Refuses a field that is missing or contradicts another, naming it.
ModelConfig read_config(const HfConfig& file, const HfFamily& family);
// Fills the rotary facts; needs Q, H, E and context.
void read_rope(const HfConfig& file, const HfFamily& family, ModelConfig& config);
// Fills window and full_every; needs the layers.
void read_windows(const HfConfig& file, const HfFamily& family, ModelConfig& config);

// n where exactly the layers n - 1, 2n - 1, .. are marked, 0 where none is; a pattern of another kind is refused as
// `feature`.
std::int64_t every_nth(const std::vector<bool>& marked, const HfConfig& file, std::string_view feature,
                       std::string_view key);

}  // namespace tsrun
