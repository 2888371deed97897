// The kernels of packed_kernels.hpp, written once with the compiler's vectors and compiled once per instruction set.
//
// A tile of the product stays in registers while a chunk of the contracted dimension streams by. An element is one
// chain of sums in the order of the columns, whatever tile it falls in and whatever chunks there are: the chain
// continues from the sums before.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "convert_body.hpp"
#include "fetch_ahead.hpp"
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

#if defined __AVX2__ && !defined __AVX512VNNI__
constexpr Form whole_form = Form::int16;
#else
constexpr Form whole_form = Form::int8;
#endif

// sums + the product of four unsigned weights and four signed activations in each word, exactly.
inline Ints dot4(const Ints& sums, const Words& w, const Words& x) {
#if defined __AVX512VNNI__
  return Ints(_mm512_dpbusd_epi32(__m512i(sums), __m512i(w), __m512i(x)));
#else
  Ints out = sums;
  for (int bits = 0; bits < 32; bits += 8) out += Ints(w >> bits & 0xffU) * (Ints(x << (24 - bits)) >> 24);
  return out;
#endif
}

// The same of two in 16 bits. (VPMADDUBSW, which takes bytes, would saturate.)
#ifdef __AVX2__
inline Ints dot2(Ints sums, const Words& w, const Words& x) {
#ifdef __AVX512BW__
  sums += Ints(_mm512_madd_epi16(__m512i(w), __m512i(x)));
#else
  sums += Ints(_mm256_madd_epi16(__m256i(w), __m256i(x)));
#endif
  asm("" : "+v"(sums));  // or the compiler adds up products first, which the registers do not hold
  return sums;
}
#endif

template <int rows, int panels>
struct Sums {
  static constexpr int vectors = panels * per_panel;
  Floats v[rows][vectors];

  Sums() = default;
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

// Weights of which parts meet the rows one after the other. Where sums take most registers they are loaded anew for each
// part; the compiler would keep them, and sums would leave instead.
template <int rows>
inline Words load_part(const std::byte* from) {
  if constexpr (rows > 3) asm volatile("" : "+r"(from));
  return load<Words>(from);
}

// ---- f32 and bf16 ----

#ifdef __AVX512BF16__
constexpr bool multiplies_bf16 = true;
#else
constexpr bool multiplies_bf16 = false;
#endif

// One unit of weights with each row's activations at x, rows so many bytes apart. Of two bf16 in a word one after the
// other meets all rows: a bf16 is the upper half of a float.
template <DType type, int rows, int panels, bool near>
__attribute__((always_inline)) inline void float_unit(Sums<rows, panels>& sums, const Tile& t, std::int64_t at,
                                                      const std::byte* x) {
  constexpr int vectors = panels * per_panel, row_bytes = 64;
  constexpr int parts = type == DType::bf16 && !multiplies_bf16 ? 2 : 1;
  fetch_ahead<type, rows, panels, near, unit_bytes>(t, at);
#pragma GCC unroll 2
  for (int part = 0; part < parts; ++part) {
    Words w[vectors];
#pragma GCC unroll 8
    for (int c = 0; c < vectors; ++c) {
      const std::byte* const weights = vector_at(t, at, c);
      if constexpr (parts == 1) w[c] = load<Words>(weights);
      else w[c] = part == 0 ? load_part<rows>(weights) << 16 : load_part<rows>(weights) & 0xffff0000U;
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
      const Words from = broadcast<std::uint32_t>(x + r * row_bytes + part * 4);
#pragma GCC unroll 8
      for (int c = 0; c < vectors; ++c) {
#ifdef __AVX512BF16__
        if constexpr (type == DType::bf16) {
          sums.v[r][c] = Floats(_mm512_dpbf16_ps(__m512(sums.v[r][c]), __m512bh(w[c]), __m512bh(from)));
          continue;
        }
#endif
        sums.v[r][c] = multiply_add(Floats(w[c]), Floats(from), sums.v[r][c]);
      }
    }
  }
}

template <DType type, int rows, int panels, bool near>
void float_tile(const Tile& t) {
  constexpr bool pairs = type == DType::bf16;
  constexpr int x_bytes = pairs && !multiplies_bf16 ? 8 : 4, group_units = 64 / x_bytes;
  Sums<rows, panels> sums(t);
  const std::int64_t units = pairs ? t.columns / 2 : t.columns;
  const std::byte* x = t.x;
  for (std::int64_t first = 0; first < units; first += group_units, x += rows * 64) {
    const std::int64_t last = std::min(units, first + group_units);
    for (std::int64_t k = first; k < last; ++k)
      float_unit<type, rows, panels, near>(sums, t, k * unit_bytes, x + (k - first) * x_bytes);
  }
  sums.store(t);
}

// ---- int8 and int4 ----

// Weights are stored as w + offset >= 0, 128 of int8, 8 of int4; that the sums start from -offset times the sum of the
// row's q takes the offset out again. Inside a group they are exact.
template <DType type, int rows, int panels>
struct IntTile {
  static constexpr bool halves = bits(type) == 4;
  static constexpr int vectors = panels * per_panel;
  static constexpr int value_bytes = group_size * bits(type) / 8 * panel_rows;
  static constexpr int scale_bytes = 2 * panel_rows;
  static constexpr int group_bytes =
      value_bytes + (!is_grouped(type) ? 0 : has_minimum(type) ? 2 * scale_bytes : scale_bytes);
  // Of a group in a block of rows: where the fields behind the q begin, and the whole.
  static constexpr bool in_bytes = whole_form == Form::int8;
  static constexpr int row_words = rows * 4, q_bytes = in_bytes ? 1 : 2;
  static constexpr int scale_at = rows * group_size * q_bytes, offset_sum_at = scale_at + row_words,
                       fine_scale_at = offset_sum_at + row_words, x_bytes = fine_scale_at + (in_bytes ? row_words : 0);
  static constexpr int fine_offset_sum_at = rows * group_size, fine_x_bytes = fine_offset_sum_at + row_words;
  static_assert(x_bytes == rows * form_bytes(whole_form, group_size));
  static_assert(fine_x_bytes == rows * fine_bytes(Form::int8, group_size));

