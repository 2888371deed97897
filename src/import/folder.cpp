#include "tsrun/import/folder.hpp"

#include <filesystem>

#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun {
namespace {

namespace fs = std::filesystem;

class DiskFolder final : public Folder {
 public:
  explicit DiskFolder(const std::string& path) : Folder(path) {}

 private:
  std::unique_ptr<const Bytes> open_plain(const std::string& file) const override {
    const fs::path path = fs::path(name()) / file;
    std::error_code ignored;
    return fs::exists(path, ignored) ? open_bytes(path.string()) : nullptr;
  }
};

class MemoryFolder final : public Folder {
 public:
  MemoryFolder(std::map<std::string, std::vector<std::byte>> files, std::string name)
      : Folder(std::move(name)), files_(std::move(files)) {}

 private:
  std::unique_ptr<const Bytes> open_plain(const std::string& file) const override {
    const auto found = files_.find(file);
    return found == files_.end() ? nullptr : bytes_in_memory(found->second, text(name(), "/", file));
  }

  std::map<std::string, std::vector<std::byte>> files_;
};

}  // namespace

std::unique_ptr<const Bytes> Folder::open(const std::string& file) const {
  if (file.empty() || file == "." || file == ".." || file.find_first_of(std::string("/\\\0", 3)) != std::string::npos)
    refuse({.what = text("\"", printable(file), "\" is not the name of a file in this folder"), .where = name_,
            .next = "the folder is damaged; fetch it again"});
  return open_plain(file);
}

std::unique_ptr<const Folder> open_folder(const std::string& path) { return std::make_unique<DiskFolder>(path); }

std::unique_ptr<const Folder> folder_in_memory(std::map<std::string, std::vector<std::byte>> files, std::string name) {
  return std::make_unique<MemoryFolder>(std::move(files), std::move(name));
}

}  // namespace tsrun
