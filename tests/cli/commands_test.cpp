// What the commands promise to scripts: fields, files, and the same text however it is run.
#include "program.hpp"

using namespace tsrun::test;

namespace {

Json generate(const std::string& arguments, int ranks = 0) {
  return json_of(run("generate --quiet --json - " + arguments, ranks));
}

}  // namespace

TEST_CASE("help lists what is built, and version says what it is made of") {
  const Ended help = run("--help");
  CHECK(help.status == 0);
  for (const char* command : {"generate", "score", "convert", "inspect", "plan", "validate"}) {
    CHECK(help.out.find(command) != std::string::npos);
    CHECK(run(std::string(command) + " --help").status == 0);
  }
  for (const char* later : {"simulate", "calibrate"}) CHECK(help.out.find(later) == std::string::npos);
  const auto says = [](const char* command, const std::string& words) {
    std::istringstream in(run(std::string(command) + " --help").out);  // in lines of 80 letters
    std::string all;
    for (std::string word; in >> word;) all += word + " ";
    return all.find(words) != std::string::npos;
  };
  CHECK(says("generate", "all prompts, at most 64"));
  CHECK(says("bench", "sequences at a time (1)"));
  CHECK_FALSE(says("score", "--batch"));
  for (const char* command : {"generate", "score", "bench"}) CHECK(says(command, "@1d"));
  const Ended version = run("--version");
  for (const char* part : {"tsrun ", "MPI ", "BLAS ", "HDF5 ", "SIMD "})
    CHECK(version.out.find(part) != std::string::npos);
}

TEST_CASE("generate's document has the fields of the contract") {
  const Json d = generate("-m " + demo + " -p 'In the beginning' -n 12", 4);
  CHECK(d["schema"] == 1);
  CHECK(d["command"] == "generate");
  CHECK(d["clock"] == "wall");
  CHECK(d["ranks"] == 4);
  CHECK(d["hosts"] == 1);
  for (const char* field :
       {"version", "threads", "oversubscribed", "mesh", "dtype", "kv_dtype", "chip", "tokens_sha256", "predicted"})
    CHECK(d.contains(field));
  for (const char* phase : {"prefill", "decode"})
    for (const char* field : {"ffn", "attention", "why"}) CHECK(d["plan"][phase].contains(field));
  const Json& sequence = d["sequences"][0];
  CHECK(sequence["id"] == "0");
  CHECK(sequence["prompt_tokens"].size() == 16);
  CHECK(sequence["tokens"].size() == 12);
  CHECK(sequence["finish"] == "length");
  CHECK(sequence["text"].get<std::string>().size() == 12);
  for (const char* field : {"load_s", "load_gb_per_s", "prefill_s", "prefill_tokens_per_s", "ttft_s", "decode_s",
                            "decode_steps", "decode_tokens_per_s", "tpot_ms", "compute_s", "transfer_s", "wait_s"})
    CHECK(d["timing"].contains(field));
  CHECK(d["timing"]["decode_steps"] == 11);
  CHECK(d["timing"]["load_gb_per_s"].get<double>() > 0);
  for (const char* field : {"weights_bytes", "window_bytes", "kv_bytes", "gathered_bytes", "activation_bytes",
                            "predicted_peak_bytes", "peak_rss_bytes"})
    CHECK(d["memory"].contains(field));
  CHECK(d["traffic"].size() > 5);
  for (const Json& row : d["traffic"]) {
    for (const char* field : {"phase", "step", "tensor", "axis", "direction", "calls", "messages"})
      CHECK(row.contains(field));
    CHECK(row["bytes_per_rank"] == row["predicted_bytes_per_rank"]);
    CHECK(row["bytes_per_rank_max"] == row["predicted_bytes_per_rank_max"]);
  }
}

