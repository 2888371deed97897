// The types a weight can have, and what their bits mean.
//
// A type is a property of each tensor, not of the model. A two-dimensional tensor is stored as rows of output
// channels, each row holding its inputs: [rows][columns]. A quantised row is cut into groups of 32 inputs, each
// with an f16 scale and, for int4_min, an f16 minimum:
//   f32 f16 bf16   value
//   int8           q * scale             q in -128..127, one byte each             (GGUF Q8_0)
//   int8_channel   q * scale             one f32 scale per row
//   int4           (q - 8) * scale       q in 0..15, two a byte                    (GGUF Q4_0)
//   int4_min       q * scale + minimum   q in 0..15, two a byte                    (GGUF Q4_1)
// The low half of byte j holds column 2j, the high half column 2j + 1.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace tsrun {

enum class DType : std::uint8_t { f32, f16, bf16, int8, int8_channel, int4, int4_min };

inline constexpr std::int64_t group_size = 32;  // inputs that share a scale

std::string_view name(DType type);
std::optional<DType> dtype_named(std::string_view name);

constexpr bool is_grouped(DType t) { return t == DType::int8 || t == DType::int4 || t == DType::int4_min; }
constexpr bool is_quantized(DType t) { return is_grouped(t) || t == DType::int8_channel; }
constexpr bool has_minimum(DType t) { return t == DType::int4_min; }
// Bits of one element, scales not counted.
constexpr int bits(DType t) {
  switch (t) {
    case DType::f32: return 32;
    case DType::f16:
    case DType::bf16: return 16;
    case DType::int8:
    case DType::int8_channel: return 8;
    case DType::int4:
    case DType::int4_min: return 4;
  }
  return 0;
}
// Bytes of `rows` x `columns` elements with their scales and minima.
std::int64_t bytes_of(DType type, std::int64_t rows, std::int64_t columns);

constexpr float bf16_to_f32(std::uint16_t v) { return std::bit_cast<float>(static_cast<std::uint32_t>(v) << 16); }
// To nearest, ties to even; NaN stays NaN.
constexpr std::uint16_t f32_to_bf16(float v) {
  const auto u = std::bit_cast<std::uint32_t>(v);
  if ((u & 0x7fffffffU) > 0x7f800000U) return static_cast<std::uint16_t>((u >> 16) | 0x40U);
  return static_cast<std::uint16_t>((u + 0x7fffU + ((u >> 16) & 1U)) >> 16);
}
float f16_to_f32(std::uint16_t v);
std::uint16_t f32_to_f16(float v);  // to nearest, ties to even

// Whole rows of one tensor in its stored type. A vector is one row. `scale` holds f16 per group, or one f32 per
// row (two halves, native order) for int8_channel; `minimum` f16 per group.
struct TensorRows {
  DType type = DType::f32;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::vector<std::byte> values;
  std::vector<std::uint16_t> scale;
  std::vector<std::uint16_t> minimum;

  // Zero-filled. A grouped type needs columns to be a multiple of 32.
  static TensorRows zeros(DType type, std::int64_t rows, std::int64_t columns);
  std::int64_t value_bytes_per_row() const { return columns * bits(type) / 8; }
  // f16 entries (pairs of them for int8_channel) in a row of `scale`; 0 where the type has none.
  std::int64_t scales_per_row() const;
};

// One row of out.columns finite values into row `row` of `out`, each value or group as near as its type comes: f32,
// f16, bf16 to nearest; int8 and int4 with the scale of the least squared error among some that take the group's largest
// value to 64 .. 127, or near to -8. Not for int8_channel and int4_min.
void encode_row(const float* in, TensorRows& out, std::int64_t row);

// Rows [first, first + count) as f32, row-major, into out[count * columns].
void decode_rows(const TensorRows& rows, std::int64_t first, std::int64_t count, float* out);

}  // namespace tsrun
