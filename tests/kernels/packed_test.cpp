// Packed weights and their products: every type at every level of this processor, against sums in double.
#include <doctest/doctest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "random_floats.hpp"
#include "tsrun/kernels/packed.hpp"
#include "tsrun/kernels/product.hpp"

using namespace tsrun;
using tsrun::test::random_floats;

namespace {

constexpr DType types[] = {DType::f32, DType::bf16, DType::int8, DType::int8_channel, DType::int4, DType::int4_min};

std::vector<SimdLevel> levels_here() {
  std::vector<SimdLevel> levels;
  std::copy_if(std::begin(simd_levels), std::end(simd_levels), std::back_inserter(levels), processor_has);
  return levels;
}

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

// Any bits a type can have, with scales near 1/100.
TensorRows random_rows(DType type, std::int64_t rows, std::int64_t columns, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  TensorRows t = TensorRows::zeros(type, rows, columns);
  if (!is_quantized(type)) {
    for (std::int64_t i = 0; i < rows * columns; ++i) {
      const float v = normal(generator);
      const std::uint16_t half = f32_to_bf16(v);
      if (type == DType::f32) std::memcpy(t.values.data() + 4 * i, &v, 4);
      else std::memcpy(t.values.data() + 2 * i, &half, 2);
    }
    return t;
  }
  for (std::byte& b : t.values) b = static_cast<std::byte>(generator());
  if (type == DType::int8_channel) {
    for (std::int64_t r = 0; r < rows; ++r) {
      const float v = 0.01F * normal(generator);
      std::memcpy(t.scale.data() + 2 * r, &v, 4);
    }
    return t;
  }
  for (std::uint16_t& s : t.scale) s = f32_to_f16(0.01F * normal(generator));
  for (std::uint16_t& m : t.minimum) m = f32_to_f16(0.1F * normal(generator));
  return t;
}

std::vector<std::byte> packed(const TensorRows& t) {
  std::vector<std::byte> bytes(size(bytes_of(t.type, t.rows, t.columns)));
  pack(t, {0, t.rows, 0, t.columns}, {t.type, t.rows, t.columns, bytes.data()}, 0, 0);
  return bytes;
}

PackedView view(const TensorRows& t, const std::vector<std::byte>& bytes) {
  return {t.type, t.rows, t.columns, bytes.data()};
}

std::vector<float> product(SimdLevel level, const std::vector<float>& x, std::int64_t n, const PackedView& w,
                           Rows expected = Rows::few) {
  Activations rows(level);
  rows.set(x.data(), n, w.columns, 0, expected);
  std::vector<float> y(size(n * w.rows), -1.0F);
  multiply(rows, w, y.data());
  return y;
}

bool same_bits(const float* a, const float* b, std::int64_t n) {
  return std::memcmp(a, b, size(n) * sizeof(float)) == 0;
}

bool turned_into_bf16(DType weights, SimdLevel level, Rows expected) {
  return is_quantized(weights) && level == SimdLevel::amx && expected == Rows::many;
}

// x as the product may take it: exactly, in bf16, in whole steps of 1/32767 of the largest of 32, or of 1/127, and of
// 1/254 of these where that one has more than four fifths of their energy.
std::vector<float> rounded(std::vector<float> x, std::int64_t columns, DType weights, SimdLevel level, Rows expected) {
  const bool turned = turned_into_bf16(weights, level, expected);
  if (turned || (weights == DType::bf16 && level >= SimdLevel::avx512_bf16))
    for (float& v : x) v = bf16_to_f32(f32_to_bf16(v));
  if (!is_quantized(weights) || turned) return x;
  for (std::int64_t row = 0; row < std::ssize(x); row += columns)
    for (std::int64_t first = 0; first < columns; first += 32) {
      float* const group = x.data() + row + first;
      const std::int64_t count = std::min<std::int64_t>(32, columns - first);
      float most = 0;
      for (std::int64_t i = 0; i < count; ++i) most = std::max(most, std::abs(group[i]));
      if (most == 0) continue;
      if (level == SimdLevel::avx2 || level == SimdLevel::avx512) {
        for (std::int64_t i = 0; i < count; ++i) group[i] = std::nearbyint(group[i] * (32767 / most)) * (most / 32767);
        continue;
      }
      float energy = 0;
      for (std::int64_t i = 0; i < count; ++i) energy += std::pow(std::nearbyint(group[i] * (127 / most)), 2.0F);
      const float step = most / 127, fine = step / 254;
      for (std::int64_t i = 0; i < count; ++i) {
        const float coarse = std::nearbyint(group[i] * (127 / most)) * step;
        group[i] = coarse + (4 * energy < 5 * 127 * 127 ? std::nearbyint((group[i] - coarse) * (1 / fine)) * fine : 0);
      }
    }
  return x;
}

// As activations of real models are: in some channels far larger than in the others.
std::vector<float> random_activations(std::int64_t n, std::int64_t columns, unsigned seed) {
  auto x = random_floats(n * columns, seed);
  for (std::int64_t i = 0; i < std::ssize(x); ++i)
    if (i % columns % 67 == 5 && i / columns % 3 != 1) x[size(i)] *= 60;
  return x;
}

// In the way of few rows and in that of many, at every level and with every type.
template <class Check>
void each_product(const Check& check) {
  for (const SimdLevel level : levels_here())
    for (const Rows expected : {Rows::few, Rows::many})
      for (const DType type : types) {
        CAPTURE(name(level));
        CAPTURE(name(type));
        CAPTURE((expected == Rows::many));
        check(level, expected, type);
      }
}

std::int64_t columns_for(DType type, std::int64_t columns) {
  return is_grouped(type) ? (columns + 31) / 32 * 32 : columns;
}

}  // namespace

