// Writes the seeds of hf_fuzz: hf_seeds FOLDER [GOLDEN].
//
// The small folders, an index of two files, and the golden models of every family with their data left out.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "small_folders.hpp"

namespace {

using namespace tsrun;
using namespace tsrun::test;
namespace fs = std::filesystem;

void write(const fs::path& path, const std::string& config, const std::string& header) {
  std::ofstream(path, std::ios::binary) << config << '\0' << header;
}
void write(const fs::path& path, const HfImage& image) {
  write(path, image.config.dump(), image.weights.header().dump());
}

std::string slurp(const fs::path& path) {
  std::ostringstream all;
  all << std::ifstream(path, std::ios::binary).rdbuf();
  return all.str();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::fputs("usage: hf_seeds FOLDER [GOLDEN]\n", stderr);
    return 2;
  }
  const fs::path folder = argv[1];
  fs::create_directories(folder);
  write(folder / "llama", small_hf_llama());
  write(folder / "gpt2", small_gpt2());
  write(folder / "falcon", small_falcon());
  write(folder / "index",  // its first part is empty: an index and two headers follow
        "", R"({"weight_map": {"x": "a", "y": "b"}})" + std::string(1, '\0') +
                R"({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}})" + std::string(1, '\0') +
                R"({"__metadata__": {"format": "pt"}, "y": {"dtype": "F4", "shape": [2, 1], "data_offsets": [0, 1]}})");
  if (argc == 3)
    for (const auto& entry : fs::directory_iterator(argv[2]))
      if (entry.is_directory()) {
        const std::string weights = slurp(entry.path() / "model.safetensors");
        std::uint64_t length = 0;
        std::memcpy(&length, weights.data(), sizeof length);
        write(folder / entry.path().filename(), slurp(entry.path() / "config.json"), weights.substr(8, length));
      }
  return 0;
}
