// The architectures that tsrun reads, as data: a row says what a family's file implies and what it may hold.
//
// Adding a family is adding a row. A key or a tensor of a known family that no table lists is refused by name: it may
// change what the model computes, and a model is never run wrongly.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "names.hpp"
#include "tsrun/import/gguf.hpp"
#include "tsrun/model/config.hpp"

namespace tsrun {

// Rows of W_q and W_k within a head: as the model file wants them, or with the rotary partners i and i + R/2 as
// neighbours 2i and 2i + 1 (llama.cpp rotates neighbours; its converter permutes Llama's rows).
enum class QkRows : std::uint8_t { as_stored, neighbours };
// The embedding is the unembedding: ever, or if there is no other.
enum class Tying : std::uint8_t { always, without_output };
enum class Presence : std::uint8_t { never, optional, required };
enum class Stretch : std::uint8_t { never, linear, all };  // of rotary positions

struct Architecture {
  std::string_view name;  // general.architecture, and the prefix of its keys
  ModelConfig facts;      // what the family implies; the pairing once the rows of q and k are in the model file's order
  QkRows qk_rows = QkRows::as_stored;
  Tying tying = Tying::without_output;
  std::string_view epsilon_key = "attention.layer_norm_rms_epsilon";
  Presence biases = Presence::optional;  // of q, k, v, of the attention's output, of the FFN: each kind wholly or not
  Presence logit_scale = Presence::never;
  Presence embed_scale = Presence::never;
  Stretch stretch = Stretch::all;
  std::span<const TensorName> tensors;
  std::span<const std::string_view> further_keys{};  // that `adjust` reads, or that change nothing here
  // What only this family has; called when all else is read.
  void (*adjust)(const Gguf& file, const Architecture& architecture, ModelConfig& config) = nullptr;
};

inline constexpr std::string_view rope_divisors = "rope_freqs.weight";  // Llama 3's scaling, one per frequency

std::span<const Architecture> architectures();
// The row of general.architecture; an unknown one is refused by name.
const Architecture& architecture_of(const Gguf& file);
// Refuses keys of this family that would change what is computed in a way tsrun does not know.
void check_keys(const Gguf& file, const Architecture& architecture);

// "llama.block_count"
std::string key_of(const Architecture& architecture, std::string_view suffix);

}  // namespace tsrun