  const Tile& t;

  struct Dots {
    Ints v[rows][vectors];
  };
  struct Scales {
    Floats scale[vectors], minimum[vectors];
  };

  // A unit of weights, four columns or eight, with the q that it meets in each row.
  __attribute__((always_inline)) void bytes_of_unit(Dots& d, std::int64_t at, const std::byte* q) const {
#pragma GCC unroll 2
    for (int half = 0; half < (halves ? 2 : 1); ++half) {
      Words w[vectors];
#pragma GCC unroll 8
      for (int c = 0; c < vectors; ++c) {
        w[c] = load<Words>(vector_at(t, at, c));
        if constexpr (halves) w[c] = w[c] >> (4 * half) & 0x0f0f0f0fU;
      }
#pragma GCC unroll 16
      for (int r = 0; r < rows; ++r) {
        const Words x = broadcast<std::uint32_t>(q + r * group_size + half * 4);
#pragma GCC unroll 8
        for (int c = 0; c < vectors; ++c) d.v[r][c] = dot4(d.v[r][c], w[c], x);
      }
    }
  }

#ifdef __AVX2__
  __attribute__((always_inline)) void pairs_of_unit(Dots& d, std::int64_t at, const std::byte* q) const {
    using Pairs = std::uint16_t __attribute__((vector_size(vector_bytes)));
#pragma GCC unroll 4
    for (int part = 0; part < (halves ? 4 : 2); ++part) {
      const int shift = part % 2 * 8 + part / 2 * 4;
      Words w[vectors];
#pragma GCC unroll 8
      for (int c = 0; c < vectors; ++c) {
        const Pairs pairs = Pairs(load_part<rows>(vector_at(t, at, c))) >> shift;
        w[c] = shift == (halves ? 12 : 8) ? Words(pairs) : Words(pairs) & (halves ? 0x000f000fU : 0x00ff00ffU);
      }
#pragma GCC unroll 16
      for (int r = 0; r < rows; ++r) {
        const Words x = broadcast<std::uint32_t>(q + r * group_size * 2 + part * 4);
#pragma GCC unroll 8
        for (int c = 0; c < vectors; ++c) d.v[r][c] = dot2(d.v[r][c], w[c], x);
      }
    }
  }
#endif

