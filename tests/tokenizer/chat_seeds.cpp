// Writes the seeds of chat_fuzz: chat_seeds FOLDER CHATS, the templates of tests/tokenizer/chats.json.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: chat_seeds FOLDER CHATS\n", stderr);
    return 2;
  }
  const std::filesystem::path folder = argv[1];
  std::filesystem::create_directories(folder);
  std::ifstream in(argv[2]);
  const auto chats = nlohmann::json::parse(in);
  for (const auto& t : chats["templates"])
    std::ofstream(folder / t["name"].get<std::string>(), std::ios::binary) << t["source"].get<std::string>();
}
