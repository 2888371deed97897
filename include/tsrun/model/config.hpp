// What a model is, as facts rather than family names.
//
// The engine asks "are there biases on q?", never "is this a Llama?". Adding an architecture means filling these
// fields in `import`. `visit_fields` lists every fact once; the store, `inspect` and the tests read that list.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tsrun {

enum class Norm : std::uint8_t { rms, layer };             // x / rms(x), or (x - mean) / deviation
enum class Block : std::uint8_t { serial, parallel };      // attention then FFN, or both from one norm, added once
enum class Activation : std::uint8_t { silu, gelu, gelu_tanh, relu };
enum class Pairing : std::uint8_t { half, adjacent };      // rotary pairs (i, i + R/2), or (2i, 2i + 1)
enum class RopeScaling : std::uint8_t { none, linear, llama3 };

struct ModelConfig {
  std::string name;
  std::string architecture;  // where it came from, for people; nothing is decided by it

  std::int64_t layers = 0;
  std::int64_t E = 0;        // model width
  std::int64_t F = 0;        // feed-forward width
  std::int64_t H = 0;        // query heads
  std::int64_t K = 0;        // key/value heads; H is a multiple of K
  std::int64_t Q = 0;        // head width
  std::int64_t V = 0;        // vocabulary
  std::int64_t context = 0;  // longest context the model was made for

  Norm norm = Norm::rms;
  double norm_epsilon = 1e-5;
  double norm_offset = 0;    // added to every stored norm scale: 1 where the file holds s of (1 + s)
  bool norm_bias = false;
  Block block = Block::serial;
  Activation activation = Activation::silu;
  bool gated = true;         // act(x gate) * (x in), else act(x in)

  bool qkv_bias = false;
  bool attn_out_bias = false;
  bool ffn_bias = false;
  bool tied = false;         // the embedding is the unembedding
  double embed_scale = 1;
  double logit_scale = 1;

  std::int64_t rope_dims = 0;  // leading dimensions of a head that are rotated, even, at most Q
  double rope_base = 10000;
  Pairing rope_pairing = Pairing::half;
  RopeScaling rope_scaling = RopeScaling::none;
  double rope_factor = 1;           // linear, llama3
  double rope_low_freq_factor = 1;  // llama3
  double rope_high_freq_factor = 4;
  std::int64_t rope_original_context = 0;

  std::int64_t C() const { return K * Q; }  // columns of W_k and of W_v
  std::int64_t parameters() const;          // elements of all tensors, nothing padded
  friend bool operator==(const ModelConfig&, const ModelConfig&) = default;
};

// Calls visit(name, field, group) for each fact, in a fixed order. Fields are std::string, std::int64_t, double,
// bool, or one of the enums above.
template <class Config, class Visit>
void visit_fields(Config& c, Visit&& visit) {
  visit("name", c.name);
  visit("architecture", c.architecture);
  visit("layers", c.layers);
  visit("E", c.E);
  visit("F", c.F);
  visit("H", c.H);
  visit("K", c.K);
  visit("Q", c.Q);
  visit("V", c.V);
  visit("context", c.context);
  visit("norm", c.norm);
  visit("norm_epsilon", c.norm_epsilon);
  visit("norm_offset", c.norm_offset);
  visit("norm_bias", c.norm_bias);
  visit("block", c.block);
  visit("activation", c.activation);
  visit("gated", c.gated);
  visit("qkv_bias", c.qkv_bias);
  visit("attn_out_bias", c.attn_out_bias);
  visit("ffn_bias", c.ffn_bias);
  visit("tied", c.tied);
  visit("embed_scale", c.embed_scale);
  visit("logit_scale", c.logit_scale);
  visit("rope_dims", c.rope_dims);
  visit("rope_base", c.rope_base);
  visit("rope_pairing", c.rope_pairing);
  visit("rope_scaling", c.rope_scaling);
  visit("rope_factor", c.rope_factor);
  visit("rope_low_freq_factor", c.rope_low_freq_factor);
  visit("rope_high_freq_factor", c.rope_high_freq_factor);
  visit("rope_original_context", c.rope_original_context);
}

// Enum values as the words of the file format and of reports: "rms", "gelu_tanh".
std::string_view word(Norm);
std::string_view word(Block);
std::string_view word(Activation);
std::string_view word(Pairing);
std::string_view word(RopeScaling);
// False, and nothing changed, if the word names no value.
bool from_word(std::string_view word, Norm& out);
bool from_word(std::string_view word, Block& out);
bool from_word(std::string_view word, Activation& out);
bool from_word(std::string_view word, Pairing& out);
bool from_word(std::string_view word, RopeScaling& out);

// Refuses a configuration that cannot be a model: a missing or absurd size, H not a multiple of K, an odd rotary
// width, ... `where` names the file.
void validate(const ModelConfig& config, const std::string& where);

}  // namespace tsrun
