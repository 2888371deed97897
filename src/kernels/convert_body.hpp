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

// ---- int8 and int16 ----

constexpr int per_group = group_size / lanes;

// Lane j of the result is what `combine` makes of all lanes of v[j]. Each step combines the halves of blocks of lanes
// of two vectors and puts what it has of both side by side, so that half as many vectors remain.
template <int block = lanes, class V, class Combine>
inline V across_each(V* v, Combine combine) {
  constexpr int half = block / 2;
  constexpr auto places = [](int first) {
    std::array<std::int32_t, lanes> p{};
    for (int i = 0; i < lanes; ++i)
      p[static_cast<std::size_t>(i)] = i / block * block + i % half + first + (i / half % 2 == 0 ? 0 : lanes);
    return p;
  };
  static constexpr auto lower = places(0), upper = places(half);
#pragma GCC unroll 8
  for (int i = 0; i < half; ++i)
    v[i] = combine(__builtin_shuffle(v[i], v[i + half], load<Ints>(lower.data())),
                   __builtin_shuffle(v[i], v[i + half], load<Ints>(upper.data())));
  if constexpr (half == 1) return v[0];
  else return across_each<half>(v, combine);
}
constexpr auto sum_of_two = [](const Words& a, const Words& b) { return a + b; };
constexpr auto larger_of_two = [](const Ints& a, const Ints& b) { return a > b ? a : b; };

// To nearest even, of what is below 2^22; negative ones are counted back from 2^32. Of what is not finite any number,
// which may run over in sums: its scale is not finite either.
inline Words to_whole(const Floats& x) {
  constexpr float shift = 0x1.8p23F;  // a sum with it has the whole number in its low bits
  return Words(x + shift) - std::bit_cast<std::uint32_t>(shift);
}

constexpr auto store = [](std::byte* at, const auto& value) { std::memcpy(at, &value, sizeof value); };

// A number of each group, to be picked one by one.
template <class T>
struct Picked {
  T v[lanes];
  template <class V>
  explicit Picked(const V& all) { std::memcpy(v, &all, sizeof v); }
};

struct Place {
  int row = 0;
  std::int64_t group = 0;
};

// What there is one of in a group is made for as many groups as a vector has lanes at once, in the order in which they
// are read: along the rows.
struct Groups {
  int count = 0;
  Place place[lanes];
  const float* x[lanes];
  float padded[lanes][group_size];  // those of which columns are missing, with zeros there
  Floats scale, inverse;            // of those that are not there, 0

  // Those from `next` on, which moves behind them; a scale takes the largest number of its group to `most`. A NaN or
  // infinity among the numbers makes the scale one, and so the product.
  Groups(const float* block, std::int64_t stride, std::int64_t columns, int rows, Place& next, float most) {
    Ints largest[lanes];  // bits of magnitudes are ordered as the numbers are
    for (; count < lanes && next.row < rows; ++count) {
      const float* const numbers = block + next.row * stride + next.group * group_size;
      const std::int64_t left = columns - next.group * group_size;
      place[count] = next;
      next = left > group_size ? Place{next.row, next.group + 1} : Place{next.row + 1, 0};
      x[count] = left < group_size ? padded[count] : numbers;
      if (left < group_size) {
        std::memset(padded[count], 0, sizeof padded[count]);
        std::memcpy(padded[count], numbers, static_cast<std::size_t>(left) * sizeof(float));
      }
      Ints most_here{};
#pragma GCC unroll 8
      for (int i = 0; i < per_group; ++i) {
        __builtin_prefetch(numbers + lanes * group_size + i * lanes);  // the processor alone looks ahead too little
        most_here = larger_of_two(most_here, Ints(Words(load<Floats>(x[count] + i * lanes)) & 0x7fffffffU));
      }
      largest[count] = most_here;
    }
    for (int j = count; j < lanes; ++j) largest[j] = Ints{};
    const Floats of_group = Floats(across_each(largest, larger_of_two));
    const Ints vanishes = of_group < 1e-30F;  // the inverse would not be finite
    scale = vanishes ? Floats{} : of_group / most;
    inverse = vanishes ? Floats{} : most / of_group;
  }
};

// Where the numbers of a row are in a group of a block.
struct Int8Group {
  static constexpr std::int64_t bytes = form_bytes(Form::int8, group_size), fine = fine_bytes(Form::int8, group_size);
  std::byte* q;
  std::byte *scale, *offset_sum, *fine_scale;

  Int8Group(std::byte* block, int rows, Place p)
      : q(block + p.group * rows * bytes + p.row * group_size),
        scale(block + p.group * rows * bytes + rows * group_size + p.row * 4),
        offset_sum(scale + rows * 4),
        fine_scale(offset_sum + rows * 4) {}
};

