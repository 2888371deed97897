// Products with packed weights for amx: bf16 in tiles of the matrix unit, 32 rows x 32 outputs at a time. Weights of the
// other types are turned into bf16 first, a chunk of two panels for all rows, where many rows come; the rest is done
// by the vectors of avx512_bf16.
//
// Sums of 32 columns are made inside an instruction, even and odd columns apart, and added to the element as one number.
// So its bits depend on where the groups of 32 columns begin, and on nothing else: a tail is a group with zeros.
#include <algorithm>
#include <array>

#include "amx.hpp"
#include "tsrun/core/integer.hpp"
#include "tsrun/kernels/packed.hpp"

namespace tsrun {
namespace simd_amx {
namespace {

constexpr std::int64_t group = form_group(Form::bf16), group_bytes = group / 2 * panel_rows * 4;

// What LDTILECFG reads (Intel 64 manual, volume 1, 18.2): rows of each register, and bytes of a row. Registers 0 to 3
// are sums (rows above and below, by panel), 4 and 5 activations, 6 and 7 weights of `words` words.
struct alignas(64) TileShapes {
  std::uint8_t palette = 1, start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};

  constexpr TileShapes() = default;
  constexpr TileShapes(int all_rows, int words) {
    const int above = std::min(all_rows, unit_rows), below = std::max(all_rows - unit_rows, 1);
    for (int panel = 0; panel < 2; ++panel) {
      set(panel, above, tile_row_bytes);
      set(2 + panel, below, tile_row_bytes);
      set(6 + panel, words, tile_row_bytes);
    }
    set(4, above, words * 4);
    set(5, below, words * 4);
  }
  constexpr void set(int reg, int its_rows, int its_row_bytes) {
    rows[reg] = static_cast<std::uint8_t>(its_rows);
    row_bytes[reg] = static_cast<std::uint16_t>(its_row_bytes);
  }
};

// Made beforehand: what was just written byte by byte is slow to read as a whole.
constexpr auto shapes = [] {
  std::array<std::array<TileShapes, group / 2 + 1>, 2 * unit_rows + 1> all;
  for (int rows = 1; rows <= 2 * unit_rows; ++rows)
    for (int words = 1; words <= group / 2; ++words)
      all[static_cast<std::size_t>(rows)][static_cast<std::size_t>(words)] = TileShapes(rows, words);
  return all;
}();

// Shaping takes as long as twenty products of registers, so that it is done when the shape changes.
thread_local const TileShapes* shaped = nullptr;
void shape_tiles(int rows, std::int64_t words) {
  const TileShapes* const wanted = &shapes[static_cast<std::size_t>(rows)][static_cast<std::size_t>(words)];
  if (shaped == wanted) return;
  _tile_loadconfig(wanted);
  shaped = wanted;
}

// Groups of one shape. `from` null: the sums begin with zeros.
template <bool has_below, int panels>
void run_groups(const Tile& t, int rows, const float* from, std::int64_t from_stride, std::int64_t first,
                std::int64_t count) {
  const int block = rows * tile_row_bytes;
  const auto row_bytes = [](std::int64_t floats) { return floats * static_cast<std::int64_t>(sizeof(float)); };
  if (from != nullptr) {
    _tile_loadd(0, from, row_bytes(from_stride));
    if constexpr (panels == 2) _tile_loadd(1, from + panel_rows, row_bytes(from_stride));
    if constexpr (has_below) {
      const float* const below = from + unit_rows * from_stride;
      _tile_loadd(2, below, row_bytes(from_stride));
      if constexpr (panels == 2) _tile_loadd(3, below + panel_rows, row_bytes(from_stride));
    }
  }
  if (from == nullptr) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  const std::byte* x = t.x + first * block;
  const std::byte* w = t.w + first * group_bytes;
  for (std::int64_t g = 0; g < count; ++g, x += block, w += group_bytes) {
    _tile_loadd(4, x, tile_row_bytes);
    _tile_loadd(6, w, tile_row_bytes);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (panels == 2) {
      _tile_loadd(7, w + t.panel_bytes, tile_row_bytes);
      _tile_dpbf16ps(1, 4, 7);
    }
    if constexpr (has_below) {
      _tile_loadd(5, x + unit_rows * tile_row_bytes, tile_row_bytes);
      _tile_dpbf16ps(2, 5, 6);
      if constexpr (panels == 2) _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, t.to, row_bytes(t.to_stride));
  if constexpr (panels == 2) _tile_stored(1, t.to + panel_rows, row_bytes(t.to_stride));
  if constexpr (has_below) {
    float* const below = t.to + unit_rows * t.to_stride;
    _tile_stored(2, below, row_bytes(t.to_stride));
    if constexpr (panels == 2) _tile_stored(3, below + panel_rows, row_bytes(t.to_stride));
  }
}

template <bool has_below, int panels>
void tile_of(int rows, const Tile& t) {
  const std::int64_t whole = t.columns / group, tail = t.columns % group;
  asm volatile("" ::: "memory");  // GCC 12 takes it that tiles touch no memory
  if (whole > 0) {
    shape_tiles(rows, group / 2);
    run_groups<has_below, panels>(t, rows, t.from, t.from_stride, 0, whole);
  }
  if (tail > 0) {
    shape_tiles(rows, tail / 2);
    const bool goes_on = whole > 0;
    run_groups<has_below, panels>(t, rows, goes_on ? t.to : t.from, goes_on ? t.to_stride : t.from_stride, whole, 1);
  }
  asm volatile("" ::: "memory");
}

void tile(DType type, int rows, int panels, const Tile& t) {
  if (type == DType::bf16) bf16_tile(rows, panels, t);
  else simd_avx512_bf16::packed.tile(type, rows, panels, t);
}

Blocking blocking(Form f, std::int64_t rows) {
  if (f != Form::bf16) return simd_avx512_bf16::packed.blocking(f, rows);
  // Of many rows, a chunk of activations stays in the second cache, and one of weights in the first; few pass by long
  // weights once.
  const bool is_many = rows > 64;
  return {2 * unit_rows, is_many ? 256 : 2048, is_many ? 16 : 1, pair};
}

DType multiplied_as(DType weights, Rows rows) {
  return is_quantized(weights) && rows == Rows::many ? DType::bf16 : weights;
}

// ---- to bf16 ----

// Words with whole numbers in a byte of each, to floats 256 + u: the byte becomes the upper end of the mantissa.
template <int shift>
__m512 above_256(__m512i words, int mask) {
  const __m512i at_top = shift >= 0 ? _mm512_slli_epi32(words, shift >= 0 ? shift : 0)
                                    : _mm512_srli_epi32(words, shift < 0 ? -shift : 0);
  return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(at_top, _mm512_set1_epi32(mask << 15),
                                                       _mm512_set1_epi32(0x43800000), 0xea));  // (a & b) | c
}

// What a whole number above 256 stands for.
template <DType type>
struct Value {
  __m512 scale, offset;  // of each row
  Value(const std::byte* scales, const std::byte* minima) {
    const auto halves = [](const std::byte* from) {
      return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
    };
    scale = type == DType::int8_channel ? _mm512_loadu_ps(scales) : halves(scales);
    offset = has_minimum(type) ? halves(minima) : _mm512_setzero_ps();
  }
  __m512 operator()(__m512 above) const {
    constexpr float zero = 256.0F + (has_minimum(type) ? 0 : bits(type) == 4 ? 8 : 128);
    const __m512 q = _mm512_sub_ps(above, _mm512_set1_ps(zero));
    if constexpr (has_minimum(type)) return _mm512_fmadd_ps(q, scale, offset);
    else return _mm512_mul_ps(q, scale);
  }
};

template <DType type>
void to_bf16_panel(const std::byte* w, const std::byte* channel_scales, std::int64_t columns, std::byte* to) {
  constexpr std::int64_t value_bytes = group_size * bits(type) / 8 * panel_rows, scale_bytes = 2 * panel_rows;
  constexpr std::int64_t block_bytes =
      value_bytes + (!is_grouped(type) ? 0 : has_minimum(type) ? 2 * scale_bytes : scale_bytes);
  for (std::int64_t k = 0; k < columns; k += group_size, w += block_bytes) {
    const std::byte* const behind = w + value_bytes;
    const Value<type> value(is_grouped(type) ? behind : channel_scales, behind + scale_bytes);
    for (std::int64_t at = 0; at < value_bytes; at += unit_rows * 4) {
      const __m512i words = _mm512_loadu_si512(w + at);
      const auto next_pair = [&to](__m512 first, __m512 second) {
        store_pair(first, second, to);
        to += tile_row_bytes;
      };
      if constexpr (bits(type) == 4) {  // the first four columns in the low halves
        next_pair(value(above_256<15>(words, 0xf)), value(above_256<7>(words, 0xf)));
        next_pair(value(above_256<-1>(words, 0xf)), value(above_256<-9>(words, 0xf)));
        next_pair(value(above_256<11>(words, 0xf)), value(above_256<3>(words, 0xf)));
        next_pair(value(above_256<-5>(words, 0xf)), value(above_256<-13>(words, 0xf)));
      } else {
        next_pair(value(above_256<15>(words, 0xff)), value(above_256<7>(words, 0xff)));
        next_pair(value(above_256<-1>(words, 0xff)), value(above_256<-9>(words, 0xff)));
      }
    }
  }
}

void turn(DType type, const std::byte* w, const std::byte* channel_scales, std::int64_t columns, std::byte* to) {
  switch (type) {
    case DType::int8: return to_bf16_panel<DType::int8>(w, channel_scales, columns, to);
    case DType::int8_channel: return to_bf16_panel<DType::int8_channel>(w, channel_scales, columns, to);
    case DType::int4: return to_bf16_panel<DType::int4>(w, channel_scales, columns, to);
    case DType::int4_min: return to_bf16_panel<DType::int4_min>(w, channel_scales, columns, to);
    case DType::f32:
    case DType::bf16:
    case DType::f16: break;
  }
}

Form form(DType multiplied) { return simd_avx512_bf16::packed.form(multiplied); }
void convert(Form f, const float* x, std::int64_t stride, std::int64_t columns, int rows, std::byte* block,
             std::byte* fine) {
  simd_avx512_bf16::packed.convert(f, x, stride, columns, rows, block, fine);
}

}  // namespace

void bf16_tile(int rows, int panels, const Tile& t) {
  if (rows > unit_rows) return panels == 2 ? tile_of<true, 2>(rows, t) : tile_of<true, 1>(rows, t);
  return panels == 2 ? tile_of<false, 2>(rows, t) : tile_of<false, 1>(rows, t);
}

void finish() {
  if (shaped != nullptr) _tile_release();
  shaped = nullptr;
}

extern const PackedKernels packed;
const PackedKernels packed = {multiplied_as, turn, form, blocking, convert, tile, finish};

}  // namespace simd_amx
}  // namespace tsrun
