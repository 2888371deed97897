// The report of a run: what it took, what was sent, what was held. Every second in it is wall-clock time.
#pragma once

#include <string>
#include <vector>

#include "job.hpp"
#include "loading.hpp"
#include "tsrun/engine/generate.hpp"

namespace tsrun::cli {

struct RankSpread {
  double min = 0, median = 0, max = 0;
};

RankSpread spread_of(std::vector<double> of_ranks);
Json to_json(const RankSpread& spread);
// Of a rank, as predicted.
Json to_json(const Memory& memory);
Json layout_json(const Layout& layout, const std::string& why);
std::string held_as(const Plan& plan);  // "int8"; "auto" where nothing was asked for

// Numbers of all ranks together. Collective: every rank calls it.
struct RunFacts {
  struct Traffic {
    TrafficRow row;
    double bytes_mean = 0, predicted_mean = 0;
    std::int64_t bytes_max = 0, predicted_max = 0;
  };
  std::vector<Traffic> traffic;
  RankSpread compute, transfer, wait;
  LoadFacts load;
  std::int64_t peak_rss = 0;  // of the largest rank
};
RunFacts gather_facts(const Engine& engine, const Mesh& mesh);

// The fields that generate and score share: mesh, types, plan, traffic, memory.
void add_run(Json& document, const Engine& engine, const RunFacts& facts, const Decision& decision);
Json timing_json(const GenerateTiming& timing, const RunFacts& facts);
// The program of the widest pass of each phase that the run had, a line a step: what a rank sends in one call by the
// schedule, how long a call would take on the chip, and what all calls of such steps, of narrower passes too, really sent
// beside what was predicted.
std::string explain_run(const Engine& engine, const RunFacts& facts, const Chip& chip);
// What was chosen and why, in a line for each phase.
std::string choice_text(const Plan& plan, const Decision& decision);
// Some twenty lines for people.
std::string report_text(const Engine& engine, const RunFacts& facts, const GenerateTiming& timing, const JobFacts& job);

}  // namespace tsrun::cli
