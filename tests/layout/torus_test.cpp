// The torus, its ranks and coordinates, and the choice of a torus for a number of chips.
#include "tsrun/layout/torus.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <set>
#include <vector>

#include "every.hpp"

using namespace tsrun;
using namespace tsrun::test;

TEST_CASE("stacks and sets") {
  CHECK(every_set().size() == 8);
  CHECK(every_stack().size() == 16);
  AxisStack stack{Axis::z, Axis::x};
  CHECK(stack.minor() == Axis::x);
  CHECK(stack[0] == Axis::z);
  CHECK(to_text(stack) == "zx");
  CHECK(to_text(stack.set()) == "xz");
  CHECK(stack.reversed() == AxisStack{Axis::x, Axis::z});
  CHECK(stack.only({Axis::x, Axis::y}) == AxisStack{Axis::x});
  CHECK_THROWS_AS(stack.push(Axis::z), std::logic_error);
  stack.pop();
  CHECK(stack == AxisStack{Axis::z});  // what was popped leaves no trace in the comparison
  stack.pop();
  CHECK(stack == AxisStack{});
  CHECK_THROWS_AS(stack.pop(), std::logic_error);
  for (const AxisStack& s : every_stack()) CHECK(s.reversed().reversed() == s);
  for (const AxisSet a : every_set())
    for (const AxisSet b : every_set()) {
      CHECK((a - b) == (a & (axes_xyz - b)));
      CHECK((a | b).contains(a));
      CHECK(a.contains(b) == ((a & b) == b));
      for (const Axis axis : all_axes) CHECK((a | b).has(axis) == (a.has(axis) || b.has(axis)));
    }
  CHECK(axes_xyz.without(Axis::y) == AxisSet{Axis::x, Axis::z});
}

TEST_CASE("rank and coordinates are two names of a chip") {
  for (const Torus& torus : some_tori())
    for (int rank = 0; rank < torus.size(); ++rank) CHECK(rank_of(torus, coord_of(torus, rank)) == rank);
  CHECK(rank_of({2, 3, 4}, {1, 2, 3}) == (1 * 3 + 2) * 4 + 3);
}

TEST_CASE("walking around an axis comes back, and plus undoes minus") {
  for (const Torus& torus : some_tori())
    for (int rank = 0; rank < torus.size(); ++rank)
      for (const Axis a : all_axes) {
        const Coord chip = coord_of(torus, rank);
        CHECK(shifted(torus, chip, a, Direction::plus, torus.size(a)) == chip);
        for (const Direction d : {Direction::plus, Direction::minus})
          for (const int hops : {0, 1, 2, 9})
            CHECK(shifted(torus, shifted(torus, chip, a, d, hops), a, opposite(d), hops) == chip);
      }
  CHECK(shifted({4, 1, 1}, {3, 0, 0}, Axis::x, Direction::plus) == Coord{0, 0, 0});
}

TEST_CASE("the blocks of a stack are numbered once over the chips along it") {
  for (const Torus& torus : some_tori())
    for (const AxisStack& stack : every_stack()) {
      std::multiset<int> blocks;
      for (int rank = 0; rank < torus.size(); ++rank) blocks.insert(block_of(torus, stack, coord_of(torus, rank)));
      const int cut = torus.size(stack);
      for (int block = 0; block < cut; ++block)
        CHECK(blocks.count(block) == static_cast<std::size_t>(torus.size() / cut));
      for (int rank = 0; rank < torus.size(); ++rank) {
        const Coord chip = coord_of(torus, rank);
        CHECK(chip_of(torus, stack, block_of(torus, stack, chip), chip) == chip);
      }
    }
  CHECK(chip_of({2, 3, 4}, {Axis::z, Axis::x}, 3 * 2 + 1) == Coord{1, 0, 3});
}

TEST_CASE("the links between two chips are a shortest way, and lead there") {
  for (const Torus& torus : some_tori())
    for (int from = 0; from < torus.size(); ++from)
      for (int to = 0; to < torus.size(); ++to)
        for (const Axis a : all_axes) {
          const Coord chip = coord_of(torus, from), other = coord_of(torus, to);
          const int links = links_between(torus, a, chip, other);
          CHECK(2 * std::abs(links) <= torus.size(a));
          CHECK(shifted(torus, chip, a, Direction::plus, links).at(a) == other.at(a));
        }
  CHECK(links_between({4, 1, 1}, Axis::x, {3, 0, 0}, {1, 0, 0}) == 2);  // plus where both ways are as long
}

TEST_CASE("only axes of more than one chip cut") {
  CHECK(Torus{2, 1, 3}.cutting_axes() == AxisSet{Axis::x, Axis::z});
  CHECK(Torus{1, 1, 1}.cutting_axes().empty());
}

TEST_CASE("a mesh is written as it is read, and nothing else is read") {
  for (const Torus& torus : some_tori()) CHECK(parse_torus(to_text(torus)) == torus);
  for (const char* const text :
       {"", "2", "2x2", "2x2x2x2", "2x2x", "x2x2", "0x1x1", "-1x1x1", "2x2x2 ", " 2x2x2", "2X2X2", "2x 2x2", "2,2,2",
        "99999999999x1x1", "4097x1x1", "64x64x17", "4096x4096x4096", "auto", "axbxc", "+2x2x2"}) {
    CAPTURE(text);
    try {
      parse_torus(text);
      FAIL("accepted");
    } catch (const Error& error) {
      CHECK(error.exit() == Exit::request);
      CHECK(std::string(error.what()).find("--mesh") != std::string::npos);
    }
  }
}
