// The seal: the last bytes of a model file, behind everything HDF5 knows of. It lists where the tensors' data lies
// and holds one CRC-32C of all other bytes.
//
// HDF5 guards its newest headers with checksums, but not the data of small datasets such as the tokenizer's, and
// damaged files have crashed it. So the seal is checked first, and HDF5 is never shown a damaged byte. With the CRCs of
// the spans every byte of the file is covered once. Other programs do not see the seal; one that changes the file
// removes it, and then tsrun refuses the file.
//
// Layout, little-endian, at byte `body` to the end of the file:
//   {offset u64, bytes u64} of each data extent, ascending, apart
//   "tsrnSEAL", body u64, count u64, version u32, CRC of the outside u32, CRC of the seal up to here u32
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace tsrun {

struct Extent {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::uint64_t end() const { return offset + bytes; }
};

struct Seal {
  std::uint64_t body = 0;     // bytes of the HDF5 file proper
  std::vector<Extent> data;   // the tensors' bytes, which the CRCs of the spans cover
  std::uint32_t outside = 0;  // CRC of all other bytes of the body, in order
  std::uint32_t version = 1;
};

inline constexpr std::uint32_t seal_version = 1;
inline constexpr std::size_t seal_footer_bytes = 36;

// What the data leaves of the body: headers, the tokenizer, gaps.
std::vector<Extent> outside_of(const Seal& seal);

std::vector<std::byte> encode_seal(const Seal& seal);
// Bytes of the whole seal that ends in this footer; nothing if this is no seal, or none of a file of this size.
std::optional<std::uint64_t> seal_size(std::span<const std::byte, seal_footer_bytes> footer, std::uint64_t file_bytes);
// Nothing if the seal itself is damaged, or lists extents that overlap or leave the body. A newer version than
// seal_version is returned with what could be read.
std::optional<Seal> decode_seal(std::span<const std::byte> seal);

}  // namespace tsrun
