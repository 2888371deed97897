// Chips from their files: the ones that come with tsrun, and what is said of a file that is none.
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <functional>

#include "tsrun/core/error.hpp"
#include "tsrun/import/chip_file.hpp"

using namespace tsrun;

namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

const fs::path folder = TSRUN_SOURCE_DIR "/data/chips";

Json tpu_v4() { return Json::parse(std::ifstream(folder / "tpu_v4.json")); }

std::string message_of(const std::string& bytes) {
  const fs::path path = fs::temp_directory_path() / "tsrun_chip_file_test.json";
  std::ofstream(path) << bytes;
  try {
    read_chip(path.string());
  } catch (const Error& error) {
    CHECK(error.exit() == Exit::request);
    CHECK_FALSE(error.complaint().next.empty());
    return error.what();
  }
  return "accepted";
}

std::string changed(const std::function<void(Json&)>& change) {
  Json chip = tpu_v4();
  change(chip);
  return message_of(chip.dump());
}

bool names(const std::string& message, std::initializer_list<const char*> words) {
  for (const char* word : words)
    if (message.find(word) == std::string::npos) return false;
  return true;
}

}  // namespace

TEST_CASE("TPU v4 as its file says") {
  const Chip c = read_chip((folder / "tpu_v4.json").string());
  CHECK(c.name == "tpu_v4");
  CHECK(c.calibrated);
  CHECK(c.flops(DType::bf16) == 275e12);
  CHECK(c.flops(DType::int8_channel) == 275e12);
  CHECK(c.memory_bytes == 32.0 * (1 << 30));
  CHECK(c.link_bytes_per_s == 45e9);
  CHECK(c.kv == KvStorage::replicated);
  CHECK(c.released_heads);
  CHECK(c.q_through_heads);
  CHECK(c.fused == Fused::max);
  CHECK(c.overlap == AxisSet{Axis::x});
  CHECK(c.schedules.gather_weights == ScheduleName::ring);
  CHECK(c.schedules.all_gather == ScheduleName::balanced);
  CHECK(c.wraps({4, 8, 4}));
  CHECK_FALSE(c.wraps({4, 2, 4}));
}

TEST_CASE("every chip that comes with tsrun is read, and all but TPU v4 say that nobody measured them") {
  int chips = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".json") continue;
    CAPTURE(entry.path().string());
    const Chip c = read_chip(entry.path().string());
    ++chips;
    CHECK(c.name == entry.path().stem().string());
    CHECK(c.source.size() > 40);
    CHECK(c.calibrated == (c.name == "tpu_v4"));
    if (c.name == "tpu_v4") continue;
    CHECK(c.kv == KvStorage::columns);
    CHECK_FALSE(c.q_through_heads);
    CHECK(c.fused == Fused::chunked);
  }
  CHECK(chips >= 6);
}

TEST_CASE("a field that is missing or wrong is named") {
  const Json whole = tpu_v4();
  for (const auto& [name, value] : whole.items()) {
    if (name == "skew_s") continue;
    CAPTURE(name);
    CHECK(names(changed([&](Json& c) { c.erase(name); }), {"without", name.c_str()}));
  }
  CHECK(names(changed([](Json& c) { c["flops"].erase("int8"); }), {"flops", "int8"}));
  CHECK(names(changed([](Json& c) { c["flops"]["bf16"] = 0; }), {"flops", "bf16", "from 1 to"}));
  CHECK(names(changed([](Json& c) { c["memory_bytes"] = -1; }), {"memory_bytes", "-1"}));
  CHECK(names(changed([](Json& c) { c["alpha_s"] = "fast"; }), {"alpha_s", "fast"}));
  for (const char* field : {"memory_bytes", "memory_bytes_per_s", "link_bytes_per_s", "efficiency", "alpha_s", "call_s",
                            "passes", "pass_s"})
    for (const double value : {5e-324, 1e308, -1.0})
      CHECK(names(changed([=](Json& c) { c[field] = value; }), {field, "a number from"}));
  for (const char* field : {"alpha_s", "call_s", "passes", "pass_s"})
    CHECK(changed([=](Json& c) { c[field] = 0; }) == "accepted");
  for (const double bytes : {0.0, 0.5, -1.0, 9.0, 1e300})
    CHECK(names(changed([=](Json& c) { c["activation_bytes"] = bytes; }), {"activation_bytes", "from 1 to 8"}));
  CHECK(names(changed([](Json& c) { c["wrap"] = "sometimes"; }), {"wrap", "sometimes", "all_axes_multiple_of_4"}));
  CHECK(names(changed([](Json& c) { c["program"]["kv"] = 3; }), {"program", "kv"}));
  CHECK(names(changed([](Json& c) { c["schedules"]["overlap"] = {"w"}; }), {"schedules", "overlap"}));
  CHECK(names(changed([](Json& c) { c["schedules"] = "rings"; }), {"schedules", "object"}));
  CHECK(names(message_of("[1, 2]"), {"tsrun_chip_file_test.json"}));
  CHECK(names(message_of("{"), {"tsrun_chip_file_test.json"}));
}
