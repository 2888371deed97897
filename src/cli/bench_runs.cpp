#include "bench_runs.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <random>

#include "tsrun/core/text.hpp"
#include "tsrun/engine/generate.hpp"
#include "tsrun/kernels/probe.hpp"

namespace tsrun::cli {
namespace {

double sum(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

void meet(const Mesh& mesh) { mesh.sum({0}); }

}  // namespace

std::string name(const BenchTest& test) { return text(test.phase == Phase::prefill ? "pp" : "tg", test.tokens); }

double BenchRow::tokens_per_s() const {
  double rates = 0;
  for (const double s : seconds) rates += tokens() / s;
  return rates / static_cast<double>(seconds.size());
}

double BenchRow::mean_s() const { return sum(seconds) / static_cast<double>(seconds.size()); }

double BenchRow::deviation() const {
  if (seconds.size() < 2) return 0;
  const double mean = tokens_per_s();
  double squares = 0;
  for (const double s : seconds) squares += std::pow(tokens() / s - mean, 2);
  return std::sqrt(squares / static_cast<double>(seconds.size() - 1));
}

BenchLimits probe_limits(const Engine& engine, const Mesh& mesh) {
  constexpr int times = 5;
  constexpr std::int64_t read_by_thread = std::int64_t{2} << 30;
  const DType type = engine.held({Weight::ffn_in, 0, {}});  // most weights are of the feed-forward layers
  BenchLimits best;
  const ReadProbe probe(read_by_thread);
  for (int i = 0; i < times; ++i) {
    meet(mesh);
    best.bytes_per_s = std::max(best.bytes_per_s, sum(mesh.gather(probe.rate())));
    meet(mesh);
    best.flops_per_s = std::max(best.flops_per_s, sum(mesh.gather(multiply_rate(type))));
  }
  return best;
}

Bench::Bench(Engine& engine, const Mesh& mesh) : engine_(engine), mesh_(mesh) {
  std::mt19937 generator(1);
  ids_.resize(static_cast<std::size_t>(engine.plan().context));
  for (std::int32_t& id : ids_)
    id = static_cast<std::int32_t>(generator() % static_cast<std::uint64_t>(engine.config().V));
}

// Weights once, and the keys and values of the context that each layer sees.
double Bench::pass_bytes(std::int64_t batch, std::int64_t context) const {
  const ModelConfig& c = engine_.config();
  double positions = 0;
  for (int layer = 0; layer < c.layers; ++layer)
    positions += static_cast<double>(c.is_local(layer) ? std::min(context, c.window) : context);
  const double share = static_cast<double>(batch) / static_cast<double>(engine_.plan().sequences);
  return static_cast<double>(engine_.bytes_of_products()) +
         static_cast<double>(engine_.cache_bytes_per_position()) * share * positions / static_cast<double>(c.layers);
}

void Bench::prefill(std::int64_t batch, std::int64_t first, std::int64_t tokens) {
  const Plan& plan = engine_.plan();
  std::vector<std::int64_t> left(static_cast<std::size_t>(batch), tokens);
  while (true) {
    const std::vector<std::int64_t> share = next_pass(left, plan, engine_.most_prefill_rows());
    std::vector<PassInput> rows;
    bool some_end = false;
    std::int64_t context = 0;
    for (std::size_t i = 0; i < share.size(); ++i) {
      if (share[i] == 0) continue;
      const std::int64_t at = first + tokens - left[i];
      rows.push_back({static_cast<std::int64_t>(i), at,
                      std::span(ids_).subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(share[i]))});
      left[i] -= share[i];
      some_end = some_end || left[i] == 0;
      context = std::max(context, at + share[i]);
    }
    if (rows.empty()) return;
    engine_.forward(Phase::prefill, rows, some_end ? Output::greedy : Output::none);
    bytes_ += pass_bytes(std::ssize(rows), context);
  }
}

void Bench::decode(std::int64_t batch, std::int64_t first, std::int64_t steps) {
  std::vector<std::int32_t> last(ids_.begin(), ids_.begin() + 1);
  last.resize(static_cast<std::size_t>(batch), last[0]);
  std::vector<PassInput> rows(static_cast<std::size_t>(batch));
  for (std::int64_t step = 0; step < steps; ++step) {
    for (std::size_t i = 0; i < rows.size(); ++i)
      rows[i] = {static_cast<std::int64_t>(i), first + step, std::span(last).subspan(i, 1)};
    last = engine_.forward(Phase::decode, rows, Output::greedy).ids;
    bytes_ += pass_bytes(batch, first + step + 1);
  }
}

BenchRow Bench::measure(const BenchTest& test, int repetitions) {
  if (test.depth > 0) prefill(test.batch, 0, test.depth);
  const auto run = [&] {
    if (test.phase == Phase::prefill) prefill(test.batch, test.depth, test.tokens);
    else decode(test.batch, test.depth, test.tokens);
  };
  run();
  BenchRow row{test, {}, {}, {}, {}, 0};
  const Seconds before = engine_.seconds();
  bytes_ = 0;
  for (int i = 0; i < repetitions; ++i) {
    meet(mesh_);
    const auto start = std::chrono::steady_clock::now();
    run();
    const std::vector<double> seconds =
        mesh_.gather(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    row.seconds.push_back(*std::max_element(seconds.begin(), seconds.end()));
  }
  const auto spread = [&](double Seconds::*part) {
    return spread_of(mesh_.gather((engine_.seconds().*part - before.*part) / repetitions));
  };
  row.compute = spread(&Seconds::compute);
  row.transfer = spread(&Seconds::transfer);
  row.wait = spread(&Seconds::wait);
  row.bytes = sum(mesh_.gather(bytes_ / repetitions));
  return row;
}

}  // namespace tsrun::cli