TEST_CASE("a text does not change with mesh, batch or slots, and the digest is over its ids") {
  const Folder folder;
  folder.write("prompts.jsonl", R"({"id": "a", "prompt": "In the beginning"}
{"id": "b", "prompt": "And it came to pass"}

{"id": 7, "prompt": "Emma"}
)");
  const std::string model = "-m " + demo + " -n 20 --dtype f32 --kv-dtype f32 ",
                    batch = model + "-f " + (folder / "prompts.jsonl");
  const Json alone = generate(model + "-p 'In the beginning'");
  const Json together = generate(batch);
  CHECK(together["sequences"][0]["tokens"] == alone["sequences"][0]["tokens"]);
  CHECK(together["sequences"][2]["id"] == 7);
  CHECK(generate(batch + " --batch 1")["tokens_sha256"] == together["tokens_sha256"]);
  CHECK(generate(batch + " --batch 2 --prefill-chunk 3")["tokens_sha256"] == together["tokens_sha256"]);
  CHECK(generate(batch + " --mesh 1x3x1 --layout ws1d/head", 3)["tokens_sha256"] == together["tokens_sha256"]);
  CHECK(generate(batch + " --mesh 3x1x1", 3)["tokens_sha256"] == together["tokens_sha256"]);
  CHECK(generate(batch + " --mesh 2x2x1", 4)["tokens_sha256"] == together["tokens_sha256"]);
  const Json ids = generate(model + "--tokens 73,110 --tokens 65");
  CHECK(ids["sequences"].size() == 2);
  CHECK(ids["tokens_sha256"] != together["tokens_sha256"]);
}

TEST_CASE("a text streams to stdout after its prompt, and stops where asked") {
  const Ended ended = run("generate -m " + demo + " -p 'In the beginning' -n 30 --stop LORD", 2);
  CHECK(ended.status == 0);
  CHECK(ended.out.rfind("In the beginning", 0) == 0);
  CHECK(ended.err.find("wall clock") != std::string::npos);
  CHECK(ended.err.find("predicted") != std::string::npos);
  const Json stopped = generate("-m " + demo + " -p 'In the beginning' -n 60 --stop LORD", 2);
  CHECK(stopped["sequences"][0]["finish"] == "stop");
}

TEST_CASE("--explain prints both phases' steps, with what was sent beside what was predicted") {
  const Ended ended = run("generate -m " + demo + " -p 'In the beginning' -n 3 --explain --mesh 2x2x1 " +
                              "--layout prefill=wg_xy/batch_xy,decode=ws2d/batch_x",
                          4);
  REQUIRE(ended.status == 0);
  CHECK(ended.out.find("prefill on torus 2x2x1, wg_xy/batch_xy") != std::string::npos);
  CHECK(ended.out.find("decode on torus 2x2x1, ws2d/batch_x") != std::string::npos);
  std::istringstream lines(ended.out);
  int steps = 0, gathers = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t sent = line.find(", sent "), predicted = line.find(", predicted ");
    if (sent == std::string::npos) continue;
    REQUIRE(predicted != std::string::npos);
    const std::string bytes = line.substr(sent + 7, predicted - sent - 7);
    CHECK(bytes == line.substr(predicted + 12));
    CHECK(bytes != "0 B");
    CHECK(line.find("run: 0 calls") == std::string::npos);
    CHECK(line.find(" -> ") != std::string::npos);
    ++steps;
    gathers += line.find("gather_weights") != std::string::npos ? 1 : 0;
  }
  CHECK(steps > 15);
  CHECK(gathers == 2);
}

TEST_CASE("--explain prints the widest pass that was run, and no phase that was not") {
  const Folder folder;
  folder.write("three.jsonl", R"({"id": 1, "prompt": "one prompt"}
{"id": 2, "prompt": "and others"}
{"id": 3, "prompt": "as long as"}
)");
  const std::string batch = "generate --quiet --explain -m " + demo + " -f " + (folder / "three.jsonl");
  const Ended both = run(batch + " -n 2", 2), first = run(batch + " -n 1", 2);
  CHECK(both.out.find("B 3, L 10,") != std::string::npos);
  CHECK(both.out.find("B 3, L 1,") != std::string::npos);
  CHECK(first.out.find("prefill on torus") != std::string::npos);
  CHECK(first.out.find("decode on torus") == std::string::npos);
  const Ended measured = run("bench --quiet --explain -m " + demo + " --pp 8 --tg 0 --batch 2 -r 1 --mesh 2x1x1", 2);
  CHECK(measured.out.find("prefill on torus 2x1x1") != std::string::npos);
  CHECK(measured.out.find("decode on torus") == std::string::npos);
  const Ended plain = run("bench --quiet -m " + demo + " --pp 8 --tg 0 -r 1", 2);
  CHECK(plain.out.find("on torus") == std::string::npos);
  const Ended scored = run("score --quiet --explain -m " + demo + " -f " + (folder / "three.jsonl"), 2);
  CHECK(scored.out.find("prefill on torus") != std::string::npos);
  CHECK(scored.out.find("decode on torus") == std::string::npos);
}

