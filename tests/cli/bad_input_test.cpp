// Bad input: the right status within seconds, one message that names the thing, nothing half written; alone and on four
// ranks.
#include <random>

#include "program.hpp"

using namespace tsrun::test;

namespace {

// Refused with this status and one message that has all these words.
void refused(const std::string& arguments, int status, const std::vector<std::string>& words,
             const std::vector<int>& ranks = {0, 4}, const std::string& before = "") {
  for (const int n : ranks) {
    CAPTURE(arguments);
    CAPTURE(n);
    const Ended ended = run(arguments, n, before);
    CHECK(ended.status == status);
    const std::vector<std::string> messages = ended.messages();
    CHECK_MESSAGE(messages.size() == 1, ended.err);
    CHECK(ended.out.empty());
    if (messages.empty()) continue;
    for (const std::string& word : words) CHECK_MESSAGE(messages[0].find(word) != std::string::npos, messages[0]);
  }
}

std::string generate(const std::string& arguments) { return "generate -m " + demo + " " + arguments; }

// A converted golden model without a tokenizer.
struct Plain : Folder {
  std::string model = *this / "plain.h5";
  Plain() { REQUIRE(run("convert " + golden + "llama_gqa.gguf " + model).status == 0); }
};

}  // namespace

TEST_CASE("prompts that cannot be") {
  const Plain plain;
  const Folder folder;
  refused("generate -m " + plain.model + " -p hello", 2, {"tokenizer", "--tokens"});
  refused(generate("-p ''"), 2, {"prompt", "empty"});
  refused(generate("-n 3"), 2, {"no prompt"});
  refused(generate("--tokens 1,2,900 -n 3"), 2, {"id 900", "257"});
  refused(generate("--tokens 1,-2 -n 3"), 2, {"-2"});
  refused(generate("--tokens 1,,2"), 2, {"list of ids"});
  refused(generate("-f " + (folder / "missing.txt")), 2, {"missing.txt"});
  folder.write("bad.jsonl", "{\"id\": 1, \"prompt\": \"x\"}\n{\"id\": 2, \"prompt\"");
  refused(generate("-f " + (folder / "bad.jsonl")), 2, {"bad.jsonl, line 2"});
  folder.write("twice.jsonl", "{\"id\": 1, \"prompt\": \"x\"}\n{\"id\": 1, \"prompt\": \"y\"}\n");
  refused(generate("-f " + (folder / "twice.jsonl")), 2, {"twice"});
}

TEST_CASE("invalid UTF-8 is refused by a tokenizer of characters") {
  const Plain plain;  // for its folder; the model needs a tokenizer of BPE, which the tests of the tokenizer cover
  plain.write("bytes.txt", "abc\xff");
  CHECK(run(generate("-f " + (plain / "bytes.txt") + " -n 2"), 4).status == 0);  // raw bytes take anything
}

TEST_CASE("contexts, meshes and layouts that cannot be") {
  refused(generate("-p hello -n 100000"), 2, {"context", "100000", "1024"});
  refused(generate("-p hello -n 10 -c 5"), 2, {"longer than --ctx-size", "raise --ctx-size"});
  refused(generate("-p hello --mesh 3x5x7"), 2, {"3x5x7", "105"});
  refused(generate("-p hello --mesh 2x2"), 2, {"2x2", "--mesh"});
  refused(generate("-p hello --layout wg_yz/batch"), 2, {"wg_yz", "nearest is wg_xy,", "order x, y, z"});
  refused(generate("-p hello --layout ws2d/batch_z"), 2, {"batch_z", "nearest is batch_x,", "batch_xy"});
  refused(generate("-p hello --layout ws2d/batch_zyx"), 2, {"nearest is batch,"});
  refused(generate("-p hello --layout wg_w/head"), 2, {"wg_w", "choose one of: ws1d ws2d wg_x wg_xy wg_xyz"});
  refused(generate("-p hello --layout nonsense"), 2, {"nonsense"});
  refused(generate("-p hello --layout decode=nonsense"), 2, {"\"nonsense\""}, {0});
  for (const std::string word : {"score=ws1d/head", "ws2d/head"})
    refused(generate("-p hello --layout decode=ws1d/head," + word), 2, {"\"" + word + "\"", "prefill=FFN/ATTENTION,decode="}, {0});
  refused(generate("-p hello --layout decode=ws1d/head,decode=ws2d/head"), 2, {"\"decode=ws2d/head\""}, {0});
  refused(generate("-p hello --layout prefill=ws1d/head,decode=ws2d/head --mesh 4x1x1"), 2,
          {"two copies", "ws2d cuts their inputs along x, and ws1d does not", "chips along x 4", "prefill=ws2d/head,decode=ws2d/head"}, {4});
  refused(generate("-p hello --batch 70000 -n 1"), 2, {"--batch", "65536"});
}

