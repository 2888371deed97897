// tsrun plan: what it says to people and to programs, what it refuses, and the picture of a sweep.
#include <algorithm>
#include <set>

#include "program.hpp"

using namespace tsrun::test;

namespace {

const std::string palm = "plan --model palm-540b --chip tpu_v4 --dtype int8 ";
const std::string decode64 = palm + "--chips 64 --phase decode --batch 64 --context 2048 ";

Json document(const std::string& words, int status = 0) {
  const Ended ended = run(words + " --json -");
  CHECK_MESSAGE(ended.status == status, ended.err);
  return Json::parse(ended.out);
}

void refused(const std::string& words, int status, const std::vector<std::string>& parts) {
  CAPTURE(words);
  const Ended ended = run(words);
  CHECK(ended.status == status);
  REQUIRE_MESSAGE(ended.messages().size() == 1, ended.err);
  for (const std::string& part : parts)
    CHECK_MESSAGE(ended.messages()[0].find(part) != std::string::npos, ended.messages()[0]);
}

}  // namespace

TEST_CASE("the headline of the paper: 2D weight-stationary, attention over the batch, bound by latency, and why") {
  const Ended ended = run(decode64 + "--explain");
  REQUIRE(ended.status == 0);
  for (const char* words : {"ws2d/batch", "on 4x4x4", "bound by latency", "too close to call", "what would change it",
                            "runner-up", "run it     mpirun -n 64 tsrun generate", "all_gather zy"})
    CHECK_MESSAGE(ended.out.find(words) != std::string::npos, words);
  const std::string report = ended.out.substr(0, ended.out.find("\ndecode on torus"));
  CHECK(std::count(report.begin(), report.end(), '\n') <= 50);
}

TEST_CASE("every field of the contract, candidates best first") {
  const Json d = document(palm + "--chips 64 --batch 64");
  CHECK(d["clock"] == "model");
  for (const char* phase : {"prefill", "decode"}) CHECK(d["chosen"][phase]["phase"] == phase);
  CHECK(d["chosen"]["prefill"]["mesh"] == d["chosen"]["decode"]["mesh"]);
  std::set<std::string> phases;
  const Json* before = nullptr;
  for (const Json& c : d["candidates"]) {
    for (const char* field : {"phase",
                              "mesh",
                              "ffn",
                              "attention",
                              "dtype",
                              "batch",
                              "context",
                              "time_s",
                              "time_low_s",
                              "time_high_s",
                              "phase_time_s",
                              "mfu",
                              "cost_chip_s_per_token",
                              "compute_s",
                              "memory_s",
                              "communication_s",
                              "exposed_communication_s",
                              "latency_s",
                              "bytes_per_chip",
                              "memory_bytes_per_chip",
                              "max_context",
                              "fits",
                              "rejected",
                              "schedules"})
      REQUIRE_MESSAGE(c.contains(field), field);
    phases.insert(c["phase"]);
    if (before != nullptr && (*before)["phase"] == c["phase"]) {
      CHECK((*before)["fits"].get<bool>() >= c["fits"].get<bool>());
      if (c["fits"]) CHECK((*before)["time_s"].get<double>() <= c["time_s"].get<double>());
    }
    before = &c;
    if (!c["fits"]) {
      CHECK_FALSE(c["rejected"].is_null());
      continue;
    }
    CHECK(c["rejected"].is_null());
    CHECK(c["time_low_s"].get<double>() < c["time_s"].get<double>());
    CHECK(c["time_high_s"].get<double>() > c["time_s"].get<double>());
    const double tokens = c["phase"] == "decode" ? 64 : 64 * 2048;
    CHECK(c["cost_chip_s_per_token"].get<double>() == doctest::Approx(64 * c["time_s"].get<double>() / tokens));
    CHECK(c["phase_time_s"].get<double>() ==
          doctest::Approx(c["time_s"].get<double>() * (c["phase"] == "decode" ? 64 : 1)));
  }
  CHECK(phases.size() == 2);
  CHECK_FALSE(d["flips"].empty());
  for (const Json& f : d["flips"])
    for (const char* field : {"in", "at", "from", "to"}) CHECK(f.contains(field));
  CHECK(document(palm + "--chips 64 --batch 64 --top 3")["candidates"].size() == 6);
}

