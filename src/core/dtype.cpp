#include "tsrun/core/dtype.hpp"

#include <cstring>

#include "tsrun/core/error.hpp"

namespace tsrun {
namespace {

struct Named {
  DType type;
  std::string_view name;
};
constexpr Named names[] = {{DType::f32, "f32"},
                           {DType::f16, "f16"},
                           {DType::bf16, "bf16"},
                           {DType::int8, "int8"},
                           {DType::int8_channel, "int8_channel"},
                           {DType::int4, "int4"},
                           {DType::int4_min, "int4_min"}};

template <class T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

void decode_row(const TensorRows& t, std::int64_t row, float* out) {
  const std::int64_t n = t.columns;
  const std::byte* const in = t.values.data() + row * t.value_bytes_per_row();
  const std::uint16_t* const scale = t.scale.data() + row * t.scales_per_row();
  const std::uint16_t* const minimum = t.minimum.data() + (has_minimum(t.type) ? row * t.scales_per_row() : 0);
  const auto nibble = [in](std::int64_t i) {
    const auto both = std::to_integer<unsigned>(in[i / 2]);
    return static_cast<float>(i % 2 == 0 ? both & 15U : both >> 4);
  };
  switch (t.type) {
    case DType::f32: std::memcpy(out, in, static_cast<std::size_t>(n) * 4); break;
    case DType::f16:
      for (std::int64_t i = 0; i < n; ++i) out[i] = f16_to_f32(load<std::uint16_t>(in + 2 * i));
      break;
    case DType::bf16:
      for (std::int64_t i = 0; i < n; ++i) out[i] = bf16_to_f32(load<std::uint16_t>(in + 2 * i));
      break;
    case DType::int8:
      for (std::int64_t g = 0; g < n / group_size; ++g) {
        const float s = f16_to_f32(scale[g]);
        for (std::int64_t i = g * group_size; i < (g + 1) * group_size; ++i)
          out[i] = static_cast<float>(std::to_integer<std::int8_t>(in[i])) * s;
      }
      break;
    case DType::int8_channel: {
      float s = 0;
      std::memcpy(&s, scale, sizeof s);
      for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(std::to_integer<std::int8_t>(in[i])) * s;
      break;
    }
    case DType::int4:
      for (std::int64_t i = 0; i < n; ++i) out[i] = (nibble(i) - 8.0F) * f16_to_f32(scale[i / group_size]);
      break;
    case DType::int4_min:
      for (std::int64_t i = 0; i < n; ++i)
        out[i] = nibble(i) * f16_to_f32(scale[i / group_size]) + f16_to_f32(minimum[i / group_size]);
      break;
  }
}

}  // namespace

std::string_view name(DType type) {
  for (const Named& n : names)
    if (n.type == type) return n.name;
  return "unknown";
}

std::optional<DType> dtype_named(std::string_view wanted) {
  for (const Named& n : names)
    if (n.name == wanted) return n.type;
  return std::nullopt;
}

std::int64_t bytes_of(DType type, std::int64_t rows, std::int64_t columns) {
  std::int64_t per_row = columns * bits(type) / 8;
  if (is_grouped(type)) per_row += columns / group_size * (has_minimum(type) ? 4 : 2);
  if (type == DType::int8_channel) per_row += 4;
  return rows * per_row;
}

float f16_to_f32(std::uint16_t v) {
  const std::uint32_t sign = static_cast<std::uint32_t>(v & 0x8000U) << 16;
  const std::uint32_t magnitude = v & 0x7fffU;
  if (magnitude >= 0x7c00U)  // infinity and NaN
    return std::bit_cast<float>(sign | 0x7f800000U | (magnitude & 0x3ffU) << 13);
  // Place the half's exponent and fraction in a float's; multiplying by 2^112 sets the bias, and is exact for
  // subnormal halves too.
  const auto scaled = std::bit_cast<float>(magnitude << 13) * 0x1p112F;
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(scaled));
}

std::uint16_t f32_to_f16(float v) {
  const auto u = std::bit_cast<std::uint32_t>(v);
  const std::uint32_t sign = (u >> 16) & 0x8000U;
  const std::uint32_t magnitude = u & 0x7fffffffU;
  if (magnitude > 0x7f800000U) return static_cast<std::uint16_t>(sign | 0x7e00U);
  if (magnitude >= 0x477ff000U) return static_cast<std::uint16_t>(sign | 0x7c00U);  // rounds to infinity
  if (magnitude < 0x38800000U) {  // a subnormal half: let the float adder round at 2^-24
    const float rounded = std::bit_cast<float>(magnitude) + 0.5F;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(rounded) - 0x3f000000U));
  }
  const std::uint32_t rebiased = magnitude - 0x38000000U;
  return static_cast<std::uint16_t>(sign | ((rebiased + 0xfffU + ((rebiased >> 13) & 1U)) >> 13));
}

TensorRows TensorRows::zeros(DType type, std::int64_t rows, std::int64_t columns) {
  check(!is_grouped(type) || columns % group_size == 0, "a grouped tensor has whole groups");
  TensorRows t;
  t.type = type;
  t.rows = rows;
  t.columns = columns;
  t.values.resize(static_cast<std::size_t>(rows * t.value_bytes_per_row()));
  t.scale.resize(static_cast<std::size_t>(rows * t.scales_per_row()));
  if (has_minimum(type)) t.minimum.resize(t.scale.size());
  // (q - 8) * 0 is 0 for any q, so a zero scale is enough for int4 as well.
  return t;
}

std::int64_t TensorRows::scales_per_row() const {
  if (is_grouped(type)) return columns / group_size;
  return type == DType::int8_channel ? 2 : 0;
}

void decode_rows(const TensorRows& rows, std::int64_t first, std::int64_t count, float* out) {
  check(first >= 0 && count >= 0 && first + count <= rows.rows, "decode_rows stays inside the tensor");
  for (std::int64_t r = 0; r < count; ++r) decode_row(rows, first + r, out + r * rows.columns);
}

}  // namespace tsrun
