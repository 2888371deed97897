#include "tsrun/layout/partition.hpp"

namespace tsrun {
namespace {

AxisSet longer_than_one(const Torus& torus) {
  AxisSet s;
  for (const Axis a : all_axes)
    if (torus.size(a) > 1) s = s.with(a);
  return s;
}

}  // namespace

bool same_on(const Torus& torus, const Partition& a, const Partition& b) {
  const AxisSet counted = longer_than_one(torus);
  if (a.dims() != b.dims() || (a.partial() & counted) != (b.partial() & counted)) return false;
  for (int i = 0; i < a.dims(); ++i)
    if (a[i].dim != b[i].dim || a[i].axes.only(counted) != b[i].axes.only(counted)) return false;
  return true;
}

std::string to_text(const Partition& p) {
  std::string out;
  for (int i = 0; i < p.dims(); ++i) {
    out += static_cast<char>(p[i].dim);
    if (!p[i].axes.empty()) out += "_" + to_text(p[i].axes);
  }
  if (!p.partial().empty()) out += " (partialsum-" + to_text(p.partial()) + ")";
  return out;
}

}  // namespace tsrun
