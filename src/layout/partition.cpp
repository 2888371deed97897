#include "tsrun/layout/partition.hpp"

namespace tsrun {

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
