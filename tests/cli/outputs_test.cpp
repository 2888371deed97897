// What a command writes: never over what it reads or what is somebody else's, looked at before the work, and missed
// where it could not be written.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "program.hpp"

using namespace tsrun::test;

namespace {

// A prompt, a list of ids and a copy of the demo model.
struct Inputs : Folder {
  std::string model = *this / "m.h5", ids = *this / "ids.json", prompts = *this / "p.jsonl";
  Inputs() {
    std::filesystem::copy_file(demo, model);
    write("ids.json", "[[65,66,67]]");
    write("p.jsonl", "{\"id\": 1, \"prompt\": \"x\"}\n");
  }
};

// Refused before any work, and every file is as it was.
void refused_untouched(const Inputs& in, const std::string& arguments, const std::vector<std::string>& words) {
  CAPTURE(arguments);
  const std::string model = slurp(in.model), ids = slurp(in.ids), prompts = slurp(in.prompts);
  const Ended ended = run(arguments);
  CHECK(ended.status == 2);
  const auto messages = ended.messages();
  REQUIRE_MESSAGE(messages.size() == 1, ended.err);
  for (const std::string& word : words) CHECK_MESSAGE(messages[0].find(word) != std::string::npos, messages[0]);
  CHECK(slurp(in.model) == model);
  CHECK(slurp(in.ids) == ids);
  CHECK(slurp(in.prompts) == prompts);
}

}  // namespace

TEST_CASE("a --json whose name was forgotten takes no other word for it") {
  const Inputs in;
  refused_untouched(in, "inspect --json " + in.model, {"--json", "would be lost"});
  refused_untouched(in, "generate --json -m " + in.model + " -p x", {"--json"});
  refused_untouched(in, "generate -m " + in.model + " -p x --json --quiet", {"--json", "\"--quiet\""});
  refused_untouched(in, "generate -p x --json -h", {"--json"});
}

TEST_CASE("outputs are never written over inputs, nor over each other") {
  const Inputs in;
  const std::string generate = "generate -m " + in.model + " -f " + in.prompts + " -n 2 ",
                    score = "score -m " + in.model + " --tokens-file " + in.ids;
  refused_untouched(in, generate + "--json " + in.model, {"--json", "--model", "another name"});
  refused_untouched(in, generate + "--json " + in.prompts, {"--json", "--file"});
  refused_untouched(in, generate + "-o " + in.prompts, {"--output", "--file"});
  refused_untouched(in, generate + "-o " + (in / "o.jsonl") + " --json " + (in / "./o.jsonl"),
                    {"--json", "--output", "the same file"});
  refused_untouched(in, score + " --logits " + in.model, {"--logits", "--model"});
  refused_untouched(in, score + " --json " + in.ids, {"--json", "--tokens-file"});
  refused_untouched(in, "inspect " + in.model + " --json " + in.model, {"--json", "file"});
  std::filesystem::create_symlink(in.model, in / "link");
  refused_untouched(in, "inspect " + in.model + " --json " + (in / "link"), {"--json", "file"});

  const Folder model;
  model.write("config.json", "{}");
  model.write("model.safetensors", "weights");
  refused_untouched(in, "convert " + (model / "") + " " + (model / "model.safetensors"), {"out", "in"});
  CHECK(slurp(model / "model.safetensors") == "weights");
  refused_untouched(in, "convert " + in.model + " " + (in / "x.h5") + " --json " + (in / "x.h5"), {"--json", "out"});
  CHECK_FALSE(std::filesystem::exists(in / "o.jsonl"));  // nor is the error written where results should have come
  CHECK_FALSE(std::filesystem::exists(in / "x.h5"));
}

