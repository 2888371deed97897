// What is cut how: threads take pairs of panels (and runs of rows where the panels are few); in a pair, chunk after
// chunk of columns meets all blocks of rows, so that the weights of a chunk are read from memory once and then from
// the first cache, and activations stream past them. Where products are faster than activations come from the third
// cache, some pairs take turns at each chunk of them; where one block of rows meets all columns at once, some pairs are
// one strip, which is read without a break. The sums of a strip lie side by side until they are complete: in y, whose
// rows are often a large power of two apart, they would fight for the same lines of a cache.
#include "tsrun/kernels/product.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include "packed_kernels.hpp"
#include "panel.hpp"
#include "tsrun/core/error.hpp"
#include "tsrun/kernels/team.hpp"

namespace tsrun {
namespace {

// y may come in blocks of columns, over whose edges no tile may write.
constexpr std::int64_t block_panels = block_width_unit / panel_rows;
static_assert(block_width_unit % panel_rows == 0 && block_panels % pair == 0);

// Rows in blocks of nearly the same size, none larger than a tile.
struct RowBlocks {
  std::int64_t rows;
  std::int64_t count;

  RowBlocks(std::int64_t n, int most) : rows(n), count(ceil_div(n, most)) {}
  std::int64_t first(std::int64_t block) const { return block * rows / count; }
  int size(std::int64_t block) const { return static_cast<int>(first(block + 1) - first(block)); }
};

// Some panels, and the sums of their rows until they are complete; those that are apart from first to last go to
// y row by row with their neighbours, since they are not as wide as the kernels write, or y's lines would be slow.
struct Strip {
  std::int64_t panel;
  int panels;
  bool apart;
  float* sums;
};

// A product as the threads see it.
struct Product {
  const PackedKernels& kernels;
  std::span<const PackedView> blocks;
  const std::byte* x;
  const std::byte* fine;
  DType multiplied;
  Form form;
  Blocking blocking;
  RowBlocks row_blocks;
  float* y;
  std::int64_t y_stride, y_width;
  bool onto;

