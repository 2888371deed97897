#include "tsrun/store/seal.hpp"

#include <bit>
#include <cstring>

#include "tsrun/core/error.hpp"
#include "tsrun/store/crc32c.hpp"

namespace tsrun {
namespace {

static_assert(std::endian::native == std::endian::little, "the file is little-endian and read as it is");
static_assert(sizeof(Extent) == 16);

constexpr std::array<char, 8> magic = {'t', 's', 'r', 'n', 'S', 'E', 'A', 'L'};

struct Footer {
  std::array<char, 8> magic;
  std::uint64_t body;
  std::uint64_t count;
  std::uint32_t version;
  std::uint32_t outside;
  std::uint32_t crc;  // of the table and of this footer up to here
};
constexpr std::size_t before_crc = seal_footer_bytes - sizeof(std::uint32_t);
static_assert(offsetof(Footer, crc) == before_crc);

Footer footer_of(std::span<const std::byte> bytes) {
  Footer f{};
  std::memcpy(&f, bytes.data(), seal_footer_bytes);
  return f;
}

bool inside_and_apart(const Seal& seal) {
  std::uint64_t end = 0;
  for (const Extent& e : seal.data) {
    if (e.offset < end || e.offset > seal.body || e.bytes > seal.body - e.offset) return false;
    end = e.end();
  }
  return true;
}

}  // namespace

std::vector<Extent> outside_of(const Seal& seal) {
  std::vector<Extent> out;
  std::uint64_t end = 0;
  const auto gap_until = [&](std::uint64_t offset) {
    if (offset > end) out.push_back({end, offset - end});
  };
  for (const Extent& e : seal.data) {
    gap_until(e.offset);
    end = e.end();
  }
  gap_until(seal.body);
  return out;
}

std::vector<std::byte> encode_seal(const Seal& seal) {
  check(inside_and_apart(seal), "the extents of a seal are ascending, apart and inside the file");
  const std::size_t table = seal.data.size() * sizeof(Extent);
  std::vector<std::byte> out(table + seal_footer_bytes);
  Footer footer{magic, seal.body, seal.data.size(), seal.version, seal.outside, 0};
  if (table > 0) std::memcpy(out.data(), seal.data.data(), table);
  std::memcpy(out.data() + table, &footer, seal_footer_bytes);
  footer.crc = crc32c(std::span(out).first(table + before_crc));
  std::memcpy(out.data() + table, &footer, seal_footer_bytes);
  return out;
}

std::optional<std::uint64_t> seal_size(std::span<const std::byte, seal_footer_bytes> bytes, std::uint64_t file_bytes) {
  const Footer footer = footer_of(bytes);
  if (footer.magic != magic || file_bytes < seal_footer_bytes) return std::nullopt;
  const std::uint64_t before = file_bytes - seal_footer_bytes;
  if (footer.count > before / sizeof(Extent)) return std::nullopt;
  const std::uint64_t table = footer.count * sizeof(Extent);
  if (footer.body != before - table) return std::nullopt;
  return table + seal_footer_bytes;
}

std::optional<Seal> decode_seal(std::span<const std::byte> bytes) {
  if (bytes.size() < seal_footer_bytes) return std::nullopt;
  const std::size_t table = bytes.size() - seal_footer_bytes;
  const Footer footer = footer_of(bytes.subspan(table));
  if (footer.magic != magic || crc32c(bytes.first(table + before_crc)) != footer.crc) return std::nullopt;
  Seal seal{footer.body, {}, footer.outside, footer.version};
  if (footer.version > seal_version) return seal;
  if (table != footer.count * sizeof(Extent)) return std::nullopt;
  seal.data.resize(footer.count);
  if (table > 0) std::memcpy(seal.data.data(), bytes.data(), table);
  if (!inside_and_apart(seal)) return std::nullopt;
  return seal;
}

}  // namespace tsrun
