// Activations in the form in which they meet packed weights (packed_kernels.hpp), written once with the compiler's
// vectors and compiled once per instruction set.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "packed_kernels.hpp"
#include "tsrun/kernels/packed.hpp"
#include "vectors.hpp"

namespace tsrun::TSRUN_SIMD_LEVEL {
namespace {

// A group of one row in registers.
constexpr int per_group = group_size / lanes;
struct Group {
  Floats v[per_group];

  explicit Group(const float* x) {
    for (int i = 0; i < per_group; ++i) v[i] = load<Floats>(x + i * lanes);
  }
};

// What `combine` makes of all lanes, in every lane.
template <int half = lanes / 2, class Combine>
inline Ints across(const Ints& v, Combine combine) {
  static constexpr auto partner = [] {
    std::array<std::int32_t, lanes> p{};
    for (int i = 0; i < lanes; ++i) p[static_cast<std::size_t>(i)] = i ^ half;
    return p;
  }();
  const Ints both = combine(v, __builtin_shuffle(v, load<Ints>(partner.data())));
  if constexpr (half == 1) return both;
  else return across<half / 2>(both, combine);
}
constexpr auto sum_of_two = [](const Ints& a, const Ints& b) { return a + b; };
constexpr auto larger_of_two = [](const Ints& a, const Ints& b) { return a > b ? a : b; };

// To nearest even, of what is below 2^22.
inline Ints to_whole(const Floats& x) {
  constexpr float shift = 0x1.8p23F;  // a sum with it has the whole number in its low bits
  return Ints(x + shift) - std::bit_cast<std::int32_t>(shift);
}

// What takes the largest of a group to `most`: a scale, and its inverse in every lane. A NaN or infinity among the values
// makes the scale one, and so the product.
struct Scale {
  float scale = 0;
  Floats inverse{};

  Scale(const Group& x, float most) {
    Ints largest{};  // bits of magnitudes are ordered as the numbers are
    for (const Floats& v : x.v) largest = larger_of_two(largest, Ints(Words(v) & 0x7fffffffU));
    const Floats of_group = Floats(across(largest, larger_of_two));
    if (of_group[0] < 1e-30F) return;  // the inverse would not be finite
    scale = of_group[0] / most;
    inverse = most / of_group;
  }
};

struct QuantizedGroup {
  std::int8_t q[group_size];
  std::int32_t minus_sum = 0;
  std::int32_t energy = 0;  // the sum of their squares

  QuantizedGroup() = default;
  QuantizedGroup(const Group& x, const Floats& inverse) {
    Ints sum{}, squares{};
    for (int i = 0; i < per_group; ++i) {
      const Ints whole = to_whole(x.v[i] * inverse);
      sum += whole;
      squares += whole * whole;
      const Bytes bytes = __builtin_convertvector(whole, Bytes);
      std::memcpy(q + i * lanes, &bytes, sizeof bytes);
    }
    minus_sum = -across(sum, sum_of_two)[0];
    energy = across(squares, sum_of_two)[0];
  }
};

// One row's group: its scale, and that of the fine part, 0 if none is worth it.
struct ConvertedGroup {
  QuantizedGroup coarse;
  float scale = 0, fine_scale = 0;

  explicit ConvertedGroup(const Group& x) {
    const Scale taken(x, 127);
    scale = taken.scale;
    coarse = QuantizedGroup(x, taken.inverse);
    if (4 * coarse.energy < 5 * 127 * 127) fine_scale = scale / 254;  // the largest is 127
  }

