// `tsrun bench`, to the contract of its document and its tables.
#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>

#include "program.hpp"

using namespace tsrun::test;

namespace {

constexpr int patience = 300;  // the bandwidth is measured too, and a shared machine is slow

// A model of the catalogue's kind, small enough to be made up in no time.
const std::string tiny = R"({"model_type":"llama","architectures":["LlamaForCausalLM"],"hidden_size":96,
  "intermediate_size":160,"num_hidden_layers":2,"num_attention_heads":6,"num_key_value_heads":2,"head_dim":16,
  "vocab_size":131,"max_position_embeddings":256,"rms_norm_eps":1e-5,"rope_theta":10000,"tie_word_embeddings":false,
  "hidden_act":"silu"})";

}  // namespace

TEST_CASE("bench's document has the fields of the contract, a row for each test, batch and depth") {
  const Json d = json_of(
      run("bench -m " + demo + " --pp 8,16 --tg 3 --batch 1,3 --depth 0,5 -r 2 --quiet --json -", 4, "", patience));
  CHECK(d["command"] == "bench");
  CHECK(d["clock"] == "wall");
  CHECK(d["ranks"] == 4);
  CHECK(d["regret"].is_null());
  CHECK(d["timing"]["load_gb_per_s"] > 0);
  CHECK(d["peak"]["flops_per_s"] > 1e6);
  CHECK(d["peak"]["bytes_per_s"] > 1e6);
  REQUIRE(d["rows"].size() == 12);
  for (const Json& row : d["rows"]) {
    for (const char* field : {"test", "depth", "batch", "stddev", "predicted_tokens_per_s"}) CHECK(row.contains(field));
    CHECK(row["predicted_tokens_per_s"] > 0);
    REQUIRE(row["runs"].size() == 2);
    const double first = row["runs"][0], second = row["runs"][1];
    CHECK(row["tokens_per_s"].get<double>() == doctest::Approx((first + second) / 2));
    CHECK(row["mfu"] > 0);
    CHECK(row["bandwidth_share"] > 0);
    for (const char* field : {"ffn", "attention", "why"}) CHECK(row["plan"].contains(field));
    // A rank computes, moves and waits, and does nothing else for long.
    const double tokens = row["batch"].get<double>() * std::stod(row["test"].get<std::string>().substr(2));
    double parts = 0;
    for (const char* part : {"compute_s", "transfer_s", "wait_s"}) {
      CHECK(row[part]["min"] <= row[part]["median"]);
      CHECK(row[part]["median"] <= row[part]["max"]);
      parts += row[part]["min"].get<double>();
    }
    CHECK(parts > 0);
    CHECK(parts <= 1.01 * tokens / std::min(first, second));
  }
  CHECK(d["rows"][0]["test"] == "pp8");
  CHECK(d["rows"][1]["test"] == "pp16");
  CHECK(d["rows"][2]["test"] == "tg3");
  CHECK(d["rows"][5]["batch"] == 3);
  CHECK(d["rows"][11]["depth"] == 5);
}

TEST_CASE("bytes that are read are those of the weights, once a pass, and of the cache") {
  const auto bytes = [](const std::string& options) {
    return json_of(run("bench -m " + demo + " --pp 0 -r 1 --quiet --json - " + options, 1, "",
                       patience))["rows"][0]["bytes_read"]
        .get<double>();
  };
  const double once = bytes("--tg 1"), twice = bytes("--tg 2"), deep = bytes("--tg 1 --depth 10");
  const Json model = json_of(run("inspect " + demo + " --json -"));
  const double layers = model["config"]["layers"], K = model["config"]["K"], Q = model["config"]["Q"];
  const double position = 2 * layers * K * Q * 2;
  CHECK(twice == doctest::Approx(2 * once + position));
  CHECK(deep == doctest::Approx(once + 10 * position));
}

