// The kernels of row_kernels.hpp, written once with the compiler's vectors and compiled once per instruction set.
#include <numbers>

#include "row_kernels.hpp"
#include "vectors.hpp"

namespace tsrun::TSRUN_SIMD_LEVEL {
namespace {

// ---- sums ----

template <class Add>
float sum_with(const float* x, std::int64_t count, Add add) {
  constexpr int chains = 4;
  Floats sums[chains] = {};
  std::int64_t i = 0;
  for (; i + chains * lanes <= count; i += chains * lanes)
#pragma GCC unroll 4
    for (int c = 0; c < chains; ++c) sums[c] = add(sums[c], load<Floats>(x + i + c * lanes));
  for (int c = 0; i < count; i += lanes, ++c)
    sums[c] = add(sums[c], count - i < lanes ? load_some(x + i, count - i) : load<Floats>(x + i));
  return sum_of((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

float sum(const float* x, std::int64_t count) {
  return sum_with(x, count, [](const Floats& s, const Floats& v) { return s + v; });
}

float sum_squares(const float* x, std::int64_t count) {
  return sum_with(x, count, [](const Floats& s, const Floats& v) { return multiply_add(v, v, s); });
}

// ---- activations ----

inline Floats absolute(const Floats& v) { return Floats(Words(v) & 0x7fffffffU); }

// v / (1 + e^-u). The exponential is taken of what is not positive, so that it stays finite.
inline Floats times_sigmoid(const Floats& v, const Floats& u) {
  const Floats e = exp2_of(absolute(u) * -std::numbers::log2e_v<float>);
  return v * (u < 0.0F ? e : Floats{} + 1.0F) / (1.0F + e);
}

// v / 2 * (1 + erf(v / sqrt 2)), with erfc(z) = e^(-z^2) (a1 t + .. + a5 t^5), t = 1 / (1 + p z), z >= 0, within 1.5e-7
// (Abramowitz and Stegun 7.1.26).
inline Floats gelu(const Floats& v) {
  const Floats z = absolute(v) * static_cast<float>(std::numbers::sqrt2 / 2);
  const Floats t = 1.0F / (1.0F + 0.3275911F * z);
  Floats p = Floats{} + 1.061405429F;
  for (const float a : {-1.453152027F, 1.421413741F, -0.284496736F, 0.254829592F}) p = multiply_add(p, t, Floats{} + a);
  const Floats erfc = p * t * exp2_of(z * z * -std::numbers::log2e_v<float>);
  return 0.5F * v * (v < 0.0F ? erfc : 2.0F - erfc);
}

template <Activation activation>
inline Floats act(const Floats& v) {
  if constexpr (activation == Activation::silu) return times_sigmoid(v, v);
  if constexpr (activation == Activation::gelu) return gelu(v);
  if constexpr (activation == Activation::gelu_tanh) {  // (1 + tanh u) / 2 = 1 / (1 + e^-2u)
    constexpr auto twice = static_cast<float>(2 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi);
    return times_sigmoid(v, twice * (v + 0.044715F * v * v * v));
  }
  return v < 0.0F ? Floats{} : v;  // relu; what is not a number stays so
}

template <Activation activation, bool gated>
void activate_all(const float* gate, float* in, std::int64_t count) {
  const auto result = [](const Floats& g, const Floats& v) {
    return gated ? act<activation>(g) * v : act<activation>(v);
  };
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const Floats v = result(gated ? load<Floats>(gate + i) : Floats{}, load<Floats>(in + i));
    std::memcpy(in + i, &v, sizeof v);
  }
  if (i == count) return;
  const Floats v = result(gated ? load_some(gate + i, count - i) : Floats{}, load_some(in + i, count - i));
  std::memcpy(in + i, &v, static_cast<std::size_t>(count - i) * sizeof(float));
}

template <Activation activation>
void activate_as(const float* gate, float* in, std::int64_t count) {
  gate != nullptr ? activate_all<activation, true>(gate, in, count) : activate_all<activation, false>(gate, in, count);
}

void activate(Activation activation, const float* gate, float* in, std::int64_t count) {
  switch (activation) {
    case Activation::silu: return activate_as<Activation::silu>(gate, in, count);
    case Activation::gelu: return activate_as<Activation::gelu>(gate, in, count);
    case Activation::gelu_tanh: return activate_as<Activation::gelu_tanh>(gate, in, count);
    case Activation::relu: return activate_as<Activation::relu>(gate, in, count);
  }
}

}  // namespace

extern const RowKernels rows;
const RowKernels rows = {sum, sum_squares, activate};

}  // namespace tsrun::TSRUN_SIMD_LEVEL
