// The kernels of packed_kernels.hpp, written once with the compiler's vectors and compiled once per instruction set.
//
// A tile of the product stays in registers while a chunk of the contracted dimension streams by. An element is one
// chain of sums in the order of the columns, whatever tile it falls in and whatever chunks there are: the chain
// continues from the sums before.
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "packed_kernels.hpp"
#include "tsrun/kernels/packed.hpp"
#include "vectors.hpp"

namespace tsrun::TSRUN_SIMD_LEVEL {
namespace {

constexpr int unit_bytes = 4 * panel_rows;               // a word of each row of a panel
constexpr int per_panel = unit_bytes / vector_bytes;     // vectors in such a unit

template <class T>
inline Words broadcast(const std::byte* from) {
  return Words{} + std::bit_cast<std::uint32_t>(load<T>(from));
}

// sums + the product of four unsigned weights and four signed activations in each word, exactly.
inline Ints dot4(const Ints& sums, const Words& w, const Words& x) {
#if defined __AVX512VNNI__
  return Ints(_mm512_dpbusd_epi32(__m512i(sums), __m512i(w), __m512i(x)));
#elif defined __AVX512BW__  // even and odd bytes as 16-bit numbers: VPMADDUBSW would saturate
  const __m512i even = _mm512_srai_epi16(_mm512_slli_epi16(__m512i(x), 8), 8), odd = _mm512_srai_epi16(__m512i(x), 8);
  return sums + Ints(_mm512_madd_epi16(__m512i(w & 0x00ff00ffU), even)) +
         Ints(_mm512_madd_epi16(__m512i(w >> 8 & 0x00ff00ffU), odd));
#elif defined __AVX2__
  const __m256i even = _mm256_srai_epi16(_mm256_slli_epi16(__m256i(x), 8), 8), odd = _mm256_srai_epi16(__m256i(x), 8);
  return sums + Ints(_mm256_madd_epi16(__m256i(w & 0x00ff00ffU), even)) +
         Ints(_mm256_madd_epi16(__m256i(w >> 8 & 0x00ff00ffU), odd));
#else
  Ints out = sums;
  for (int bits = 0; bits < 32; bits += 8) out += Ints(w >> bits & 0xffU) * (Ints(x << (24 - bits)) >> 24);
  return out;
#endif
}

template <int rows, int panels>
struct Sums {
  static constexpr int vectors = panels * per_panel;
  Floats v[rows][vectors];

