// Attention over a cache that no processor cache holds, against the limits of the processor, which are measured beside
// it in turns: each figure is the best of several rounds.
//
//   attention_bench [threads] [type of the cache | all] [depth | all] [seconds per figure]
//
// A row: the cache's type, query and key/value heads and their width, new tokens (1: a decode step), depth, GFLOP/s
// (2 per multiply-add, scores and outputs) and its share of the peak of f32; GB/s of keys and values and its share of
// the read bandwidth. Layers pass by in turn, as those of a model do.
#include <omp.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "seconds_of.hpp"
#include "tsrun/kernels/attention.hpp"
#include "tsrun/kernels/probe.hpp"
#include "tsrun/kernels/simd_level.hpp"
#include "tsrun/kernels/team.hpp"

using namespace tsrun;

namespace {

struct Heads {
  std::int64_t query, kv, Q;
};

void fill(KvLayer& layer, const Heads& heads, std::int64_t positions, std::mt19937& generator) {
  std::normal_distribution<float> normal;
  std::vector<float> key(static_cast<std::size_t>(heads.Q));
  for (float& v : key) v = normal(generator);
  for (std::int64_t slot = 0; slot < heads.kv; ++slot)
    for (std::int64_t p = 0; p < positions; ++p) layer.store(0, slot, p, key.data(), key.data());
}

void measure(DType type, const Heads& heads, std::int64_t tokens, std::int64_t depth, const ReadProbe& probe,
             double budget) {
  constexpr std::int64_t all_bytes = std::int64_t{1} << 28;
  const std::int64_t positions = depth + tokens, bytes = 2 * heads.kv * positions * cached_bytes(type, heads.Q);
  const std::int64_t layers = std::max<std::int64_t>(1, (tokens == 1 ? all_bytes : 0) / bytes);
  std::mt19937 generator(1);
  std::normal_distribution<float> normal;
  std::vector<KvLayer> cache;
  for (std::int64_t i = 0; i < layers; ++i) {
    cache.emplace_back(type, 1, heads.kv, positions, heads.Q);
    fill(cache.back(), heads, positions, generator);
  }
  std::vector<float> q(static_cast<std::size_t>(tokens * heads.query * heads.Q)), out(q.size());
  for (float& v : q) v = normal(generator);
  std::vector<int> slot_of;
  for (std::int64_t h = 0; h < heads.query; ++h) slot_of.push_back(static_cast<int>(h * heads.kv / heads.query));
  const AttentionShape shape{tokens, heads.query, heads.Q, 0.125F, 0, tokens == 1 ? Rows::few : Rows::many};
  const AttentionRow row{0, tokens, depth};
  const auto pass = [&] {
    for (const KvLayer& layer : cache) attention(shape, std::span(&row, 1), slot_of, q.data(), layer, out.data());
  };
  pass();
  double best = 1e9, peak = 0, bandwidth = 0, spent = 0;
  for (int round = 0; round < 3 || spent < budget; ++round) {
    const double seconds = seconds_of([&] { with_team(pass); });
    best = std::min(best, seconds);
    spent += seconds;
    peak = std::max(peak, multiply_rate(DType::f32));
    bandwidth = std::max(bandwidth, probe.rate());
  }
  const double seen = static_cast<double>(tokens) * (static_cast<double>(depth) + static_cast<double>(tokens + 1) / 2);
  const double flops = 4 * seen * static_cast<double>(heads.query * heads.Q * layers) / best;
  const double read = static_cast<double>(bytes * layers) / best;
  std::printf("%-5s heads %2lld of %2lld x %3lld  tokens %4lld  depth %6lld  %d threads  "
              "%7.1f GFLOP/s %5.1f %% of %7.1f", name(type).data(), static_cast<long long>(heads.query), static_cast<long long>(heads.kv),
              static_cast<long long>(heads.Q), static_cast<long long>(tokens), static_cast<long long>(depth),
              omp_get_max_threads(), flops / 1e9, 100 * flops / peak, peak / 1e9);
  if (tokens == 1) std::printf("  %6.2f GB/s %5.1f %% of %6.2f", read / 1e9, 100 * read / bandwidth, bandwidth / 1e9);
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace

int main(int count, char** arguments) {
  const auto argument = [&](int i) { return count > i ? std::string(arguments[i]) : std::string(); };
  if (const int threads = std::atoi(argument(1).c_str()); threads > 0) omp_set_num_threads(threads);
  const auto only_type = dtype_named(argument(2));
  const std::int64_t only_depth = std::atoll(argument(3).c_str());
  const double budget = count > 4 ? std::atof(arguments[4]) : 1;
  std::printf("level %s\n", name(simd_level()).data());
  const ReadProbe probe(std::int64_t{1} << 29);
  for (const DType type : {DType::f32, DType::bf16, DType::int8}) {
    if (only_type && *only_type != type) continue;
    for (const Heads& heads :
         {Heads{32, 4, 64}, Heads{32, 8, 128}, Heads{9, 3, 64}, Heads{4, 1, 256}, Heads{16, 16, 64}})
      for (const std::int64_t tokens : {1, 512})
        for (const std::int64_t depth : {512, 4096, 16384})
          if (only_depth == 0 || depth == only_depth) measure(type, heads, tokens, depth, probe, budget);
  }
}
