#include "results_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun::cli {
namespace {

[[noreturn]] void failed(const char* what, const std::string& path) {
  broke({.what = text("the results file cannot be ", what, ": ", std::strerror(errno)),
         .where = path,
         .next = "what is in it stays; make room or choose another place, then --resume"});
}

}  // namespace

ResultsFile::Found ResultsFile::look(const std::string& path, bool resume) {
  Found found;
  std::error_code none;
  if (!std::filesystem::exists(path, none) || std::filesystem::file_size(path, none) == 0) return found;
  if (!resume)
    refuse({.what = "the results file exists already",
            .where = path,
            .next = "add --resume to go on with it, or choose another name"});
  std::ifstream in(path, std::ios::binary);
  std::ostringstream all;
  all << in.rdbuf();
  const std::string bytes = all.str();
  for (std::size_t start = 0, number = 1; start < bytes.size(); ++number) {
    const std::size_t end = bytes.find('\n', start);
    if (end == std::string::npos) break;  // torn by the end of the last job
    const Json line = Json::parse(bytes.substr(start, end - start), nullptr, false);
    const bool good =
        line.is_object() && (number == 1 ? line.contains("plan") : line.contains("id") && line["id"].is_string());
    if (!good)
      refuse({.what = "the line is not one that tsrun wrote",
              .where = text(path, ", line ", number),
              .next = "choose another results file"});
    if (number == 1) found.header = line;
    else found.ids.insert(line["id"].get<std::string>());
    found.whole = static_cast<std::int64_t>(end) + 1;
    start = end + 1;
  }
  return found;
}

ResultsFile::ResultsFile(const std::string& path, const Found& found)
    : path_(path), has_header_(!found.header.is_null()) {
  file_ = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  is_new_ = file_ >= 0;
  if (!is_new_) file_ = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);  // also where a link leads to nothing yet
  if (file_ < 0 || ftruncate(file_, found.whole) != 0 || lseek(file_, 0, SEEK_END) < 0) failed("opened", path_);
}

ResultsFile::~ResultsFile() {
  if (is_new_ && !has_header_) unlink(path_.c_str());
  close(file_);
}

void ResultsFile::begin(const Json& header) {
  if (!has_header_) append(header);
  has_header_ = true;
}

void ResultsFile::append(const Json& line) {
  const std::string whole = line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  const off_t before = lseek(file_, 0, SEEK_CUR);
  if (write(file_, whole.data(), whole.size()) != static_cast<ssize_t>(whole.size()) || fsync(file_) != 0) {
    const int why = errno;
    if (ftruncate(file_, before) != 0) errno = why;  // at worst a torn line stays, which --resume cuts off
    errno = why;
    failed("written", path_);
  }
}

}  // namespace tsrun::cli
