#include "tsrun/layout/layout.hpp"

#include <utility>

#include "tsrun/core/text.hpp"

namespace tsrun {
namespace {

struct Ffn {
  std::string_view name;
  AxisSet stored_E;
  AxisSet gathered;
};
struct Attention {
  std::string_view name;
  AxisSet batch;
};

constexpr AxisSet axes_x{Axis::x};
constexpr AxisSet axes_xy{Axis::x, Axis::y};

constexpr Ffn ffns[] = {
    {"ws1d", {}, {}},           {"ws2d", axes_x, {}},         {"wg_x", axes_x, axes_x},
    {"wg_xy", axes_x, axes_xy}, {"wg_xyz", axes_x, axes_xyz}, {"wg_x@1d", {}, axes_x},
    {"wg_xy@1d", {}, axes_xy},  {"wg_xyz@1d", {}, axes_xyz},
};
constexpr Attention attentions[] = {{"head", {}}, {"batch", axes_xyz}, {"batch_x", axes_x}, {"batch_xy", axes_xy}};

// For a name that ends in a set of axes, such as "wg_yz": the one with as many, taken in their order. Empty for others.
std::string with_axes_in_order(std::string_view word) {
  constexpr std::string_view order = "xyz";
  const std::size_t end = word.find_last_not_of(order) + 1, axes = word.size() - end;
  if (axes == 0 || axes > order.size() || !word.substr(0, end).ends_with('_')) return "";
  const std::string in_order = text(word.substr(0, end), order.substr(0, axes));
  return in_order == "batch_xyz" ? "batch" : in_order;
}

template <class Entry, std::size_t n>
const Entry& named(const Entry (&table)[n], std::string_view word, std::string_view part) {
  std::string known, nearest = with_axes_in_order(word);
  bool nearest_is_known = false;
  for (const Entry& entry : table) {
    if (entry.name == word) return entry;
    known += (known.empty() ? "" : " ") + std::string(entry.name);
    nearest_is_known = nearest_is_known || entry.name == nearest;
  }
  Complaint complaint{.what = text("\"", word, "\" is not a ", part, " layout"),
                      .where = "--layout",
                      .next = "choose one of: " + known};
  if (nearest_is_known) {
    complaint.what += ": axes are taken in the order x, y, z";
    complaint.next = text("the nearest is ", nearest, ", on a --mesh whose first sizes are those you want; or ",
                          complaint.next);
  }
  refuse(std::move(complaint));
}

}  // namespace

Layout parse_layout(std::string_view words) {
  const std::size_t slash = words.find('/');
  if (slash == std::string_view::npos)
    refuse({.what = text("\"", words, "\" is not a layout"),
            .where = "--layout",
            .next = "write FFN/ATTENTION, for example ws2d/head"});
  const Ffn& f = named(ffns, words.substr(0, slash), "feed-forward");
  const Attention& a = named(attentions, words.substr(slash + 1), "attention");
  return {f.stored_E, f.gathered, a.batch};
}

std::vector<Layout> named_layouts() {
  std::vector<Layout> all;
  for (const Ffn& f : ffns)
    for (const Attention& a : attentions) all.push_back({f.stored_E, f.gathered, a.batch});
  return all;
}

std::string ffn_name(const Layout& layout) {
  for (const Ffn& f : ffns)
    if (f.stored_E == layout.stored_E && f.gathered == layout.gathered) return std::string(f.name);
  return text("A=", to_text(layout.stored_E), ",G=", to_text(layout.gathered));
}

std::string attention_name(const Layout& layout) {
  for (const Attention& a : attentions)
    if (a.batch == layout.batch) return std::string(a.name);
  return "batch_" + to_text(layout.batch);
}

std::string to_text(const Layout& layout) { return ffn_name(layout) + "/" + attention_name(layout); }

}  // namespace tsrun