TEST_CASE("an unpacked row is the row that was packed") {
  for (const DType type : types)
    for (const std::int64_t rows : {1, 15, 16, 17, 40})
      for (const std::int64_t wanted : {1, 2, 3, 7, 32, 66, 97, 330}) {
        const std::int64_t columns = columns_for(type, wanted);
        const TensorRows t = random_rows(type, rows, columns, 1);
        const auto bytes = packed(t);
        std::vector<float> expected(size(rows * columns)), row(size(columns));
        decode_rows(t, 0, rows, expected.data());
        CAPTURE(name(type));
        CAPTURE(rows);
        CAPTURE(columns);
        for (std::int64_t r = 0; r < rows; ++r) {
          unpack_row(view(t, bytes), r, row.data());
          CHECK(same_bits(row.data(), expected.data() + r * columns, columns));
        }
      }
}

TEST_CASE("a matrix packed in pieces is the matrix packed at once, and its panels are matrices") {
  for (const DType type : types) {
    const std::int64_t rows = 70, columns = is_grouped(type) ? 160 : 131, step = is_grouped(type) ? 64 : 37;
    const TensorRows t = random_rows(type, rows, columns, 2);
    const auto whole = packed(t);
    std::vector<std::byte> pieces(whole.size());
    for (const auto& [row, count] : {std::pair{0, 5}, {5, 18}, {23, 9}, {32, 38}})  // panels whole, shared, and cut short
      for (std::int64_t c = 0; c < columns; c += step)
        pack(t, {row, count, c, std::min(step, columns - c)}, {type, rows, columns, pieces.data()}, row, c);
    CAPTURE(name(type));
    CHECK(pieces == whole);

    TensorRows part = TensorRows::zeros(type, 32, columns);
    const auto copy = [](auto& to, const auto& from, std::int64_t row_size) {
      std::copy_n(from.begin() + 16 * row_size, 32 * row_size, to.begin());
    };
    copy(part.values, t.values, t.value_bytes_per_row());
    copy(part.scale, t.scale, t.scales_per_row());
    if (has_minimum(type)) copy(part.minimum, t.minimum, t.scales_per_row());
    const auto panels = packed(part);
    const PackedView run = view(t, whole).rows_of(16, 32);
    CHECK(std::memcmp(run.data, panels.data(), panels.size()) == 0);
    CHECK_THROWS(static_cast<void>(view(t, whole).rows_of(8, 16)));
  }
  CHECK_THROWS(packed(TensorRows::zeros(DType::f16, 1, 1)));
}

