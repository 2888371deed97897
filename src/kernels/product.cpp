// What is cut how: threads take pairs of panels (and runs of rows where the panels are few); in a pair, chunk after
// chunk of columns meets all blocks of rows, so that the weights of a chunk are read from memory once and then from
// the first cache, and activations stream past them. The sums of a pair lie side by side until they are complete: in
// y, whose rows are often a large power of two apart, they would fight for the same lines of a cache.
#include "tsrun/kernels/product.hpp"

#include <omp.h>

#include <algorithm>

#include "packed_kernels.hpp"
#include "panel.hpp"
#include "tsrun/core/error.hpp"

namespace tsrun {
namespace {

// Rows in blocks of nearly the same size, none larger than a tile.
struct RowBlocks {
  std::int64_t rows;
  std::int64_t count;

  RowBlocks(std::int64_t n, int most) : rows(n), count(ceil_div(n, most)) {}
  std::int64_t first(std::int64_t block) const { return block * rows / count; }
  int size(std::int64_t block) const { return static_cast<int>(first(block + 1) - first(block)); }
};

// A product as the threads see it.
struct Product {
  const PackedKernels& kernels;
  std::span<const PackedView> blocks;
  const std::byte* x;
  const std::byte* fine;
  Form form;
  RowBlocks row_blocks;
  float* y;
  std::int64_t y_stride;
  bool onto;

