// Results files and the prompts that they answer: what a run that goes on promises, whatever became of the first.
#include <sys/stat.h>

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

// Refused with exit 2, in one message that has all these words.
void refused(const std::string& arguments, const std::vector<std::string>& words, const std::string& before = "") {
  CAPTURE(arguments);
  const Ended ended = run(arguments, 0, before);
  CHECK(ended.status == 2);
  REQUIRE_MESSAGE(ended.messages().size() == 1, ended.err);
  const std::string message = ended.messages()[0];
  for (const std::string& word : words) CHECK_MESSAGE(message.find(word) != std::string::npos, message);
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

TEST_CASE("one run at a time writes a results file") {
  const Folder folder;
  folder.write("p.jsonl", prompt_lines({"a", "b"}));
  const std::string out = folder / "out.jsonl",
                    base = "generate --quiet -m " + demo + " -f " + (folder / "p.jsonl") + " -n 4 -o " + out;
  REQUIRE(run(base).status == 0);
  const std::string begun = head(slurp(out), 2) + R"({"id":"b","to)";
  folder.write("out.jsonl", begun);
  refused(base + " --resume", {"another run", "out.jsonl"}, "flock -n " + out);
  CHECK(slurp(out) == begun);
  CHECK(run(base + " --resume").status == 0);
}

TEST_CASE("a run goes on with results of the same weights, types and end rules only") {
  const Folder folder;
  folder.write("p.jsonl", prompt_lines({"a", "b"}));
  const std::string out = folder / "out.jsonl";
  const std::string base = "generate --quiet -f " + (folder / "p.jsonl") + " -n 4 -o " + out + " -m " + demo;
  REQUIRE(run(base + " --dtype f32 --kv-dtype f32 --stop zzz").status == 0);
  const std::string whole = slurp(out), begun = head(whole, 2);
  const auto resumed = [&](const std::string& bytes, const std::string& more, std::vector<std::string> words) {
    CAPTURE(more);
    folder.write("out.jsonl", bytes);
    words.emplace_back("out.jsonl");
    refused(base + " --resume" + more, words);
    CHECK(slurp(out) == bytes);
  };
  resumed(begun, "", {"another --stop", "zzz"});
  resumed(begun, " --stop zzz --ignore-eos", {"another --ignore-eos"});
  resumed(begun, " --stop zzz --dtype auto", {"another plan", "f32"});
  resumed(begun, " --stop zzz --kv-dtype bf16", {"another plan", "f32"});
  folder.write("out.jsonl", begun);
  CHECK(run(base + " --resume --stop zzz").status == 0);  // its types are those of the file
  CHECK(slurp(out) == whole);

  // What earlier versions wrote.
  Json old = Json::parse(head(whole, 1));
  for (const char* field : {"identity", "types", "stop", "ignore_eos"}) old.erase(field);
  resumed(old.dump() + "\n", " --stop zzz", {"another --stop", "there []"});
  folder.write("out.jsonl", old.dump() + "\n");
  CHECK(run(base + " --resume").status == 0);

  const Json header = Json::parse(head(whole, 1));
  CHECK(header["identity"].get<std::string>().size() == 16);
  CHECK(header["types"]["weights"].contains("f32"));
  const auto with = [&](const char* field, const Json& value) {
    Json changed = header;
    changed[Json::json_pointer(field)] = value;
    return changed.dump() + "\n";
  };
  resumed(with("/identity", "0123456789abcdef"), " --stop zzz", {"another model file", "0123456789abcdef"});
  for (const char* line : {"{\"plan\":1}\n", "{\"plan\":{\"mesh\":5}}\n", "[1]\n", "7\n", "\n"})
    resumed(line, " --stop zzz", {"line 1", "not the first line"});
  resumed(with("/plan", 1), "", {"\"plan\" is no object"});
  resumed(with("/plan/mesh", 5), "", {"\"plan.mesh\" is no text"});
  resumed(with("/plan/prefill", "foo"), "", {"\"plan.prefill\"", "foo"});
  resumed(with("/plan/dtype", "int3"), "", {"\"plan.dtype\"", "int3"});
  resumed(with("/schema", 2), "", {"schema 2"});
}