TEST_CASE("a document replaces documents alone, and follows a link") {
  const Inputs in;
  in.write("notes.txt", "mine");
  refused_untouched(in, "inspect " + demo + " --json " + (in / "notes.txt"), {"notes.txt", "not a JSON document"});
  CHECK(slurp(in / "notes.txt") == "mine");
  const std::string chip = "{\n \"name\": \"host\"\n}\n";
  in.write("host.json", chip);
  refused_untouched(in, "inspect " + demo + " --json " + (in / "host.json"), {"host.json", "not a JSON document"});
  CHECK(slurp(in / "host.json") == chip);
  in.write("empty.json", "");
  std::filesystem::create_symlink("there.json", in / "link.json");
  for (const std::string name : {"new.json", "empty.json", "new.json", "link.json"})
    CHECK(run("inspect " + demo + " --json " + (in / name)).status == 0);
  CHECK(std::filesystem::is_symlink(in / "link.json"));
  CHECK(Json::parse(slurp(in / "there.json"))["command"] == "inspect");
}

TEST_CASE("pipes and devices take a document, and stay what they are") {
  const Inputs in;
  const std::string pipe = in / "pipe";
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(run("inspect " + demo + " --json " + pipe, 0, "cat " + pipe + " >" + (in / "read") + " &").status == 0);
  CHECK(std::filesystem::is_fifo(pipe));
  for (int i = 0; i < 100 && slurp(in / "read").empty(); ++i) usleep(20000);
  CHECK(Json::parse(slurp(in / "read"))["command"] == "inspect");
  refused_untouched(in, "score -m " + in.model + " --tokens-file " + in.ids + " --logits " + pipe, {"not a file"});
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{AF_UNIX, {}};
  (in / "socket").copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  refused_untouched(in, "inspect " + in.model + " --json " + (in / "socket"), {"--json", "no file, no pipe"});
  close(socket);
}

TEST_CASE("a document for /dev/stdout has it to itself, wherever it leads") {
  for (const std::string out : {"/dev/stdout", "-"})
    CHECK(json_of(run("inspect " + demo + " --json " + out))["schema"] == 1);
}

TEST_CASE("a place that cannot be written is told before the work") {
  const Inputs in;
  const std::string nowhere = in / "none/x.json";
  const std::string generate = "generate -m " + in.model + " -f " + in.prompts + " --json ",
                    score = "score -m " + in.model + " --tokens-file " + in.ids + " --logits ",
                    plan = "plan --model smollm2-135m --chip tpu_v4 --chips 4 --sweep batch=1..2 --pareto ";
  refused_untouched(in, generate + nowhere, {"--json", "no such folder"});
  refused_untouched(in, generate + (in / ""), {"--json", "folder"});
  refused_untouched(in, score + nowhere, {"--logits", "no such folder"});
  refused_untouched(in, plan + (in / "none/x.csv"), {"--pareto", "no such folder"});
  const Ended on_two = run(generate + nowhere, 2);
  CHECK(on_two.status == 2);
  CHECK_MESSAGE(on_two.messages().size() == 1, on_two.err);
}

TEST_CASE("what stdout did not take is missed") {
  for (const std::string& words : {"inspect " + demo + " --json -", "inspect " + demo, std::string("--help"),
                                  "generate -m " + demo + " -p x -n 2 --quiet"}) {
    CAPTURE(words);
    // The redirection of `run` comes later and would win.
    const int status = std::system((std::string(TSRUN_PROGRAM) + " " + words + " >/dev/full 2>/dev/null").c_str());
    CHECK(WEXITSTATUS(status) == 1);
  }
}

TEST_CASE("a text whose reader is gone is not written to its end, unless it is kept elsewhere") {
  const Folder folder;
  const auto ended = [&](const std::string& more) {
    const std::string command = std::string(TSRUN_PROGRAM) + " generate -m " + demo +
                                " -p x -n 900 --quiet --ignore-eos " + more + " 2>" + (folder / "err") + " | true";
    CHECK(WEXITSTATUS(std::system(("bash -o pipefail -c '" + command + "'").c_str())) == 1);
    return slurp(folder / "err");
  };
  CHECK(ended("").find("nobody takes what is printed") != std::string::npos);
  CHECK(ended("--json " + (folder / "j.json")).find("what was printed could not be written") != std::string::npos);
  CHECK(Json::parse(slurp(folder / "j.json"))["sequences"][0]["tokens"].size() == 900);
}

