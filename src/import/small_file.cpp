#include "small_file.hpp"

#include "words.hpp"

namespace tsrun {

std::string read_small_file(const Bytes& bytes, std::uint64_t longest) {
  if (bytes.size() > longest)
    refuse({.what = "the file is absurdly long for what it is", .where = bytes.name(),
            .numbers = {{"bytes", number(bytes.size())}, {"longest", number(longest)}},
            .next = "the file is damaged; fetch it again"});
  std::string all(static_cast<std::size_t>(bytes.size()), '\0');
  bytes.read(0, std::as_writable_bytes(std::span(all)));
  return all;
}

}  // namespace tsrun