TEST_CASE("ranks that find other models under one name are refused") {
  const Folder folder;
  std::filesystem::create_directory(folder / "a");
  std::filesystem::create_directory(folder / "b");
  std::filesystem::copy_file(demo, folder / "a/m.h5");
  REQUIRE(run("convert " + golden + "llama_gqa.gguf " + (folder / "b/m.h5")).status == 0);
  const std::string words = "generate -m m.h5 --tokens 1,2 -n 2";
  const Ended ended = run(words + " : -n 1 -wdir " + (folder / "b") + " " + TSRUN_PROGRAM + " " + words, 1,
                          "cd " + (folder / "a") + ";");
  CHECK(ended.status == 2);
  REQUIRE_MESSAGE(ended.messages().size() == 1, ended.err);
  CHECK_MESSAGE(ended.messages()[0].find("rank 1") != std::string::npos, ended.err);
  CHECK_MESSAGE(ended.messages()[0].find("not the one that rank 0 opened") != std::string::npos, ended.err);
}

TEST_CASE("a results file is a file of tsrun's own, and stands where one can") {
  const Folder folder;
  const std::string base = "generate --quiet -m " + demo + " -p hello -n 2 -o ";
  refused(base + (folder / "no/such/out.jsonl"), {"--output", "no such folder", "can be written"});
  std::filesystem::create_directory(folder / "results");
  REQUIRE(mkfifo((folder / "pipe").c_str(), 0600) == 0);
  for (const std::string more : {"", " --resume"}) {
    refused(base + (folder / "results") + more, {"--output", "this is a folder"});
    refused(base + (folder / "pipe") + more, {"not a regular file"});
    refused(base + "/dev/zero" + more, {"not a regular file"});
  }
  // A line without an end may be torn, but only one of tsrun's.
  for (const std::string words : {"remember the milk", "{\"schema\":2", "{\n", "x"}) {
    folder.write("notes.txt", words);
    refused(base + (folder / "notes.txt") + " --resume", {"notes.txt"});
    CHECK(slurp(folder / "notes.txt") == words);
  }
  folder.write("torn.jsonl", R"({"schema":1,"ver)");
  CHECK(run(base + (folder / "torn.jsonl") + " --resume").status == 0);
  const std::string whole = slurp(folder / "torn.jsonl");
  CHECK(std::count(whole.begin(), whole.end(), '\n') == 2);
  std::filesystem::create_symlink("later.jsonl", folder / "link.jsonl");
  CHECK(run(base + (folder / "link.jsonl")).status == 0);
  CHECK(slurp(folder / "later.jsonl") == whole);
}

TEST_CASE("a disk that fills up is named as what it is, and whole lines stay") {
  const Folder folder;
  folder.write("p.jsonl", prompt_lines({"a", "b"}));
  const std::string out = folder / "out.jsonl",
                    base = "generate --quiet -m " + demo + " -f " + (folder / "p.jsonl") + " -n 4 -o " + out;
  REQUIRE(run(base).status == 0);
  // MPI needs files of some MiB itself, so the results are many already when no more bytes may come.
  std::string begun = head(slurp(out), 1) + R"({"id":"z","text":")";
  begun += std::string((std::size_t{32} << 20) - begun.size() - 40, 'z') + "\"}\n";
  folder.write("out.jsonl", begun);
  const Ended ended = run(base + " --resume", 0, "prlimit --fsize=33554432");
  CHECK(ended.status == 1);
  REQUIRE_MESSAGE(ended.messages().size() == 1, ended.err);
  CHECK_MESSAGE(ended.messages()[0].find("cannot be written: File too large") != std::string::npos, ended.err);
  CHECK(slurp(out) == begun);
}