TEST_CASE("made-up weights need no file, in any type and on any mesh") {
  const Folder folder;
  folder.write("tiny.json", tiny);
  const std::string model = folder / "tiny.json";
  for (const char* type : {"f32", "bf16", "int8", "int4"}) {
    CAPTURE(type);
    const Json d = json_of(run("bench -m " + model +
                                   " --random-weights --pp 20 --tg 2 -r 1 --quiet --json - --kv-dtype int8"
                                   " --layout prefill=wg_xyz/batch,decode=ws2d/batch --dtype " +
                                   std::string(type),
                               4, "", patience));
    CHECK(d["model"] == "tiny");
    CHECK(d["dtype"] == type);
    CHECK(d["kv_dtype"] == "int8");
    CHECK(d["rows"][0]["plan"]["ffn"] == "wg_xyz");
    CHECK(d["rows"][1]["plan"]["ffn"] == "ws2d");
  }
  folder.write("config.json", tiny);
  CHECK(json_of(run("bench -m " + (folder / ".") + " --random-weights --pp 2 --tg 0 -r 1 --quiet --json -", 1, "",
                    patience))["parameters"] > 0);
}

TEST_CASE("layouts are compared: the planner's choice first, then the ways predicted fastest, and the regret") {
  const Json d = json_of(run("bench -m " + demo + " --pp 0 --tg 4 --batch 2 -r 2 --compare-layouts 3 --quiet --json -", 4, "",
                             patience));
  const Json chosen_way = d["rows"][0]["plan"];
  REQUIRE((d["rows"].size() == 3 || d["rows"].size() == 4));  // the choice is mostly one of the three
  CHECK(chosen_way["why"] != "compared");
  double least = 1e9, chosen = 0;
  for (const Json& row : d["rows"]) {
    const double seconds = 8 / row["runs"][0].get<double>() + 8 / row["runs"][1].get<double>();
    if (chosen == 0) chosen = seconds;
    least = std::min(least, seconds);
  }
  for (std::size_t i = 1; i < d["rows"].size(); ++i) {
    const Json& way = d["rows"][i]["plan"];
    CHECK(way["why"] == "compared");
    const auto differs = [&](const char* field) { return way[field] != chosen_way[field]; };
    CHECK((differs("mesh") || differs("ffn") || differs("attention")));
  }
  CHECK(d["regret"].get<double>() == doctest::Approx(chosen / least - 1));
}

TEST_CASE("a rank alone has one way, which is not compared with itself") {
  const Ended alone = run("bench -m " + demo + " --pp 2 --tg 2 -r 1 --compare-layouts 1 --json -", 0, "", patience);
  const Json d = json_of(alone);
  CHECK(d["rows"].size() == 2);
  CHECK(d["regret"].is_null());
  CHECK_MESSAGE(alone.err.find("nothing to compare") != std::string::npos, alone.err);
}

TEST_CASE("tables for people and for spreadsheets") {
  const std::string options = "bench -m " + demo + " --pp 4 --tg 2 -r 1 --quiet";
  const Ended csv = run(options + " --output csv", 1, "", patience);
  REQUIRE(csv.status == 0);
  std::istringstream lines(csv.out);
  std::string head, row;
  std::getline(lines, head);
  int rows = 0;
  for (; std::getline(lines, row); ++rows)
    CHECK(std::count(row.begin(), row.end(), ',') == std::count(head.begin(), head.end(), ','));
  CHECK(rows == 2);
  const Ended md = run(options, 1, "", patience);
  CHECK(md.out.find("| pp4 | 0 | 1 |") != std::string::npos);
  CHECK(md.out.find("GB/s") != std::string::npos);
  CHECK(json_of(run(options + " --output json", 1, "", patience))["rows"].size() == 2);
}

TEST_CASE("what cannot be measured is refused by name") {
  const auto refused = [](const std::string& options, const std::string& word) {
    const Ended ended = run("bench " + options, 1);
    CHECK(ended.status == 2);
    CHECK_MESSAGE(ended.err.find(word) != std::string::npos, ended.err);
  };
  refused("-m " + demo + " --compare-layouts 0", "--compare-layouts");
  refused("-m " + demo + " --pp 5,x", "\"x\"");
  refused("-m " + demo + " --batch 0", "--batch");
  refused("-m " + demo + " --pp 0 --tg 0", "nothing to measure");
  refused("-m " + demo + " --output xml", "xml");
  refused("-m " + demo + " --pp 1000000", "lower --pp, --tg or --depth");
  refused("-m no-such-model --random-weights", "no-such-model");
  refused("-m tinyllama-1.1b", "--random-weights");
  refused("--pp 4", "model");
}