TEST_CASE("the product is the product, for every tail") {
  each_product([](SimdLevel level, Rows expected, DType type) {
    for (const std::int64_t rows : {1, 15, 16, 33, 48, 65})
      for (const std::int64_t wanted : {1, 3, 30, 64, 131, 515, 1056}) {
        const std::int64_t columns = columns_for(type, wanted), n = 1 + (wanted + rows) % 15;
        const TensorRows t = random_rows(type, rows, columns, 3);
        const auto bytes = packed(t);
        const auto x = random_activations(n, columns, 4), taken = rounded(x, columns, type, level, expected);
        const auto y = product(level, x, n, view(t, bytes), expected);
        std::vector<float> w(size(rows * columns));
        decode_rows(t, 0, rows, w.data());
        if (turned_into_bf16(type, level, expected))
          for (float& v : w) v = bf16_to_f32(f32_to_bf16(v));
        double worst = 0;
        for (std::int64_t r = 0; r < n; ++r)
          for (std::int64_t c = 0; c < rows; ++c) {
            double sum = 0, squares = 0;
            for (std::int64_t i = 0; i < columns; ++i) {
              const double term = static_cast<double>(taken[size(r * columns + i)]) * w[size(c * columns + i)];
              sum += term;
              squares += term * term;
            }
            worst = std::max(worst, std::abs(y[size(r * rows + c)] - sum) / (std::sqrt(squares) + 1e-6));
          }
        CAPTURE(n);
        CAPTURE(rows);
        CAPTURE(columns);
        CHECK(worst < 1e-5);
      }
  });
}

TEST_CASE("a row's bits depend neither on the rows beside it nor on the threads") {
  const int threads = omp_get_max_threads();
  each_product([](SimdLevel level, Rows expected, DType type) {
    const std::int64_t rows = 53, columns = is_grouped(type) ? 544 : 541;
    const TensorRows t = random_rows(type, rows, columns, 5);
    const auto bytes = packed(t);
    const auto x = random_activations(70, columns, 6);
    omp_set_num_threads(1);
    const auto all = product(level, x, 70, view(t, bytes), expected);
    for (std::int64_t n = 1; n < 70; ++n) {
      omp_set_num_threads(static_cast<int>(1 + n % 3));
      const auto some = product(level, x, n, view(t, bytes), expected);
      CHECK(same_bits(some.data(), all.data(), n * rows));
    }
    for (const std::int64_t row : {1, 30, 69}) {
      const std::vector<float> one(x.begin() + row * columns, x.begin() + (row + 1) * columns);
      CHECK(same_bits(product(level, one, 1, view(t, bytes), expected).data(), all.data() + row * rows, rows));
    }
  });
  omp_set_num_threads(threads);
}

TEST_CASE("blocks side by side give the bits of the whole, and onto adds") {
  each_product([](SimdLevel level, Rows expected, DType type) {
    const std::int64_t rows = 37, part = 96, parts = 3, columns = part * parts;
    const TensorRows t = random_rows(type, rows, columns, 7);
    const auto whole = packed(t);
    std::vector<std::vector<std::byte>> bytes;
    std::vector<PackedView> blocks;
    for (std::int64_t p = 0; p < parts; ++p) {
      bytes.emplace_back(size(bytes_of(type, rows, part)));
      pack(t, {0, rows, p * part, part}, {type, rows, part, bytes.back().data()}, 0, 0);
      blocks.push_back({type, rows, part, bytes.back().data()});
    }
    for (const std::int64_t n : {9, 75}) {
      const auto x = random_activations(n, columns, 8);
      const auto wanted = product(level, x, n, view(t, whole), expected);
      Activations activations(level);
      activations.set(x.data(), n, columns, 0, expected);
      std::vector<float> y(size(n * rows)), one_by_one(y.size());
      multiply(activations, blocks, y.data());
      Activations piece(level);
      for (std::int64_t p = 0; p < parts; ++p) {
        piece.set(x.data() + p * part, n, part, columns, expected);
        multiply(piece, blocks[size(p)], one_by_one.data(), rows, p > 0);
      }
      CHECK(same_bits(y.data(), wanted.data(), n * rows));
      CHECK(same_bits(one_by_one.data(), wanted.data(), n * rows));
      // the same activations, for weights that come whole
      multiply(activations, view(t, whole), y.data());
      CHECK(same_bits(y.data(), wanted.data(), n * rows));
    }
  });
}

