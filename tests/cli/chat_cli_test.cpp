// Conversations on the command line: the ids of what transformers writes by each family's template, the end of an
// answer, and what is refused.
#include "chat_model.hpp"

using namespace tsrun::test;

namespace {

Json generate(const ChatModel& model, const std::string& arguments, int ranks = 0) {
  return json_of(run("generate --quiet --json - -n 3 -m " + model.file + " " + arguments, ranks))["sequences"];
}

std::string line(const std::string& id, const char* form, const Json& content) {
  return Json{{"id", id}, {form, content}}.dump() + "\n";
}

Json messages(const std::vector<std::pair<std::string, std::string>>& said) {
  Json list = Json::array();
  for (const auto& [role, content] : said) list.push_back({{"role", role}, {"content", content}});
  return list;
}

// Refused with one message that has all these words.
void refused(const std::string& arguments, const std::vector<std::string>& words, const std::vector<int>& jobs = {0}) {
  for (const int ranks : jobs) {
    CAPTURE(arguments);
    CAPTURE(ranks);
    const Ended ended = run("generate -n 3 " + arguments, ranks);
    CHECK(ended.status == 2);
    CHECK(ended.out.empty());
    REQUIRE_MESSAGE(ended.messages().size() == 1, ended.err);
    for (const std::string& word : words)
      CHECK_MESSAGE(ended.messages()[0].find(word) != std::string::npos, ended.messages()[0]);
  }
}

}  // namespace

TEST_CASE("conversations become the ids of what transformers writes, and the end of an answer ends it") {
  for (const Family& family : families) {
    CAPTURE(family.name);
    const ChatModel model(family);
    std::string lines;
    for (std::size_t i = 0; i < chats()["conversations"].size(); ++i) {
      const Json& expected = chats()["texts"][family.name][i][1];
      if (expected.is_null()) continue;  // the template refuses it
      lines += line("c" + std::to_string(i), "messages", chats()["conversations"][i]);
      lines += line("p" + std::to_string(i), "prompt", expected.get<std::string>().substr(model.bos.size()));
    }
    model.write("prompts.jsonl", lines);
    const Json sequences = generate(model, "-f " + (model / "prompts.jsonl"));
    CHECK(sequences.size() >= 16);
    for (std::size_t i = 0; i < sequences.size(); i += 2) {
      CHECK(sequences[i]["prompt_tokens"] == sequences[i + 1]["prompt_tokens"]);
      CHECK(sequences[i]["tokens"] == Json{model.end});
      CHECK(sequences[i]["finish"] == "eos");
      CHECK(sequences[i]["text"] == "");
    }
  }
}

TEST_CASE("--chat puts every prompt into the template, and --system a message before it where there is none") {
  const ChatModel model(families[0]);
  const Json hi = messages({{"user", "Hi"}}), led = messages({{"system", "Sing."}, {"user", "Hi"}}),
             own = messages({{"system", "Hum."}, {"user", "Hi"}});
  model.write("messages.jsonl", line("a", "messages", hi) + line("b", "messages", led) + line("c", "messages", own));
  const Json plain = generate(model, "-f " + (model / "messages.jsonl"));

  model.write("prompt.txt", "Hi");
  const Json chat = generate(model, "--chat -p Hi -f " + (model / "prompt.txt"), 2);
  REQUIRE(chat.size() == 2);
  for (const Json& sequence : chat) CHECK(sequence["prompt_tokens"] == plain[0]["prompt_tokens"]);

  model.write("mixed.jsonl", line("a", "prompt", "Hi") + line("b", "messages", hi) + line("c", "messages", own));
  const Json with_system = generate(model, "--chat --system Sing. -f " + (model / "mixed.jsonl"), 2);
  CHECK(with_system[0]["prompt_tokens"] == plain[1]["prompt_tokens"]);
  CHECK(with_system[1]["prompt_tokens"] == plain[1]["prompt_tokens"]);
  CHECK(with_system[2]["prompt_tokens"] == plain[2]["prompt_tokens"]);

  // Only the answer is shown, and this model's is empty.
  CHECK(run("generate -n 3 --chat -p Hi -m " + model.file).out == "\n");
}

TEST_CASE("a results file goes on only with the same conversation around its prompts") {
  const ChatModel model(families[0]);
  const std::string base = "generate --quiet -n 3 -p Hi -m " + model.file + " -o " + (model / "results.jsonl");
  CHECK(run(base + " --chat --system Sing.").status == 0);
  CHECK(Json::parse(slurp(model / "results.jsonl").substr(0, slurp(model / "results.jsonl").find('\n')))["chat"] ==
        Json{{"system", "Sing."}});
  CHECK(run(base + " --chat --system Sing. --resume").status == 0);
  for (const char* other : {" --resume", " --chat --resume", " --chat --system Hum. --resume"}) {
    const Ended ended = run(base + other);
    CHECK(ended.status == 2);
    CHECK_MESSAGE(ended.err.find("another chat") != std::string::npos, ended.err);
  }
}

TEST_CASE("what cannot be a conversation is refused with its line and the next step") {
  const ChatModel model(families[1]);  // of llama-2, whose template demands turns
  const auto refused_line = [&model](const std::string& text, std::vector<std::string> words,
                                     const std::vector<int>& jobs = {0}) {
    model.write("bad.jsonl", "\n" + line("fine", "messages", messages({{"user", "Hi"}})) + text);
    words.emplace_back("bad.jsonl, line 3");
    refused("-m " + model.file + " -f " + (model / "bad.jsonl"), words, jobs);
  };
  refused_line(line("a", "messages", messages({{"user", "Hi"}, {"user", "Hm?"}})),
               {"take turns", "llama-2", "change the conversation", "without --chat"}, {0, 2});
  refused_line(line("a", "messages", messages({{"user", "Hi"}, {"narrator", "So."}})),
               {"message 2", "\"narrator\" is unknown", "system|user|assistant"});
  refused_line(line("a", "messages", Json::array()), {"at least one message"});
  refused_line(line("a", "messages", "Hi"), {"at least one message"});
  refused_line(line("a", "messages", {"Hi"}), {"message 1", "not a JSON object"});
  refused_line(line("a", "messages", {{{"role", "user"}}}), {"message 1", "no \"content\""});
  refused_line(R"({"id": 1, "messages": [{"role": "user", "content": "Hi", "tool_calls": []}]})", {"tool_calls"});
  refused_line(R"({"id": 1, "prompt": "Hi", "messages": []})", {"both"});
  refused_line(R"({"id": 1, "text": "Hi"})", {"\"prompt\"", "\"messages\""});
  refused("-m " + model.file + " --chat --tokens 1,2", {"--tokens", "-p", "leave --chat out"}, {0, 2});
  refused("-m " + model.file + " --system Sing. -p Hi", {"--system", "add --chat"});
  refused("-m " + demo + " --chat -p Hi", {"demo.h5", "no chat template", "without --chat"}, {0, 2});
}