  const PackedView& first_block() const { return blocks.front(); }
  Panel last_panel(const Strip& s) const { return panel_of(first_block(), s.panel + s.panels - 1); }
  float* out(const Strip& s, std::int64_t row) const {
    const std::int64_t column = s.panel * panel_rows;
    return y + column / y_width * row_blocks.rows * y_width + row * y_stride + column % y_width;
  }
  // Panels [panel, end) for the blocks of rows [first, last).
  void run(std::int64_t panel, std::int64_t end, std::int64_t first, std::int64_t last) const;
  // Columns from `column` on of one block of weights.
  void run_chunk(const Strip&, std::int64_t block, std::int64_t column, std::int64_t first, std::int64_t last) const;
};

void Product::run(std::int64_t panel, std::int64_t end, std::int64_t first, std::int64_t last) const {
  thread_local Pages between;
  thread_local std::vector<Strip> strips;
  const std::int64_t row = row_blocks.first(first), rows = row_blocks.first(last) - row;
  float* next = room<float>(between, rows * (end - panel) * panel_rows);
  const bool take_turns = pair * blocking.pairs_together > blocking.tile_panels;
  strips.clear();
  for (int panels = 0; panel < end; panel += panels, next += rows * panels * panel_rows) {
    const std::int64_t in_block = block_panels - panel % block_panels;
    panels = static_cast<int>(std::min({std::int64_t{blocking.tile_panels}, in_block, end - panel}));
    const auto full_at = [&](std::int64_t p) { return is_full(panel_of(first_block(), p)); };
    if (!full_at(panel + panels - 1)) panels = full_at(panel) ? panels - 1 : 1;
    strips.push_back({panel, panels, take_turns || !full_at(panel), next});
  }
  const auto each_row_apart = [&](const auto& copy) {
    for (std::int64_t r = 0; r < rows; ++r)
      for (const Strip& s : strips)
        if (s.apart)
          copy(s.panels == 1 ? last_panel(s).rows : s.panels * panel_rows, out(s, row + r),
               s.sums + r * s.panels * panel_rows);
  };
  if (onto) each_row_apart([](std::int64_t count, const float* y_row, float* sums) { std::copy_n(y_row, count, sums); });
  for (std::int64_t block = 0; block < std::ssize(blocks); ++block)
    for (std::int64_t c = 0; c < first_block().columns; c += blocking.chunk_columns)
      for (const Strip& s : strips) run_chunk(s, block, c, first, last);
  kernels.finish();
  each_row_apart([](std::int64_t count, float* y_row, const float* sums) { std::copy_n(sums, count, y_row); });
}

void Product::run_chunk(const Strip& s, std::int64_t block, std::int64_t column, std::int64_t first,
                        std::int64_t last) const {
  thread_local Pages widened, turned;
  const Panel shape = last_panel(s), wide = full(shape);
  const DType type = first_block().type;
  const std::int64_t columns = form_padded(form, first_block().columns), step = blocking.chunk_columns;
  const std::int64_t here = std::min(step, columns - column), width = s.panels * panel_rows;
  Tile t{};
  t.columns = std::min(here, wide.columns - column);

  const std::byte* w = panel_data(blocks[static_cast<std::size_t>(block)], s.panel);
  if (!is_full(shape)) {
    widen(shape, w, room(widened, wide.bytes()));
    w = widened.data();
  }
  const std::int64_t at = type == DType::int8_channel ? column * panel_rows : bytes_of(type, panel_rows, column);
  t.w = w + at;
  t.panel_bytes = wide.bytes();
  t.scales = wide.columns * panel_rows - at;
  if (multiplied != type) {
    t.panel_bytes = bytes_of(multiplied, panel_rows, t.columns);
    t.w = room(turned, s.panels * t.panel_bytes);
    for (int p = 0; p < s.panels; ++p) {
      const std::byte* const from = w + p * wide.bytes() + at;
      kernels.turn(type, from, from + t.scales, t.columns, turned.data() + p * t.panel_bytes);
    }
  }

  const bool is_first = block == 0 && column == 0;
  const bool is_last = block + 1 == std::ssize(blocks) && column + step >= columns;
  const bool from_there = is_first && !s.apart, to_there = is_last && !s.apart;
  const std::byte* const block_x = x + block * row_blocks.rows * form_bytes(form, columns);
  const std::byte* const block_fine = fine + block * row_blocks.rows * fine_bytes(form, columns);
  for (std::int64_t b = first; b < last; ++b) {
    const std::int64_t above = row_blocks.first(b);
    float* const between = s.sums + (above - row_blocks.first(first)) * width;
    t.x = block_x + row_blocks.rows * form_bytes(form, column) + above * form_bytes(form, here);
    t.fine = block_fine + row_blocks.rows * fine_bytes(form, column) + above * fine_bytes(form, here);
    t.from = is_first && !onto ? nullptr : from_there ? out(s, above) : between;
    t.from_stride = from_there ? y_stride : width;
    t.to = to_there ? out(s, above) : between;
    t.to_stride = to_there ? y_stride : width;
    kernels.tile(multiplied, row_blocks.size(b), s.panels, t);
  }
}

// Below them handing the work over takes longer than doing it: multiplications, and numbers that are converted.
constexpr std::int64_t products_worth_threads = 1 << 16, numbers_worth_threads = 1 << 13;

}  // namespace

Activations::Activations(SimdLevel level) : kernels_(&packed_kernels(level)) {}

void Activations::set(const float* x, std::int64_t n, std::int64_t columns, std::int64_t stride, Rows expected) {
  x_ = x;
  rows_ = n;
  columns_ = columns;
  stride_ = stride == 0 ? columns : stride;
  width_ = columns;
  expected_ = expected;
  for (Converted& form : forms_) form.block_columns = 0;
}

void Activations::set_blocks(const float* x, std::int64_t n, std::int64_t columns, std::int64_t width, Rows expected) {
  check(width == columns || (width % block_width_unit == 0 && columns % width == 0),
        "blocks of activations are all alike and not too narrow");
  set(x, n, columns, width, expected);
  width_ = width;
}

const Activations::Converted& Activations::converted(DType multiplied, std::int64_t block_columns) {
  const Form form = kernels_->form(multiplied);
  Converted& made = forms_[static_cast<std::size_t>(form)];
  if (made.block_columns == block_columns) return made;
  made.block_columns = block_columns;
  const std::int64_t block_bytes = rows_ * form_bytes(form, form_padded(form, block_columns));
  const std::int64_t fine_block_bytes = rows_ * fine_bytes(form, form_padded(form, block_columns));
  made.coarse_bytes = columns_ / block_columns * block_bytes;
  const std::int64_t bytes = made.coarse_bytes + columns_ / block_columns * fine_block_bytes;
  std::byte* const all = room(made.bytes, bytes);
  const Blocking blocking = kernels_->blocking(form, rows_);
  const RowBlocks row_blocks(rows_, blocking.tile_rows);
  // In pieces of a chunk and of a block, so that there are some of few rows as well.
  const std::int64_t step = blocking.chunk_columns, most = std::min<std::int64_t>(step, 1024);
  const std::int64_t piece = width_ < columns_ ? std::gcd(most, width_) : most;
  check(width_ == columns_ || block_columns == columns_, "either activations come in blocks or weights do");
  const std::int64_t pieces = ceil_div(block_columns, piece);
  const auto convert = [&](std::int64_t part) {
    const std::int64_t p = part / row_blocks.count, b = part % row_blocks.count, block = p / pieces;
    const std::int64_t column = p % pieces * piece, chunk = column / step * step, row = row_blocks.first(b);
    const std::int64_t chunk_padded = form_padded(form, std::min(step, block_columns - chunk));
    const int rows = row_blocks.size(b);
    std::byte* const to = all + block * block_bytes + rows_ * form_bytes(form, chunk) +
                          row * form_bytes(form, chunk_padded) + rows * form_bytes(form, column - chunk);
    std::byte* const fine = all + made.coarse_bytes + block * fine_block_bytes + rows_ * fine_bytes(form, chunk) +
                            row * fine_bytes(form, chunk_padded) + rows * fine_bytes(form, column - chunk);
    const std::int64_t x_column = block * block_columns + column;
    kernels_->convert(form, x_ + x_column / width_ * rows_ * width_ + row * stride_ + x_column % width_, stride_,
                      std::min(piece, block_columns - column), rows, to, fine);
  };
  share_out(columns_ / block_columns * pieces * row_blocks.count, rows_ * columns_ >= numbers_worth_threads, convert);
  return made;
}

// One product of several, and its tasks: runs of pairs whose chunks meet the same rows one after the other, and of each
// run the parts by rows.
struct ProductTasks {
  Product product;
  std::int64_t panels, together, cuts, end;  // `end`: of its tasks, counted through all products

