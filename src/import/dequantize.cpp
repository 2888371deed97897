// The layouts of GGML's blocks.
//
// Small blocks hold 32 values under one f16 scale d (and minimum m): value = q d (+ m). Halves of a byte are 16
// values apart: the low halves are values 0..15, the high halves 16..31.
// K blocks hold 256 values in sub-blocks of 16 or 32, whose own whole-number scales (and minima) are multiplied by
// the block's f16 d (and dmin): value = (d scale) q - (dmin minimum).
#include "dequantize.hpp"

#include <bit>
#include <cstring>

#include "tsrun/core/dtype.hpp"

namespace tsrun {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF files are read on little-endian machines");

float f16_at(const std::byte* at) {
  std::uint16_t bits = 0;
  std::memcpy(&bits, at, sizeof bits);
  return f16_to_f32(bits);
}
unsigned byte_at(const std::byte* at) { return std::to_integer<unsigned>(*at); }
float real(int v) { return static_cast<float>(v); }
float real(unsigned v) { return static_cast<float>(v); }
int whole(unsigned v) { return static_cast<int>(v); }

// Value i of 32 four-bit values.
unsigned nibble(const std::byte* quants, int i) {
  const unsigned both = byte_at(quants + i % 16);
  return i < 16 ? both & 15U : both >> 4;
}

// The same with a fifth bit from a word of 32.
unsigned five_bits(const std::byte* quants, const std::byte* fifth, int i) {
  const unsigned bit = byte_at(fifth + i / 8) >> (i % 8) & 1U;
  return nibble(quants, i) | bit << 4;
}

struct ScaleMin {
  unsigned scale, minimum;
};
// Q4_K and Q5_K pack 8 scales and 8 minima of 6 bits into 12 bytes: the first four of each are the low six bits of
// bytes 0..3 and 4..7; the last four have their low halves in bytes 8..11, their high pairs on top of the first.
ScaleMin scale_min(const std::byte* packed, int i) {
  if (i < 4) return {byte_at(packed + i) & 63U, byte_at(packed + 4 + i) & 63U};
  const unsigned low = byte_at(packed + 4 + i);
  return {(low & 15U) | (byte_at(packed + i - 4) >> 6) << 4, low >> 4 | (byte_at(packed + i) >> 6) << 4};
}

// Q3_K packs 16 scales of 6 bits, offset 32, into 12 bytes: low halves in bytes 0..7, high pairs in 8..11.
int q3_scale(const std::byte* packed, int i) {
  const unsigned low = byte_at(packed + i % 8) >> (i < 8 ? 0 : 4) & 15U;
  const unsigned high = byte_at(packed + 8 + i % 4) >> (i / 4 * 2) & 3U;
  return whole(low | high << 4) - 32;
}

// Two-bit values come in two runs of 32 bytes, each holding four times 32 values, one pair of bits after the other.
unsigned two_bits(const std::byte* quants, int i) {
  return byte_at(quants + i / 128 * 32 + i % 32) >> (i % 128 / 32 * 2) & 3U;
}

template <class Value>
void each(int count, float* out, Value&& value) {
  for (int i = 0; i < count; ++i) out[i] = value(i);
}

}  // namespace

void dequantize_f32(const std::byte* in, std::int64_t blocks, float* out) {
  std::memcpy(out, in, static_cast<std::size_t>(blocks) * sizeof(float));
}

void dequantize_f16(const std::byte* in, std::int64_t blocks, float* out) {
  for (std::int64_t i = 0; i < blocks; ++i) out[i] = f16_at(in + 2 * i);
}

void dequantize_bf16(const std::byte* in, std::int64_t blocks, float* out) {
  for (std::int64_t i = 0; i < blocks; ++i) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, in + 2 * i, sizeof bits);
    out[i] = bf16_to_f32(bits);
  }
}

// d, 32 signed bytes
void dequantize_q8_0(const std::byte* in, std::int64_t blocks, float* out) {
  for (; blocks > 0; --blocks, in += 34, out += 32) {
    const float d = f16_at(in);
    each(32, out, [&](int i) { return d * real(std::to_integer<std::int8_t>(in[2 + i])); });
  }
}

// d, 16 bytes of halves
void dequantize_q4_0(const std::byte* in, std::int64_t blocks, float* out) {
  for (; blocks > 0; --blocks, in += 18, out += 32) {
    const float d = f16_at(in);
    each(32, out, [&](int i) { return d * real(whole(nibble(in + 2, i)) - 8); });
  }
}

// d, m, 16 bytes of halves
void dequantize_q4_1(const std::byte* in, std::int64_t blocks, float* out) {
  for (; blocks > 0; --blocks, in += 20, out += 32) {
    const float d = f16_at(in), m = f16_at(in + 2);
    each(32, out, [&](int i) { return d * real(nibble(in + 4, i)) + m; });
  }
}