TEST_CASE("ranks that are started with different words stop at once, and say which, where and what") {
  const std::string others = std::string(" : -n 3 ") + TSRUN_PROGRAM + " ";
  const std::string same = generate("-p hello -n 400 --layout ws2d/batch");
  char host[256] = {};
  REQUIRE(gethostname(host, sizeof host - 1) == 0);
  for (const std::string& other : {generate("-p hello -n 400 --layout ws2d/head"), generate("-p hello -n 400 --layout nonsense"), same + " --temp 1"})
    refused(same + others + other, 2, {"rank 1", "rank 0", host, other.find("--temp") == std::string::npos ? "\"ws2d/batch\"" : "\"--temp\" against nothing"}, {1});
  refused(same + others + "score -m " + demo, 2, {"\"score\" against \"generate\""}, {1});
}

TEST_CASE("options that are wrong, unknown or not built yet") {
  // Words are understood by every rank alike; a few are told on several.
  refused(generate("-p hello -n -5"), 2, {"--n-predict", "-5"});
  refused(generate("-p hello -n 99999999999999999999"), 2, {"n-predict"}, {0});
  refused(generate("-p hello --temp warm"), 2, {"--temp", "warm"}, {0});
  refused(generate("-p hello --temp nan"), 2, {"--temp"}, {0});
  refused(generate("-p hello --dtype int3"), 2, {"int3", "not a type", "auto f32 bf16 int8 int4"}, {0});
  refused("convert a b --dtype int3", 2, {"int3", "auto f32 bf16 int8 int4"}, {0});
  refused(generate("-p hello --chip tpu_v5"), 2, {"tpu_v5", "nearest tpu_v4"}, {0});
  refused(generate("-p hello --frobnicate"), 2, {"frobnicate"});
  refused("score -m " + demo + " -f " + demo + " --batch 8", 2, {"--batch"}, {0});  // it takes one text after the other
  refused(generate("-p hello --timeout abc"), 2, {"--timeout", "abc"});
  for (const std::string alone : {"inspect x.h5", "convert a b", "plan", "validate"})
    refused(alone + " --timeout abc", 2, {"--timeout", "abc"}, {0});
  refused("simulate", 2, {"tsrun: \"simulate\" is not built yet"}, {0});
  refused("frobnicate", 2, {"tsrun: \"frobnicate\" is not a command"}, {0});
  refused("generate -p hello", 2, {"tsrun: --model: it is missing"});
  refused("inspect", 2, {"tsrun: file: it is missing"}, {0});
  refused("convert a b", 2, {"one rank"}, {4});
}

TEST_CASE("model files that are missing, cut short, or changed by a bit") {
  const Plain plain;
  const std::string whole = slurp(plain.model), arguments = "generate --tokens 1,2 -n 2 -m ";
  refused(arguments + (plain / "nothing.h5"), 2, {"nothing.h5", "tsrun convert"});
  refused(arguments + (plain / ""), 2, {"folder", "tsrun convert FOLDER"});
  plain.write("text.h5", "hello");
  refused(arguments + (plain / "text.h5"), 2, {"text.h5"});
  std::mt19937 random(1);
  for (int i = 0; i < 6; ++i) {
    plain.write("short.h5", whole.substr(0, random() % whole.size()));
    refused(arguments + (plain / "short.h5"), 2, {"short.h5"}, {i % 2 == 0 ? 0 : 4});
  }
  for (int i = 0; i < 12; ++i) {
    std::string flipped = whole;
    flipped[random() % flipped.size()] ^= static_cast<char>(1 << random() % 8);
    plain.write("flipped.h5", flipped);
    refused(arguments + (plain / "flipped.h5"), 2, {"flipped.h5"}, {i % 2 == 0 ? 0 : 4});
    refused("inspect --verify " + (plain / "flipped.h5"), 2, {"flipped.h5"}, {0});
  }
}

