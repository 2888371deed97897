// The types of weights: every half and every bf16 there is, rounding, sizes, and what the bits of each type mean.
#include "tsrun/core/dtype.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <stdexcept>
#include <vector>

using namespace tsrun;

namespace {

constexpr DType all_types[] = {DType::f32,          DType::f16,  DType::bf16,    DType::int8,
                               DType::int8_channel, DType::int4, DType::int4_min};

std::uint32_t bits_of(float v) { return std::bit_cast<std::uint32_t>(v); }

// The value of a half by its definition, in double: sign, exponent - 15, fraction / 1024.
double half_by_definition(std::uint16_t v) {
  const int exponent = (v >> 10) & 31, fraction = v & 1023;
  const double sign = (v & 0x8000) != 0 ? -1 : 1;
  if (exponent == 31)
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  return sign * (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25));
}

// Floats where rounding goes wrong: around every half, halfway between two, and one bit beside.
std::vector<float> hard_floats() {
  std::vector<float> all = {0.0F,
                            -0.0F,
                            65504.0F,
                            65519.996F,
                            65520.0F,
                            65536.0F,
                            1e38F,
                            -1e38F,
                            3.4028235e38F,
                            5.9604645e-8F,
                            2.9802322e-8F,
                            2.9802326e-8F,
                            1e-10F,
                            1e-45F,
                            6.0975552e-5F,
                            std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity()};
  for (std::uint32_t h = 0; h < 0x7c00; ++h)
    for (const int beside : {-1, 0, 1}) {
      const float low = f16_to_f32(static_cast<std::uint16_t>(h)), high = f16_to_f32(static_cast<std::uint16_t>(h + 1));
      const float middle = std::isinf(high) ? 65520.0F : (low + high) / 2;
      all.push_back(std::bit_cast<float>(bits_of(middle) + static_cast<std::uint32_t>(beside)));
      if (low > 0) all.push_back(-std::bit_cast<float>(bits_of(low) + static_cast<std::uint32_t>(beside)));
    }
  return all;
}

// The nearest of all halves, ties to the even one, by search over the definition.
std::uint16_t nearest_half(float v) {
  if (std::fabs(v) >= 65520.0F) return static_cast<std::uint16_t>(0x7c00 | (std::signbit(v) ? 0x8000 : 0));
  std::uint32_t low = 0, high = 0x7c00;  // half(low) <= |v| < half(high), infinity standing for 65536
  const double magnitude = std::fabs(v);
  while (high - low > 1) {
    const std::uint32_t middle = (low + high) / 2;
    (half_by_definition(static_cast<std::uint16_t>(middle)) <= magnitude ? low : high) = middle;
  }
  const double below = half_by_definition(static_cast<std::uint16_t>(low));
  const double above = high == 0x7c00 ? 65536.0 : half_by_definition(static_cast<std::uint16_t>(high));
  const bool up = magnitude - below > above - magnitude || (magnitude - below == above - magnitude && low % 2 == 1);
  return static_cast<std::uint16_t>((up ? high : low) | (std::signbit(v) ? 0x8000U : 0U));
}

}  // namespace

TEST_CASE("every half has its value, and comes back as the same bits") {
  for (std::uint32_t u = 0; u < 65536; ++u) {
    const auto half = static_cast<std::uint16_t>(u);
    const float value = f16_to_f32(half);
    const double defined = half_by_definition(half);
    if (std::isnan(defined)) {
      REQUIRE(std::isnan(value));
      REQUIRE(std::isnan(f16_to_f32(f32_to_f16(value))));
      REQUIRE((f32_to_f16(value) & 0x8000U) == (half & 0x8000U));
    } else {
      REQUIRE(bits_of(value) == bits_of(static_cast<float>(defined)));
      REQUIRE(f32_to_f16(value) == half);
    }
  }
}

TEST_CASE("a float becomes the nearest half, ties to even") {
  for (const float v : hard_floats())
    if (f32_to_f16(v) != nearest_half(v)) {
      CAPTURE(v);
      CHECK(f32_to_f16(v) == nearest_half(v));
    }
  CHECK(std::isnan(f16_to_f32(f32_to_f16(std::numeric_limits<float>::quiet_NaN()))));
}

#ifdef __FLT16_MAX__
__extension__ typedef _Float16 CompilersHalf;

