#include "sealed_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <vector>

#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/store/crc32c.hpp"

namespace tsrun {
namespace {

// Headers, CRCs and a tokenizer are some MiB; what claims more is not read into memory.
constexpr std::uint64_t most_outside = std::uint64_t{1} << 30;

[[noreturn]] void refuse_file(const std::string& path, std::string what, Numbers numbers = {}, std::string next = {}) {
  refuse({.what = std::move(what), .where = path, .numbers = std::move(numbers), .next = std::move(next)});
}

constexpr const char* convert_it = "tsrun reads its own model files: make one with `tsrun convert`";
constexpr const char* get_it_again = "copy or convert the file again";
constexpr const char* convert_folder = "a Hugging Face folder is converted first: `tsrun convert FOLDER OUT.h5`";
constexpr const char* check_path = "check the path and its rights, or make a model file with `tsrun convert`";

Disk open_regular(const std::string& path, std::uint64_t& bytes) {
  // Not to wait for a writer, should this be a pipe.
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) refuse_file(path, text("cannot open the model file: ", system_words(errno)), {}, check_path);
  Disk disk(descriptor);
  struct stat found {};
  if (fstat(descriptor, &found) != 0)
    refuse_file(path, text("cannot look at the file: ", system_words(errno)), {}, check_path);
  if (S_ISDIR(found.st_mode)) refuse_file(path, "this is a folder, not a model file", {}, convert_folder);
  if (!S_ISREG(found.st_mode)) refuse_file(path, "this is not a regular file", {}, "give the path of a model file");
  bytes = static_cast<std::uint64_t>(found.st_size);
  return disk;
}

// No seal at its end: what is it then?
[[noreturn]] void refuse_unsealed(SealedFile& file, std::uint64_t bytes) {
  std::array<char, 36> head{};
  const std::size_t n = std::min<std::size_t>(head.size(), bytes);
  file.read(0, std::as_writable_bytes(std::span(head)).first(n));
  const std::string_view begin(head.data(), n);
  const Numbers size = {{"bytes", static_cast<std::int64_t>(bytes)}};
  if (begin.starts_with("GGUF")) refuse_file(file.path, "this is a GGUF file", {}, convert_it);
  if (!begin.starts_with("\x89HDF\r\n\x1a\n")) refuse_file(file.path, "this is not an HDF5 file", size, convert_it);
  // Superblock of version 2 or 3 with 8-byte addresses: the end of HDF5's part is its fourth address.
  if (n == head.size() && (begin[8] == 2 || begin[8] == 3) && begin[9] == 8) {
    std::uint64_t end = 0;
    std::memcpy(&end, head.data() + 28, sizeof end);
    if (end > bytes && end < std::uint64_t{1} << 62)
      refuse_file(file.path, "the file is cut off",
                  {size[0], {"bytes of its HDF5 part", static_cast<std::int64_t>(end)}}, get_it_again);
  }
  refuse_file(file.path,
              "the seal at the end is missing or damaged: the file is cut off, was changed by another "
              "program, or is an HDF5 file that tsrun did not write",
              size, text(get_it_again, "; ", convert_it));
}

}  // namespace

void SealedFile::read(std::uint64_t offset, std::span<std::byte> out, const std::string& where) {
  int error = 0;
  const std::size_t n = disk.read(offset, out, error);
  std::atomic_ref(bytes_read) += static_cast<std::int64_t>(n);
  if (n == out.size()) return;
  const Numbers numbers = {{"at byte", static_cast<std::int64_t>(offset)},
                           {"needed", static_cast<std::int64_t>(out.size())},
                           {"read", static_cast<std::int64_t>(n)}};
  if (error != 0)
    broke({.what = text("cannot read: ", system_words(error)),
           .where = where,
           .numbers = numbers,
           .next = "check the disk, then start again"});
  refuse_file(where, "the file became shorter while it was open", numbers, get_it_again);
}

SealedFile open_sealed(std::string path) {
  std::uint64_t bytes = 0;
  SealedFile file;
  file.disk = open_regular(path, bytes);
  file.path = std::move(path);
  if (bytes == 0) refuse_file(file.path, "the file is empty", {}, get_it_again);
  if (bytes < seal_footer_bytes) refuse_unsealed(file, bytes);
  std::array<std::byte, seal_footer_bytes> footer{};
  file.read(bytes - seal_footer_bytes, footer);
  const std::optional<std::uint64_t> size = seal_size(footer, bytes);
  if (!size) refuse_unsealed(file, bytes);
  std::vector<std::byte> encoded(*size);
  file.read(bytes - *size, encoded);
  std::optional<Seal> seal = decode_seal(encoded);
  if (!seal) refuse_unsealed(file, bytes);
  if (seal->version > seal_version)
    refuse_file(file.path, "the file was written by a newer tsrun",
                {{"seal version", static_cast<std::int64_t>(seal->version)},
                 {"known", static_cast<std::int64_t>(seal_version)}},
                "update tsrun, or convert with this one");
  file.seal = std::move(*seal);
  return file;
}

MemoryFile read_outside(SealedFile& file) {
  const std::vector<Extent> gaps = outside_of(file.seal);
  std::uint64_t total = 0;
  for (const Extent& gap : gaps) total += gap.bytes;
  if (total > most_outside)
    refuse_file(file.path, "the file holds too much beside its tensors",
                {{"bytes", static_cast<std::int64_t>(total)}, {"most", static_cast<std::int64_t>(most_outside)}},
                convert_it);
  MemoryFile memory;
  std::vector<std::byte> buffer(std::min<std::uint64_t>(total, std::uint64_t{1} << 20));
  std::uint32_t crc = 0;
  for (const Extent& gap : gaps) {
    for (std::uint64_t at = gap.offset; at < gap.end(); at += buffer.size()) {
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), gap.end() - at));
      const std::span<std::byte> part = std::span(buffer).first(n);
      file.read(at, part);
      crc = crc32c(part, crc);
      memory.write(at, part);
    }
  }
  if (crc != file.seal.outside)
    refuse_file(
        file.path, "the headers or the tokenizer are damaged",
        {{"CRC-32C stored", static_cast<std::int64_t>(file.seal.outside)}, {"found", static_cast<std::int64_t>(crc)}},
        get_it_again);
  memory.set_end(file.seal.body);
  return memory;
}

}  // namespace tsrun
