#include "tsrun/kernels/rows.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "row_kernels.hpp"
#include "tsrun/core/integer.hpp"
#include "tsrun/kernels/team.hpp"

namespace tsrun {

namespace simd_portable {
extern const RowKernels rows;
}
#ifdef TSRUN_X86
namespace simd_avx2 {
extern const RowKernels rows;
}
namespace simd_avx512 {
extern const RowKernels rows;
}
#endif

const RowKernels& row_kernels(SimdLevel level) {
#ifdef TSRUN_X86
  if (level >= SimdLevel::avx512) return simd_avx512::rows;
  if (level == SimdLevel::avx2) return simd_avx2::rows;
#endif
  static_cast<void>(level);
  return simd_portable::rows;
}

namespace {

// Numbers below which waking the threads takes longer than the work.
constexpr std::int64_t worth_threads = 1 << 16;

// Runs of numbers of which two vectors fit the first cache.
template <class Callable>
void each_piece(std::int64_t count, bool worth, const Callable& work) {
  constexpr std::int64_t piece = 4096;
  share_out(ceil_div(count, piece), worth,
            [&](std::int64_t i) { work(i * piece, std::min((i + 1) * piece, count)); });
}

constexpr float minus_infinity = -std::numeric_limits<float>::infinity();

}  // namespace

void row_sums(const float* x, std::int64_t rows, std::int64_t width, float* sums) {
  const RowKernels& kernels = row_kernels(simd_level());
  share_out(rows, rows * width > worth_threads,
            [&](std::int64_t r) { sums[r] = kernels.sum(x + r * width, width); });
}

void row_square_sums(const float* x, std::int64_t rows, std::int64_t width, float* sums) {
  const RowKernels& kernels = row_kernels(simd_level());
  share_out(rows, rows * width > worth_threads,
            [&](std::int64_t r) { sums[r] = kernels.sum_squares(x + r * width, width); });
}

void center_rows(const float* x, const float* sums, std::int64_t rows, std::int64_t width, std::int64_t real,
                 std::int64_t E, float* out) {
  share_out(rows, rows * width > worth_threads, [&](std::int64_t r) {
    const float mean = sums[r] / static_cast<float>(E);
    for (std::int64_t i = 0; i < real; ++i) out[r * width + i] = x[r * width + i] - mean;
    std::fill(out + r * width + real, out + (r + 1) * width, 0.0F);
  });
}

void norm_rows(const float* x, const float* squares, std::int64_t rows, std::int64_t width, std::int64_t E, double epsilon,
               const float* scale, const float* bias, float* out) {
  share_out(rows, rows * width > worth_threads, [&](std::int64_t r) {
    const auto factor = static_cast<float>(1 / std::sqrt(static_cast<double>(squares[r]) / static_cast<double>(E) + epsilon));
    for (std::int64_t i = 0; i < width; ++i) out[r * width + i] = x[r * width + i] * factor * scale[i];
    if (bias != nullptr)
      for (std::int64_t i = 0; i < width; ++i) out[r * width + i] += bias[i];
  });
}

void rms_norm_rows(float* x, std::int64_t rows, std::int64_t width, double epsilon, const float* scale) {
  for (std::int64_t r = 0; r < rows; ++r) {
    float squares = 0;
    row_square_sums(x + r * width, 1, width, &squares);
    norm_rows(x + r * width, &squares, 1, width, width, epsilon, scale, nullptr, x + r * width);
  }
}

void add_bias(float* x, std::int64_t rows, std::int64_t width, const float* bias) {
  share_out(rows, rows * width > worth_threads, [&](std::int64_t r) {
    for (std::int64_t i = 0; i < width; ++i) x[r * width + i] += bias[i];
  });
}

void add_to(float* x, const float* y, std::int64_t count) {
  each_piece(count, count > worth_threads, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) x[i] += y[i];
  });
}

void activate(Activation activation, const float* gate, float* in, std::int64_t count) {
  const RowKernels& kernels = row_kernels(simd_level());
  each_piece(count, count > worth_threads / 8, [&](std::int64_t begin, std::int64_t end) {
    kernels.activate(activation, gate == nullptr ? nullptr : gate + begin, in + begin, end - begin);
  });
}

std::int64_t VocabularyPart::real() const { return std::clamp<std::int64_t>(V - first, 0, width); }

Best best_of(const float* logits, const VocabularyPart& part) {
  Best best{minus_infinity, 0};
  for (std::int64_t i = 0; i < part.real(); ++i)
    if (logits[i] > best.logit) best = {logits[i], static_cast<std::int32_t>(part.first + i)};
  return best;
}

// The least likely of those taken so far is on top of a heap; ids come in order, so an equal one never replaces it.
void likeliest_of(const float* logits, const VocabularyPart& part, std::span<Best> out) {
  const std::int64_t real = part.real(), taken = std::min(std::ssize(out), real);
  const auto at = [&](std::int64_t i, float logit) { return Best{logit, static_cast<std::int32_t>(part.first + i)}; };
  for (std::int64_t i = 0; i < std::ssize(out); ++i)
    out[static_cast<std::size_t>(i)] = at(i, i < taken ? logits[i] : minus_infinity);
  if (taken == 0) return;
  const auto heap = out.first(static_cast<std::size_t>(taken));
  std::make_heap(heap.begin(), heap.end(), likelier);
  for (std::int64_t i = taken; i < real; ++i) {
    if (!(logits[i] > heap.front().logit)) continue;
    std::pop_heap(heap.begin(), heap.end(), likelier);
    heap.back() = at(i, logits[i]);
    std::push_heap(heap.begin(), heap.end(), likelier);
  }
  std::sort_heap(heap.begin(), heap.end(), likelier);
}

SoftmaxStats softmax_stats(const float* logits, const VocabularyPart& part, std::int32_t target) {
  SoftmaxStats stats{minus_infinity, 0, minus_infinity};
  const std::int64_t real = part.real();
  for (std::int64_t i = 0; i < real; ++i) stats.largest = std::max(stats.largest, logits[i]);
  double sum = 0;
  for (std::int64_t i = 0; i < real; ++i) sum += std::exp(static_cast<double>(logits[i] - stats.largest));
  stats.sum = static_cast<float>(sum);
  const std::int64_t here = target - part.first;
  if (here >= 0 && here < real) stats.target = logits[here];
  return stats;
}

float log_probability(std::span<const SoftmaxStats> parts) {
  float largest = minus_infinity, target = minus_infinity;
  for (const SoftmaxStats& part : parts) {
    largest = std::max(largest, part.largest);
    target = std::max(target, part.target);
  }
  double sum = 0;
  for (const SoftmaxStats& part : parts)
    if (part.sum > 0) sum += part.sum * std::exp(static_cast<double>(part.largest - largest));
  return static_cast<float>(static_cast<double>(target - largest) - std::log(sum));
}

}  // namespace tsrun