  explicit Sums(const Tile& t) {
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
      for (int c = 0; c < vectors; ++c)
        v[r][c] = t.from != nullptr ? load<Floats>(t.from + r * t.from_stride + c * lanes) : Floats{};
  }
  void store(const Tile& t) const {
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
      for (int c = 0; c < vectors; ++c) std::memcpy(t.to + r * t.to_stride + c * lanes, &v[r][c], sizeof v[r][c]);
  }
};

// Vector c of a unit that starts at `at` in each panel.
inline const std::byte* vector_at(const Tile& t, std::int64_t at, int c) {
  return t.w + c / per_panel * t.panel_bytes + at + c % per_panel * vector_bytes;
}

// ---- f32 and bf16 ----

template <DType type, int rows, int panels>
void float_tile(const Tile& t) {
  constexpr bool pairs = type == DType::bf16;
  constexpr int vectors = panels * per_panel;
  Sums<rows, panels> sums(t);
  const std::int64_t units = pairs ? t.columns / 2 : t.columns;
  for (std::int64_t k = 0; k < units; ++k) {
    Words w[vectors];
#pragma GCC unroll 8
    for (int c = 0; c < vectors; ++c) w[c] = load<Words>(vector_at(t, k * unit_bytes, c));
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
#ifdef __AVX512BF16__
      if constexpr (pairs) {
        const Words x = broadcast<std::uint32_t>(t.x + (k * rows + r) * 4);
#pragma GCC unroll 8
        for (int c = 0; c < vectors; ++c)
          sums.v[r][c] = Floats(_mm512_dpbf16_ps(__m512(sums.v[r][c]), __m512bh(w[c]), __m512bh(x)));
        continue;
      }
#endif
      if constexpr (pairs) {  // a bf16 is the upper half of a float
        const Floats first = Floats(broadcast<float>(t.x + (2 * k * rows + r) * 4));
        const Floats second = Floats(broadcast<float>(t.x + ((2 * k + 1) * rows + r) * 4));
#pragma GCC unroll 8
        for (int c = 0; c < vectors; ++c) {
          sums.v[r][c] = multiply_add(Floats(w[c] << 16), first, sums.v[r][c]);
          sums.v[r][c] = multiply_add(Floats(w[c] & 0xffff0000U), second, sums.v[r][c]);
        }
      } else {
        const Floats x = Floats(broadcast<float>(t.x + (k * rows + r) * 4));
#pragma GCC unroll 8
        for (int c = 0; c < vectors; ++c) sums.v[r][c] = multiply_add(Floats(w[c]), x, sums.v[r][c]);
      }
    }
  }
  sums.store(t);
}

// ---- int8 and int4 ----

// The scales of a group are multiplied once with each row's; the sum of the products of q is exact. Weights are stored
// as w + offset >= 0; that the sum starts from -offset times the sum of the row's q takes the offset out again.
template <DType type, int rows, int panels>
void int_tile(const Tile& t) {
  constexpr bool halves = bits(type) == 4;
  constexpr int vectors = panels * per_panel;
  constexpr int value_bytes = group_size * bits(type) / 8 * panel_rows;
  constexpr int scale_bytes = 2 * panel_rows;
  constexpr int group_bytes = value_bytes + (!is_grouped(type) ? 0 : has_minimum(type) ? 2 * scale_bytes : scale_bytes);
  constexpr int x_words = group_size / 4, x_bytes = rows * (group_size + 8);
  Sums<rows, panels> sums(t);
  for (std::int64_t g = 0; g < t.columns / group_size; ++g) {
    const std::byte* const x = t.x + g * x_bytes;
    const std::int64_t at = g * group_bytes;
    Ints dots[rows][vectors];
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
      Ints start{};
      if constexpr (!has_minimum(type))
        start = Ints(broadcast<std::int32_t>(x + (x_words + 1) * rows * 4 + r * 4)) << (halves ? 3 : 7);
#pragma GCC unroll 8
      for (int c = 0; c < vectors; ++c) dots[r][c] = start;
    }
    const auto multiply = [&](const Words (&w)[vectors], int word) __attribute__((always_inline)) {
#pragma GCC unroll 16
      for (int r = 0; r < rows; ++r) {
        const Words xv = broadcast<std::uint32_t>(x + (word * rows + r) * 4);
#pragma GCC unroll 8
        for (int c = 0; c < vectors; ++c) dots[r][c] = dot4(dots[r][c], w[c], xv);
      }
    };
#pragma GCC unroll 8
    for (int k = 0; k < value_bytes / unit_bytes; ++k) {
      Words w[vectors];
#pragma GCC unroll 8
      for (int c = 0; c < vectors; ++c) w[c] = load<Words>(vector_at(t, at + k * unit_bytes, c));
      if constexpr (halves) {
        Words low[vectors];
        for (int c = 0; c < vectors; ++c) low[c] = w[c] & 0x0f0f0f0fU;
        multiply(low, 2 * k);
        for (int c = 0; c < vectors; ++c) w[c] = w[c] >> 4 & 0x0f0f0f0fU;
        multiply(w, 2 * k + 1);
      } else {
        multiply(w, k);
      }
    }
    Floats scale[vectors], minimum[vectors];
#pragma GCC unroll 8
    for (int c = 0; c < vectors; ++c) {
      const std::byte* const behind =
          t.w + c / per_panel * t.panel_bytes + at + value_bytes + c % per_panel * lanes * 2;
      if constexpr (is_grouped(type)) scale[c] = half_to_float(behind);
      else scale[c] = load<Floats>(vector_at(t, t.scales, c));
      if constexpr (has_minimum(type)) minimum[c] = half_to_float(behind + scale_bytes);
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
      const float xs = load<float>(x + x_words * rows * 4 + r * 4);
      const Floats x_scale = Floats(Words{} + std::bit_cast<std::uint32_t>(xs));
#pragma GCC unroll 8
      for (int c = 0; c < vectors; ++c)
        sums.v[r][c] = multiply_add(__builtin_convertvector(dots[r][c], Floats), scale[c] * x_scale, sums.v[r][c]);
      if constexpr (has_minimum(type)) {
        const float sum = -xs * static_cast<float>(load<std::int32_t>(x + (x_words + 1) * rows * 4 + r * 4));
        const Floats x_sum = Floats(Words{} + std::bit_cast<std::uint32_t>(sum));
#pragma GCC unroll 8
        for (int c = 0; c < vectors; ++c) sums.v[r][c] = multiply_add(minimum[c], x_sum, sums.v[r][c]);
      }
    }
  }
  sums.store(t);
}

// ---- choice of a tile ----

// Sums of a tile, with the weights and one activation beside them, fill the registers and no more; sums in whole
// numbers stand beside those in f32.
constexpr int float_rows = vector_bytes == 64 ? 12 : vector_bytes == 32 ? 6 : 3;
constexpr int int_rows = vector_bytes == 64 ? 6 : vector_bytes == 32 ? 3 : 2;
constexpr int wide_panels = vector_bytes == 64 ? most_tile_panels : 1;

using TileKernel = void (*)(const Tile&);

template <DType type>
constexpr int rows_of = bits(type) <= 8 ? int_rows : float_rows;

template <DType type, int rows, int panels>
void one_tile(const Tile& t) {
  if constexpr (bits(type) <= 8) int_tile<type, rows, panels>(t);
  else float_tile<type, rows, panels>(t);
}

template <DType type, int panels, int... r>
constexpr std::array<TileKernel, sizeof...(r)> tiles_of(std::integer_sequence<int, r...>) {
  return {one_tile<type, r + 1, panels>...};
}

