// A folder of files: one on disk, or an image in memory for tests.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tsrun/import/bytes.hpp"

namespace tsrun {

class Folder {
 public:
  virtual ~Folder() = default;
  const std::string& name() const { return name_; }  // its path, for messages
  // nullptr if there is no such file. `file` is a plain name; one that leads elsewhere is refused.
  std::unique_ptr<const Bytes> open(const std::string& file) const;

 protected:
  explicit Folder(std::string name) : name_(std::move(name)) {}

 private:
  virtual std::unique_ptr<const Bytes> open_plain(const std::string& file) const = 0;
  std::string name_;
};

std::unique_ptr<const Folder> open_folder(const std::string& path);
std::unique_ptr<const Folder> folder_in_memory(std::map<std::string, std::vector<std::byte>> files, std::string name);

}  // namespace tsrun
