// The algebra of partitions: what each collective makes of one, what it refuses, and which indices a chip holds.
#include "tsrun/layout/partition.hpp"

#include <doctest/doctest.h>

#include <stdexcept>
#include <vector>

#include "every.hpp"

using namespace tsrun;
using namespace tsrun::test;

namespace {

constexpr Axis x = Axis::x, y = Axis::y, z = Axis::z;

// Every partition of B, L and E that the notation can write.
std::vector<Partition> every_partition() {
  std::vector<Partition> all;
  for (const AxisStack& b : every_stack())
    for (const AxisStack& l : every_stack())
      for (const AxisStack& e : every_stack()) {
        if (!(b.set() & l.set()).empty() || !((b.set() | l.set()) & e.set()).empty()) continue;
        const AxisSet cut = b.set() | l.set() | e.set();
        for (const AxisSet partial : every_set())
          if ((partial & cut).empty())
            all.push_back(Partition("BLE").with(Dim::B, b).with(Dim::L, l).with(Dim::E, e).with_partial(partial));
      }
  return all;
}

}  // namespace

TEST_CASE("what is printed is parsed to the same partition") {
  const auto all = every_partition();
  CHECK(all.size() == 8 + 36 + 72 + 60);  // none, one, two, three axes cut, and any sum over those left
  for (const Partition& p : all) CHECK(Partition::parse(to_text(p)) == p);
  for (const char* const text :
       {"BLE_xzy", "E_xF_zy", "BLF_zy (partialsum-x)", "B_xLE_zy", "BLE (partialsum-xyz)", "V_zyxE", "PJQ"})
    CHECK(to_text(Partition::parse(text)) == text);
}

TEST_CASE("a partial sum is a set: its axes are printed in one order") {
  CHECK("BLE (partialsum-zy)"_p == "BLE (partialsum-yz)"_p);
  CHECK(to_text("BLE (partialsum-zxy)"_p) == "BLE (partialsum-xyz)");
}

TEST_CASE("an order of axes is part of a partition") {
  CHECK("BLE_xy"_p != "BLE_yx"_p);
  CHECK("B_xL"_p != "BL_x"_p);
  CHECK("BL"_p != "LB"_p);
  CHECK("BL"_p != "BL (partialsum-x)"_p);
}