// The columns of x[n][columns] in blocks, one after the other.
std::vector<float> in_blocks(const std::vector<float>& x, std::int64_t n, std::int64_t columns, std::int64_t width) {
  std::vector<float> out;
  for (std::int64_t first = 0; first < columns; first += width)
    for (std::int64_t r = 0; r < n; ++r)
      out.insert(out.end(), x.begin() + r * columns + first, x.begin() + r * columns + first + width);
  return out;
}

TEST_CASE("activations and sums in blocks of columns have the bits of those side by side") {
  const int threads_before = omp_get_max_threads();
  each_product([](SimdLevel level, Rows expected, DType type) {
    const std::int64_t columns = 3 * 384, rows = 5 * 128, x_width = 384, y_width = 128;
    const TensorRows t = random_rows(type, rows, columns, 19);
    const auto bytes = packed(t);
    // On one thread, strips of eight panels; on three, of six, which would cross the edges of y's blocks.
    for (const auto& [n, threads] : {std::pair{1, 1}, {1, 3}, {2, 3}, {7, 1}, {7, 3}, {40, 2}}) {
      omp_set_num_threads(threads);
      const auto x = random_activations(n, columns, 20), of_chips = in_blocks(x, n, columns, x_width);
      const auto before = random_activations(n, rows, 21);
      const PackedView w = view(t, bytes);
      Activations side_by_side(level), activations(level);
      side_by_side.set(x.data(), n, columns, 0, expected);
      activations.set_blocks(of_chips.data(), n, columns, x_width, expected);
      for (const bool onto : {false, true}) {
        std::vector<float> wanted = before, whole(before.size()), y = in_blocks(before, n, rows, y_width);
        multiply(side_by_side, w, wanted.data(), rows, onto);
        const ProductOf both[] = {{.blocks = std::span(&w, 1), .y = y.data(), .onto = onto, .y_width = y_width},
                                  {.blocks = std::span(&w, 1), .y = whole.data()}};
        multiply(activations, both);
        CHECK(same_bits(y.data(), in_blocks(wanted, n, rows, y_width).data(), n * rows));
        if (!onto) CHECK(same_bits(whole.data(), wanted.data(), n * rows));
      }
    }
    const PackedView w = view(t, bytes);
    Activations activations(level);
    const std::vector<float> x(size(columns));
    CHECK_THROWS(activations.set_blocks(x.data(), 1, columns, 64));
    activations.set(x.data(), 1, columns);
    std::vector<float> y(size(rows));
    const ProductOf narrow{.blocks = std::span(&w, 1), .y = y.data(), .y_width = 64};
    CHECK_THROWS(multiply(activations, std::span(&narrow, 1)));
  });
  omp_set_num_threads(threads_before);
}

TEST_CASE("several products of the same rows, of other types and sizes, give the bits that each gives alone") {
  for (const SimdLevel level : levels_here())
    for (const std::int64_t n : {1, 5, 90}) {
      const std::int64_t columns = 224;
      const auto x = random_activations(n, columns, 17);
      std::vector<TensorRows> tensors;
      for (const DType type : types) tensors.push_back(random_rows(type, 16 * std::ssize(tensors) * 5 + 9, columns, 18));
      tensors.push_back(TensorRows::zeros(DType::bf16, 0, columns));
      std::vector<std::vector<std::byte>> bytes;
      std::vector<std::vector<float>> y;
      for (const TensorRows& t : tensors) {
        bytes.push_back(packed(t));
        y.emplace_back(size(n * t.rows));
      }
      std::vector<PackedView> views;
      std::vector<ProductOf> products;
      for (std::size_t i = 0; i < tensors.size(); ++i) views.push_back(view(tensors[i], bytes[i]));
      for (std::size_t i = 0; i < tensors.size(); ++i) products.push_back({std::span(&views[i], 1), y[i].data()});
      Activations activations(level);
      activations.set(x.data(), n, columns);
      multiply(activations, products);
      CAPTURE(name(level));
      CAPTURE(n);
      for (std::size_t i = 0; i < tensors.size(); ++i) CHECK(y[i] == product(level, x, n, views[i]));
      // A form of the rows that is made for one cut would be lost to the other.
      const PackedView halves[] = {{DType::f32, 0, columns / 2, nullptr}, {DType::f32, 0, columns / 2, nullptr}};
      products.push_back({halves, y[0].data()});
      CHECK_THROWS(multiply(activations, products));
    }
}

