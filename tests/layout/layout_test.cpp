// Layouts: every preset's name, sets and stacks, and the words that are none.
#include "tsrun/layout/layout.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace tsrun;

namespace {

constexpr AxisSet none{};
constexpr AxisSet only_x{Axis::x};
constexpr AxisSet only_xy{Axis::x, Axis::y};

struct Named {
  const char* name;
  AxisSet first;
  AxisSet second;
};
constexpr Named ffns[] = {{"ws1d", none, none},        {"ws2d", only_x, none},       {"wg_x", only_x, only_x},
                          {"wg_xy", only_x, only_xy},  {"wg_xyz", only_x, axes_xyz}, {"wg_x@1d", none, only_x},
                          {"wg_xy@1d", none, only_xy}, {"wg_xyz@1d", none, axes_xyz}};
constexpr Named attentions[] = {
    {"head", none, none}, {"batch_x", only_x, none}, {"batch_xy", only_xy, none}, {"batch", axes_xyz, none}};

}  // namespace

TEST_CASE("every layout's name is parsed to its sets and printed again") {
  for (const Named& ffn : ffns)
    for (const Named& attention : attentions) {
      const std::string name = std::string(ffn.name) + "/" + attention.name;
      const Layout layout = parse_layout(name);
      CHECK(layout == Layout{ffn.first, ffn.second, attention.first});
      CHECK(to_text(layout) == name);
      CHECK(ffn_name(layout) == ffn.name);
      CHECK(attention_name(layout) == attention.name);
    }
}

TEST_CASE("the stored axes cover the torus, E and F in the reverse of the order") {
  for (const Named& ffn : ffns) {
    const Layout layout = parse_layout(std::string(ffn.name) + "/head");
    CHECK((layout.stored_E | layout.stored_F()) == axes_xyz);
    CHECK((layout.stored_E & layout.stored_F()).empty());
    CHECK(layout.weight_E().set() == layout.stored_E);
    CHECK(layout.weight_F().set() == layout.stored_F());
    CHECK((layout.cut_E() | layout.cut_F()) == axes_xyz - layout.gathered);
  }
  CHECK(to_text(parse_layout("ws1d/head").weight_F()) == "zyx");
  CHECK(to_text(parse_layout("ws2d/head").weight_F()) == "zy");
  CHECK(to_text(parse_layout("ws2d/head").weight_E()) == "x");
  CHECK(to_text(parse_layout("wg_xy/head").cut_F()) == "z");
  CHECK(parse_layout("wg_xyz/batch").cut_F().empty());
}

TEST_CASE("other words are refused, and the message names those that exist") {
  for (const char* const words : {"", "/", "ws2d", "ws2d/", "/head", "ws3d/head", "ws2d/heads", "ws2d/head/head",
                                  "WS2D/head", "ws2d@1d/head", "wg_y/head", "ws2d/batch_y", " ws2d/head"}) {
    CAPTURE(words);
    try {
      parse_layout(words);
      FAIL("accepted");
    } catch (const Error& error) {
      CHECK(error.exit() == Exit::request);
      const std::string what = error.what();
      CHECK((what.find("ws2d/head") != std::string::npos || what.find("choose one of") != std::string::npos));
    }
  }
}