TEST_CASE("text that is no partition is refused") {
  for (const char* const text : {"",
                                 " ",
                                 "x",
                                 "_x",
                                 "A",
                                 "ble",
                                 "BB",
                                 "BLEFH",
                                 "B_",
                                 "B_L",
                                 "BLE_",
                                 "BLE_w",
                                 "BLE_X",
                                 "BLE_xx",
                                 "BLE_xyzx",
                                 "B_xL_x",
                                 "BLE__x",
                                 "BLE-x",
                                 "BLE x",
                                 "BLE ",
                                 "(partialsum-x)",
                                 " (partialsum-x)",
                                 "BLE(partialsum-x)",
                                 "BLE (partialsum-)",
                                 "BLE (partialsum-xx)",
                                 "BLE (partialsum-w)",
                                 "BLE (partialsum-x",
                                 "BLE (partialsum-x) ",
                                 "BLE (sum-x)",
                                 "BLE (partialsum",
                                 "BLE (",
                                 "BLE_x (partialsum-x)",
                                 "BLE (partialsum-x) (partialsum-y)"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(Partition::parse(text), std::logic_error);
  }
}

TEST_CASE("accessors tell dimensions, axes and what is used") {
  constexpr Partition p = "B_xLE_z (partialsum-y)"_p;
  CHECK(p.dims() == 3);
  CHECK(p[1].dim == Dim::L);
  CHECK(p.find(Dim::E) == 2);
  CHECK(p.find(Dim::F) == -1);
  CHECK(p.has(Dim::B));
  CHECK_FALSE(p.has(Dim::F));
  CHECK(p.axes(Dim::E) == AxisStack{z});
  CHECK(p.axes(Dim::L).empty());
  CHECK(p.partial() == AxisSet{y});
  CHECK(p.used() == axes_xyz);
  CHECK_THROWS_AS(static_cast<void>(p.axes(Dim::F)), std::logic_error);
  CHECK("BL"_p.then({Dim::E, {z, y}}) == "BLE_zy"_p);
  CHECK_THROWS_AS("BL_z"_p.then({Dim::E, {z}}), std::logic_error);
  CHECK_THROWS_AS("BL"_p.then({Dim::L, {}}), std::logic_error);
  CHECK_THROWS_AS("BLEF"_p.then({Dim::H, {}}), std::logic_error);
  CHECK_THROWS_AS("BL_z"_p.with(Dim::B, {z}), std::logic_error);
  CHECK_THROWS_AS("BL_z"_p.with_partial({z}), std::logic_error);
}

TEST_CASE("all_gather pops the minor axis, and no other") {
  CHECK("BLF_zyx"_p.all_gather(x, Dim::F) == "BLF_zy"_p);
  CHECK("B_xLF_zy"_p.all_gather(x, Dim::B) == "BLF_zy"_p);
  CHECK("BLF_x (partialsum-y)"_p.all_gather(x, Dim::F) == "BLF (partialsum-y)"_p);
  CHECK_THROWS_AS("BLF_zyx"_p.all_gather(y, Dim::F), std::logic_error);
  CHECK_THROWS_AS("BLF_zyx"_p.all_gather(z, Dim::F), std::logic_error);
  CHECK_THROWS_AS("BLF_zy"_p.all_gather(x, Dim::F), std::logic_error);
  CHECK_THROWS_AS("BLF"_p.all_gather(x, Dim::F), std::logic_error);
  CHECK_THROWS_AS("BLF_x"_p.all_gather(x, Dim::B), std::logic_error);
  CHECK_THROWS_AS("BLF_x"_p.all_gather(x, Dim::E), std::logic_error);
}

TEST_CASE("reduce_scatter takes an axis from the partial sum and pushes it at the minor end") {
  CHECK("BLF_zy (partialsum-x)"_p.reduce_scatter(x, Dim::F) == "BLF_zyx"_p);
  CHECK("BLE_x (partialsum-yz)"_p.reduce_scatter(z, Dim::E) == "BLE_xz (partialsum-y)"_p);
  CHECK("BLE (partialsum-x)"_p.reduce_scatter(x, Dim::B) == "B_xLE"_p);
  CHECK_THROWS_AS("BLF_zy"_p.reduce_scatter(x, Dim::F), std::logic_error);
  CHECK_THROWS_AS("BLF_z (partialsum-x)"_p.reduce_scatter(y, Dim::F), std::logic_error);
  CHECK_THROWS_AS("BLF_zy (partialsum-x)"_p.reduce_scatter(x, Dim::E), std::logic_error);
}

TEST_CASE("all_reduce takes an axis from the partial sum") {
  CHECK("BL (partialsum-xy)"_p.all_reduce(x) == "BL (partialsum-y)"_p);
  CHECK_THROWS_AS("BL (partialsum-x)"_p.all_reduce(y), std::logic_error);
  CHECK_THROWS_AS("BL_x"_p.all_reduce(x), std::logic_error);
}

TEST_CASE("all_to_all pops one dimension and pushes on another") {
  CHECK("BLH_zyx"_p.all_to_all(x, Dim::H, Dim::B) == "B_xLH_zy"_p);
  CHECK("B_xLH_zy"_p.all_to_all(y, Dim::H, Dim::B) == "B_xyLH_z"_p);
  CHECK_THROWS_AS("BLH_zyx"_p.all_to_all(z, Dim::H, Dim::B), std::logic_error);
  CHECK_THROWS_AS("BLH_zyx"_p.all_to_all(x, Dim::B, Dim::H), std::logic_error);
  CHECK_THROWS_AS("BLH_zyx"_p.all_to_all(x, Dim::H, Dim::E), std::logic_error);
}

TEST_CASE("slice pushes where the tensor is replicated") {
  CHECK("BLE_zy"_p.slice(x, Dim::B) == "B_xLE_zy"_p);
  CHECK_THROWS_AS("BLE_zy"_p.slice(y, Dim::B), std::logic_error);
  CHECK_THROWS_AS("BLE (partialsum-x)"_p.slice(x, Dim::E), std::logic_error);
}

TEST_CASE("collectives undo each other on every partition") {
  for (const Partition& p : every_partition())
    for (const Axis a : all_axes)
      for (const Dim d : {Dim::B, Dim::L, Dim::E}) {
        if (p.used().has(a)) {
          CHECK_THROWS_AS(static_cast<void>(p.slice(a, d)), std::logic_error);
        } else {
          CHECK(p.slice(a, d).all_gather(a, d) == p);
          const Partition summand = p.with_partial(p.partial().with(a));
          CHECK(summand.reduce_scatter(a, d).all_gather(a, d) == summand.all_reduce(a));
          CHECK(p.slice(a, d).all_to_all(a, d, Dim::E).all_to_all(a, Dim::E, d) == p.slice(a, d));
        }
      }
}

TEST_CASE("matmul makes partial sums of the contracted axes") {
  CHECK(matmul("BLE_x"_p, "E_xF_zy"_p) == "BLF_zy (partialsum-x)"_p);
  CHECK(matmul("BLF_zyx"_p, "F_zyxE"_p) == "BLE (partialsum-xyz)"_p);
  CHECK(matmul("BLE"_p, "EF_zyx"_p) == "BLF_zyx"_p);
  CHECK(matmul("B_xLHQ"_p, "HQE_zy"_p) == "B_xLE_zy"_p);  // two dimensions at once
  CHECK(matmul("BLH_zQ_y"_p, "H_zQ_yE_x"_p) == "BLE_x (partialsum-yz)"_p);
  CHECK_THROWS_AS(matmul("BLE_x"_p, "E_yF"_p), std::logic_error);
  CHECK_THROWS_AS(matmul("BLE_xy"_p, "E_yxF"_p), std::logic_error);  // the order counts
  CHECK_THROWS_AS(matmul("BLE_x"_p, "EF"_p), std::logic_error);
  CHECK_THROWS_AS(matmul("B_xLE"_p, "EF_x"_p), std::logic_error);  // x would cut the result twice
  CHECK_THROWS_AS(matmul("B_xLE_y"_p, "E_yF_x"_p), std::logic_error);
  CHECK_THROWS_AS(matmul("BLE (partialsum-x)"_p, "EF"_p), std::logic_error);  // not linear in a sum and a product
  CHECK_THROWS_AS(matmul("BLE"_p, "EF (partialsum-x)"_p), std::logic_error);
  CHECK_THROWS_AS(matmul("BLHE"_p, "EFV"_p), std::logic_error);  // five dimensions
}

TEST_CASE("the 2D feed-forward, step by step") {
  Partition p = "BLE_xzy"_p;
  p = p.all_gather(y, Dim::E).all_gather(z, Dim::E);
  CHECK(p == "BLE_x"_p);
  CHECK(Partition("BLT").with_partial(p.axes(Dim::E).set()).all_reduce(x) == "BLT"_p);  // the norm's statistics
  p = matmul(p, "E_xF_zy"_p);
  CHECK(p == "BLF_zy (partialsum-x)"_p);
  p = p.reduce_scatter(x, Dim::F);
  CHECK(p == "BLF_zyx"_p);
  p = p.all_gather(x, Dim::F);
  CHECK(p == "BLF_zy"_p);
  p = matmul(p, "F_zyE_x"_p);
  CHECK(p == "BLE_x (partialsum-yz)"_p);
  p = p.reduce_scatter(z, Dim::E).reduce_scatter(y, Dim::E);
  CHECK(p == "BLE_xzy"_p);
}

TEST_CASE("the 2D feed-forward is one constant expression") {
  constexpr Partition gathered = "BLE_xzy"_p.all_gather(Axis::y, Dim::E).all_gather(Axis::z, Dim::E);
  constexpr Partition hidden = matmul(gathered, "E_xF_zy"_p).reduce_scatter(Axis::x, Dim::F);
  static_assert(hidden == "BLF_zyx"_p);
  constexpr Partition out = matmul(hidden.all_gather(Axis::x, Dim::F), "F_zyE_x"_p);
  static_assert(out.reduce_scatter(Axis::z, Dim::E).reduce_scatter(Axis::y, Dim::E) == "BLE_xzy"_p);
  CHECK(out == "BLE_x (partialsum-yz)"_p);
}

TEST_CASE("the shards of all chips cover a dimension once per replica") {
  for (const Torus& torus : some_tori())
    for (const AxisStack& stack : every_stack()) {
      const int cut = torus.size(stack);
      const std::int64_t size = 3 * cut;
      std::vector<int> holders(static_cast<std::size_t>(size));
      for (int rank = 0; rank < torus.size(); ++rank) {
        const Range mine = shard(torus, stack, coord_of(torus, rank), size);
        CHECK(mine.size() == 3);
        for (std::int64_t i = mine.begin; i < mine.end; ++i) ++holders[static_cast<std::size_t>(i)];
      }
      CAPTURE(to_text(torus));
      CAPTURE(to_text(stack));
      CHECK(holders == std::vector<int>(static_cast<std::size_t>(size), torus.size() / cut));
    }
}

TEST_CASE("a pushed axis cuts the block that was held before") {
  for (const Torus& torus : some_tori())
    for (const AxisStack& stack : every_stack())
      for (const Axis a : all_axes) {
        if (stack.set().has(a)) continue;
        AxisStack pushed = stack;
        pushed.push(a);
        const std::int64_t size = 2 * torus.size(pushed);
        for (int rank = 0; rank < torus.size(); ++rank) {
          const Coord chip = coord_of(torus, rank);
          const Range before = shard(torus, stack, chip, size), after = shard(torus, pushed, chip, size);
          CHECK(after.begin == before.begin + chip.at(a) * after.size());
          CHECK(after.end <= before.end);
        }
      }
}

TEST_CASE("the major axis chooses the large block") {
  const Torus torus{2, 3, 4};
  CHECK(shard(torus, {z, y}, {1, 2, 3}, 24) == Range{2 * (3 * 3 + 2), 2 * (3 * 3 + 2) + 2});
  CHECK(shard(torus, {y, z}, {1, 2, 3}, 24) == Range{2 * (2 * 4 + 3), 2 * (2 * 4 + 3) + 2});
  CHECK(shard(torus, {}, {1, 2, 3}, 24) == Range{0, 24});
  CHECK_THROWS_AS(shard(torus, {z, y}, {}, 13), std::logic_error);
}