TEST_CASE("many rows and wide weights, which are cut in more ways, give the bits of few and narrow ones") {
  each_product([](SimdLevel level, Rows expected, DType type) {
    const std::int64_t rows = 16 * 35 + 3, columns = 608, n = 133;
    const TensorRows t = random_rows(type, rows, columns, 15);
    const auto bytes = packed(t);
    const auto x = random_activations(n, columns, 16);
    const auto all = product(level, x, n, view(t, bytes), expected);
    for (const std::int64_t row : {0, 64, 132}) {
      const std::vector<float> one(x.begin() + row * columns, x.begin() + (row + 1) * columns);
      CHECK(same_bits(product(level, one, 1, view(t, bytes), expected).data(), all.data() + row * rows, rows));
    }
    const auto panel = product(level, x, n, view(t, bytes).rows_of(16 * 20, 16), expected);
    for (std::int64_t r = 0; r < n; ++r)
      CHECK(same_bits(panel.data() + r * 16, all.data() + r * rows + 16 * 20, 16));
  });
}

TEST_CASE("levels that fuse multiply and add, and take activations in the same form, agree to the bit") {
  if (!processor_has(SimdLevel::avx2)) return;
  for (const DType type : types) {
    const std::int64_t rows = 40, columns = 320, n = 7;
    const TensorRows t = random_rows(type, rows, columns, 9);
    const auto bytes = packed(t);
    const auto x = random_activations(n, columns, 10);
    for (const SimdLevel level : levels_here()) {
      const bool multiplies_bytes = level >= SimdLevel::avx512_bf16 && is_quantized(type);
      if (level <= SimdLevel::avx2 || (type == DType::bf16 && level >= SimdLevel::avx512_bf16)) continue;
      const SimdLevel like = multiplies_bytes ? SimdLevel::avx512_bf16 : SimdLevel::avx2;
      const auto expected = product(like, x, n, view(t, bytes));
      CAPTURE(name(level));
      CAPTURE(name(type));
      CHECK(same_bits(product(level, x, n, view(t, bytes)).data(), expected.data(), n * rows));
    }
  }
}

TEST_CASE("a number far above the others of its group does not cost them their bits") {
  const std::int64_t rows = 16, columns = 256;
  const TensorRows t = random_rows(DType::int8, rows, columns, 13);
  const auto bytes = packed(t);
  std::vector<float> w(size(rows * columns));
  decode_rows(t, 0, rows, w.data());
  auto x = random_floats(columns, 14);
  for (std::int64_t i = 7; i < columns; i += 32) x[size(i)] = 200;
  for (const SimdLevel level : levels_here()) {
    const auto y = product(level, x, 1, view(t, bytes));
    for (std::int64_t c = 0; c < rows; ++c) {
      double sum = 0, size_of_rest = 0;
      for (std::int64_t i = 0; i < columns; ++i) {
        const double term = static_cast<double>(x[size(i)]) * w[size(c * columns + i)];
        sum += term;
        if (i % 32 != 7) size_of_rest += term * term;
      }
      CAPTURE(name(level));
      CHECK(std::abs(y[size(c)] - sum) < 0.01 * std::sqrt(size_of_rest));  // a step of 200 / 127 would miss by about a half
    }
  }
}

TEST_CASE("what is not a number stays in its row, and tiny numbers do no harm") {
  each_product([](SimdLevel level, Rows expected, DType type) {
    const std::int64_t rows = 20, columns = 64;
    const TensorRows t = random_rows(type, rows, columns, 11);
    const auto bytes = packed(t);
    auto x = random_floats(3 * columns, 12);
    x[size(columns + 40)] = std::nanf("");
    for (std::int64_t i = 0; i < columns; ++i) x[size(2 * columns + i)] *= 1e-37F;
    const auto y = product(level, x, 3, view(t, bytes), expected);
    for (std::int64_t c = 0; c < rows; ++c) {
      CHECK(std::isfinite(y[size(c)]));
      CHECK(std::isnan(y[size(rows + c)]));
      CHECK(std::abs(y[size(2 * rows + c)]) < 1e-30F);
    }
  });
}
