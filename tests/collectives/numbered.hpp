// Tensors whose elements tell where they come from, and the tori that a number of ranks can form.
#pragma once

#include <doctest/doctest.h>

#include <vector>

#include "tsrun/collectives/collectives.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun::test {

inline std::vector<Torus> tori_of(int n) {
  std::vector<Torus> all;
  for (int X = 1; X <= n; ++X)
    for (int Y = 1; X * Y <= n; ++Y)
      if (n % (X * Y) == 0) all.push_back({X, Y, n / X / Y});
  return all;
}

inline const std::vector<AxisStack> groups = {{Axis::x}, {Axis::y}, {Axis::z}, {Axis::z, Axis::y}, {Axis::z, Axis::y, Axis::x}};

// A whole number that names tensor, row and column: exact in f32.
inline float number(int tensor, std::int64_t row, std::int64_t column) {
  return static_cast<float>(tensor * 100000 + row * 1000 + column);
}

// Two tensors of 3 and 2 rows whose columns are cut over the group, 5 and 4 a chip.
struct Pair {
  static constexpr std::int64_t rows[2] = {3, 2}, width[2] = {5, 4};
  int chips = 1, own = 0;
  std::vector<float> whole[2], block[2];

  explicit Pair(const Mesh& mesh, const AxisStack& group)
      : chips(mesh.torus().size(group)), own(block_of(mesh.torus(), group, mesh.coord())) {
    for (int t = 0; t < 2; ++t) {
      whole[t].assign(static_cast<std::size_t>(rows[t] * width[t] * chips), -1);
      block[t].assign(static_cast<std::size_t>(rows[t] * width[t]), -1);
    }
  }
  float& at_whole(int t, std::int64_t r, std::int64_t c) { return whole[t][static_cast<std::size_t>(r * width[t] * chips + c)]; }
  float& at_block(int t, std::int64_t r, std::int64_t c) { return block[t][static_cast<std::size_t>(r * width[t] + c)]; }
};

inline void gather_numbers(const Mesh& mesh, const AxisStack& group, LinkCounts& counts) {
  Collectives collectives(mesh);
  Pair p(mesh, group);
  for (int t = 0; t < 2; ++t)
    for (std::int64_t r = 0; r < Pair::rows[t]; ++r)
      for (std::int64_t c = 0; c < Pair::width[t]; ++c) p.at_block(t, r, c) = number(t, r, p.own * Pair::width[t] + c);
  const Strided tensors[] = {{3, 5, p.block[0].data(), p.whole[0].data()}, {2, 4, p.block[1].data(), p.whole[1].data()}};
  collectives.run(schedule_of(Op::all_gather, ScheduleName::ring, mesh.torus(), group, mesh.coord()), tensors, counts);
  for (int t = 0; t < 2; ++t)
    for (std::int64_t r = 0; r < Pair::rows[t]; ++r)
      for (std::int64_t c = 0; c < Pair::width[t] * p.chips; ++c) CHECK(p.at_whole(t, r, c) == number(t, r, c));
}

// Every chip adds (1 + its number in the group) times the element's own number.
inline void scatter_numbers(const Mesh& mesh, const AxisStack& group, ScheduleName schedule, LinkCounts& counts) {
  Collectives collectives(mesh);
  Pair p(mesh, group);
  for (int t = 0; t < 2; ++t)
    for (std::int64_t r = 0; r < Pair::rows[t]; ++r)
      for (std::int64_t c = 0; c < Pair::width[t] * p.chips; ++c)
        p.at_whole(t, r, c) = static_cast<float>(1 + p.own) * number(0, r, c);
  const Strided tensors[] = {{3, 5, p.whole[0].data(), p.block[0].data()}, {2, 4, p.whole[1].data(), p.block[1].data()}};
  collectives.run(schedule_of(Op::reduce_scatter, schedule, mesh.torus(), group, mesh.coord()), tensors, counts);
  const auto factor = static_cast<float>(p.chips * (p.chips + 1) / 2);
  for (int t = 0; t < 2; ++t)
    for (std::int64_t r = 0; r < Pair::rows[t]; ++r)
      for (std::int64_t c = 0; c < Pair::width[t]; ++c)
        CHECK(p.at_block(t, r, c) == factor * number(0, r, p.own * Pair::width[t] + c));
}

// Addends that round: the sum of every block has the bits of one sum along each axis in turn, in the order of its chips.
inline void scatter_in_order(const Mesh& mesh, const AxisStack& group, LinkCounts& counts) {
  Collectives collectives(mesh);
  const int chips = mesh.torus().size(group), own = block_of(mesh.torus(), group, mesh.coord());
  const auto addend = [](int chip) { return 1.0F / static_cast<float>(3 + 7 * chip); };
  std::vector<float> sums;
  for (int chip = 0; chip < chips; ++chip) sums.push_back(addend(chip));
  for (const Axis a : group) {
    const std::size_t minor = sums.size() / static_cast<std::size_t>(mesh.torus().size(a));
    for (std::size_t i = minor; i < sums.size(); ++i) sums[i % minor] += sums[i];
    sums.resize(minor);
  }
  const std::vector<float> in(static_cast<std::size_t>(2 * chips), addend(own));
  std::vector<float> out(2);
  const Strided tensor[] = {{1, 2, in.data(), out.data()}};
  collectives.run(schedule_of(Op::reduce_scatter, ScheduleName::direct, mesh.torus(), group, mesh.coord()), tensor, counts);
  for (const float sum : out) CHECK(sum == sums[0]);
}

// [4][chips * 3][2], cut over the group in the middle in the reverse order, becomes cut in the first dimension in its own.
inline void exchange_numbers(const Mesh& mesh, const AxisStack& group, LinkCounts& counts) {
  Collectives collectives(mesh);
  const int chips = mesh.torus().size(group), to = block_of(mesh.torus(), group, mesh.coord());
  const int from = block_of(mesh.torus(), group.reversed(), mesh.coord());
  std::vector<float> in(static_cast<std::size_t>(4 * chips * 3 * 2)), out(in.size(), -1);
  for (int r = 0; r < 4 * chips; ++r)
    for (int c = 0; c < 6; ++c) in[static_cast<std::size_t>(r * 6 + c)] = number(0, r, from * 6 + c);
  const Strided tensor[] = {{1, 4 * 6, in.data(), out.data(), 6}};
  collectives.run(schedule_of(Op::all_to_all, ScheduleName::direct, mesh.torus(), group, mesh.coord()), tensor, counts);
  for (int r = 0; r < 4; ++r)
    for (int c = 0; c < 6 * chips; ++c) CHECK(out[static_cast<std::size_t>(r * 6 * chips + c)] == number(0, to * 4 + r, c));
}

inline void reduce_numbers(const Mesh& mesh, const AxisStack& group, ScheduleName schedule, std::int64_t elements,
                           LinkCounts& counts) {
  Collectives collectives(mesh);
  const int chips = mesh.torus().size(group), own = block_of(mesh.torus(), group, mesh.coord());
  std::vector<float> in(static_cast<std::size_t>(elements)), out(in.size());
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>((1 + own) * static_cast<int>(i + 1));
  const Strided tensor[] = {{1, elements, in.data(), out.data()}};
  collectives.run(schedule_of(Op::all_reduce, schedule, mesh.torus(), group, mesh.coord()), tensor, counts);
  for (std::size_t i = 0; i < in.size(); ++i)
    CHECK(out[i] == static_cast<float>(chips * (chips + 1) / 2 * static_cast<int>(i + 1)));
}

}  // namespace tsrun::test
