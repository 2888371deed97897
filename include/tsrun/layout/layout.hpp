// A layout is three sets of axes; the paper's names are presets of them.
//
//   A  axes that cut E of the stored weights, E_A F_B; B is the rest of the torus.   ws1d: {}     ws2d: x
//   G  axes over which a phase gathers the weights just before use.                  wg_xy: xy
//   N  axes over which attention is cut by batch; the heads take the rest.           head: {}     batch: xyz
// One order of axes per model load keeps every step a pop or a push at a minor end: A, G and N are prefixes of it.
// Source: paper sections 3.2 and 3.3.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tsrun/layout/axis.hpp"
#include "tsrun/layout/torus.hpp"

namespace tsrun {

// The order, major to minor, in which the batch is cut; E of the residual, F, H, C and V are cut in the reverse.
inline constexpr AxisStack axis_order{Axis::x, Axis::y, Axis::z};

// How the projections of keys and values are stored: cut by columns like every other weight, E_A C_B, or whole over the
// axes of B as the code released with the paper does, E_A C.
enum class KvStorage : std::uint8_t { columns, replicated };

struct Layout {
  AxisSet stored_E{};  // A
  AxisSet gathered{};  // G
  AxisSet batch{};     // N
  // Choices of a load, the same for both phases.
  KvStorage kv = KvStorage::columns;
  int heads_cut = 0;             // query heads are padded to a multiple of this; 0: of all chips
  int quant_group = 1;           // inputs that share a scale: a chip's part of a weight has whole groups of them
  bool q_through_heads = false;  // Q is scattered over heads and then exchanged, as in the paper's figure 5

  constexpr AxisSet stored_F() const { return axes_xyz - stored_E; }  // B

  // Stacks of the stored weights: E_A, and F_B (H, C and V alike).
  constexpr AxisStack weight_E() const { return axis_order.reversed().only(stored_E); }
  constexpr AxisStack weight_F() const { return axis_order.reversed().only(stored_F()); }
  // Stack of the columns of W_k and W_v.
  constexpr AxisStack weight_C() const { return kv == KvStorage::columns ? weight_F() : AxisStack{}; }
  // A' = A \ G and B' = B \ G: what still cuts the weights when they are used.
  constexpr AxisSet cut_E() const { return stored_E - gathered; }
  constexpr AxisSet cut_F() const { return stored_F() - gathered; }

  friend constexpr bool operator==(const Layout&, const Layout&) = default;
};

// "ws2d/head": FFN one of ws1d ws2d wg_x wg_xy wg_xyz (`@1d` after a wg_ name for the 1D storage), attention one of
// head batch batch_x batch_xy. Refuses any other text, and names the ones that exist.
Layout parse_layout(std::string_view text);
std::vector<Layout> named_layouts();              // all that parse_layout knows, in its order
std::string ffn_name(const Layout& layout);        // "ws2d"
std::string attention_name(const Layout& layout);  // "head"
std::string to_text(const Layout& layout);         // "ws2d/head"

}  // namespace tsrun