TEST_CASE("table 1 of the paper: the longest context for 30 % of the memory") {
  const auto longest = [](const std::string& layout, const std::string& batch) {
    const Json d = document(palm + "--mesh 4x4x4 --phase decode --kv-fraction 0.3 --context 64 --layout " + layout +
                            " --batch " + batch);
    return d["chosen"]["decode"]["max_context"].get<int>();
  };
  CHECK(longest("ws2d/head", "512") == 166);
  CHECK(longest("ws2d/batch", "128") == 42653);
  CHECK(longest("ws2d/batch", "512") == 10663);
}

TEST_CASE("a stated layout is priced and listed even where it does not fit") {
  const Json fits = document(decode64 + "--mesh 4x4x4 --layout ws1d/head");
  CHECK(fits["chosen"]["decode"]["ffn"] == "ws1d");
  CHECK(fits["chosen"]["decode"]["margin"].get<double>() < 0);  // another is faster, and the answer says so
  const Json not_fits =
      document("plan --model palm-540b --chip tpu_v4 --mesh 2x2x2 --phase decode --layout ws2d/head --top 1", 3);
  CHECK(not_fits["error"]["code"] == 3);
  CHECK(not_fits["chosen"]["decode"].is_null());
  bool listed = false;
  for (const Json& c : not_fits["candidates"])
    if (c["ffn"] == "ws2d" && c["attention"] == "head") {
      listed = true;
      CHECK(c["fits"] == false);
      CHECK(c["time_s"].get<double>() > 0);
      CHECK(c["rejected"].get<std::string>().find("32 GiB") != std::string::npos);
    }
  CHECK(listed);
}

TEST_CASE("a limit that nothing meets ends with 3, the closest candidate and what is missing") {
  const Ended ended = run(decode64 + "--max-latency-ms 5");
  CHECK(ended.status == 3);
  REQUIRE(ended.messages().size() == 1);
  for (const char* words : {"latency limit", "the fastest ws", "over it by"})
    CHECK_MESSAGE(ended.messages()[0].find(words) != std::string::npos, ended.messages()[0]);
  CHECK(document(decode64 + "--max-latency-ms 5", 3)["error"]["where"] == "--max-latency-ms");
  CHECK(run(decode64 + "--max-latency-ms 500").status == 0);
}

TEST_CASE("schedules and program can be freed, which is never slower") {
  const Json kept = document(decode64), freed = document(decode64 + "--schedules any");
  CHECK(kept["software"].get<std::string>().find("released code") != std::string::npos);
  CHECK(freed["candidates"][0]["time_s"].get<double>() <= kept["candidates"][0]["time_s"].get<double>());
}

TEST_CASE("a sweep: the frontier of latency against cost, as CSV, SVG and HTML") {
  const Folder folder;
  const std::string sweep =
      palm + "--chips 64 --phase decode --batch 64 --sweep batch=4..256 --sweep chips=32..64 --pareto ";
  const Json d = document(sweep + (folder / "offers.csv") + " --objective cost --top 1");
  CHECK(d["sweep"].size() == 14);
  for (const Json& a : d["sweep"])
    for (const Json& b : d["sweep"])
      if (a["frontier"])
        CHECK_FALSE((b["time_s"] < a["time_s"] && b["cost_chip_s_per_token"] < a["cost_chip_s_per_token"]));
  for (const Json& offer : d["sweep"]) CHECK(offer["cost_chip_s_per_token"] >= d["best"]["cost_chip_s_per_token"]);
  const std::string csv = slurp(folder / "offers.csv");
  CHECK(csv.rfind("phase,chips,mesh,", 0) == 0);
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 15);
  CHECK(run(sweep + (folder / "offers.svg")).status == 0);
  CHECK(slurp(folder / "offers.svg").find("<polyline") != std::string::npos);
  CHECK(run(sweep + (folder / "offers.html")).status == 0);
  CHECK(slurp(folder / "offers.html").find("<table>") != std::string::npos);
  CHECK(folder.files() == 3);
}

