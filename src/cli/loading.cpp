#include "loading.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

#include "tsrun/core/text.hpp"

namespace tsrun::cli {

Engine load_engine(const ModelFile& file, const Plan& plan, const Mesh& mesh, const Console& console) {
  constexpr double moment_s = 1;
  Progress progress(console.reports(), "load");
  const auto start = std::chrono::steady_clock::now();
  return {file, plan, mesh, [&](std::int64_t done, std::int64_t all) {
            const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
            if (passed.count() < moment_s) return;
            const auto so_far = static_cast<double>(done), whole = static_cast<double>(std::max<std::int64_t>(1, all));
            progress.at(so_far / whole, text(human_bytes(so_far), " of ", human_bytes(whole), ", ",
                                             human_bytes(so_far / passed.count()), "/s"));
          }};
}

LoadFacts gather_load(const Engine& engine, const Mesh& mesh) {
  const std::vector<double> seconds = mesh.gather(engine.load_seconds());
  return {*std::max_element(seconds.begin(), seconds.end()), mesh.sum({engine.load_bytes()})[0]};
}

Json to_json(const LoadFacts& load) {
  return {{"load_s", load.seconds}, {"load_gb_per_s", load.bytes_per_s() * 1e-9}};
}

std::string load_text(const LoadFacts& load) {
  const double gb_per_s = load.bytes_per_s() * 1e-9;
  std::array<char, 96> out{};
  if (load.bytes == 0) std::snprintf(out.data(), out.size(), "%.2f s, weights made up", load.seconds);
  else std::snprintf(out.data(), out.size(), "%.2f s, %.2f GB/s all ranks together", load.seconds, gb_per_s);
  return out.data();
}

}  // namespace tsrun::cli
