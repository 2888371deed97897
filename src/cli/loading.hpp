// Loading as people and programs see it: progress while it lasts, and the rate at which the file was read.
#pragma once

#include <cstdint>
#include <string>

#include "console.hpp"
#include "tsrun/engine/engine.hpp"

namespace tsrun::cli {

// With progress on rank 0, once it takes longer than a moment. Collective.
Engine load_engine(const ModelFile& file, const Plan& plan, const Mesh& mesh, const Console& console);

struct LoadFacts {
  double seconds = 0;      // of the slowest rank
  std::int64_t bytes = 0;  // read by all ranks together; none where weights are made up
  double bytes_per_s() const { return seconds > 0 ? static_cast<double>(bytes) / seconds : 0; }
};
LoadFacts gather_load(const Engine& engine, const Mesh& mesh);  // collective

Json to_json(const LoadFacts& load);          // load_s, load_gb_per_s
std::string load_text(const LoadFacts& load);  // "2.31 s, 1.20 GB/s all ranks together"

}  // namespace tsrun::cli
