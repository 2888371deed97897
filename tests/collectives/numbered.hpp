// Tensors whose elements tell where they come from, and the tori that a number of ranks can form.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tsrun/collectives/collectives.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun::test {

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

// Every schedule that serves this kind of collective.
template <class Visit>
void each_schedule(Op collective, Visit visit) {
  for (int s = 0; s <= static_cast<int>(last_schedule); ++s)
    if (const auto schedule = static_cast<ScheduleName>(s); serves(schedule, collective)) visit(schedule);
}

// A wrong element says what it is instead: `number` taken apart.
inline std::string whose(float value, std::int64_t width) {
  const auto n = static_cast<std::int64_t>(value);
  return n < 0 ? "nobody's" : text("row ", n / 1000 % 100, " column ", n % 1000, " of tensor ", n / 100000, ", from chip ", n % 1000 / width);
}

inline void gather_numbers(const Mesh& mesh, const AxisStack& group, ScheduleName schedule, LinkCounts& counts) {
  Collectives collectives(mesh);
  Pair p(mesh, group);
  for (int t = 0; t < 2; ++t)
    for (std::int64_t r = 0; r < Pair::rows[t]; ++r)
      for (std::int64_t c = 0; c < Pair::width[t]; ++c) p.at_block(t, r, c) = number(t, r, p.own * Pair::width[t] + c);
  const Strided tensors[] = {{3, 5, p.block[0].data(), p.whole[0].data()}, {2, 4, p.block[1].data(), p.whole[1].data()}};
  collectives.run(schedule_of(Op::all_gather, schedule, mesh.torus(), group, mesh.coord()), tensors, counts);
  for (int t = 0; t < 2; ++t)
    for (std::int64_t r = 0; r < Pair::rows[t]; ++r)
      for (std::int64_t c = 0; c < Pair::width[t] * p.chips; ++c)
        CHECK_MESSAGE(p.at_whole(t, r, c) == number(t, r, c), whose(number(t, r, c), Pair::width[t]), " is ",
                      whose(p.at_whole(t, r, c), Pair::width[t]));
}

// What a chip's addend is multiplied by: up to eight chips by its own bit, so that a sum tells who is in it.
inline float share(int chip, int chips) { return static_cast<float>(chips <= 8 ? 1 << chip : 1 + chip); }
inline float shares(int chips) { return static_cast<float>(chips <= 8 ? (1 << chips) - 1 : chips * (chips + 1) / 2); }
inline std::string addends_in(float sum, float one, int chips) {
  std::string who;
  const float times = sum / one;
  for (int chip = 0; chip < chips && chips <= 8; ++chip)
    if (static_cast<int>(times) >> chip & 1) who += text(" ", chip);
  return text(times, " times its number instead of ", shares(chips), "; addends of chips", who);
}

// Every chip adds its share of the element's own number.
inline void scatter_numbers(const Mesh& mesh, const AxisStack& group, ScheduleName schedule, LinkCounts& counts) {
  Collectives collectives(mesh);
  Pair p(mesh, group);
  for (int t = 0; t < 2; ++t)
    for (std::int64_t r = 0; r < Pair::rows[t]; ++r)
      for (std::int64_t c = 0; c < Pair::width[t] * p.chips; ++c) p.at_whole(t, r, c) = share(p.own, p.chips) * number(0, r + 1, c);
  const Strided tensors[] = {{3, 5, p.whole[0].data(), p.block[0].data()}, {2, 4, p.whole[1].data(), p.block[1].data()}};
  collectives.run(schedule_of(Op::reduce_scatter, schedule, mesh.torus(), group, mesh.coord()), tensors, counts);
  for (int t = 0; t < 2; ++t)
    for (std::int64_t r = 0; r < Pair::rows[t]; ++r)
      for (std::int64_t c = 0; c < Pair::width[t]; ++c) {
        const float one = number(0, r + 1, p.own * Pair::width[t] + c);
        CHECK_MESSAGE(p.at_block(t, r, c) == shares(p.chips) * one, addends_in(p.at_block(t, r, c), one, p.chips));
      }
}

// The same for one tensor whose blocks lie one after the other, in memory that is given up for the sums.
inline void scatter_in_place(const Mesh& mesh, const AxisStack& group, ScheduleName schedule, int width,
                             LinkCounts& counts) {
  Collectives collectives(mesh);
  const int chips = mesh.torus().size(group), own = block_of(mesh.torus(), group, mesh.coord());
  std::vector<float> in, out(static_cast<std::size_t>(width), -1);
  const auto one_at = [](int column) { return number(0, 1, column % 1000); };
  for (int c = 0; c < width * chips; ++c) in.push_back(share(own, chips) * one_at(c));
  const Strided tensor[] = {{.width = width, .in = in.data(), .out = out.data(), .spends_in = true}};
  collectives.run(schedule_of(Op::reduce_scatter, schedule, mesh.torus(), group, mesh.coord()), tensor, counts);
  for (int c = 0; c < width; ++c) {
    const float one = one_at(own * width + c), got = out[static_cast<std::size_t>(c)];
    if (got != shares(chips) * one) FAIL_CHECK("column ", c, ": ", addends_in(got, one, chips));
  }
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
inline void exchange_numbers(const Mesh& mesh, const AxisStack& group, ScheduleName schedule, LinkCounts& counts) {
  Collectives collectives(mesh);
  const int chips = mesh.torus().size(group), to = block_of(mesh.torus(), group, mesh.coord());
  const int from = block_of(mesh.torus(), group.reversed(), mesh.coord());
  std::vector<float> in(static_cast<std::size_t>(4 * chips * 3 * 2)), out(in.size(), -1);
  for (int r = 0; r < 4 * chips; ++r)
    for (int c = 0; c < 6; ++c) in[static_cast<std::size_t>(r * 6 + c)] = number(0, r, from * 6 + c);
  const Strided tensor[] = {{1, 4 * 6, in.data(), out.data(), 6}};
  collectives.run(schedule_of(Op::all_to_all, schedule, mesh.torus(), group, mesh.coord()), tensor, counts);
  for (int r = 0; r < 4; ++r)
    for (int c = 0; c < 6 * chips; ++c) {
      const float got = out[static_cast<std::size_t>(r * 6 * chips + c)];
      CHECK_MESSAGE(got == number(0, to * 4 + r, c), whose(number(0, to * 4 + r, c), 6), " is ", whose(got, 6));
    }
}

inline void reduce_numbers(const Mesh& mesh, const AxisStack& group, ScheduleName schedule, std::int64_t elements,
                           LinkCounts& counts) {
  Collectives collectives(mesh);
  const int chips = mesh.torus().size(group), own = block_of(mesh.torus(), group, mesh.coord());
  std::vector<float> in(static_cast<std::size_t>(elements + 3)), out(in.size());
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = share(own, chips) * static_cast<float>(i + 1);
  const Strided tensor[] = {{1, elements, in.data(), out.data()}, {1, 3, in.data() + elements, out.data() + elements}};
  collectives.run(schedule_of(Op::all_reduce, schedule, mesh.torus(), group, mesh.coord()), tensor, counts);
  for (std::size_t i = 0; i < in.size(); ++i)
    CHECK_MESSAGE(out[i] == shares(chips) * static_cast<float>(i + 1), addends_in(out[i], static_cast<float>(i + 1), chips));
}

}  // namespace tsrun::test
