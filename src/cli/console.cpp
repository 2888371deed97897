#include "console.hpp"

#include <openssl/evp.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <iostream>
#include <utility>

#include "output_files.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun::cli {

Console::Console(const Arguments& arguments, bool speaks) : Console(arguments.text("json"), speaks) {
  quiet_ = arguments.flag("quiet");
  verbose_ = arguments.flag("verbose");
}

Console::Console(std::optional<std::string> json, bool speaks) : json_(std::move(json)), speaks_(speaks) {
  if (json_ && names_stdout(*json_)) json_ = "-";
}

void Console::warn(const std::string& line) const {
  if (speaks_) std::fprintf(stderr, "tsrun: warning: %s\n", line.c_str());
}

void Console::show(const std::string& words, bool kept) const {
  if (!prints()) return;
  std::cout << words << std::flush;
  if (!std::cout.good() && !kept && !json_wanted())
    broke({.what = "nobody takes what is printed, and it goes nowhere else",
           .where = "stdout",
           .next = "keep its reader alive, or keep the results with -o FILE.jsonl or --json FILE"});
}

void Console::write(const Json& document) const {
  if (!json_wanted()) return;
  const std::string whole = bytes_of(document);
  if (*json_ != "-") return write_whole(*json_, whole);
  std::fwrite(whole.data(), 1, whole.size(), stdout);  // whether all was taken is seen at the end of the command
  std::fflush(stdout);
}

int Console::fail(const Error& error, Json document) const {
  const auto status = static_cast<int>(error.exit());
  if (!speaks_) return status;
  std::fflush(stdout);
  std::fprintf(stderr, "tsrun: %s\n", error.what());
  const Complaint& c = error.complaint();
  Json numbers = Json::object();
  for (const auto& [name, number] : c.numbers)
    std::visit([&, &name = name](const auto& v) { numbers[name] = v; }, number);
  document["schema"] = 1;
  document["error"] = {{"code", status}, {"what", c.what}, {"where", c.where}, {"numbers", numbers}, {"do", c.next}};
  try {
    write(document);
  } catch (const Error&) {  // the first error is the one to tell
  }
  return status;
}

std::string bytes_of(const Json& document) {
  return document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json envelope(const char* command, const JobFacts& job) {
  return {{"schema", 1},
          {"command", command},
          {"version", TSRUN_VERSION},
          {"clock", "wall"},
          {"ranks", job.ranks},
          {"threads", job.threads},
          {"hosts", job.hosts},
          {"oversubscribed", job.oversubscribed},
          {"numa_domains", job.numa_domains}};
}

std::string placement_text(const JobFacts& job) {
  if (job.oversubscribed) return " (more than the host's cores: timings say little)";
  if (job.numa_domains == 1) return "";
  return text(" (a rank may run in ", job.numa_domains,
              " NUMA domains and wait for the memory of others: start a rank for each, bound to it, as "
              "mpirun --map-by ppr:1:numa --bind-to numa does)");
}

Json to_json(const ModelConfig& config) {
  Json out;
  visit_fields(config, [&out](const char* field, const auto& value) {
    using Type = std::decay_t<decltype(value)>;
    if constexpr (std::is_enum_v<Type>) out[field] = word(value);
    else out[field] = value;
  });
  return out;
}

std::string sha256(const std::string& bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr);
  std::string hex;
  for (unsigned i = 0; i < size; ++i) {
    std::array<char, 3> two{};
    std::snprintf(two.data(), two.size(), "%02x", digest[i]);
    hex += two.data();
  }
  return hex;
}

Progress::Progress(bool shown, std::string what)
    : shown_(shown),
      terminal_(isatty(STDERR_FILENO) == 1),
      what_(std::move(what)),
      last_(std::chrono::steady_clock::now()) {}

void Progress::at(double share, const std::string& detail) {
  using namespace std::chrono_literals;
  const auto now = std::chrono::steady_clock::now();
  if (!shown_ || now - last_ < (terminal_ ? 100ms : 60s)) return;
  last_ = now;
  if (!terminal_) {
    std::fprintf(stderr, "%s: %.0f %%, %s\n", what_.c_str(), share * 100, detail.c_str());
    return;
  }
  constexpr int width = 30;
  const int full = static_cast<int>(share * width);
  std::fprintf(stderr, "\r%s [%s%s] %3.0f %% %s\033[K", what_.c_str(),
               std::string(static_cast<std::size_t>(full), '#').c_str(),
               std::string(static_cast<std::size_t>(width - full), ' ').c_str(), share * 100, detail.c_str());
  drawn_ = true;
}

Progress::~Progress() {
  if (drawn_) std::fputs("\r\033[K", stderr);
}

}  // namespace tsrun::cli