// d, 32 fifth bits, 16 bytes of halves
void dequantize_q5_0(const std::byte* in, std::int64_t blocks, float* out) {
  for (; blocks > 0; --blocks, in += 22, out += 32) {
    const float d = f16_at(in);
    each(32, out, [&](int i) { return d * real(whole(five_bits(in + 6, in + 2, i)) - 16); });
  }
}

// d, m, 32 fifth bits, 16 bytes of halves
void dequantize_q5_1(const std::byte* in, std::int64_t blocks, float* out) {
  for (; blocks > 0; --blocks, in += 24, out += 32) {
    const float d = f16_at(in), m = f16_at(in + 2);
    each(32, out, [&](int i) { return d * real(five_bits(in + 8, in + 4, i)) + m; });
  }
}

// 16 bytes of (scale, minimum) halves, 64 bytes of pairs, d, dmin
void dequantize_q2_k(const std::byte* in, std::int64_t blocks, float* out) {
  for (; blocks > 0; --blocks, in += 84, out += 256) {
    const float d = f16_at(in + 80), dmin = f16_at(in + 82);
    for (int s = 0; s < 16; ++s) {
      const unsigned both = byte_at(in + s);
      const float scale = d * real(both & 15U), minimum = dmin * real(both >> 4);
      each(16, out + 16 * s, [&](int i) { return scale * real(two_bits(in + 16, 16 * s + i)) - minimum; });
    }
  }
}

// 256 third bits, 64 bytes of pairs, 12 of scales, d; a third bit that is not set subtracts 4
void dequantize_q3_k(const std::byte* in, std::int64_t blocks, float* out) {
  for (; blocks > 0; --blocks, in += 110, out += 256) {
    const float d = f16_at(in + 108);
    for (int s = 0; s < 16; ++s) {
      const float scale = d * real(q3_scale(in + 96, s));
      each(16, out + 16 * s, [&](int i) {
        const int at = 16 * s + i;
        const bool third = (byte_at(in + at % 32) >> (at / 32) & 1U) != 0;
        return scale * real(whole(two_bits(in + 32, at)) - (third ? 0 : 4));
      });
    }
  }
}

// d, dmin, 12 bytes of scales, 128 bytes of halves: 32 low halves, then the 32 high halves of the same bytes
void dequantize_q4_k(const std::byte* in, std::int64_t blocks, float* out) {
  for (; blocks > 0; --blocks, in += 144, out += 256) {
    const float d = f16_at(in), dmin = f16_at(in + 2);
    for (int s = 0; s < 8; ++s) {
      const ScaleMin both = scale_min(in + 4, s);
      const float scale = d * real(both.scale), minimum = dmin * real(both.minimum);
      const std::byte* const quants = in + 16 + s / 2 * 32;
      each(32, out + 32 * s, [&](int i) {
        return scale * real(byte_at(quants + i) >> (s % 2 * 4) & 15U) - minimum;
      });
    }
  }
}

// d, dmin, 12 bytes of scales, 32 bytes of fifth bits (bit s of byte i: value i of sub-block s), 128 of halves
void dequantize_q5_k(const std::byte* in, std::int64_t blocks, float* out) {
  for (; blocks > 0; --blocks, in += 176, out += 256) {
    const float d = f16_at(in), dmin = f16_at(in + 2);
    for (int s = 0; s < 8; ++s) {
      const ScaleMin both = scale_min(in + 4, s);
      const float scale = d * real(both.scale), minimum = dmin * real(both.minimum);
      const std::byte* const quants = in + 48 + s / 2 * 32;
      each(32, out + 32 * s, [&](int i) {
        const unsigned low = byte_at(quants + i) >> (s % 2 * 4) & 15U;
        const unsigned fifth = byte_at(in + 16 + i) >> s & 1U;
        return scale * real(low | fifth << 4) - minimum;
      });
    }
  }
}

// 128 bytes of low halves (64 low, then 64 high of the same bytes), 64 bytes of high pairs, 16 signed scales, d
void dequantize_q6_k(const std::byte* in, std::int64_t blocks, float* out) {
  for (; blocks > 0; --blocks, in += 210, out += 256) {
    const float d = f16_at(in + 208);
    for (int s = 0; s < 16; ++s) {
      const float scale = d * real(std::to_integer<std::int8_t>(in[192 + s]));
      each(16, out + 16 * s, [&](int i) {
        const int at = 16 * s + i;
        const unsigned low = byte_at(in + at / 128 * 64 + at % 64) >> (at % 128 / 64 * 4) & 15U;
        const unsigned high = two_bits(in + 128, at);
        return scale * real(whole(low | high << 4) - 32);
      });
    }
  }
}

}  // namespace tsrun
