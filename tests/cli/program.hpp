// Runs the built tsrun as a user would, and a folder for what it reads and writes.
#pragma once

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>
#include <nlohmann/json.hpp>

namespace tsrun::test {

using Json = nlohmann::json;

struct Ended {
  int status = 0;
  std::string out, err;

  // Lines of stderr that are tsrun's own message (mpirun adds words of its own).
  std::vector<std::string> messages() const {
    std::vector<std::string> lines;
    std::istringstream in(err);
    for (std::string line; std::getline(in, line);)
      if (line.rfind("tsrun: ", 0) == 0 && line.rfind("tsrun: warning", 0) != 0) lines.push_back(line);
    return lines;
  }
};

inline std::string slurp(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream all;
  all << in.rdbuf();
  return all.str();
}

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "tsrun_cli_XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  void write(const std::string& name, const std::string& bytes) const {
    std::ofstream(*this / name, std::ios::binary) << bytes;
  }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path_), {}));
  }

 private:
  std::filesystem::path path_;
};

// `before` goes in front: environment, limits. ranks 0: without mpirun. No run may hang.
inline Ended run(const std::string& arguments, int ranks = 0, const std::string& before = "", int seconds = 60) {
  const Folder folder;
  const std::string launch = ranks == 0 ? "" : std::string(TSRUN_MPIRUN) + " " + std::to_string(ranks) + " ";
  const std::string command = before + " timeout " + std::to_string(seconds) + " " + launch + TSRUN_PROGRAM + " " +
                              arguments + " >" + (folder / "out") + " 2>" + (folder / "err") + " </dev/null";
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), slurp(folder / "out"),
          slurp(folder / "err")};
}

inline Json json_of(const Ended& ended) {
  REQUIRE_MESSAGE(ended.status == 0, ended.err);
  return Json::parse(ended.out);
}

inline const std::string golden = std::string(TSRUN_SOURCE_DIR) + "/tests/golden/";
inline const std::string demo = std::string(TSRUN_SOURCE_DIR) + "/data/demo.h5";

}  // namespace tsrun::test