TEST_CASE("a rank that fails alone does not wait for the others, which wait for it") {
  const Ended ended = run("generate -m " + demo + " -p x -n 2 --quiet --json /dev/full", 2, "", 30);
  CHECK(ended.status == 1);
  REQUIRE_MESSAGE(ended.messages().size() == 1, ended.err);
  CHECK(ended.messages()[0].find("/dev/full: the result cannot be written: No space") != std::string::npos);
}

TEST_CASE("a rank that answers no more ends the job, in the document too") {
  const Folder folder;
  const std::string out = folder / "o.jsonl";
  std::string prompts;
  for (int i = 0; i < 400; ++i) prompts += R"({"id": ")" + std::to_string(i) + R"(", "prompt": "x"})" + "\n";
  folder.write("p.jsonl", prompts);
  folder.write("wrap", "#!/bin/sh\n[ $OMPI_COMM_WORLD_RANK = 0 ] || (while [ ! -s " + out +
                           " ]; do sleep 0.02; done; kill -STOP $$) &\nexec " TSRUN_PROGRAM " \"$@\"\n");
  std::filesystem::permissions(folder / "wrap", std::filesystem::perms::owner_all);
  const std::string launch = std::string("timeout 60 ") + TSRUN_MPIRUN + " 2 " + (folder / "wrap") +
                             " generate -m " + demo + " -f " + (folder / "p.jsonl") + " -n 900 --batch 1 --quiet --timeout 1" +
                             " --json " + (folder / "e.json") + " -o " + out + " >" + (folder / "out") + " 2>" +
                             (folder / "err") + " </dev/null";
  CHECK(WEXITSTATUS(std::system(launch.c_str())) == 1);
  const Json error = Json::parse(slurp(folder / "e.json"))["error"];
  CHECK(error["code"] == 1);
  CHECK(error["what"].get<std::string>().find("no answer from another rank for 1 s") == 0);
  CHECK(error["where"].get<std::string>().find("rank 0 on ") == 0);
}

TEST_CASE("another rank's error has its host and all its parts") {
  const Folder folder;
  const std::string model = folder / "cut.h5", whole = slurp(demo);
  folder.write("cut.h5", whole.substr(0, whole.size() / 2));
  // Each rank sees another file under the name: a wrapper makes the link of its rank.
  folder.write("wrap", "#!/bin/sh\ncd " + (folder / "") + "r$OMPI_COMM_WORLD_RANK && exec " TSRUN_PROGRAM " \"$@\"\n");
  std::filesystem::permissions(folder / "wrap", std::filesystem::perms::owner_all);
  for (const std::string rank : {"r0", "r1"}) std::filesystem::create_directory(folder / rank);
  std::filesystem::create_symlink(demo, folder / "r0/sw.h5");
  std::filesystem::create_symlink(model, folder / "r1/sw.h5");
  const std::string launch = std::string("timeout 60 ") + TSRUN_MPIRUN + " 2 " + (folder / "wrap") +
                             " generate -p x -n 2 --json " + (folder / "e.json") + " -m sw.h5 >" + (folder / "out") +
                             " 2>" + (folder / "err") + " </dev/null";
  CHECK(WEXITSTATUS(std::system(launch.c_str())) == 2);
  char host[256] = {};
  REQUIRE(gethostname(host, sizeof host - 1) == 0);
  const Json error = Json::parse(slurp(folder / "e.json"))["error"];
  CHECK(error["where"].get<std::string>().find(std::string("rank 1 on ") + host + " while ") == 0);
  CHECK(error["where"].get<std::string>().find("sw.h5") != std::string::npos);
  CHECK_FALSE(error["what"].get<std::string>().empty());
  CHECK_FALSE(error["do"].get<std::string>().empty());
}
