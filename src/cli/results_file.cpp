#include "results_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "prompt_lines.hpp"
#include "results_header.hpp"
#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun::cli {
namespace {

constexpr const char* other_file = "choose another results file";

[[noreturn]] void failed(const char* what, const std::string& path, int why) {
  broke({.what = text("the results file cannot be ", what, ": ", std::strerror(why)),
         .where = path,
         .next = "its whole lines stay; mend that, then go on with --resume"});
}

[[noreturn]] void refuse_unopened(const std::string& path, int why) {
  refuse({.what = text("the results file cannot be opened: ", std::strerror(why)),
          .where = path,
          .next = text(why == ENOENT ? "make its folder" : "check the rights", ", or choose another place")});
}

void require_regular(const std::string& path, const struct stat& found) {
  if (S_ISREG(found.st_mode)) return;
  refuse({.what = S_ISDIR(found.st_mode) ? "this is a folder, not a results file" : "this is not a regular file",
          .where = path,
          .next = "name a file for the results, such as results.jsonl"});
}

// 0, or the errno of the call that failed.
int write_all(int file, std::string_view bytes, off_t at) {
  while (!bytes.empty()) {
    const ssize_t n = pwrite(file, bytes.data(), bytes.size(), at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0 ? errno : EIO;
    bytes.remove_prefix(static_cast<std::size_t>(n));
    at += n;
  }
  return fsync(file) == 0 ? 0 : errno;
}

// As far as they both go.
bool begins_alike(std::string_view a, std::string_view b) {
  const std::size_t n = std::min(a.size(), b.size());
  return a.substr(0, n) == b.substr(0, n);
}

}  // namespace

ResultsFile::Descriptor::~Descriptor() {
  if (number >= 0) close(number);
}

ResultsFile::ResultsFile(const std::string& path, bool resume) : path_(path) {
  open();
  struct stat found {};
  if (fstat(file_.number, &found) != 0) failed("read", path_, errno);
  if (found.st_size > 0 && !resume)
    refuse({.what = "the results file exists already",
            .where = path_,
            .next = "add --resume to go on with it, or choose another name"});
  look();
}

void ResultsFile::open() {
  constexpr int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;  // waits for nobody, should it be a pipe
  for (;;) {
    struct stat found {}, named {};
    if (stat(path_.c_str(), &found) == 0) require_regular(path_, found);
    file_.number = ::open(path_.c_str(), flags | O_EXCL, 0666);
    is_new_ = file_.number >= 0;
    if (!is_new_) file_.number = ::open(path_.c_str(), flags, 0666);  // makes it too where a link leads to nothing yet
    if (file_.number < 0) refuse_unopened(path_, errno);
    if (fstat(file_.number, &found) != 0) failed("read", path_, errno);
    require_regular(path_, found);
    lock();
    // A run that ended just now may have taken its empty file away, and this would be that file.
    if (stat(path_.c_str(), &named) == 0 && named.st_dev == found.st_dev && named.st_ino == found.st_ino) return;
    close(std::exchange(file_.number, -1));
  }
}

void ResultsFile::lock() {
  int ended = 0;
  while ((ended = flock(file_.number, LOCK_EX | LOCK_NB)) != 0 && errno == EINTR) continue;
  is_locked_ = ended == 0;
  if (!is_locked_ && errno == EWOULDBLOCK)
    refuse({.what = "another run is writing the results file",
            .where = path_,
            .next = "wait until that run has ended, or end it, or choose another results file"});
}

void ResultsFile::look() {
  std::string line, block(std::size_t{1} << 20, '\0');
  int number = 1;
  for (off_t at = 0;;) {
    const ssize_t n = pread(file_.number, block.data(), block.size(), at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) failed("read", path_, errno);
    if (n == 0) break;
    at += n;
    for (std::string_view left(block.data(), static_cast<std::size_t>(n)); !left.empty();) {
      const std::size_t end = left.find('\n');
      line += left.substr(0, end);
      if (end == std::string_view::npos) break;
      take(line, number++);
      whole_ += std::ssize(line) + 1;
      line.clear();
      left.remove_prefix(end + 1);
    }
    // What is torn is cut off later, so it must be tsrun's: a file of somebody else may be one line without an end.
    if (number == 1 && !begins_alike(line, header_begins))
      refuse({.what = "the file does not begin as results do", .where = path_, .next = other_file});
  }
}

void ResultsFile::take(const std::string& line, int number) {
  const Json parsed = Json::parse(line, nullptr, false);
  const std::string where = text(path_, ", line ", number);
  if (number == 1) {
    validate_header(parsed, where);
    header_ = parsed;
    return;
  }
  const std::string id = parsed.is_object() && parsed.contains("id") ? id_text(parsed["id"]) : "";
  if (id.empty()) refuse({.what = "the line is not one that tsrun wrote", .where = where, .next = other_file});
  ids_.insert(id);
}

ResultsFile::~ResultsFile() {
  if (is_new_ && whole_ == 0) unlink(path_.c_str());
}

void ResultsFile::begin(const Json& header) {
  if (ftruncate(file_.number, whole_) != 0) failed("written", path_, errno);
  if (header_.is_null()) append(header);
}

void ResultsFile::append(const Json& line) {
  const std::string bytes = line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  if (const int why = write_all(file_.number, bytes, whole_); why != 0) {
    // Should this fail too, a torn line stays, which --resume cuts off.
    [[maybe_unused]] const int cut = ftruncate(file_.number, whole_);
    failed("written", path_, why);
  }
  whole_ += std::ssize(bytes);
}

}  // namespace tsrun::cli