TEST_CASE("halves are the compiler's own") {
  for (std::uint32_t u = 0; u < 65536; ++u) {
    const auto value = static_cast<float>(std::bit_cast<CompilersHalf>(static_cast<std::uint16_t>(u)));
    if (!std::isnan(value)) REQUIRE(bits_of(f16_to_f32(static_cast<std::uint16_t>(u))) == bits_of(value));
  }
  for (const float v : hard_floats())
    REQUIRE(f32_to_f16(v) == std::bit_cast<std::uint16_t>(static_cast<CompilersHalf>(v)));
  for (std::uint32_t u = 12345; u < 0xffff0000U; u += 65521) {  // all over the floats, about 65,000 of them
    const auto v = std::bit_cast<float>(u);
    if (!std::isnan(v)) REQUIRE(f32_to_f16(v) == std::bit_cast<std::uint16_t>(static_cast<CompilersHalf>(v)));
  }
}
#endif

TEST_CASE("every bf16 is the upper half of a float, and comes back as the same bits") {
  for (std::uint32_t u = 0; u < 65536; ++u) {
    const auto b = static_cast<std::uint16_t>(u);
    const float value = bf16_to_f32(b);
    REQUIRE(bits_of(value) == u << 16);
    if (std::isnan(value)) {
      REQUIRE(std::isnan(bf16_to_f32(f32_to_bf16(value))));
    } else {
      REQUIRE(f32_to_bf16(value) == b);
    }
  }
}

TEST_CASE("a float becomes the nearest bf16, ties to even, and NaN never becomes infinity") {
  for (std::uint32_t b = 0; b < 0x7f80; ++b) {
    const std::uint32_t low = b << 16;
    const auto up = static_cast<std::uint16_t>(b + 1), down = static_cast<std::uint16_t>(b);
    REQUIRE(f32_to_bf16(std::bit_cast<float>(low + 0x7fffU)) == down);
    REQUIRE(f32_to_bf16(std::bit_cast<float>(low + 0x8000U)) == (b % 2 == 0 ? down : up));
    REQUIRE(f32_to_bf16(std::bit_cast<float>(low + 0x8001U)) == up);
    REQUIRE(f32_to_bf16(std::bit_cast<float>(0x80000000U | (low + 0x8001U))) == (up | 0x8000));
  }
  for (const std::uint32_t nan : {0x7f800001U, 0x7fffffffU, 0xff800001U, 0xffffffffU})
    CHECK(std::isnan(bf16_to_f32(f32_to_bf16(std::bit_cast<float>(nan)))));
}

TEST_CASE("names") {
  for (const DType type : all_types) CHECK(dtype_named(name(type)) == type);
  CHECK(name(DType::int4_min) == "int4_min");
  for (const char* const other : {"", "F32", "int16", "q4_1", "f3", "f320"})
    CHECK_FALSE(dtype_named(other).has_value());
}

TEST_CASE("the bytes of a tensor are those of its parts") {
  for (const DType type : all_types) {
    const TensorRows t = TensorRows::zeros(type, 3, 64);
    const auto parts = t.values.size() + 2 * t.scale.size() + 2 * t.minimum.size();
    CAPTURE(name(type));
    CHECK(bytes_of(type, 3, 64) == static_cast<std::int64_t>(parts));
    CHECK(t.value_bytes_per_row() * 3 == static_cast<std::int64_t>(t.values.size()));
    CHECK(t.scales_per_row() * 3 == static_cast<std::int64_t>(t.scale.size()));
    CHECK(is_quantized(type) == !t.scale.empty());
    CHECK(has_minimum(type) == !t.minimum.empty());
    std::vector<float> out(3 * 64, -1);
    decode_rows(t, 0, 3, out.data());
    CHECK(out == std::vector<float>(3 * 64, 0.0F));
  }
  CHECK(bytes_of(DType::int4, 1, 32) == 18);  // the blocks of GGUF
  CHECK(bytes_of(DType::int4_min, 1, 32) == 20);
  CHECK(bytes_of(DType::int8, 1, 32) == 34);
  CHECK(bytes_of(DType::int8_channel, 2, 5) == 18);
  CHECK(bytes_of(DType::bf16, 2, 5) == 20);
  CHECK(TensorRows::zeros(DType::f32, 0, 7).values.empty());
  CHECK_THROWS_AS(TensorRows::zeros(DType::int4, 1, 33), std::logic_error);
}

