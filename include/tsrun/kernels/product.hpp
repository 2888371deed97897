// Products of activations with packed weights, by all threads.
//
// The activations are turned once into the form that the weights are multiplied with: bf16 for bf16 weights where the
// processor multiplies those, whole numbers in groups of 32 (each with its own f32 scale) for int8 and int4 weights, else
// f32. The whole numbers have 16 bits where the processor widens bytes to these anyway, else 8, and 8 more in a group in
// which one number has more than four fifths of the energy, so that the others are not lost beside it. Sums are f32;
// inside a group of 32 whole numbers they are exact. Where the processor multiplies matrices in bf16 many times as fast as
// vectors of int8, quantised weights that meet many rows are turned into bf16, chunk by chunk.
//
// An element of the product is one chain of sums in the order of the columns, so that its bits depend neither on the
// rows beside it nor on the number of threads, and not on how the columns of the weights are cut into blocks, as long as
// these have an even number of them (a multiple of 32 if quantised, or where bf16 is multiplied by matrices).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "tsrun/kernels/expected_rows.hpp"
#include "tsrun/kernels/packed.hpp"
#include "tsrun/kernels/pages.hpp"
#include "tsrun/kernels/simd_level.hpp"

namespace tsrun {

struct PackedKernels;

// Rows that one or several products take. Memory only grows, so that a step of the same size allocates nothing.
class Activations {
 public:
  explicit Activations(SimdLevel level = simd_level());

  // From now on x[n][columns], rows `stride` floats apart (0: side by side). They are read again by each product that
  // needs a form not yet made, so they must outlive the products.
  void set(const float* x, std::int64_t n, std::int64_t columns, std::int64_t stride = 0, Rows expected = Rows::few);
  // x[columns / width][n][width]: blocks of columns as they come from several chips, one after the other; or one.
  void set_blocks(const float* x, std::int64_t n, std::int64_t columns, std::int64_t width, Rows expected = Rows::few);

  std::int64_t rows() const { return rows_; }
  std::int64_t columns() const { return columns_; }

 private:
  friend void multiply(Activations&, std::span<const struct ProductOf>);

  struct Converted {
    std::int64_t block_columns = 0;  // 0: not made yet
    std::int64_t coarse_bytes = 0;   // of `bytes`; the fine parts follow
    Pages bytes;
  };
  const Converted& converted(DType multiplied, std::int64_t block_columns);

  const PackedKernels* kernels_;
  const float* x_ = nullptr;
  std::int64_t rows_ = 0, columns_ = 0, stride_ = 0, width_ = 0;
  Rows expected_ = Rows::few;
  std::array<Converted, 4> forms_;
};

// y[n][rows] = x * w^T, or added to y where `onto`; the rows of y lie y_stride floats apart (0: side by side). The weights
// lie in blocks side by side along the contracted dimension, as they come from several chips: all of one type and shape,
// together as wide as x. The sums run through the blocks in their order.
struct ProductOf {
  std::span<const PackedView> blocks;
  float* y = nullptr;
  std::int64_t y_stride = 0;
  bool onto = false;
  std::int64_t y_width = 0;  // not 0: y[rows / y_width][n][y_width], blocks of columns as they go to several chips
};
// Widths of blocks of x and y, where there are several, are multiples of this, so that neither what is converted nor what
// is summed at a time is cut.
inline constexpr std::int64_t block_width_unit = 128;

// Several products of the same rows, all of as many blocks, which the threads share out as one: they meet at its end.
void multiply(Activations& x, std::span<const ProductOf> products);
void multiply(Activations& x, std::span<const PackedView> blocks, float* y, std::int64_t y_stride = 0,
              bool onto = false);
void multiply(Activations& x, const PackedView& w, float* y, std::int64_t y_stride = 0, bool onto = false);

}  // namespace tsrun