TEST_CASE("a picture is XML whatever a model and a chip are called") {
  const Folder folder;
  const std::string data = std::string(TSRUN_SOURCE_DIR) + "/data/";
  std::filesystem::copy(data + "models/llama-3-8b.json", folder / "R&D <\"8b\">.json");
  Json chip = Json::parse(slurp(data + "chips/h100.json"));
  chip["name"] = "<b>&\"</b>";
  folder.write("chip.json", chip.dump());
  for (const char* picture : {"offers.svg", "offers.html"}) {
    const Ended ended = run("plan --model '" + (folder / "R&D <\"8b\">.json") + "' --chip " + (folder / "chip.json") +
                            " --chips 8 --phase decode --sweep batch=1..2 --pareto " + (folder / picture));
    REQUIRE_MESSAGE(ended.status == 0, ended.err);
    const std::string out = slurp(folder / picture);
    CHECK(out.find("R&amp;D &lt;&quot;8b&quot;&gt;.json") != std::string::npos);
    CHECK(out.find("&lt;b&gt;&amp;&quot;&lt;/b&gt;") != std::string::npos);
    for (const char* bare : {"R&D", "<b>", "</b>"}) CHECK(out.find(bare) == std::string::npos);
  }
}

TEST_CASE("a model or a chip may be a file") {
  const std::string data = std::string(TSRUN_SOURCE_DIR) + "/data/";
  const Json by_name = document("plan --model llama-3-8b --chip h100 --chips 8 --top 1"),
             by_file = document("plan --model " + data + "models/llama-3-8b.json --chip " + data +
                                "chips/h100.json --chips 8 --top 1");
  CHECK(by_name["chosen"]["decode"]["time_s"] == by_file["chosen"]["decode"]["time_s"]);
  CHECK(document("plan --model " + demo + " --chips 4 --prompt 64 --top 1")["chosen"]["decode"]["fits"] == true);
}

TEST_CASE("the command that runs a plan says all that was asked of it, in words that a shell takes") {
  const Folder folder;
  const std::string model = folder / "it's a model.h5", chip = folder / "my chip.json";
  std::filesystem::copy(demo, model);
  std::filesystem::copy(std::string(TSRUN_SOURCE_DIR) + "/data/chips/host.json", chip);
  const auto command = [](const std::string& words) {
    const Ended ended = run("plan --chips 2 --prompt 64 " + words);
    REQUIRE_MESSAGE(ended.status == 0, ended.err);
    const std::size_t at = ended.out.find("tsrun generate");
    REQUIRE(at != std::string::npos);
    return ended.out.substr(at, ended.out.find('\n', at) - at);
  };
  const std::string plain = command("--model " + demo);
  for (const char* option : {"--kv-dtype", "--chip", "--schedules", "--wrap", "'"})
    CHECK_MESSAGE(plain.find(option) == std::string::npos, plain);
  const std::string all = command("--model \"" + model + "\" --chip \"" + chip +
                                  "\" --kv-dtype int8 --schedules ring --wrap none");
  CHECK_MESSAGE(all.ends_with(" --kv-dtype int8 --chip '" + chip + "' --schedules ring --wrap none"), all);
  CHECK_MESSAGE(all.find("it'\\''s a model.h5' --mesh") != std::string::npos, all);
  const Ended generated = run(all.substr(all.find("generate")) + " -p x -n 1 --quiet", 2);
  CHECK_MESSAGE(generated.status == 0, generated.err);
}