TEST_CASE("sampling is repeatable and follows its seed") {
  const std::string base =
      "-m " + demo + " -p 'The ' -n 24 --temp 0.9 --top-k 40 --top-p 0.95 --min-p 0.01 --repeat-penalty 1.1 ";
  const Json one = generate(base + "-s 1"), again = generate(base + "--seed 1", 2), other = generate(base + "-s 2");
  CHECK(one["tokens_sha256"] == again["tokens_sha256"]);
  CHECK(one["tokens_sha256"] != other["tokens_sha256"]);
}

TEST_CASE("a results file survives its job: whole lines stay, a torn one is redone") {
  const Folder folder;
  std::string prompts;
  for (int i = 0; i < 5; ++i)
    prompts += R"({"id": ")" + std::to_string(i) + R"(", "prompt": "Chapter )" + std::to_string(i) + "\"}\n";
  folder.write("prompts.jsonl", prompts);
  const std::string base = "generate --quiet -m " + demo + " -f " + (folder / "prompts.jsonl") + " -n 8 -o ";
  folder.write("whole.jsonl", "");  // a job that was killed before its first result left no more
  CHECK(run(base + (folder / "whole.jsonl"), 2).status == 0);
  const std::string whole = slurp(folder / "whole.jsonl");
  CHECK(std::count(whole.begin(), whole.end(), '\n') == 6);
  CHECK(Json::parse(whole.substr(0, whole.find('\n'))).contains("plan"));

  // The job dies in the middle of the fourth result.
  std::size_t end = 0;
  for (int line = 0; line < 4; ++line) end = whole.find('\n', end) + 1;
  folder.write("torn.jsonl", whole.substr(0, end + 10));
  CHECK(run(base + (folder / "torn.jsonl"), 2).status == 2);  // not without --resume
  CHECK(run(base + (folder / "torn.jsonl") + " --resume", 2).status == 0);
  CHECK(slurp(folder / "torn.jsonl") == whole);
  CHECK(run(base + (folder / "torn.jsonl") + " --resume", 2).status == 0);  // nothing left to do
  CHECK(slurp(folder / "torn.jsonl") == whole);
  const Ended other = run(base + (folder / "torn.jsonl") + " --resume -s 9", 2);
  CHECK(other.status == 2);
  CHECK(other.messages().size() == 1);
}

TEST_CASE("what is left open is chosen by the planner, and a run that is resumed keeps the plan of its file") {
  const std::string base = "-m " + demo + " -p 'In the beginning' -n 6";
  const Json open = generate(base, 6);
  CHECK(open["mesh"][0].get<int>() * open["mesh"][1].get<int>() * open["mesh"][2].get<int>() == 6);
  CHECK(open["chip"] == "host");
  CHECK(open["predicted"]["prefill_s"].get<double>() > 0);
  CHECK(open["predicted"]["tpot_ms"].get<double>() > 0);
  for (const char* phase : {"prefill", "decode"})
    CHECK(open["plan"][phase]["why"].get<std::string>().find("Bound by") != std::string::npos);
  CHECK(generate(base, 1)["tokens_sha256"] == open["tokens_sha256"]);
  const Json stated = generate(base + " --mesh 1x3x2 --layout ws2d/batch", 6);
  CHECK(stated["mesh"] == Json({1, 3, 2}));
  CHECK(stated["plan"]["decode"]["why"] == "asked for");
  const Json turned = generate(base + " --mesh 2x2x1 --layout decode=ws2d/batch,prefill=wg_x/head", 4);
  CHECK(turned["plan"]["prefill"]["ffn"] == "wg_x");
  CHECK(turned["plan"]["decode"]["ffn"] == "ws2d");
  const Json half = generate(base + " --mesh 2x2x1 --layout decode=ws1d/head", 4);
  CHECK(half["plan"]["decode"]["ffn"] == "ws1d");
  CHECK(half["plan"]["decode"]["why"] == "asked for");
  CHECK(half["plan"]["prefill"]["why"] != "asked for");
  CHECK(run("generate -m " + demo + " -p hello -n 2 --max-latency-ms 0.00001", 2).status == 3);

  const Folder folder;
  folder.write("p.jsonl", "{\"id\": 1, \"prompt\": \"a\"}\n{\"id\": 2, \"prompt\": \"b\"}\n");
  const std::string file = "generate --quiet -m " + demo + " -f " + (folder / "p.jsonl") + " -n 3 -o " + (folder / "r.jsonl");
  CHECK(run(file + " --layout prefill=wg_x/head,decode=ws2d/batch --mesh 2x2x1", 4).status == 0);
  const std::string whole = slurp(folder / "r.jsonl");
  folder.write("r.jsonl", whole.substr(0, whole.find('\n', whole.find('\n') + 1) + 1));  // one result is missing
  CHECK(run(file + " --resume", 4).status == 0);
  CHECK(slurp(folder / "r.jsonl") == whole);
  CHECK(run(file + " --resume --mesh 4x1x1", 4).status == 2);
}

