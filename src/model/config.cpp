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
constexpr Word<RopeScaling> scalings[] = {
    {RopeScaling::none, "none"}, {RopeScaling::linear, "linear"}, {RopeScaling::llama3, "llama3"}};

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
bool from_word(std::string_view w, Norm& out) { return find_value(norms, w, out); }
bool from_word(std::string_view w, Block& out) { return find_value(blocks, w, out); }
bool from_word(std::string_view w, Activation& out) { return find_value(activations, w, out); }
bool from_word(std::string_view w, Pairing& out) { return find_value(pairings, w, out); }
bool from_word(std::string_view w, RopeScaling& out) { return find_value(scalings, w, out); }

void validate(const ModelConfig& c, const std::string& where) {
  const auto require = [&where](bool holds, std::string what, Numbers numbers) {
    if (!holds) refuse({.what = std::move(what), .where = where, .numbers = std::move(numbers),
                        .next = "the file is damaged or not a model that tsrun knows; convert it again"});
  };
  const std::pair<const char*, std::int64_t> sizes[] = {{"layers", c.layers}, {"E", c.E}, {"F", c.F}, {"H", c.H},
                                                        {"K", c.K}, {"Q", c.Q}, {"V", c.V}};
  for (const auto& [size_name, size] : sizes)
    require(size >= 1 && size <= largest_size, text("the model's size ", size_name, " is missing or absurd"),
            {{size_name, size}, {"largest", largest_size}});
  require(c.context >= 1 && c.context <= longest_context, "the model's size context is missing or absurd",
          {{"context", c.context}, {"largest", longest_context}});
  require(c.layers <= 10000, "the model has too many layers", {{"layers", c.layers}, {"largest", std::int64_t{10000}}});
  require(c.H * c.Q <= largest_size, "the query heads are too wide together", {{"H", c.H}, {"Q", c.Q}});
  require(c.H % c.K == 0, "the query heads are not a multiple of the key/value heads", {{"H", c.H}, {"K", c.K}});
  require(c.rope_dims >= 2 && c.rope_dims % 2 == 0 && c.rope_dims <= c.Q,
          "the rotary width is not an even number up to the head width", {{"rope_dims", c.rope_dims}, {"Q", c.Q}});
  require(std::isfinite(c.norm_epsilon) && c.norm_epsilon >= 0, "the norm epsilon is not a small positive number",
          {{"norm_epsilon", c.norm_epsilon}});
  require(std::isfinite(c.rope_base) && c.rope_base > 1, "the rotary base is not a number above 1", {{"rope_base", c.rope_base}});
  for (const double v : {c.norm_offset, c.embed_scale, c.logit_scale})
    require(std::isfinite(v), "a scale of the model is not a number", {{"value", v}});
  if (c.rope_scaling == RopeScaling::none) return;
  require(std::isfinite(c.rope_factor) && c.rope_factor > 0, "the rotary scaling factor is not positive",
          {{"rope_factor", c.rope_factor}});
  if (c.rope_scaling == RopeScaling::llama3)
    require(c.rope_original_context >= 1 && std::isfinite(c.rope_high_freq_factor) &&
                c.rope_high_freq_factor > c.rope_low_freq_factor && c.rope_low_freq_factor > 0,
            "the Llama 3 rotary scaling contradicts itself",
            {{"low", c.rope_low_freq_factor}, {"high", c.rope_high_freq_factor}, {"original context", c.rope_original_context}});
}

}  // namespace tsrun
