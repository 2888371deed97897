// Results files and the prompts that they answer: what a run that goes on promises, whatever became of the first.
#include <algorithm>
#include <map>

#include "program.hpp"

using namespace tsrun::test;

namespace {

std::string prompt_lines(const std::vector<std::string>& ids) {
  std::string lines;
  for (const std::string& id : ids) lines += R"({"id": ")" + id + R"(", "prompt": "Chapter"})" + "\n";
  return lines;
}

std::vector<std::string> sorted_lines(const std::string& bytes) {
  std::vector<std::string> lines;
  std::istringstream in(bytes);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  std::sort(lines.begin(), lines.end());
  return lines;
}

// Its first n lines.
std::string head(const std::string& bytes, int n) {
  std::size_t end = 0;
  while (n-- > 0) end = bytes.find('\n', end) + 1;
  return bytes.substr(0, end);
}

}  // namespace

TEST_CASE("drawn texts belong to their ids: a resumed run draws what the whole run drew, and lines may change places") {
  const Folder folder;
  const std::vector<std::string> ids = {"a", "b", "c", "d"};
  folder.write("there.jsonl", prompt_lines(ids));
  folder.write("back.jsonl", prompt_lines({ids.rbegin(), ids.rend()}));
  const std::string out = folder / "out.jsonl",
                    base = "generate --quiet -m " + demo + " -n 12 --temp 1 --seed 5 -o " + out + " -f ";
  REQUIRE(run(base + (folder / "there.jsonl"), 2).status == 0);
  const std::string whole = slurp(out);
  std::map<Json, Json> texts;
  for (const std::string& line : sorted_lines(whole))
    if (const Json result = Json::parse(line); result.contains("id")) texts[result["text"]] = result["id"];
  CHECK(texts.size() == ids.size());  // equal prompts, and each has random numbers of its own

  folder.write("out.jsonl", head(whole, 3));  // the job ended after two results
  CHECK(run(base + (folder / "there.jsonl") + " --resume", 2).status == 0);
  CHECK(sorted_lines(slurp(out)) == sorted_lines(whole));
  std::filesystem::remove(out);
  CHECK(run(base + (folder / "back.jsonl"), 2).status == 0);
  for (const std::string& line : sorted_lines(slurp(out)))
    if (const Json result = Json::parse(line); result.contains("id")) CHECK(texts[result["text"]] == result["id"]);
}