TEST_CASE("damage in what one rank reads ends the job on all, named with its tensor, and nothing is half written") {
  const Folder folder;
  const std::string model = folder / "damaged.h5", results = folder / "results.jsonl", whole = slurp(demo);
  const std::string arguments = "generate --quiet -p hello -n 2 -m " + model + " -o " + results;
  bool others = false;
  for (const std::size_t place : {whole.size() / 4, whole.size() / 2, whole.size() * 3 / 4}) {
    std::string flipped = whole;
    flipped[place] ^= 4;
    folder.write("damaged.h5", flipped);
    const std::string verified = run("inspect --verify " + model).messages().at(0);
    const std::size_t begin = verified.find("damaged.h5: /"), end = verified.find(": the tensor's");
    REQUIRE(end != std::string::npos);
    const std::string tensor = verified.substr(begin, end - begin);
    for (const int ranks : {1, 8}) {
      const Ended ended = run(arguments + (ranks == 8 ? " --mesh 2x2x2" : ""), ranks);
      CHECK(ended.status == 2);
      REQUIRE_MESSAGE(ended.messages().size() == 1, ended.err);
      const std::string message = ended.messages()[0];
      for (const std::string& words : {tensor, std::string("at byte"), std::string("CRC-32C stored")})
        CHECK_MESSAGE(message.find(words) != std::string::npos, message);
      others = others || message.find("while loading the model") != std::string::npos;
      CHECK(ended.out.empty());
      CHECK(!std::filesystem::exists(results));
    }
  }
  CHECK(others);  // not only what rank 0 reads
  CHECK(folder.files() == 1);
}

TEST_CASE("GGUF files that are damaged or of an unknown kind leave no output") {
  const Folder folder;
  const std::string whole = slurp(golden + "palm.gguf"), out = folder / "out.h5";
  std::string strange = whole;
  strange.replace(strange.find("palm"), 4, "mlap");
  folder.write("strange.gguf", strange);
  refused("convert " + (folder / "strange.gguf") + " " + out, 2, {"mlap", "llama"}, {0});
  folder.write("short.gguf", whole.substr(0, whole.size() - 100));
  refused("convert " + (folder / "short.gguf") + " " + out, 2, {"short.gguf"}, {0});
  folder.write("text.gguf", "hello");
  refused("convert " + (folder / "text.gguf") + " " + out, 2, {"text.gguf"}, {0});
  refused("convert " + (folder / "none.gguf") + " " + out, 2, {"none.gguf"}, {0});
  refused("convert " + golden + "palm.gguf " + (folder / "no/such/folder.h5"), 2, {"folder"}, {0});
  CHECK(folder.files() == 3);
}

TEST_CASE("a full disk during convert leaves nothing behind") {
  const Folder folder;
  // No file may grow beyond 64 KiB: the write fails in the middle of a tensor.
  const Ended ended = run("convert " + golden + "llama_gqa.gguf " + (folder / "out.h5"), 0, "ulimit -f 64;");
  CHECK(ended.status == 1);
  CHECK_MESSAGE(ended.messages().size() == 1, ended.err);
  CHECK(folder.files() == 0);
}

TEST_CASE("too little memory is said with the numbers before anything is allocated") {
  const Folder folder;
  REQUIRE(run("convert " + golden + "llama_bias.gguf " + (folder / "m.h5")).status == 0);
  refused("generate -m " + (folder / "m.h5") + " --tokens 1,2 -n 2 -c 16384 --batch 65536", 3, {"memory", "available"});
}

TEST_CASE("single ranks of a wrong launcher: one speaks, all refuse") {
  const Ended first = run(generate("-p hello -n 2"), 0, "PMI_SIZE=4 PMI_RANK=0"),
              second = run(generate("-p hello -n 2"), 0, "PMI_SIZE=4 PMI_RANK=1");
  CHECK(first.status == 2);
  CHECK(first.messages().size() == 1);
  CHECK(first.err.find("launcher") != std::string::npos);
  CHECK(second.status == 2);
  CHECK(second.messages().empty());
}

TEST_CASE("an error is JSON too where JSON is asked for") {
  const Ended ended = run(generate("--tokens 1,2,900 --json -"), 4);
  CHECK(ended.status == 2);
  const Json d = Json::parse(ended.out);
  CHECK(d["schema"] == 1);
  CHECK(d["error"]["code"] == 2);
  for (const char* field : {"what", "where", "numbers", "do"}) CHECK(d["error"].contains(field));
  CHECK(d["error"]["numbers"]["id"] == 900);
}