  // Of the group's weights, `at` bytes into each panel, with these q.
  __attribute__((always_inline)) Dots dots(std::int64_t at, const std::byte* q, const std::byte* offset_sums) const {
    Dots d;
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
      Ints start{};
      if constexpr (!has_minimum(type)) start = Ints(broadcast<std::int32_t>(offset_sums + r * 4)) >> (halves ? 4 : 0);
#pragma GCC unroll 8
      for (int c = 0; c < vectors; ++c) d.v[r][c] = start;
    }
#pragma GCC unroll 8
    for (int k = 0; k < value_bytes / unit_bytes; ++k) {
      if constexpr (in_bytes) bytes_of_unit(d, at + k * unit_bytes, q + k * (halves ? 8 : 4));
      else pairs_of_unit(d, at + k * unit_bytes, q + k * (halves ? 16 : 8));
    }
    return d;
  }

  __attribute__((always_inline)) Scales scales(std::int64_t at) const {
    Scales s;
#pragma GCC unroll 8
    for (int c = 0; c < vectors; ++c) {
      const std::byte* const behind = t.w + c / per_panel * t.panel_bytes + at + value_bytes + c % per_panel * lanes * 2;
      if constexpr (is_grouped(type)) s.scale[c] = half_to_float(behind);
      else s.scale[c] = load<Floats>(vector_at(t, t.scales, c));
      if constexpr (has_minimum(type)) s.minimum[c] = half_to_float(behind + scale_bytes);
    }
    return s;
  }

  // The scales of a group are multiplied once with each row's.
  __attribute__((always_inline)) static void add(Floats (*sums)[vectors], const Dots& d, const Scales& s,
                                                 const std::byte* x_scales, const std::byte* offset_sums) {
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
      const Floats x_scale = Floats(broadcast<float>(x_scales + r * 4));
#pragma GCC unroll 8
      for (int c = 0; c < vectors; ++c)
        sums[r][c] = multiply_add(__builtin_convertvector(d.v[r][c], Floats), s.scale[c] * x_scale, sums[r][c]);
      if constexpr (has_minimum(type)) {
        const float sum =
            load<float>(x_scales + r * 4) * (static_cast<float>(load<std::int32_t>(offset_sums + r * 4)) / -128);
        const Floats x_sum = all_lanes(sum);
#pragma GCC unroll 8
        for (int c = 0; c < vectors; ++c) sums[r][c] = multiply_add(s.minimum[c], x_sum, sums[r][c]);
      }
    }
  }

  // The fine parts of a group, each met alone: few rows have one. Apart, so that the loop has the registers.
  __attribute__((noinline)) void add_fine(Sums<rows, panels>& sums, std::int64_t g) const {
    using OneRow = IntTile<type, 1, panels>;
    const OneRow one{t};
    const std::byte* const fine = t.fine + g * fine_x_bytes;
    const std::byte* const scales_of_rows = t.x + g * x_bytes + fine_scale_at;
    const auto scales = one.scales(g * group_bytes);
    for (int r = 0; r < rows; ++r) {
      if (load<float>(scales_of_rows + r * 4) == 0) continue;
      const std::byte* const offset_sum = fine + fine_offset_sum_at + r * 4;
      OneRow::add(&sums.v[r], one.dots(g * group_bytes, fine + r * group_size, offset_sum), scales,
                  scales_of_rows + r * 4, offset_sum);
    }
  }

  template <bool near>
  void run() const {
    Sums<rows, panels> sums(t);
    for (std::int64_t g = 0; g < t.columns / group_size; ++g) {
      const std::byte* const x = t.x + g * x_bytes;
      fetch_ahead<type, rows, panels, near, group_bytes>(t, g * group_bytes);
      add(sums.v, dots(g * group_bytes, x, x + offset_sum_at), scales(g * group_bytes), x + scale_at, x + offset_sum_at);
      if constexpr (in_bytes) {
        if (__builtin_expect(load<std::uint32_t>(x + fine_scale_at) != 0, 0)) {
          Sums<rows, panels> with_fine = sums;
          add_fine(with_fine, g);
          sums = with_fine;
        }
      }
    }
    sums.store(t);
  }
};

// ---- choice of a tile ----