template <DType type>
void tile_of(int rows, int panels, const Tile& t) {
  using Rows = std::make_integer_sequence<int, rows_of<type>>;
  static constexpr auto one = tiles_of<type, 1>(Rows{});
  static constexpr auto wide = tiles_of<type, wide_panels>(Rows{});
  const auto row = static_cast<std::size_t>(rows - 1);
  if (panels == wide_panels) return wide[row](t);
  Tile next = t;
  for (int p = 0; p < panels; ++p) {
    one[row](next);
    next.w += t.panel_bytes;
    if (next.from != nullptr) next.from += panel_rows;
    next.to += panel_rows;
  }
}

void tile(DType type, int rows, int panels, const Tile& t) {
  switch (type) {
    case DType::f32: return tile_of<DType::f32>(rows, panels, t);
    case DType::bf16: return tile_of<DType::bf16>(rows, panels, t);
    case DType::int8: return tile_of<DType::int8>(rows, panels, t);
    case DType::int8_channel: return tile_of<DType::int8_channel>(rows, panels, t);
    case DType::int4: return tile_of<DType::int4>(rows, panels, t);
    case DType::int4_min: return tile_of<DType::int4_min>(rows, panels, t);
    case DType::f16: break;
  }
}

Form form(DType type) {
  if (bits(type) <= 8) return Form::int8;
#ifdef __AVX512BF16__
  if (type == DType::bf16) return Form::bf16;
#endif
  return Form::f32;
}
int tile_rows(Form f) { return f == Form::int8 ? int_rows : float_rows; }

// ---- activations ----

// `count` words, one row of a block of `rows`.
void scatter(const void* words, std::int64_t count, int rows, std::byte* to) {
  const auto* const from = static_cast<const std::byte*>(words);
  for (std::int64_t k = 0; k < count; ++k) std::memcpy(to + k * rows * 4, from + k * 4, 4);
}

void convert_bf16(const float* x, std::int64_t columns, int rows, std::byte* to) {
  std::uint16_t rounded[chunk_columns(Form::bf16)];
  for (std::int64_t k = 0; k < columns; ++k) rounded[k] = f32_to_bf16(x[k]);
  if (columns % 2 != 0) rounded[columns] = 0;
  scatter(rounded, ceil_div(columns, 2), rows, to);
}

// One group. A NaN or infinity among the values makes the scale one, and so the product.
void convert_group(const float* x, int row, int rows, std::byte* to) {
  std::int32_t largest = 0;
  for (int k = 0; k < group_size; ++k) {
    const std::int32_t magnitude = std::bit_cast<std::int32_t>(x[k]) & 0x7fffffff;  // ordered as the numbers are
    largest = magnitude > largest ? magnitude : largest;
  }
  const float most = std::bit_cast<float>(largest);
  const bool nothing = most < 1e-30F;  // 127 / most would not be finite
  const float scale = nothing ? 0 : most / 127, inverse = nothing ? 0 : 127 / most;
  constexpr float to_whole = 0x1.8p23F;  // a sum with it has the whole number, to nearest even, in its low bits
  std::int8_t q[group_size];
  std::int32_t minus_sum = 0;
  for (int k = 0; k < group_size; ++k) {
    const std::int32_t whole =
        std::bit_cast<std::int32_t>(x[k] * inverse + to_whole) - std::bit_cast<std::int32_t>(to_whole);
    q[k] = static_cast<std::int8_t>(whole);
    minus_sum -= q[k];
  }
  scatter(q, group_size / 4, rows, to + row * 4);
  std::byte* const behind = to + group_size * rows + row * 4;
  std::memcpy(behind, &scale, sizeof scale);
  std::memcpy(behind + rows * 4, &minus_sum, sizeof minus_sum);
}

void convert_int8(const float* x, std::int64_t columns, int row, int rows, std::byte* to) {
  for (std::int64_t k = 0; k < columns; k += group_size, to += rows * (group_size + 8)) {
    if (columns - k >= group_size) {
      convert_group(x + k, row, rows, to);
    } else {
      float last[group_size] = {};
      std::memcpy(last, x + k, static_cast<std::size_t>(columns - k) * sizeof(float));
      convert_group(last, row, rows, to);
    }
  }
}

void convert(Form f, const float* x, std::int64_t columns, int row, int rows, std::byte* block) {
  switch (f) {
    case Form::f32: {
      scatter(x, columns, rows, block + row * 4);
      const float nothing = 0;
      if (columns % 2 != 0) scatter(&nothing, 1, rows, block + (columns * rows + row) * 4);
      return;
    }
    case Form::bf16: return convert_bf16(x, columns, rows, block + row * 4);
    case Form::int8: return convert_int8(x, columns, row, rows, block);
  }
}

}  // namespace

extern const PackedKernels packed;
const PackedKernels packed = {form, tile_rows, convert, tile};

}  // namespace tsrun::TSRUN_SIMD_LEVEL
