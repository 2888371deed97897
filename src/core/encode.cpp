// Values into the bits of a type: rounding, and scales for groups.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "tsrun/core/dtype.hpp"
#include "tsrun/core/error.hpp"

namespace tsrun {
namespace {

constexpr int group = static_cast<int>(group_size);
constexpr float largest_half = 65504, smallest_normal_half = 0x1p-14F;

template <class T>
void store(T value, std::byte* to) {
  std::memcpy(to, &value, sizeof value);
}

// The scale as its half, which is what decoding will multiply by.
float as_half(float scale, std::uint16_t& half) {
  half = f32_to_f16(std::clamp(scale, -largest_half, largest_half));
  return f16_to_f32(half);
}

// The whole number nearest to a small float. Adding 1.5 x 2^23 leaves it no bits for a fraction, so it rounds, and
// unlike a library call it does so for many at once.
inline float nearest(float x) {
  constexpr float rounder = 12582912;
  return (x + rounder) - rounder;
}

// Whole numbers q of a group for a scale, within low..high; all 0 where the scale is.
void quantize(const float* in, float scale, float low, float high, float* q) {
  const float inverse = scale == 0 ? 0 : 1 / scale;
  for (int i = 0; i < group; ++i) q[i] = nearest(std::min(std::max(in[i] * inverse, low), high));
}

// The value of a group that is farthest from 0, with its sign.
float extreme(const float* in) {
  return *std::max_element(in, in + group, [](float a, float b) { return std::fabs(a) < std::fabs(b); });
}

// In eight sums, so that the compiler may take eight at once.
float dot(const float* a, const float* b) {
  constexpr int lanes = 8;
  float sums[lanes] = {};
  for (int i = 0; i < group; i += lanes)
    for (int lane = 0; lane < lanes; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}

// The first of these scales as its half; or, where that is too small to have all its bits, or too large, the one with
// which least is lost.
template <std::size_t n>
float stored_scale(const float* in, const std::array<float, n>& scales, float low, float high, std::uint16_t& half) {
  float best = as_half(scales[0], half), least = std::numeric_limits<float>::infinity();
  if (std::fabs(best) >= smallest_normal_half && std::fabs(best) < largest_half) return best;
  for (const float wanted : scales) {
    std::uint16_t its_half = 0;
    const float scale = as_half(wanted, its_half);
    float off[group];
    quantize(in, scale, low, high, off);
    for (int i = 0; i < group; ++i) off[i] = off[i] * scale - in[i];
    if (const float lost = dot(off, off); lost < least) {
      least = lost;
      best = scale;
      half = its_half;
    }
  }
  return best;
}

// The best scale for the numbers of the next; of the scales that take the extreme to 64 .. 127 the one whose numbers are
// nearest to the values; and the one that takes it to 127. A group of few different values, which came from four bits,
// often finds one with nearly all of them on whole numbers, and the least such end often takes a scale that is a half.
//
// A value is so many 65536th parts of the extreme; times the end, what remains in 16 bits is how many 65536th parts of a
// step it is off the nearest whole number. Squares are taken of 8192nd parts, so that their sum stays an int.
std::array<float, 3> int8_scales(const float* in) {
  const float most = std::fabs(extreme(in));
  if (most == 0) return {};
  std::int16_t parts[group];
  for (int i = 0; i < group; ++i)
    parts[i] = static_cast<std::int16_t>(static_cast<std::int32_t>(nearest(in[i] / most * 65536)));
  int best = 127;
  float least = std::numeric_limits<float>::infinity();
  for (int end = 127; end >= 64; --end) {
    std::int32_t sum = 0;
    for (int i = 0; i < group; ++i) {
      const auto off = static_cast<std::int16_t>(static_cast<std::int16_t>(parts[i] * end) >> 3);
      sum += off * off;
    }
    const float error = static_cast<float>(sum) / static_cast<float>(end * end);
    if (error <= least) {
      least = error;
      best = end;
    }
  }
  const float at_end = most / static_cast<float>(best);
  float q[group];
  quantize(in, at_end, -127, 127, q);
  const float qx = dot(q, in), qq = dot(q, q);
  return {qq > 0 ? qx / qq : at_end, at_end, most / 127};
}

void encode_int8(const float* in, std::byte* out, std::uint16_t& scale) {
  float q[group];
  quantize(in, stored_scale(in, int8_scales(in), -127, 127, scale), -127, 127, q);
  for (int i = 0; i < group; ++i) store(static_cast<std::int8_t>(q[i]), out + i);
}

// Of scales that take the extreme to about -8, the end of the range that has one more value than the other, the one
// whose numbers, after the best scale for them is taken, are nearest to the values: the squared error is
// sum x^2 - (sum q x)^2 / sum q^2. And the one that takes it to -8.
std::array<float, 2> int4_scales(const float* in) {
  const float most = extreme(in);
  if (most == 0) return {};
  float best = most / -8, gain = -1;
  for (float end = 6.5F; end <= 9.0F; end += 0.25F) {
    float q[group];
    quantize(in, most / -end, -8, 7, q);
    const float qx = dot(q, in), qq = dot(q, q);
    if (qq > 0 && qx * qx / qq > gain) {
      gain = qx * qx / qq;
      best = qx / qq;
    }
  }
  return {best, most / -8};
}

void encode_int4(const float* in, std::byte* out, std::uint16_t& scale) {
  float q[group];
  quantize(in, stored_scale(in, int4_scales(in), -8, 7, scale), -8, 7, q);
  for (int i = 0; i < group; i += 2) {
    const auto low = static_cast<unsigned>(q[i] + 8), high = static_cast<unsigned>(q[i + 1] + 8);
    out[i / 2] = static_cast<std::byte>(low | high << 4);
  }
}

}  // namespace

void encode_row(const float* in, TensorRows& out, std::int64_t row) {
  const std::int64_t n = out.columns;
  std::byte* const to = out.values.data() + row * out.value_bytes_per_row();
  std::uint16_t* const scale = out.scale.data() + row * out.scales_per_row();
  switch (out.type) {
    case DType::f32: std::memcpy(to, in, static_cast<std::size_t>(n) * sizeof(float)); return;
    case DType::f16:
      for (std::int64_t i = 0; i < n; ++i) store(f32_to_f16(in[i]), to + 2 * i);
      return;
    case DType::bf16:
      for (std::int64_t i = 0; i < n; ++i) store(f32_to_bf16(in[i]), to + 2 * i);
      return;
    case DType::int8:
      for (std::int64_t g = 0; g < n / group; ++g) encode_int8(in + g * group, to + g * group, scale[g]);
      return;
    case DType::int4:
      for (std::int64_t g = 0; g < n / group; ++g) encode_int4(in + g * group, to + g * group / 2, scale[g]);
      return;
    case DType::int8_channel:
    case DType::int4_min: break;
  }
  check(false, "a row is encoded in a type that can be asked for");
}

}  // namespace tsrun
