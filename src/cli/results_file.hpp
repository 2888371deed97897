// Results of a batch, one line each, that survive the job: appended whole as they finish, skipped when it resumes.
//
// The first line records what the results depend on: model, mesh, layouts, types, sampling. A run that resumes takes
// the plan from there; one that asks for something else is refused.
#pragma once

#include <set>
#include <string>

#include "console.hpp"

namespace tsrun::cli {

class ResultsFile {
 public:
  // What an existing file holds. Refuses (exit 2) one that holds anything when nothing is to be resumed.
  struct Found {
    Json header;  // null if there is no file, or nothing whole in it
    std::set<std::string> ids;
    std::int64_t whole = 0;  // bytes up to the end of the last whole line
  };
  static Found look(const std::string& path, bool resume);

  // Opens for appending; a torn last line is cut off.
  ResultsFile(const std::string& path, const Found& found);
  ResultsFile(const ResultsFile&) = delete;
  ResultsFile& operator=(const ResultsFile&) = delete;
  ~ResultsFile();  // a new file that was never begun goes
  // Writes the header if there is none: when results will come, for the next run is held to the plan in it.
  void begin(const Json& header);
  // One line, on disk when this returns.
  void append(const Json& line);

 private:
  std::string path_;
  int file_ = -1;
  bool is_new_ = false, has_header_;
};

}  // namespace tsrun::cli
