// Texts by their beginnings: which of them a text begins with at a place.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace tsrun {

class Trie {
 public:
  using Entry = std::pair<std::string_view, std::int32_t>;  // a text, not empty, and its value

  // Of texts that differ; they may go afterwards.
  explicit Trie(std::vector<Entry> entries = {});

  // Calls found(length, value) for each text that stands at text[at..], the shortest first.
  template <class Found>
  void match(std::string_view text, std::size_t at, const Found& found) const {
    std::int32_t node = root_[static_cast<unsigned char>(text[at])];
    for (std::size_t i = at; node >= 0;) {
      ++i;
      if (value_of(node) >= 0) found(i - at, value_of(node));
      node = i < text.size() ? child(node, text[i]) : -1;
    }
  }

 private:
  struct Node {
    std::int32_t value = -1;
    std::int32_t first_child = 0;
    std::int32_t children = 0;
    unsigned char byte = 0;
  };
  std::int32_t value_of(std::int32_t node) const { return nodes_[static_cast<std::size_t>(node)].value; }
  std::int32_t child(std::int32_t node, char byte) const;

  std::vector<Node> nodes_;  // children of one node stand together, by byte
  std::array<std::int32_t, 256> root_;
};

}  // namespace tsrun