TEST_CASE("f32, f16 and bf16 are decoded as they are, any rows of them") {
  const std::vector<float> values = {0.5F, -2.0F, 3.0F, 1.5F, -0.25F, 96.0F};  // exact in all three
  for (const DType type : {DType::f32, DType::f16, DType::bf16}) {
    TensorRows t = TensorRows::zeros(type, 3, 2);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::uint16_t half = type == DType::f16 ? f32_to_f16(values[i]) : f32_to_bf16(values[i]);
      if (type == DType::f32) std::memcpy(t.values.data() + 4 * i, &values[i], 4);
      else std::memcpy(t.values.data() + 2 * i, &half, 2);
    }
    std::vector<float> out(values.size());
    decode_rows(t, 0, 3, out.data());
    CHECK(out == values);
    std::vector<float> last(2);
    decode_rows(t, 2, 1, last.data());
    CHECK(last == std::vector<float>{-0.25F, 96.0F});
    decode_rows(t, 3, 0, nullptr);
    CHECK_THROWS_AS(decode_rows(t, 2, 2, out.data()), std::logic_error);
    CHECK_THROWS_AS(decode_rows(t, -1, 1, out.data()), std::logic_error);
  }
}

TEST_CASE("int8 is q times the scale of its group or of its row") {
  TensorRows groups = TensorRows::zeros(DType::int8, 2, 64);
  TensorRows rows = TensorRows::zeros(DType::int8_channel, 2, 64);
  for (std::size_t i = 0; i < 128; ++i)
    groups.values[i] = rows.values[i] = static_cast<std::byte>(i == 5 ? 0x80 : i);  // -128 at 5
  for (std::size_t g = 0; g < 4; ++g) groups.scale[g] = f32_to_f16(static_cast<float>(g + 1) * 0.5F);
  const float row_scale[2] = {0.1F, 7.0F};  // 0.1 is no half: all 32 bits count
  std::memcpy(rows.scale.data(), row_scale, sizeof row_scale);
  std::vector<float> by_group(128), by_row(128), second_row(64);
  decode_rows(groups, 0, 2, by_group.data());
  decode_rows(rows, 0, 2, by_row.data());
  decode_rows(rows, 1, 1, second_row.data());
  for (std::size_t i = 0; i < 128; ++i) {
    const float q = i == 5 ? -128.0F : static_cast<float>(i);
    REQUIRE(by_group[i] == q * static_cast<float>(i / 32 + 1) * 0.5F);
    REQUIRE(by_row[i] == q * row_scale[i / 64]);
  }
  CHECK(second_row == std::vector<float>(by_row.begin() + 64, by_row.end()));
}

TEST_CASE("int4 is low half first, centred on 8, or above its minimum") {
  TensorRows centred = TensorRows::zeros(DType::int4, 2, 64);
  TensorRows above = TensorRows::zeros(DType::int4_min, 2, 64);
  const auto q_of = [](std::size_t i) { return static_cast<unsigned>((i * 7 + i / 16) % 16); };
  for (std::size_t i = 0; i < 128; i += 2)
    centred.values[i / 2] = above.values[i / 2] = static_cast<std::byte>(q_of(i) | q_of(i + 1) << 4);
  for (std::size_t g = 0; g < 4; ++g) {
    centred.scale[g] = above.scale[g] = f32_to_f16(static_cast<float>(g + 1) * 0.25F);
    above.minimum[g] = f32_to_f16(-static_cast<float>(g));
  }
  std::vector<float> a(128), b(128);
  decode_rows(centred, 0, 2, a.data());
  decode_rows(above, 0, 2, b.data());
  for (std::size_t i = 0; i < 128; ++i) {
    const float scale = static_cast<float>(i / 32 + 1) * 0.25F, q = static_cast<float>(q_of(i));
    REQUIRE(a[i] == (q - 8) * scale);
    REQUIRE(b[i] == q * scale - static_cast<float>(i / 32));
  }
  std::vector<float> second(64);
  decode_rows(above, 1, 1, second.data());
  CHECK(second == std::vector<float>(b.begin() + 64, b.end()));
}