TEST_CASE("convert keeps types or makes them f32 and bf16, and inspect shows them") {
  const Folder folder;
  const std::string model = folder / "m.h5";
  const Json converted = json_of(run("convert " + golden + "llama_gqa.gguf " + model + " --json -"));
  CHECK(converted["types"]["F32->f32"] == converted["tensors"]);
  CHECK(converted["bytes_in"] == converted["bytes_out"]);
  const Json inspected = json_of(run("inspect " + model + " --verify --json -"));
  CHECK(inspected["verified"] == true);
  CHECK(inspected["config"]["H"] == 9);
  CHECK(inspected["config"]["rope_pairing"] == "half");
  CHECK(inspected["tensors"].size() == converted["tensors"]);
  CHECK(inspected["tokenizer"]["kind"] == "none");
  CHECK(inspected["rank"].is_null());
  CHECK(inspected["tokenizer"]["chat_family"].is_null());
  const Json rank = json_of(run("inspect " + model + " --mesh 2x2x2 --json -"))["rank"];
  CHECK(rank["mesh"] == Json{2, 2, 2});
  CHECK(rank["layout"] == "ws2d/head");
  CHECK(rank["weights_bytes"].get<std::int64_t>() > 0);
  CHECK(rank["predicted_peak_bytes"] == rank["weights_bytes"].get<std::int64_t>() + rank["kv_bytes"].get<std::int64_t>() +
                                            rank["gathered_bytes"].get<std::int64_t>() + rank["activation_bytes"].get<std::int64_t>());
  CHECK(run("inspect " + model + " --mesh 2x2x2").out.find("a rank of 2x2x2") != std::string::npos);
  json_of(run("convert " + golden + "llama_gqa.gguf " + model + " --dtype bf16 --json -"));
  const Json rounded = json_of(run("inspect " + model + " --json -"));
  for (const Json& t : rounded["tensors"]) CHECK(t["dtype"] == (t["shape"].size() == 2 ? "bf16" : "f32"));
  CHECK(folder.files() == 1);
}

TEST_CASE("score gives natural logarithms, and logits where asked") {
  const Folder folder;
  folder.write("text.txt", "In the beginning God created the heaven and the earth.");
  folder.write("ids.json", "[[73,110,32,116,104,101],[65,66]]");
  const Json text = json_of(run("score -m " + demo + " -f " + (folder / "text.txt") + " --json -", 2));
  CHECK(text["tokens"] == 54);
  CHECK(text["timing"]["load_gb_per_s"].get<double>() > 0);
  CHECK(text["logprobs"][0][0].is_null());
  double nll = 0;
  for (std::size_t i = 1; i < text["logprobs"][0].size(); ++i) nll -= text["logprobs"][0][i].get<double>();
  CHECK(text["nll"].get<double>() == doctest::Approx(nll));
  CHECK(text["perplexity"].get<double>() == doctest::Approx(std::exp(nll / 53)));
  CHECK(text["perplexity"].get<double>() < 6);  // English, to a model of English
  const Json ids = json_of(run("score -m " + demo + " --tokens-file " + (folder / "ids.json") + " --logits " +
                                   (folder / "logits.h5") + " --json -",
                               3));
  CHECK(ids["logprobs"].size() == 2);
  CHECK(std::filesystem::file_size(folder / "logits.h5") > (6 + 2) * 257 * 4);
  CHECK(folder.files() == 3);
}

TEST_CASE("a text's probabilities do not depend on how it is cut into passes, however collectives walk") {
  const Folder folder;
  std::string text;
  for (int i = 0; i < 15; ++i) text += "line " + std::to_string(i * i) + " of many\n";
  folder.write("text.txt", text);
  const std::string score = "score -m " + demo + " -f " + (folder / "text.txt") + " --layout ws1d/head --json - --quiet --schedules ";
  for (const auto& [schedule, mesh] : {std::pair("rotated", "2x2x1"), std::pair("two_way", "4x1x1")}) {
    CAPTURE(schedule);
    const std::string by = score + schedule + " --mesh " + mesh + " --prefill-chunk ";
    CHECK(json_of(run(by + "64", 4))["logprobs"] == json_of(run(by + "24", 4))["logprobs"]);
  }
}
