// Rotary facts: how wide, which base, and how positions are stretched.
//
// GGUF writes linear and YaRN's stretching as keys. Llama 3's is not written as such: the converter evaluates its
// formula and stores one divisor per frequency. The formula's parameters are recovered from the divisors and then
// proven on every one of them, so that what the model file says is what the source file says.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "gguf_facts.hpp"
#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun {
namespace {

// Divisors were computed in f32, with a power and some quotients.
constexpr double tolerance = 1e-5;

// What Llama 3's scaling divides frequency i by.
double llama3_divisor(const ModelConfig& c, std::int64_t i) {
  const double frequency = std::pow(c.rope_base, -2.0 * static_cast<double>(i) / static_cast<double>(c.rope_dims));
  const double turns = static_cast<double>(c.rope_original_context) * frequency / (2 * std::numbers::pi);
  if (turns >= c.rope_high_freq_factor) return 1;
  if (turns <= c.rope_low_freq_factor) return c.rope_factor;
  const double smooth = (turns - c.rope_low_freq_factor) / (c.rope_high_freq_factor - c.rope_low_freq_factor);
  return 1 / ((1 - smooth) / c.rope_factor + smooth);
}

std::vector<float> read_divisors(const Gguf& file, const GgufTensor& tensor, std::int64_t rope_dims) {
  const auto count = static_cast<std::int64_t>(tensor.shape[0]);
  if (tensor.type->kept != DType::f32 || tensor.shape[1] != 1 || tensor.shape[2] != 1 || tensor.shape[3] != 1 ||
      count != rope_dims / 2)
    refuse({.what = text("the tensor ", tensor.name, " is not one F32 number per rotary frequency"),
            .where = file.where(),
            .numbers = {{"numbers", count}, {"frequencies", rope_dims / 2}, {"type", std::string(tensor.type->name)}},
            .next = "the file contradicts itself; convert the model again"});
  std::vector<float> out(static_cast<std::size_t>(count));
  file.bytes().read(tensor.offset, std::as_writable_bytes(std::span(out)));
  return out;
}

void read_llama3(const Gguf& file, const Architecture& a, const GgufTensor& tensor, ModelConfig& c) {
  const std::vector<float> divisors = read_divisors(file, tensor, c.rope_dims);
  c.rope_factor = 1;
  for (const float d : divisors) c.rope_factor = std::max(c.rope_factor, static_cast<double>(d));
  c.rope_low_freq_factor = 1;
  c.rope_high_freq_factor = 4;
  c.rope_original_context = file.integer(key_of(a, "rope.scaling.original_context_length")).value_or(8192);
  for (std::size_t i = 0; i < divisors.size(); ++i) {
    const double expected = llama3_divisor(c, static_cast<std::int64_t>(i));
    const auto found = static_cast<double>(divisors[i]);
    if (std::isfinite(found) && std::abs(found - expected) <= tolerance * expected) continue;
    refuse({.what = text("the divisors of ", tensor.name, " are not those of Llama 3's rotary scaling"),
            .where = file.where(),
            .numbers = {{"frequency", static_cast<std::int64_t>(i)}, {"divisor", found}, {"expected", expected},
                        {"factor", c.rope_factor}},
            .next = "tsrun computes no other; choose another model"});
  }
  c.rope_scaling = c.rope_factor == 1 ? RopeScaling::none : RopeScaling::llama3;
}

// The scaling that the keys name, and its factor; Llama 3's is not among them.
void read_scaling(const Gguf& file, const Architecture& a, ModelConfig& c) {
  const std::string type = file.string(key_of(a, "rope.scaling.type")).value_or("linear");
  if (type == "none") return;
  if (type != "linear" && type != "yarn")
    refuse({.what = text("the rotary scaling \"", printable(type), "\" is not computed by tsrun"),
            .where = file.where(), .next = "choose a model with none, linear, YaRN or Llama 3's scaling"});
  auto factor = file.real(key_of(a, "rope.scaling.factor"));
  if (!factor) factor = file.real(key_of(a, "rope.scale_linear"));  // an older name
  if (!factor || *factor == 0 || *factor == 1) return;              // llama.cpp writes 0 for none
  c.rope_factor = *factor;
  c.rope_scaling = type == "yarn" ? RopeScaling::yarn : RopeScaling::linear;
}

// Peng et al. 2023, "YaRN"; llama.cpp multiplies its attention factor of 0.1 ln(factor) + 1 by the file's.
void read_yarn(const Gguf& file, const Architecture& a, ModelConfig& c) {
  const auto real = [&](std::string_view key, double otherwise) {
    return file.real(key_of(a, key)).value_or(otherwise);
  };
  c.rope_original_context = file.integer(key_of(a, "rope.scaling.original_context_length")).value_or(c.context);
  c.rope_beta_fast = real("rope.scaling.yarn_beta_fast", 32);
  c.rope_beta_slow = real("rope.scaling.yarn_beta_slow", 1);
  const double own = real("rope.scaling.yarn_attn_factor", 1);
  c.rope_attention_factor = own * (c.rope_factor > 1 ? 0.1 * std::log(c.rope_factor) + 1 : 1);
}

}  // namespace

void read_rope(const Gguf& file, const Architecture& a, ModelConfig& c) {
  c.rope_base = file.real(key_of(a, "rope.freq_base")).value_or(10000);
  c.rope_dims = file.integer(key_of(a, "rope.dimension_count")).value_or(c.Q);
  if (c.rope_dims < 2 || c.rope_dims % 2 != 0 || c.rope_dims > c.Q || !(c.rope_base > 1))
    refuse({.what = "the rotary width is not an even number up to the head width, or its base not above 1",
            .where = file.where(),
            .numbers = {{"rope.dimension_count", c.rope_dims}, {"head width", c.Q}, {"base", c.rope_base}},
            .next = "the file contradicts itself; convert the model again"});
  read_scaling(file, a, c);
  const GgufTensor* const divisors = file.tensor(rope_divisors);
  if ((a.stretch == Stretch::never && c.rope_scaling != RopeScaling::none) ||
      (a.stretch != Stretch::all && (divisors || c.rope_scaling == RopeScaling::yarn)))
    refuse({.what = text("the rotary scaling of ", divisors ? rope_divisors : "rope.scaling.factor",
                         " is not computed by tsrun for ", a.name),
            .where = file.where(), .numbers = {{"factor", c.rope_factor}}, .next = "choose another model"});
  if (c.rope_scaling == RopeScaling::yarn) read_yarn(file, a, c);
  if (!divisors) return;
  if (c.rope_scaling != RopeScaling::none)
    refuse({.what = text("the file has ", word(c.rope_scaling), " rotary scaling and ", rope_divisors, " too"),
            .where = file.where(), .numbers = {{"rope.scaling.factor", c.rope_factor}},
            .next = "tsrun computes one of them; choose another model"});
  read_llama3(file, a, *divisors, c);
}

}  // namespace tsrun