TEST_CASE("validate: every point, error by source and regime, choices and claims, in the fields of the contract") {
  const Json d = document("validate");
  CHECK(d["points"].size() == 109);
  for (const Json& p : d["points"])
    for (const char* field : {"source", "model", "phase", "chips", "mesh", "batch", "context", "dtype", "ffn",
                              "attention", "measured_s", "predicted_s", "error"})
      REQUIRE_MESSAGE(p.contains(field), field);
  CHECK(d["mape"].get<double>() <= 0.04);
  CHECK(d["max"].get<double>() <= 0.17);
  CHECK(d["by_source"].size() == 6);
  CHECK(d["by_regime"].size() >= 3);
  CHECK(d["layout_agreement"]["agree"] == 11);
  CHECK(d["choices"].size() == 8);
  CHECK(d["claims"].size() == 15);
  const Json ring = document("validate --schedules ring");
  CHECK(ring["mape"].get<double>() > d["mape"].get<double>());  // not the schedules that were measured
  refused("validate --schedules any", 2, {"--schedules", "\"any\""});
  CHECK(d["fit"].is_null());
  CHECK(d["left_out"].is_null());
}

TEST_CASE("validate --fit: the constants fitted again, and each source predicted from the others") {
  const Json d = document("validate --fit");
  for (const char* field : {"efficiency", "alpha_s", "call_s", "passes", "mape", "max", "bias"})
    CHECK(d["fit"].contains(field));
  CHECK(d["fit"]["mape"].get<double>() < 0.04);
  CHECK(d["left_out"]["mape"].get<double>() >= d["fit"]["mape"].get<double>());
  CHECK(d["left_out"]["by_source"].size() == 6);
  CHECK(run("validate --fit").out.find("each source from the others") != std::string::npos);
}

TEST_CASE("what cannot be asked is refused by name, with the numbers") {
  refused("plan --chips 8", 2, {"model"});
  refused("plan --model palm-541b --chip tpu_v4 --chips 8", 2, {"palm-541b", "nearest palm-540b"});
  refused("plan --model palm-540b --chip tpu_v5 --chips 8", 2, {"tpu_v5", "nearest tpu_v4"});
  refused("plan --model palm-540b --chip tpu_v4", 2, {"--chips", "--mesh"});
  refused(palm + "--chips 0", 2, {"--chips"});
  refused(palm + "--chips -4", 2, {"--chips"});
  refused(palm + "--chips 100000", 2, {"--chips", "512"});
  refused(palm + "--chips 8 --batch 0", 2, {"--batch"});
  refused(palm + "--chips 8 --batch 1000000000000", 2, {"--batch"});
  refused(palm + "--chips 8 --prompt 1000000000000", 2, {"--prompt"});
  refused(palm + "--chips 8 --batch 1000000 --prompt 10000000", 2, {"tokens"});
  refused(palm + "--chips 8 --context -1", 2, {"--context"});
  refused(palm + "--chips 8 --mesh 2x2x4", 2, {"--mesh", "16"});
  refused(palm + "--chips 8 --phase train", 2, {"train", "prefill decode both"});
  refused("plan --model palm-540b --chip tpu_v4 --chips 8 --dtype int3", 2, {"int3", "int8"});
  refused(palm + "--chips 8 --layout ws3d/head", 2, {"ws3d"});
  refused(palm + "--chips 8 --objective speed", 2, {"speed", "throughput"});
  refused(palm + "--chips 8 --max-latency-ms 0", 2, {"--max-latency-ms"});
  refused(palm + "--chips 8 --sweep batch=8..1", 2, {"8..1"});
  refused(palm + "--chips 8 --sweep layers=1..2", 2, {"layers"});
  refused(palm + "--chips 8 --sweep batch=1..2 --sweep batch=4..8", 2, {"batch is swept twice"});
  refused(palm + "--chips 8 --sweep batch=1..2 --pareto out.png", 2, {"out.png", ".svg"});
  refused(palm + "--chips 8 --pareto out.svg", 2, {"--sweep"});
}
