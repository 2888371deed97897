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
enum class RopeScaling : std::uint8_t { none, linear, llama3, yarn };
enum class Positions : std::uint8_t { rotary, learned };   // turn q and k, or add a row of pos_embed to the embedding
enum class NormPlace : std::uint8_t { before, after, around };  // of attention and FFN: what they read, give, or both
enum class QkNorm : std::uint8_t { none, head, all };      // RMS norm of q and k: of each head, or of all together

struct ModelConfig {
  std::string name{};
  std::string architecture{};  // where it came from, for people; nothing is decided by it

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
  NormPlace norm_place = NormPlace::before;
  Block block = Block::serial;
  bool two_norms = false;    // a parallel block whose FFN has a norm of its own
  Activation activation = Activation::silu;
  bool gated = true;         // act(x gate) * (x in), else act(x in)

  bool qkv_bias = false;
  bool attn_out_bias = false;
  bool ffn_bias = false;
  bool tied = false;         // the embedding is the unembedding
  double embed_scale = 1;
  double logit_scale = 1;

  QkNorm qk_norm = QkNorm::none;
  double attn_scale = 0;       // of the scores; 0 is 1 / sqrt(Q)
  std::int64_t window = 0;     // positions a local layer attends to, its own counted; 0: all layers see everything
  std::int64_t full_every = 0; // with a window: layers n - 1, 2n - 1, .. see everything all the same; 0: none does

  Positions positions = Positions::rotary;

  std::int64_t rope_dims = 0;  // leading dimensions of a head that are rotated, even, at most Q; 0 without rotation
  std::int64_t nope_every = 0; // layers n - 1, 2n - 1, .. are not rotated; 0: all are
  double rope_base = 10000;
  double rope_local_base = 0;  // of local layers, whose positions are not scaled; 0: as the others
  Pairing rope_pairing = Pairing::half;
  RopeScaling rope_scaling = RopeScaling::none;
  double rope_factor = 1;           // linear, llama3, yarn
  double rope_low_freq_factor = 1;  // llama3
  double rope_high_freq_factor = 4;
  std::int64_t rope_original_context = 0;  // llama3, yarn
  double rope_beta_fast = 32;       // yarn: turns within the original context above which a pair is left alone
  double rope_beta_slow = 1;        // and below which it is slowed by the whole factor
  double rope_attention_factor = 1; // yarn: of sine and cosine

  std::int64_t C() const { return K * Q; }  // columns of W_k and of W_v
  bool is_local(int layer) const { return window > 0 && (full_every == 0 || (layer + 1) % full_every != 0); }
  bool is_rotated(int layer) const {
    return positions == Positions::rotary && (nope_every == 0 || (layer + 1) % nope_every != 0);
  }
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
  visit("norm_place", c.norm_place);
  visit("block", c.block);
  visit("two_norms", c.two_norms);
  visit("activation", c.activation);
  visit("gated", c.gated);
  visit("qkv_bias", c.qkv_bias);
  visit("attn_out_bias", c.attn_out_bias);
  visit("ffn_bias", c.ffn_bias);
  visit("tied", c.tied);
  visit("embed_scale", c.embed_scale);
  visit("logit_scale", c.logit_scale);
  visit("qk_norm", c.qk_norm);
  visit("attn_scale", c.attn_scale);
  visit("window", c.window);
  visit("full_every", c.full_every);
  visit("positions", c.positions);
  visit("rope_dims", c.rope_dims);
  visit("nope_every", c.nope_every);
  visit("rope_base", c.rope_base);
  visit("rope_local_base", c.rope_local_base);
  visit("rope_pairing", c.rope_pairing);
  visit("rope_scaling", c.rope_scaling);
  visit("rope_factor", c.rope_factor);
  visit("rope_low_freq_factor", c.rope_low_freq_factor);
  visit("rope_high_freq_factor", c.rope_high_freq_factor);
  visit("rope_original_context", c.rope_original_context);
  visit("rope_beta_fast", c.rope_beta_fast);
  visit("rope_beta_slow", c.rope_beta_slow);
  visit("rope_attention_factor", c.rope_attention_factor);
}

// Enum values as the words of the file format and of reports: "rms", "gelu_tanh".
std::string_view word(Norm);
std::string_view word(Block);
std::string_view word(Activation);
std::string_view word(Pairing);
std::string_view word(RopeScaling);
std::string_view word(Positions);
std::string_view word(NormPlace);
std::string_view word(QkNorm);
// False, and nothing changed, if the word names no value.
bool from_word(std::string_view word, Norm& out);
bool from_word(std::string_view word, Block& out);
bool from_word(std::string_view word, Activation& out);
bool from_word(std::string_view word, Pairing& out);
bool from_word(std::string_view word, RopeScaling& out);
bool from_word(std::string_view word, Positions& out);
bool from_word(std::string_view word, NormPlace& out);
bool from_word(std::string_view word, QkNorm& out);

// Refuses a configuration that cannot be a model: a missing or absurd size, H not a multiple of K, an odd rotary
// width, ... `where` names the file.
void validate(const ModelConfig& config, const std::string& where);

}  // namespace tsrun
