#include "tsrun/model/config.hpp"

#include <cmath>

#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun {
namespace {

template <class Enum>
struct Word {
  Enum value;
  std::string_view word;
};

constexpr Word<Norm> norms[] = {{Norm::rms, "rms"}, {Norm::layer, "layer"}};
constexpr Word<Block> blocks[] = {{Block::serial, "serial"}, {Block::parallel, "parallel"}};
constexpr Word<Activation> activations[] = {{Activation::silu, "silu"}, {Activation::gelu, "gelu"},
                                            {Activation::gelu_tanh, "gelu_tanh"}, {Activation::relu, "relu"}};
constexpr Word<Pairing> pairings[] = {{Pairing::half, "half"}, {Pairing::adjacent, "adjacent"}};
constexpr Word<RopeScaling> scalings[] = {{RopeScaling::none, "none"}, {RopeScaling::linear, "linear"},
                                          {RopeScaling::llama3, "llama3"}, {RopeScaling::yarn, "yarn"}};
constexpr Word<Positions> positions[] = {{Positions::rotary, "rotary"}, {Positions::learned, "learned"}};
constexpr Word<NormPlace> places[] = {
    {NormPlace::before, "before"}, {NormPlace::after, "after"}, {NormPlace::around, "around"}};
constexpr Word<QkNorm> qk_norms[] = {{QkNorm::none, "none"}, {QkNorm::head, "head"}, {QkNorm::all, "all"}};

template <class Enum, std::size_t n>
std::string_view find_word(const Word<Enum> (&table)[n], Enum value) {
  for (const auto& entry : table)
    if (entry.value == value) return entry.word;
  return "unknown";
}
template <class Enum, std::size_t n>
bool find_value(const Word<Enum> (&table)[n], std::string_view word, Enum& out) {
  for (const auto& entry : table)
    if (entry.word == word) {
      out = entry.value;
      return true;
    }
  return false;
}

// Far above any model, and low enough that 10,000 layers of seven matrices of largest x largest floats are below 2^63
// bytes: whoever multiplies the sizes of a validated model need not fear that they wrap.
constexpr std::int64_t largest_size = std::int64_t{1} << 22;
constexpr std::int64_t longest_context = std::int64_t{1} << 24;

}  // namespace

std::string_view word(Norm v) { return find_word(norms, v); }
std::string_view word(Block v) { return find_word(blocks, v); }
std::string_view word(Activation v) { return find_word(activations, v); }
std::string_view word(Pairing v) { return find_word(pairings, v); }
std::string_view word(RopeScaling v) { return find_word(scalings, v); }
std::string_view word(Positions v) { return find_word(positions, v); }
std::string_view word(NormPlace v) { return find_word(places, v); }
std::string_view word(QkNorm v) { return find_word(qk_norms, v); }
bool from_word(std::string_view w, Norm& out) { return find_value(norms, w, out); }
bool from_word(std::string_view w, Block& out) { return find_value(blocks, w, out); }
bool from_word(std::string_view w, Activation& out) { return find_value(activations, w, out); }
bool from_word(std::string_view w, Pairing& out) { return find_value(pairings, w, out); }
bool from_word(std::string_view w, RopeScaling& out) { return find_value(scalings, w, out); }
bool from_word(std::string_view w, Positions& out) { return find_value(positions, w, out); }
bool from_word(std::string_view w, NormPlace& out) { return find_value(places, w, out); }
bool from_word(std::string_view w, QkNorm& out) { return find_value(qk_norms, w, out); }

namespace {

class Validation {
 public:
  Validation(const ModelConfig& config, const std::string& where) : c_(config), where_(where) {}

  void sizes() const;
  void blocks() const;
  void attention() const;
  void rotation() const;
  void scaling() const;

 private:
  void require(bool holds, std::string what, Numbers numbers) const {
    if (!holds) refuse({.what = std::move(what), .where = where_, .numbers = std::move(numbers),
                        .next = "the file is damaged or not a model that tsrun knows; convert it again"});
  }