  void run(std::int64_t task) const {
    const std::int64_t panel = task / cuts * together * pair, cut = task % cuts;
    const std::int64_t row_blocks = product.row_blocks.count;
    product.run(panel, std::min(panel + together * pair, panels), cut * row_blocks / cuts,
                (cut + 1) * row_blocks / cuts);
  }
};

void multiply(Activations& x, std::span<const ProductOf> wanted) {
  thread_local std::vector<ProductTasks> products;
  products.clear();
  std::int64_t all_pairs = 0, all_rows = 0, all_runs = 0, tasks = 0;
  for (const ProductOf& p : wanted) {
    check(!p.blocks.empty(), "a product has weights");
    const PackedView& w = p.blocks.front();
    for (const PackedView& b : p.blocks)
      check(b.type == w.type && b.rows == w.rows && b.columns == w.columns,
            "blocks of weights are of one type and shape");
    check(w.columns * std::ssize(p.blocks) == x.columns_, "the weights are as wide as the activations");
    check(p.blocks.size() == wanted.front().blocks.size(), "products that are made together are cut alike");
    check(p.y_width == 0 || (p.y_width % block_width_unit == 0 && w.rows % p.y_width == 0 && p.y_stride == 0),
          "blocks of sums are all alike and not too narrow");
    if (x.rows_ == 0 || w.rows == 0 || w.columns == 0) continue;
    const DType multiplied = x.kernels_->multiplied_as(w.type, x.expected_);
    const Form form = x.kernels_->form(multiplied);
    const Blocking blocking = x.kernels_->blocking(form, x.rows_);
    const Activations::Converted& taken = x.converted(multiplied, w.columns);
    const std::int64_t y_width = p.y_width != 0 ? p.y_width : w.rows;
    products.push_back({{.kernels = *x.kernels_,
                         .blocks = p.blocks,
                         .x = taken.bytes.data(),
                         .fine = taken.bytes.data() + taken.coarse_bytes,
                         .multiplied = multiplied,
                         .form = form,
                         .blocking = blocking,
                         .row_blocks = RowBlocks(x.rows_, blocking.tile_rows),
                         .y = p.y,
                         .y_stride = p.y_stride != 0 ? p.y_stride : y_width,
                         .y_width = y_width,
                         .onto = p.onto},
                        ceil_div(w.rows, panel_rows), 1, 1, 0});
    all_pairs += ceil_div(products.back().panels, pair);
    all_rows += w.rows;
  }
  // So many pairs and parts that no thread is left without.
  const std::int64_t threads = team_threads();
  const auto runs_of = [](const ProductTasks& p) { return ceil_div(p.panels, p.together * pair); };
  for (ProductTasks& p : products) {
    if (is_full(panel_of(p.product.first_block(), 0)))
      p.together = std::clamp<std::int64_t>(all_pairs / (4 * threads), 1, p.product.blocking.pairs_together);
    all_runs += runs_of(p);
  }
  for (ProductTasks& p : products) {
    p.cuts = std::clamp<std::int64_t>(4 * threads / all_runs, 1, p.product.row_blocks.count);
    p.end = tasks += runs_of(p) * p.cuts;
  }
  const std::span<const ProductTasks> all = products;  // of the thread that shares them out
  share_out(tasks, x.rows_ * x.columns_ * all_rows >= products_worth_threads, [&](std::int64_t task) {
    std::int64_t begin = 0;
    std::size_t i = 0;
    for (; task >= all[i].end; ++i) begin = all[i].end;
    all[i].run(task - begin);
  });
}

void multiply(Activations& x, std::span<const PackedView> blocks, float* y, std::int64_t y_stride, bool onto) {
  const ProductOf one{.blocks = blocks, .y = y, .y_stride = y_stride, .onto = onto};
  multiply(x, std::span(&one, 1));
}

void multiply(Activations& x, const PackedView& w, float* y, std::int64_t y_stride, bool onto) {
  multiply(x, std::span(&w, 1), y, y_stride, onto);
}

}  // namespace tsrun
