#include "chip_options.hpp"

#include <cstdlib>
#include <filesystem>

#include "data_folder.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/import/chip_file.hpp"
#include "tsrun/schedule/schedule.hpp"

namespace tsrun::cli {
namespace {

std::string host_chip() {
  namespace fs = std::filesystem;
  if (const char* const told = std::getenv("TSRUN_CHIP"); told != nullptr && *told != '\0') return told;
  std::error_code failed;
  if (fs::exists("host.json", failed)) return "./host.json";
  const char* const cache = std::getenv("XDG_CACHE_HOME");
  const char* const home = std::getenv("HOME");
  const fs::path folder = cache != nullptr && *cache != '\0' ? fs::path(cache)
                          : home != nullptr                  ? fs::path(home) / ".cache"
                                                             : fs::path();
  if (const fs::path measured = folder / "tsrun" / "host.json"; !folder.empty() && fs::exists(measured, failed))
    return measured.string();
  return named_file("chips", "host", "--chip");
}

// A chip whose software does everything as tsrun itself does, but with other schedules.
std::vector<Chip> freed(const Chip& chip) {
  std::vector<Chip> all = {chip};
  Chip own = chip;
  own.kv = KvStorage::columns;
  own.released_heads = own.q_through_heads = false;
  for (const ScheduleName schedule : {ScheduleName::ring, ScheduleName::balanced, ScheduleName::latency,
                                      ScheduleName::rotated, ScheduleName::doubling, ScheduleName::one_shot}) {
    own.schedules = schedules_named(schedule);
    all.push_back(own);
  }
  return all;
}

Schedules named_schedules(const std::string& word) {
  std::vector<std::string> known = {"chip", "any"};
  for (int i = 0; i <= static_cast<int>(last_schedule); ++i) {
    const auto schedule = static_cast<ScheduleName>(i);
    if (word == name(schedule)) return schedules_named(schedule);
    known.emplace_back(name(schedule));
  }
  refuse({.what = text("\"", word, "\" is not a schedule"),
          .where = "--schedules",
          .next = "choose one of: " + join(known, " ")});
}

Wrap wrap_named(const std::string& word) {
  if (word == "all") return Wrap::always;
  if (word == "none") return Wrap::never;
  refuse({.what = text("\"", word, "\" is not a way to join the ends of an axis"),
          .where = "--wrap",
          .next = "choose one of: auto all none"});
}

}  // namespace

std::vector<Chip> chip_option(const Arguments& a, const std::string& otherwise) {
  const std::string named = a.text("chip", otherwise);
  Chip chip = read_chip(named == "host" ? host_chip() : named_file("chips", named, "--chip"));
  if (const std::string wrap = a.text("wrap", "auto"); wrap != "auto") chip.wrap = wrap_named(wrap);
  const std::string schedules = a.text("schedules", "chip");
  if (schedules == "any") return freed(chip);
  if (schedules != "chip") chip.schedules = named_schedules(schedules);
  return {chip};
}

std::string software_note(const Arguments& a, const std::vector<Chip>& chips) {
  const Chip& chip = chips[0];
  const std::string calibrated =
      chip.calibrated ? "calibrated" : "not calibrated: good for comparing, not for promising times";
  if (chips.size() > 1) return text(chip.name, " (", calibrated, "), its software free to use any schedule");
  return text(chip.name, " (", calibrated, "), ",
              a.text("schedules", "chip") == "chip" ? "with the schedules and the program of its software"
                                                    : "with the schedules asked for",
              chip.q_through_heads ? " (the paper's released code; --schedules any frees them)" : "");
}

}  // namespace tsrun::cli
