#include "tsrun/store/crc32c.hpp"

#include <isa-l/crc.h>

#include <algorithm>

namespace tsrun {

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t before) {
  // ISA-L leaves the inversions before and after to the caller, takes an int, and does not write to what it reads.
  constexpr std::size_t most = std::size_t{1} << 30;
  std::uint32_t state = ~before;
  while (!bytes.empty()) {
    const std::size_t n = std::min(bytes.size(), most);
    auto* const at = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(bytes.data()));
    state = crc32_iscsi(at, static_cast<int>(n), state);
    bytes = bytes.subspan(n);
  }
  return ~state;
}

}  // namespace tsrun
