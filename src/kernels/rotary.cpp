#include "tsrun/kernels/rotary.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tsrun {
namespace {

// How much of a pair's own pace is kept, from 0 (slowed by the whole factor) to 1.
double kept_llama3(const ModelConfig& c, double frequency) {
  const double turns = static_cast<double>(c.rope_original_context) * frequency / (2 * std::numbers::pi);
  return std::clamp((turns - c.rope_low_freq_factor) / (c.rope_high_freq_factor - c.rope_low_freq_factor), 0.0, 1.0);
}

// The blend runs over the pairs between those that turn beta_fast and beta_slow times, whole pairs outwards.
double kept_yarn(const ModelConfig& c, double pair) {
  const auto pair_that_turns = [&c](double times) {
    const double period = static_cast<double>(c.rope_original_context) / (times * 2 * std::numbers::pi);
    return static_cast<double>(c.rope_dims) * std::log(period) / (2 * std::log(c.rope_base));
  };
  const double first = std::max(0.0, std::floor(pair_that_turns(c.rope_beta_fast)));
  const double last = std::min(static_cast<double>(c.rope_dims - 1), std::ceil(pair_that_turns(c.rope_beta_slow)));
  return 1 - std::clamp((pair - first) / (last == first ? 0.001 : last - first), 0.0, 1.0);
}

double kept(const ModelConfig& c, double frequency, std::int64_t pair) {
  switch (c.rope_scaling) {
    case RopeScaling::none: return 1;
    case RopeScaling::linear: return 0;
    case RopeScaling::llama3: return kept_llama3(c, frequency);
    case RopeScaling::yarn: return kept_yarn(c, static_cast<double>(pair));
  }
  return 1;
}

}  // namespace

Rotary::Rotary(const ModelConfig& c, bool local)
    : pairing_(c.rope_pairing),
      pairs_(c.rope_dims / 2),
      stretch_(c.rope_scaling == RopeScaling::yarn ? static_cast<float>(c.rope_attention_factor) : 1.0F) {
  const bool own_base = local && c.rope_local_base != 0;
  const double base = own_base ? c.rope_local_base : c.rope_base;
  for (std::int64_t i = 0; i < pairs_; ++i) {
    const double f = 1 / std::pow(base, 2 * static_cast<double>(i) / static_cast<double>(c.rope_dims));
    const double keeps = own_base ? 1 : kept(c, f, i);
    frequency_.push_back(static_cast<float>(keeps * f + (1 - keeps) * f / c.rope_factor));
  }
}

void Rotary::set_positions(std::span<const std::int64_t> positions) {
  cos_.resize(positions.size() * static_cast<std::size_t>(pairs_));
  sin_.resize(cos_.size());
  std::size_t at = 0;
  for (const std::int64_t position : positions)
    for (const float frequency : frequency_) {
      const float angle = static_cast<float>(std::max<std::int64_t>(position, 0)) * frequency;
      cos_[at] = std::cos(angle) * stretch_;
      sin_[at++] = std::sin(angle) * stretch_;
    }
}

void Rotary::rotate(std::int64_t t, float* head) const {
  const float* const c = cos_.data() + t * pairs_;
  const float* const s = sin_.data() + t * pairs_;
  const std::int64_t step = pairing_ == Pairing::half ? 1 : 2, partner = pairing_ == Pairing::half ? pairs_ : 1;
  for (std::int64_t i = 0; i < pairs_; ++i) {
    float& a = head[i * step];
    float& b = head[i * step + partner];
    const float turned = a * c[i] - b * s[i];
    b = a * s[i] + b * c[i];
    a = turned;
  }
}

}  // namespace tsrun