  const ModelConfig& c_;
  const std::string& where_;
};

void Validation::sizes() const {
  const std::pair<const char*, std::int64_t> all[] = {{"layers", c_.layers}, {"E", c_.E}, {"F", c_.F}, {"H", c_.H},
                                                      {"K", c_.K}, {"Q", c_.Q}, {"V", c_.V}};
  for (const auto& [size_name, size] : all)
    require(size >= 1 && size <= largest_size, text("the model's size ", size_name, " is missing or absurd"),
            {{size_name, size}, {"largest", largest_size}});
  require(c_.context >= 1 && c_.context <= longest_context, "the model's size context is missing or absurd",
          {{"context", c_.context}, {"largest", longest_context}});
  require(c_.layers <= 10000, "the model has too many layers",
          {{"layers", c_.layers}, {"largest", std::int64_t{10000}}});
  require(c_.H * c_.Q <= largest_size, "the query heads are too wide together", {{"H", c_.H}, {"Q", c_.Q}});
  require(c_.H % c_.K == 0, "the query heads are not a multiple of the key/value heads", {{"H", c_.H}, {"K", c_.K}});
}

void Validation::blocks() const {
  require(std::isfinite(c_.norm_epsilon) && c_.norm_epsilon >= 0, "the norm epsilon is not a small positive number",
          {{"norm_epsilon", c_.norm_epsilon}});
  for (const double v : {c_.norm_offset, c_.embed_scale, c_.logit_scale})
    require(std::isfinite(v), "a scale of the model is not a number", {{"value", v}});
  require(!c_.two_norms || c_.block == Block::parallel, "a serial block has two norms anyway",
          {{"two_norms", std::string("true")}});
  require(c_.norm_place == NormPlace::before || (c_.block == Block::serial && !c_.norm_bias),
          "norms after attention and FFN belong to serial blocks, and have no bias",
          {{"norm_place", std::string(word(c_.norm_place))}});
}

void Validation::attention() const {
  require(std::isfinite(c_.attn_scale) && c_.attn_scale >= 0, "the attention scale is not a positive number",
          {{"attn_scale", c_.attn_scale}});
  require(c_.window >= 0 && c_.window <= longest_context, "the attention window is absurd", {{"window", c_.window}});
  require(c_.full_every >= 0 && c_.full_every != 1 && (c_.window > 0 || c_.full_every == 0),
          "the layers without a window contradict it", {{"full_every", c_.full_every}, {"window", c_.window}});
}

void Validation::rotation() const {
  if (c_.positions == Positions::learned) {
    require(c_.rope_dims == 0 && c_.rope_scaling == RopeScaling::none && c_.nope_every == 0,
            "a model of learned positions is not rotated", {{"rope_dims", c_.rope_dims}});
    require(c_.context <= largest_size, "the learned positions are absurdly many", {{"context", c_.context}});
    return;
  }
  require(c_.rope_dims >= 2 && c_.rope_dims % 2 == 0 && c_.rope_dims <= c_.Q,
          "the rotary width is not an even number up to the head width", {{"rope_dims", c_.rope_dims}, {"Q", c_.Q}});
  require(c_.nope_every >= 0 && c_.nope_every != 1, "a rotary model has layers that are rotated",
          {{"nope_every", c_.nope_every}});
  require(std::isfinite(c_.rope_base) && c_.rope_base > 1, "the rotary base is not a number above 1",
          {{"rope_base", c_.rope_base}});
  require(c_.rope_local_base == 0 || (std::isfinite(c_.rope_local_base) && c_.rope_local_base > 1 && c_.window > 0),
          "the rotary base of local layers is not a number above 1", {{"rope_local_base", c_.rope_local_base}});
  if (c_.rope_scaling != RopeScaling::none) scaling();
}

void Validation::scaling() const {
  require(std::isfinite(c_.rope_factor) && c_.rope_factor > 0, "the rotary scaling factor is not positive",
          {{"rope_factor", c_.rope_factor}});
  if (c_.rope_scaling == RopeScaling::llama3)
    require(c_.rope_original_context >= 1 && std::isfinite(c_.rope_high_freq_factor) &&
                c_.rope_high_freq_factor > c_.rope_low_freq_factor && c_.rope_low_freq_factor > 0,
            "the Llama 3 rotary scaling contradicts itself",
            {{"low", c_.rope_low_freq_factor}, {"high", c_.rope_high_freq_factor},
             {"original context", c_.rope_original_context}});
  if (c_.rope_scaling == RopeScaling::yarn)
    require(c_.rope_original_context >= 1 && std::isfinite(c_.rope_beta_fast) &&
                c_.rope_beta_fast >= c_.rope_beta_slow && c_.rope_beta_slow > 0 &&
                std::isfinite(c_.rope_attention_factor) && c_.rope_attention_factor > 0,
            "the YaRN rotary scaling contradicts itself",
            {{"fast", c_.rope_beta_fast}, {"slow", c_.rope_beta_slow}, {"attention factor", c_.rope_attention_factor},
             {"original context", c_.rope_original_context}});
}

}  // namespace

void validate(const ModelConfig& config, const std::string& where) {
  const Validation v(config, where);
  v.sizes();
  v.blocks();
  v.attention();
  v.rotation();
}

}  // namespace tsrun
