#include "trie.hpp"

#include <algorithm>

namespace tsrun {

// Level by level: the entries below a node are one range of the sorted list.
Trie::Trie(std::vector<Entry> entries) {
  struct Range {
    std::size_t first, last, depth;
    std::int32_t parent;
  };
  root_.fill(-1);
  std::sort(entries.begin(), entries.end());
  std::vector<Range> open = {{0, entries.size(), 0, -1}};
  for (std::size_t r = 0; r < open.size(); ++r) {
    const Range range = open[r];
    std::size_t i = range.first;
    // The text that ends here is the first of its range.
    if (i < range.last && entries[i].first.size() == range.depth) ++i;
    const auto first_child = static_cast<std::int32_t>(nodes_.size());
    while (i < range.last) {
      const char byte = entries[i].first[range.depth];
      std::size_t end = i;
      while (end < range.last && entries[end].first[range.depth] == byte) ++end;
      const auto node = static_cast<std::int32_t>(nodes_.size());
      const bool whole = entries[i].first.size() == range.depth + 1;
      nodes_.push_back({whole ? entries[i].second : -1, 0, 0, static_cast<unsigned char>(byte)});
      if (range.parent < 0) root_[static_cast<unsigned char>(byte)] = node;
      open.push_back({i, end, range.depth + 1, node});
      i = end;
    }
    if (range.parent < 0) continue;
    Node& parent = nodes_[static_cast<std::size_t>(range.parent)];
    parent.first_child = first_child;
    parent.children = static_cast<std::int32_t>(nodes_.size()) - first_child;
  }
}

std::int32_t Trie::child(std::int32_t node, char byte) const {
  const Node& parent = nodes_[static_cast<std::size_t>(node)];
  const auto first = nodes_.begin() + parent.first_child, last = first + parent.children;
  const auto found = std::lower_bound(first, last, static_cast<unsigned char>(byte),
                                      [](const Node& n, unsigned char b) { return n.byte < b; });
  if (found == last || found->byte != static_cast<unsigned char>(byte)) return -1;
  return static_cast<std::int32_t>(found - nodes_.begin());
}

}  // namespace tsrun