// Sums of a tile, with the weights and one activation beside them, fill the registers and no more. Where those are many,
// sums in f32 that stand beside sums in whole numbers wait in the first cache, for a group long, so that 8 rows take one
// tile; where they are few, all of them do.
constexpr int float_rows = vector_bytes == 64 ? 12 : vector_bytes == 32 ? 5 : 3;
constexpr int int_rows = vector_bytes == 64 ? 8 : vector_bytes == 32 ? 4 : 2;
constexpr int int_rows_of_many = vector_bytes == 64 ? 6 : int_rows;  // with both kinds of sums in registers
constexpr int wide_panels = vector_bytes == 64 ? pair : 1;

using TileKernel = void (*)(const Tile&);

template <DType type>
constexpr int rows_of = bits(type) <= 8 ? int_rows : float_rows;

template <DType type, int rows, int panels, bool near>
void one_tile(const Tile& t) {
  if constexpr (bits(type) <= 8) IntTile<type, rows, panels>{t}.template run<near>();
  else float_tile<type, rows, panels, near>(t);
}

template <DType type, int panels, bool near, int... r>
constexpr std::array<TileKernel, sizeof...(r)> tiles_of(std::integer_sequence<int, r...>) {
  return {one_tile<type, r + 1, panels, near>...};
}

template <DType type, bool near>
void tile_of(int rows, int panels, const Tile& t) {
  using Rows = std::make_integer_sequence<int, rows_of<type>>;
  static constexpr auto one = tiles_of<type, 1, near>(Rows{});
  static constexpr auto wide = tiles_of<type, wide_panels, near>(Rows{});
  const auto row = static_cast<std::size_t>(rows - 1);
  const bool one_by_one = bits(type) <= 8 && rows <= rows_of_one_stream;
  Tile next = t;
  for (int done = 0, now = 0; done < panels; done += now) {
    now = one_by_one || panels - done < wide_panels ? 1 : wide_panels;
    (now == wide_panels ? wide : one)[row](next);
    next.w += now * t.panel_bytes;
    if (next.from != nullptr) next.from += now * panel_rows;
    next.to += now * panel_rows;
  }
}

template <bool near>
void tile_near(DType type, int rows, int panels, const Tile& t) {
  switch (type) {
    case DType::f32: return tile_of<DType::f32, near>(rows, panels, t);
    case DType::bf16: return tile_of<DType::bf16, near>(rows, panels, t);
    case DType::int8: return tile_of<DType::int8, near>(rows, panels, t);
    case DType::int8_channel: return tile_of<DType::int8_channel, near>(rows, panels, t);
    case DType::int4: return tile_of<DType::int4, near>(rows, panels, t);
    case DType::int4_min: return tile_of<DType::int4_min, near>(rows, panels, t);
    case DType::f16: break;
  }
}

void tile(DType type, int rows, int panels, const Tile& t) {
  if (vector_bytes == 64 && fills_first_cache()) tile_near<vector_bytes == 64>(type, rows, panels, t);
  else tile_near<false>(type, rows, panels, t);
}

DType multiplied_as(DType weights, Rows) { return weights; }
void turn(DType, const std::byte*, const std::byte*, std::int64_t, std::byte*) {}

Form form(DType type) {
  if (bits(type) <= 8) return whole_form;
#ifdef __AVX512BF16__
  if (type == DType::bf16) return Form::bf16;
#endif
  return Form::f32;
}
// Columns of which the weights of a panel stay in the first cache while block after block of rows meets them; all of them
// if there is one block, for then they are read once, and best without a break: many panels in one go.
Blocking blocking(Form f, std::int64_t rows) {
  constexpr std::int64_t all_columns = std::int64_t{1} << 40;  // more than any matrix has
  const bool quantized = f == Form::int8 || f == Form::int16;
  const int most_rows = quantized ? int_rows : float_rows, rows_of_many = quantized ? int_rows_of_many : float_rows;
  if (rows <= most_rows) return {most_rows, all_columns, most_tile_panels / pair, most_tile_panels};
  const std::int64_t columns = f == Form::f32 ? 512 : f == Form::int8 ? 2048 : 1024;
  return {rows_of_many, columns, 1, pair};
}
void finish() {}

}  // namespace

extern const PackedKernels packed;
const PackedKernels packed = {multiplied_as, turn, form, blocking, convert, tile, finish};

}  // namespace tsrun::TSRUN_SIMD_LEVEL