// What is left of the numbers of a group's rows that have a fine part.
void fine_parts(const float* x, std::int64_t stride, std::int64_t columns, int rows, std::int64_t group,
                std::byte* block, std::byte* to) {
  const auto count = static_cast<std::size_t>(std::min<std::int64_t>(group_size, columns - group * group_size));
  for (int r = 0; r < rows; ++r) {
    const Int8Group coarse(block, rows, {r, group});
    const auto scale = load<float>(coarse.scale), fine_scale = load<float>(coarse.fine_scale);
    const float inverse = fine_scale == 0 ? 0 : 1 / fine_scale;
    float numbers[group_size] = {};
    std::memcpy(numbers, x + r * stride + group * group_size, count * sizeof(float));
    Words sum{};
    for (int i = 0; i < group_size; i += lanes) {
      const Ints q = __builtin_convertvector(load<Bytes>(coarse.q + i), Ints);
      const Floats taken = __builtin_convertvector(q, Floats) * scale;
      const Words left = to_whole((load<Floats>(numbers + i) - taken) * inverse);
      sum += left;
      store(to + r * group_size + i, __builtin_convertvector(left, Bytes));
    }
    std::uint32_t offset_sum = 0;
    for (int i = 0; i < lanes; ++i) offset_sum -= 128 * sum[i];
    store(to + rows * group_size + r * 4, offset_sum);
  }
  const Int8Group first(block, rows, {0, group});
  if (load<float>(first.fine_scale) == 0) store(first.fine_scale, -0.0F);
}

void convert_int8(const float* x, std::int64_t stride, std::int64_t columns, int rows, std::byte* to,
                  std::byte* fine) {
  for (Place next; next.row < rows;) {
    const Groups here(x, stride, columns, rows, next, 127);
    const Picked<float> scales(here.scale), inverses(here.inverse);
    Words sums[lanes], squares[lanes];
    for (int j = 0; j < here.count; ++j) {
      const Int8Group group(to, rows, here.place[j]);
      Words sum{}, square{};
#pragma GCC unroll 8
      for (int i = 0; i < per_group; ++i) {
        const Words whole = to_whole(load<Floats>(here.x[j] + i * lanes) * inverses.v[j]);
        sum += whole;
        square += whole * whole;
        store(group.q + i * lanes, __builtin_convertvector(whole, Bytes));
      }
      sums[j] = sum;
      squares[j] = square;
    }
    for (int j = here.count; j < lanes; ++j) sums[j] = squares[j] = Words{};
    const Picked<std::uint32_t> offset_sums(-128 * across_each(sums, sum_of_two));
    const Ints needs_fine = Ints(4 * across_each(squares, sum_of_two)) < 5 * 127 * 127;  // the largest is 127
    const Picked<float> fine_scales(needs_fine ? here.scale / 254 : Floats{});
    for (int j = 0; j < here.count; ++j) {
      const Int8Group group(to, rows, here.place[j]);
      store(group.scale, scales.v[j]);
      store(group.offset_sum, offset_sums.v[j]);
      store(group.fine_scale, fine_scales.v[j]);
    }
  }
  for (std::int64_t g = 0; g * group_size < columns; ++g) {
    std::uint32_t any = 0;
    for (int r = 0; r < rows; ++r) any |= load<std::uint32_t>(Int8Group(to, rows, {r, g}).fine_scale);
    if (any != 0) fine_parts(x, stride, columns, rows, g, to, fine + g * rows * Int8Group::fine);
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
  for (Place next; next.row < rows;) {
    const Groups here(x, stride, columns, rows, next, 32767);
    const Picked<float> scales(here.scale), inverses(here.inverse);
    const auto group = [&](int j) { return to + here.place[j].group * rows * form_bytes(Form::int16, group_size); };
    Words sums[lanes];
    for (int j = 0; j < here.count; ++j) {
      Words sum{};
#pragma GCC unroll 8
      for (int i = 0; i < per_group; ++i) {
        const Words whole = to_whole(load<Floats>(here.x[j] + i * lanes) * inverses.v[j]);
        sum += whole;
        store(group(j) + (here.place[j].row * group_size + i * lanes) * 2,
              __builtin_shuffle(__builtin_convertvector(whole, Shorts), load<Shorts>(order.data())));
      }
      sums[j] = sum;
    }
    for (int j = here.count; j < lanes; ++j) sums[j] = Words{};
    const Picked<std::uint32_t> offset_sums(-128 * across_each(sums, sum_of_two));
    for (int j = 0; j < here.count; ++j) {
      std::byte* const behind = group(j) + 2 * group_size * rows + here.place[j].row * 4;
      store(behind, scales.v[j]);
      store(behind + rows * 4, offset_sums.v[j]);
    }
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
