// Results of a batch, one line each, that survive the job: appended whole as they finish, skipped when it resumes.
//
// The first line records what the results depend on (results_header.hpp). From the first look to the last result it is
// one descriptor, locked: a requeued job must not cut off or overwrite what the job before it still writes.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "console.hpp"

namespace tsrun::cli {

class ResultsFile {
 public:
  // Opens `path`, or makes it; reads what it has and changes nothing before begin(). Refuses (exit 2) what cannot be
  // opened or is no regular file, a file that another run is writing, one that holds anything unless this run is to
  // `resume`, and lines that tsrun did not write. A torn last line is none, unless it cannot be a torn line of tsrun's.
  ResultsFile(const std::string& path, bool resume);
  ResultsFile(const ResultsFile&) = delete;
  ResultsFile& operator=(const ResultsFile&) = delete;
  ~ResultsFile();  // a file that it made and wrote nothing to goes

  // False where the file system has no locks: then nothing keeps other runs away.
  bool is_locked() const { return is_locked_; }
  const Json& header() const { return header_; }  // null if there is none whole
  bool has(const std::string& id) const { return ids_.count(id) > 0; }

  // Cuts off a torn last line, and writes the header if there is none: when results will come, for the next run is held
  // to what is in it.
  void begin(const Json& header);
  // One line, on disk when this returns. Throws (exit 1) where it cannot be written; the lines before it stay whole.
  void append(const Json& line);

 private:
  struct Descriptor {
    ~Descriptor();
    int number = -1;
  };
  void open();
  void lock();
  void look();
  void take(const std::string& line, int number);

  std::string path_;
  Descriptor file_;
  bool is_new_ = false, is_locked_ = false;
  Json header_;
  std::set<std::string> ids_;
  std::int64_t whole_ = 0;  // bytes up to the end of the last whole line
};

}  // namespace tsrun::cli