  QuantizedGroup fine(Group x) const {
    for (int i = 0; i < per_group; ++i)
      x.v[i] -= __builtin_convertvector(__builtin_convertvector(load<Bytes>(coarse.q + i * lanes), Ints), Floats) * scale;
    return {x, Floats{} + (fine_scale == 0 ? 0 : 1 / fine_scale)};
  }
};

// Group k of a row, zeros behind its last column.
inline Group group_of(const float* row, std::int64_t columns, std::int64_t k) {
  if (columns - k >= group_size) return Group(row + k);
  float last[group_size] = {};
  std::memcpy(last, row + k, static_cast<std::size_t>(columns - k) * sizeof(float));
  return Group(last);
}
constexpr auto store = [](std::byte* at, const auto& value) { std::memcpy(at, &value, sizeof value); };

void convert_int8(const float* x, std::int64_t stride, std::int64_t columns, int rows, std::byte* to,
                  std::byte* fine) {
  for (std::int64_t k = 0; k < columns; k += group_size) {
    std::uint32_t has_fine = 0;
    for (int r = 0; r < rows; ++r) {
      const ConvertedGroup g(group_of(x + r * stride, columns, k));
      store(to + r * group_size, g.coarse.q);
      std::byte* const behind = to + group_size * rows + r * 4;
      store(behind, g.scale);
      store(behind + rows * 4, g.coarse.minus_sum);
      store(behind + rows * 8, g.fine_scale);
      has_fine |= std::bit_cast<std::uint32_t>(g.fine_scale);
    }
    for (int r = 0; r < rows && has_fine != 0; ++r) {
      const Group from = group_of(x + r * stride, columns, k);
      const QuantizedGroup f = ConvertedGroup(from).fine(from);
      store(fine + r * group_size, f.q);
      store(fine + group_size * rows + r * 4, f.minus_sum);
    }
    to += rows * form_bytes(Form::int8, group_size);
    fine += rows * fine_bytes(Form::int8, group_size);
  }
}

void convert_int16(const float* x, std::int64_t stride, std::int64_t columns, int rows, std::byte* to) {
  // As the bytes of a word of weights are widened: the even ones, then the odd ones.
  using Shorts = std::int16_t __attribute__((vector_size(vector_bytes / 2)));
  static constexpr auto order = [] {
    constexpr int order_of_four[] = {0, 2, 1, 3};
    std::array<std::int16_t, lanes> p{};
    for (int i = 0; i < lanes; ++i)
      p[static_cast<std::size_t>(i)] = static_cast<std::int16_t>(i / 4 * 4 + order_of_four[i % 4]);
    return p;
  }();
  for (std::int64_t k = 0; k < columns; k += group_size) {
    for (int r = 0; r < rows; ++r) {
      const Group g = group_of(x + r * stride, columns, k);
      const Scale taken(g, 32767);
      Ints sum{};
      for (int i = 0; i < per_group; ++i) {
        const Ints whole = to_whole(g.v[i] * taken.inverse);
        sum += whole;
        store(to + (r * group_size + i * lanes) * 2,
              __builtin_shuffle(__builtin_convertvector(whole, Shorts), load<Shorts>(order.data())));
      }
      std::byte* const behind = to + 2 * group_size * rows + r * 4;
      store(behind, taken.scale);
      store(behind + rows * 4, std::int32_t{-across(sum, sum_of_two)[0]});
    }
    to += rows * form_bytes(Form::int16, group_size);
  }
}

// One row of a block whose groups lie `step` bytes apart.
void convert_f32(const float* x, std::int64_t columns, std::int64_t step, std::byte* to) {
  for (std::int64_t k = 0; k < columns; k += form_group(Form::f32), to += step) {
    float group[form_group(Form::f32)] = {};
    std::copy_n(x + k, std::min(columns - k, form_group(Form::f32)), group);
    std::memcpy(to, group, sizeof group);
  }
}

void convert_bf16(const float* x, std::int64_t columns, std::int64_t step, std::byte* to) {
  constexpr std::int64_t group = form_group(Form::bf16);
  for (std::int64_t k = 0; k < columns; k += group, to += step) {
    float last[group] = {};
    if (columns - k < group) std::copy_n(x + k, columns - k, last);
    const float* const from = columns - k < group ? last : x + k;
#ifdef __AVX512BF16__
    const __m512bh rounded = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + group / 2), _mm512_loadu_ps(from));
#else
    std::uint16_t rounded[group];
    for (std::int64_t i = 0; i < group; ++i) rounded[i] = f32_to_bf16(from[i]);
#endif
    std::memcpy(to, &rounded, sizeof rounded);
  }
}

void convert(Form f, const float* x, std::int64_t stride, std::int64_t columns, int rows, std::byte* block,
             std::byte* fine) {
  if (f == Form::int8) return convert_int8(x, stride, columns, rows, block, fine);
  if (f == Form::int16) return convert_int16(x, stride, columns, rows, block);
  const std::int64_t width = form_group_bytes(f);
  for (int r = 0; r < rows; ++r)
    (f == Form::bf16 ? convert_bf16 : convert_f32)(x + r * stride, columns, rows * width, block + r * width);
}

}  // namespace
}  // namespace tsrun::TSRUN_SIMD_LEVEL
