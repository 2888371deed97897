// What `plan` is asked: a model, a chip, how many of them, the work of one or both phases, and what is stated already.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "tsrun/planner/decide.hpp"

namespace tsrun::cli {

// Layouts as `--layout` states them: FFN/ATTENTION for both phases, or prefill=.. and decode=.., of which one may be
// missing; none: auto.
Settled layouts_option(const Arguments& arguments);

enum class Objective : std::uint8_t { latency, throughput, cost };
std::string_view name(Objective objective);
Objective objective_option(const Arguments& arguments);
// The limit of `--max-latency-ms` in seconds.
std::optional<double> latency_limit(const Arguments& arguments);

struct PlanQuestion {
  std::string model;  // as the user named it
  Question question;
  int chips = 1;
  std::int64_t prompt = 0, generate = 0;
  Objective objective = Objective::latency;
  std::optional<double> kv_fraction;  // of the memory of a chip
  std::string software;               // of the chip, in a line
  std::vector<std::string> of_run;    // options that were given and a run of the plan needs too, each with its value
};

// Refuses sizes that are 0, negative or absurd, unknown names, and types that are none.
PlanQuestion plan_question(const Arguments& arguments);

// What `--sweep batch=1..1024 --sweep chips=8..256` goes through, by doubling; what is not swept stays as asked.
struct Sweep {
  std::vector<int> chips;
  std::vector<std::int64_t> batches;
};
std::optional<Sweep> sweep_option(const Arguments& arguments, const PlanQuestion& question);

}  // namespace tsrun::cli
