#include "output_files.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun::cli {
namespace {

namespace fs = std::filesystem;

// Where the bytes of this name will lie, as far as the folders are there: behind links, even where nothing is there yet.
fs::path place_of(const std::string& path) {
  std::error_code failed;
  fs::path place = path;
  for (int links = 0; links < 40 && fs::is_symlink(place, failed); ++links)
    place = place.parent_path() / fs::read_symlink(place, failed);  // an absolute one takes the place of the whole
  fs::path canonical = fs::weakly_canonical(fs::absolute(place, failed), failed);
  return failed ? place : canonical;
}

bool is_one_of(const std::string& output, const std::string& input) {
  std::error_code failed;
  if (!fs::is_directory(input, failed)) return is_same_file(output, input);
  for (const fs::directory_entry& entry : fs::directory_iterator(input, failed))
    if (is_same_file(output, entry.path().string())) return true;
  return false;
}

// Empty where a file of this name can be made, or another take its place.
std::string why_not(const std::string& path) {
  std::error_code failed;
  if (fs::is_directory(path, failed)) return "this is a folder";
  if (is_stream(path)) return "";
  if (fs::exists(path, failed) && !fs::is_regular_file(path, failed)) return "this is no file, no pipe and no terminal";
  const fs::path folder = place_of(path).parent_path();
  if (!fs::is_directory(folder, failed)) return "there is no such folder";
  if (access(folder.c_str(), W_OK | X_OK) != 0) return "the folder cannot be written";
  return "";
}

std::string write_bytes(const std::string& path, const std::string& bytes) {
  errno = 0;
  std::FILE* const file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return std::strerror(errno);
  const bool good = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  const int why = errno;
  if (std::fclose(file) != 0) return std::strerror(good ? errno : why);
  return good ? "" : std::strerror(why);
}

}  // namespace

bool is_same_file(const std::string& a, const std::string& b) {
  std::error_code failed;
  return fs::equivalent(a, b, failed) || place_of(a) == place_of(b);
}

void check_outputs(const std::vector<NamedPath>& inputs, const std::vector<NamedPath>& outputs) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const auto& [option, path] = outputs[i];
    if (names_stdout(path) || is_stream(path)) continue;
    for (const NamedPath& input : inputs)
      if (is_one_of(path, input.path))
        refuse({.what = text(option, " would be written over what is read as ", input.option),
                .where = path,
                .next = "choose another name for it"});
    for (std::size_t j = 0; j < i; ++j)
      if (is_same_file(path, outputs[j].path))
        refuse({.what = text(option, " and ", outputs[j].option, " would be the same file"),
                .where = path,
                .next = "choose another name for one of them"});
    if (const std::string why = why_not(path); !why.empty())
      refuse({.what = text(option, " cannot be written: ", why),
              .where = path,
              .next = "choose a place that can be written"});
  }
}

bool may_hold_document(const std::string& path) {
  constexpr std::size_t enough = 64;
  std::error_code failed;
  if (names_stdout(path) || is_stream(path) || !fs::exists(path, failed)) return true;
  std::ifstream in(path, std::ios::binary);
  std::string beginning(enough, '\0');
  in.read(beginning.data(), std::ssize(beginning));
  if (in.gcount() == 0) return true;
  const std::size_t name = beginning.find_first_not_of(" \r\n", 1);
  return beginning.starts_with("{\n") && beginning.substr(std::min(name, enough)).starts_with("\"schema\"");
}

bool is_stream(const std::string& path) {
  std::error_code failed;
  const fs::file_status status = fs::status(path, failed);
  return fs::is_character_file(status) || fs::is_fifo(status);
}

bool names_stdout(const std::string& path) {
  struct stat named {}, own {};
  if (path == "-") return true;
  return stat(path.c_str(), &named) == 0 && fstat(STDOUT_FILENO, &own) == 0 && named.st_dev == own.st_dev &&
         named.st_ino == own.st_ino;
}

void write_whole(const std::string& path, const std::string& bytes) {
  std::string why;
  if (is_stream(path)) {
    why = write_bytes(path, bytes);
  } else {
    const std::string target = place_of(path).string(), part = text(target, ".", getpid(), ".partial");
    why = write_bytes(part, bytes);
    if (why.empty() && std::rename(part.c_str(), target.c_str()) != 0) why = std::strerror(errno);
    if (!why.empty()) std::remove(part.c_str());
  }
  if (!why.empty())
    broke(
        {.what = "the result cannot be written: " + why, .where = path, .next = "choose a place that can be written"});
}

}  // namespace tsrun::cli