TEST_CASE("ids keep their type, and no two prompts have one") {
  const Folder folder;
  const std::string file = folder / "p.jsonl", out = folder / "out.jsonl",
                    base = "generate --quiet -m " + demo + " -n 2 ";
  const auto lines = [&](const std::vector<std::string>& ids) {
    std::string all;
    for (const std::string& id : ids) all += R"({"id": )" + id + R"(, "prompt": "Chapter"})" + "\n";
    folder.write("p.jsonl", all);
  };
  lines({"7", "\"8\"", "-1", "18446744073709551615"});
  REQUIRE(run(base + "-f " + file + " -o " + out).status == 0);
  const std::string whole = slurp(out);
  for (const char* id : {"{\"id\":7,", "{\"id\":\"8\",", "{\"id\":-1,", "{\"id\":18446744073709551615,"})
    CHECK_MESSAGE(whole.find(id) != std::string::npos, whole);
  CHECK(run(base + "-f " + file + " -o " + out + " --resume").status == 0);
  CHECK(slurp(out) == whole);

  lines({"\"0\""});
  refused(base + "-p hello -f " + file, {"p.jsonl, line 1", "another prompt has the id \"0\""});
  lines({"1"});
  refused(base + "-p hello --tokens 1,2 -f " + file, {"p.jsonl, line 1", "\"1\""});
  lines({"7", "\"7\""});
  refused(base + "-f " + file, {"line 2", "\"7\" comes twice"});
  lines({"\"\""});
  refused(base + "-f " + file, {"line 1", "the id is empty"});
  lines({"1.5"});
  refused(base + "-f " + file, {"line 1", "the id 1.5 is no whole number"});
  lines({"18446744073709551616"});
  refused(base + "-f " + file, {"line 1", "no whole number below 2^64"});
  lines({"[1]"});
  refused(base + "-f " + file, {"line 1", "neither a text nor a number", "array"});
}

TEST_CASE("a prompt that is too long is named") {
  const Folder folder;
  folder.write("p.jsonl", prompt_lines({"a"}) + R"({"id": "b", "prompt": ")" + std::string(2000, 'x') + "\"}\n");
  const std::string base = "generate -m " + demo + " -n 2 ";
  refused(base + "-f " + (folder / "p.jsonl"), {"p.jsonl, line 2", "longer than the model's context", "2000"});
  refused(base + "-c 8 -f " + (folder / "p.jsonl"), {"p.jsonl, line 1", "longer than --ctx-size", "ctx-size 8"});
  refused(base + "-c 8 --tokens 1 -p 'In the beginning'", {"-p, prompt 1", "longer than --ctx-size"});
}

TEST_CASE("what cannot be read to its end is no prompt") {
  const Folder folder;
  const std::string base = "generate --quiet -m " + demo + " -n 2 -f ";
  refused(base + (folder / ""), {"this is a folder"});
  refused(base + (folder / "none.txt"), {"none.txt", "No such file"});
  refused(base + "/proc/self/mem", {"cannot be read: Input/output error"});
  REQUIRE(mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK(run(base + (folder / "pipe"), 0, "printf hello >" + (folder / "pipe") + " &").status == 0);
}

TEST_CASE("no new tokens are results too, and are there when the run goes on") {
  const Folder folder;
  folder.write("p.jsonl", prompt_lines({"a", "b"}));
  const std::string out = folder / "out.jsonl",
                    base = "generate --quiet -m " + demo + " -f " + (folder / "p.jsonl") + " -n 0 -o " + out;
  CHECK(run(base).status == 0);
  const std::string whole = slurp(out);
  CHECK(std::count(whole.begin(), whole.end(), '\n') == 3);
  CHECK(whole.find(R"("text":"","finish":"length")") != std::string::npos);
  CHECK(run(base + " --resume").status == 0);
  CHECK(slurp(out) == whole);
  CHECK(run("generate --quiet -m " + demo + " -p 'In the' -n 0").out == "In the\n");
}

TEST_CASE("a stop text is whole on the screen as in the result, and is some text") {
  const Folder folder;
  folder.write("p.txt", "In the beginning");
  const std::string base = "generate --quiet -m " + demo + " -n 40 -f " + (folder / "p.txt") + " --stop ";
  const Json result = json_of(run(base + "the --json -"))["sequences"][0];
  CHECK(result["finish"] == "stop");
  const std::string words = result["text"];
  CHECK(words.ends_with("the"));
  CHECK(run(base + "the").out == "In the beginning" + words + "\n");
  refused(base + "''", {"--stop", "empty"});
}
