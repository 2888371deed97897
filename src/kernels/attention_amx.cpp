// The products of attention in tiles of the matrix unit: both factors are rounded to bf16, in which the cache has keys
// and values anyhow, and added up in f32.
#include <algorithm>

#include "amx.hpp"
#include "attention_kernels.hpp"
#include "tsrun/core/integer.hpp"
#include "tsrun/kernels/packed.hpp"
#include "tsrun/kernels/pages.hpp"

namespace tsrun {
namespace simd_amx {
namespace {

constexpr std::int64_t group = form_group(Form::bf16), most_rows = 2 * unit_rows;

// The first `count` columns of a panel of b as a panel of packed bf16 weights of `padded` columns.
template <DType type>
void pack_panel(const std::byte* b, std::int64_t row_bytes, std::int64_t depth, std::int64_t padded, std::int64_t count,
                std::byte* to) {
  const auto mask = static_cast<__mmask16>((1U << static_cast<unsigned>(count)) - 1);
  const auto row = [&](std::int64_t s) {
    const std::byte* const from = b + s * row_bytes;
    if (s >= depth) return _mm512_setzero_ps();
    if constexpr (type == DType::f32) return _mm512_maskz_loadu_ps(mask, from);
    else return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, from)), 16));
  };
  for (std::int64_t s = 0; s < padded; s += 2, to += tile_row_bytes) store_pair(row(s), row(s + 1), to);
}

}  // namespace

void attention_products(const float* a, std::int64_t n, std::int64_t a_stride, std::int64_t depth,
                        const Operand& b, std::int64_t width, bool onto, float* out, std::int64_t out_stride) {
  thread_local Pages rows, columns;
  const std::int64_t padded = round_up(depth, group), row_bytes = form_bytes(Form::bf16, padded);
  std::byte* const x = room(rows, n * row_bytes);
  for (std::int64_t i = 0; i < n; i += most_rows)
    simd_avx512_bf16::packed.convert(Form::bf16, a + i * a_stride, a_stride, depth,
                                     static_cast<int>(std::min(most_rows, n - i)), x + i * row_bytes, nullptr);
  const std::int64_t panel_bytes = bytes_of(DType::bf16, panel_rows, padded);
  std::byte* const w = room(columns, 2 * panel_bytes);
  const auto pack = b.type == DType::f32 ? pack_panel<DType::f32> : pack_panel<DType::bf16>;
  float apart[most_rows * 2 * panel_rows];  // sums where the last columns are not 16
  for (std::int64_t c = 0; c < width; c += 2 * panel_rows) {
    const std::int64_t here = std::min(2 * panel_rows, width - c);
    const int panels = here > panel_rows ? 2 : 1;
    for (int p = 0; p < panels; ++p)
      pack(b.column(c + p * panel_rows), b.row_bytes, depth, padded, std::min(panel_rows, here - p * panel_rows),
           w + p * panel_bytes);
    const bool is_whole = here % panel_rows == 0;
    for (std::int64_t i = 0; i < n; i += most_rows) {
      const std::int64_t count = std::min(most_rows, n - i);
      float* const there = out + i * out_stride + c;
      const auto each_row = [&](const auto& copy) {
        for (std::int64_t r = 0; r < count && !is_whole; ++r)
          copy(there + r * out_stride, apart + r * 2 * panel_rows);
      };
      if (onto) each_row([here](const float* y, float* sums) { std::copy_n(y, here, sums); });
      Tile t{};
      t.x = x + i * row_bytes;
      t.w = w;
      t.panel_bytes = panel_bytes;
      t.columns = padded;
      t.to = is_whole ? there : apart;
      t.to_stride = is_whole ? out_stride : 2 * panel_rows;
      t.from = onto ? t.to : nullptr;
      t.from_stride = t.to_stride;
      bf16_tile(static_cast<int>(count), panels, t);
      each_row([here](float* y, const float* sums) { std::copy_n(sums, here, y); });
    }
  }
  finish();
}

}  // namespace simd_amx
}  // namespace tsrun