  const PackedView& first_block() const { return blocks.front(); }
  // Panels [panel, panel + panels) for the blocks of rows [first, last): full ones, or one that is not.
  void strip(std::int64_t panel, int panels, std::int64_t first, std::int64_t last) const;
};

void Product::strip(std::int64_t panel, int panels, std::int64_t first, std::int64_t last) const {
  thread_local std::vector<float> between;
  thread_local std::vector<std::byte> widened;
  const auto grow = [](auto& buffer, std::int64_t size) {
    if (std::ssize(buffer) < size) buffer.resize(static_cast<std::size_t>(size));
  };
  const Panel shape = panel_of(first_block(), panel + panels - 1), wide = full(shape);
  const bool odd = !is_full(shape);  // a panel that is not full has its sums apart, too
  const DType type = first_block().type;
  const std::int64_t columns = form_padded(form, first_block().columns), step = chunk_columns(form);
  const std::int64_t row = row_blocks.first(first), rows = row_blocks.first(last) - row, width = panels * panel_rows;
  float* const out = y + row * y_stride + panel * panel_rows;
  grow(between, rows * width);
  if (odd) grow(widened, wide.bytes());
  for (std::int64_t r = 0; r < rows && odd && onto; ++r)
    std::copy_n(out + r * y_stride, shape.rows, between.data() + r * width);

  for (std::int64_t block = 0; block < std::ssize(blocks); ++block) {
    const std::byte* w = panel_data(blocks[static_cast<std::size_t>(block)], panel);
    if (odd) widen(shape, w, widened.data()), w = widened.data();
    const std::byte* const block_x = x + block * row_blocks.rows * form_bytes(form, columns);
    const std::byte* const block_fine = fine + block * row_blocks.rows * fine_bytes(form, columns);
    for (std::int64_t c = 0; c < columns; c += step) {
      const std::int64_t here = std::min(step, columns - c);
      const std::int64_t at = type == DType::int8_channel ? c * panel_rows : bytes_of(type, panel_rows, c);
      const bool is_first = block == 0 && c == 0, is_last = block + 1 == std::ssize(blocks) && c + step >= columns;
      for (std::int64_t b = first; b < last; ++b) {
        const std::int64_t above = row_blocks.first(b), in_strip = above - row;
        float* const apart = between.data() + in_strip * width;
        float* const there = out + in_strip * y_stride;
        const bool from_there = is_first && !odd, to_there = is_last && !odd;
        kernels.tile(type, row_blocks.size(b), panels,
                     {.x = block_x + row_blocks.rows * form_bytes(form, c) + above * form_bytes(form, here),
                      .fine = block_fine + row_blocks.rows * fine_bytes(form, c) + above * fine_bytes(form, here),
                      .w = w + at,
                      .panel_bytes = wide.bytes(),
                      .scales = wide.columns * panel_rows - at,
                      .columns = std::min(here, wide.columns - c),
                      .from = is_first && !onto ? nullptr : from_there ? there : apart,
                      .from_stride = from_there ? y_stride : width,
                      .to = to_there ? there : apart,
                      .to_stride = to_there ? y_stride : width});
      }
    }
  }
  for (std::int64_t r = 0; r < rows && odd; ++r)
    std::copy_n(between.data() + r * width, shape.rows, out + r * y_stride);
}

// Work below which waking the threads takes longer than doing it.
constexpr std::int64_t worth_threads = 1 << 16;
// Work, again in multiply-adds, that takes much longer than to ask for the next.
constexpr std::int64_t worth_taking = 1 << 21;

}  // namespace

Activations::Activations(SimdLevel level) : kernels_(&packed_kernels(level)) {}

void Activations::set(const float* x, std::int64_t n, std::int64_t columns, std::int64_t stride) {
  x_ = x;
  rows_ = n;
  columns_ = columns;
  stride_ = stride == 0 ? columns : stride;
  for (Converted& form : forms_) form.block_columns = 0;
}

const Activations::Converted& Activations::converted(DType weights, std::int64_t block_columns) {
  const Form form = kernels_->form(weights);
  Converted& made = forms_[static_cast<std::size_t>(form)];
  if (made.block_columns == block_columns) return made;
  made.block_columns = block_columns;
  const std::int64_t block_bytes = rows_ * form_bytes(form, form_padded(form, block_columns));
  const std::int64_t fine_block_bytes = rows_ * fine_bytes(form, form_padded(form, block_columns));
  made.coarse_bytes = columns_ / block_columns * block_bytes;
  const std::int64_t bytes = made.coarse_bytes + columns_ / block_columns * fine_block_bytes;
  if (std::ssize(made.bytes) < bytes) made.bytes.resize(static_cast<std::size_t>(bytes));
  const RowBlocks row_blocks(rows_, kernels_->tile_rows(form));
  const std::int64_t step = chunk_columns(form), chunks = ceil_div(block_columns, step);
#pragma omp parallel for collapse(2) schedule(static) if (rows_ * columns_ >= worth_threads)
  for (std::int64_t c = 0; c < columns_ / block_columns * chunks; ++c) {
    for (std::int64_t b = 0; b < row_blocks.count; ++b) {
      const std::int64_t block = c / chunks, first = c % chunks * step, row = row_blocks.first(b);
      const std::int64_t here = std::min(step, block_columns - first);
      const std::int64_t padded = form_padded(form, here);
      std::byte* const to = made.bytes.data() + block * block_bytes + rows_ * form_bytes(form, first) +
                            row * form_bytes(form, padded);
      std::byte* const fine = made.bytes.data() + made.coarse_bytes + block * fine_block_bytes +
                              rows_ * fine_bytes(form, first) + row * fine_bytes(form, padded);
      kernels_->convert(form, x_ + row * stride_ + block * block_columns + first, stride_, here, row_blocks.size(b), to,
                        fine);
    }
  }
  return made;
}

void multiply(Activations& x, std::span<const PackedView> blocks, float* y, std::int64_t y_stride, bool onto) {
  check(!blocks.empty(), "a product has weights");
  const PackedView& w = blocks.front();
  for (const PackedView& b : blocks)
    check(b.type == w.type && b.rows == w.rows && b.columns == w.columns,
          "blocks of weights are of one type and shape");
  check(w.columns * std::ssize(blocks) == x.columns_, "the weights are as wide as the activations");
  if (x.rows_ == 0 || w.rows == 0 || w.columns == 0) return;
  const Form form = x.kernels_->form(w.type);
  const RowBlocks row_blocks(x.rows_, x.kernels_->tile_rows(form));
  const Activations::Converted& taken = x.converted(w.type, w.columns);
  const Product product = {*x.kernels_, blocks,     taken.bytes.data(), taken.bytes.data() + taken.coarse_bytes,
                           form,        row_blocks, y,                  y_stride == 0 ? w.rows : y_stride,
                           onto};

  const std::int64_t panels = ceil_div(w.rows, panel_rows), pairs = ceil_div(panels, most_tile_panels);
  const std::int64_t threads = omp_get_max_threads();
  // A pair with all rows is one task, unless that leaves threads without.
  const std::int64_t cuts = std::clamp<std::int64_t>(4 * threads / pairs, 1, row_blocks.count);
  // Tasks that are taken together, so that taking them costs little beside doing them.
  const std::int64_t grain =
      std::clamp<std::int64_t>(worth_taking * cuts / (x.rows_ * x.columns_ * most_tile_panels * panel_rows), 1,
                               std::max<std::int64_t>(1, pairs * cuts / (4 * threads)));
#pragma omp parallel for schedule(dynamic, grain) if (x.rows_ * x.columns_ * w.rows >= worth_threads)
  for (std::int64_t task = 0; task < pairs * cuts; ++task) {
    const std::int64_t first = task % cuts * row_blocks.count / cuts,
                       last = (task % cuts + 1) * row_blocks.count / cuts;
    const std::int64_t panel = task / cuts * most_tile_panels, end = std::min(panel + most_tile_panels, panels);
    if (is_full(panel_of(w, end - 1))) product.strip(panel, static_cast<int>(end - panel), first, last);
    else for (std::int64_t p = panel; p < end; ++p) product.strip(p, 1, first, last);
  }
}

void multiply(Activations& x, const PackedView& w, float* y, std::int64_t y_stride, bool onto) {
  multiply(x, std::span(&w, 1), y, y_stride, onto);
}

}  // namespace tsrun
