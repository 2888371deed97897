// What a command gives back to people and to programs: one JSON document, progress, warnings.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <nlohmann/json.hpp>

#include "arguments.hpp"
#include "tsrun/core/error.hpp"
#include "tsrun/model/config.hpp"

namespace tsrun::cli {

using Json = nlohmann::ordered_json;

// Where the outputs of this process go. A rank that does not speak writes nothing.
class Console {
 public:
  Console(const Arguments& arguments, bool speaks);
  // Of a command whose words are not understood yet, for its errors.
  Console(std::optional<std::string> json, bool speaks);
  bool speaks() const { return speaks_; }
  bool reports() const { return speaks_ && !quiet_; }
  bool verbose() const { return reports() && verbose_; }
  bool json_wanted() const { return speaks_ && json_.has_value(); }
  // Human text belongs on stdout, unless the JSON does.
  bool prints() const { return speaks_ && json_ != "-"; }
  void warn(const std::string& line) const;
  // Prints words on stdout as they are, at once. Throws (exit 1) where nobody takes them any more, unless the results are
  // `kept` elsewhere: then that is told at the end of the command.
  void show(const std::string& words, bool kept) const;
  // The document appears under its name only when it is complete.
  void write(const Json& document) const;
  // Tells the error, in one line and as the `error` of the document, of which there may be more; the exit status.
  int fail(const Error& error, Json document = {}) const;

 private:
  std::optional<std::string> json_;  // "-" however stdout is called
  bool speaks_ = false, quiet_ = false, verbose_ = false;
};

// The fields that every document has.
struct JobFacts {
  int ranks = 1, threads = 1, hosts = 1;
  bool oversubscribed = false;
  int numa_domains = 1;  // the most that a rank may run in
};
// What of it makes timings say little, or worse than they need be; empty where nothing does.
std::string placement_text(const JobFacts& job);
// A document as bytes; what is no UTF-8 is replaced.
std::string bytes_of(const Json& document);
Json envelope(const char* command, const JobFacts& job);
Json to_json(const ModelConfig& config);
std::string sha256(const std::string& bytes);  // in hexadecimal

// A line that grows on a terminal; elsewhere a line a minute.
class Progress {
 public:
  Progress(bool shown, std::string what);
  void at(double share, const std::string& detail);
  ~Progress();

 private:
  bool shown_, terminal_, drawn_ = false;
  std::string what_;
  std::chrono::steady_clock::time_point last_;
};

}  // namespace tsrun::cli
