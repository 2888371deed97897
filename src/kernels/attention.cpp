#include "tsrun/kernels/attention.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tsrun/kernels/matmul.hpp"

namespace tsrun {
namespace {

// Queries that go together through a head's keys.
constexpr std::int64_t tile = 16;

struct Scratch {
  std::vector<float> queries, scores, outputs;
};

// Over the positions [first, end) of `all`; the others get 0.
void softmax(float* scores, std::int64_t first, std::int64_t end, std::int64_t all) {
  const float highest = *std::max_element(scores + first, scores + end);
  float sum = 0;
  for (std::int64_t s = first; s < end; ++s) sum += scores[s] = std::exp(scores[s] - highest);
  const float factor = 1 / sum;  // a token sees itself at least, and the highest exponential is 1
  for (std::int64_t s = first; s < end; ++s) scores[s] *= factor;
  std::fill(scores, scores + first, 0.0F);
  std::fill(scores + end, scores + all, 0.0F);
}

// The keys and values of one head of one sequence: those that all sequences share, then its own, in the order of positions.
struct HeadCache {
  Matrix keys[2], values[2];
};

HeadCache head_cache(const KvLayer& cache, std::int64_t sequence, std::int64_t slot, std::int64_t reach, std::int64_t Q) {
  HeadCache head;
  if (const KvLayer* const shared = cache.prefix()) {
    head.keys[0] = {shared->type(), shared->positions(), Q, shared->keys(0, slot)};
    head.values[0] = {shared->type(), shared->positions(), Q, shared->values(0, slot)};
  }
  head.keys[1] = {cache.type(), reach - cache.shared(), Q, cache.keys(sequence, slot)};
  head.values[1] = {cache.type(), reach - cache.shared(), Q, cache.values(sequence, slot)};
  return head;
}

// `count` queries of one head, from token `first` of the row. A sum runs over the shared positions and on over the own
// ones: sharing changes no bit.
void attend_tile(const AttentionShape& shape, const AttentionRow& row, std::int64_t first, std::int64_t count,
                 const float* q, std::int64_t stride, const KvLayer& cache, std::int64_t slot, float* out, Scratch& scratch) {
  const std::int64_t Q = shape.Q, reach = row.context + first + count;
  scratch.queries.resize(static_cast<std::size_t>(tile * Q));
  scratch.outputs.resize(static_cast<std::size_t>(tile * Q));
  scratch.scores.resize(static_cast<std::size_t>(tile * reach));
  for (std::int64_t i = 0; i < count; ++i)
    for (std::int64_t c = 0; c < Q; ++c) scratch.queries[static_cast<std::size_t>(i * Q + c)] = q[i * stride + c] * shape.scale;
  const HeadCache head = head_cache(cache, row.sequence, slot, reach, Q);
  float* const scores = scratch.scores.data();
  const std::int64_t shared = head.keys[0].rows;
  if (shared > 0) simd().dots(scratch.queries.data(), count, head.keys[0], 0, shared, scores, reach);
  simd().dots(scratch.queries.data(), count, head.keys[1], 0, reach - shared, scores + shared, reach);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t end = reach - count + i + 1;
    softmax(scores + i * reach, shape.window > 0 ? std::max<std::int64_t>(0, end - shape.window) : 0, end, reach);
  }
  float* const outputs = scratch.outputs.data();
  if (shared > 0) simd().weighted_rows(scores, count, reach, head.values[0], false, outputs, Q);
  simd().weighted_rows(scores + shared, count, reach, head.values[1], shared > 0, outputs, Q);
  for (std::int64_t i = 0; i < count; ++i) std::copy_n(outputs + i * Q, Q, out + i * stride);
}

}  // namespace

KvLayer::KvLayer(DType type, std::int64_t sequences, std::int64_t slots, std::int64_t positions, std::int64_t Q)
    : type_(type), slots_(slots), positions_(positions), Q_(Q) {
  const auto bytes = static_cast<std::size_t>(sequences * slots * positions * Q * bits(type) / 8);
  keys_.resize(bytes);
  values_.resize(bytes);
}

const void* KvLayer::at(const std::vector<std::byte>& half, std::int64_t sequence, std::int64_t slot) const {
  return half.data() + (sequence * slots_ + slot) * positions_ * Q_ * bits(type_) / 8;
}

void KvLayer::copy_out(std::int64_t sequence, std::int64_t slot, std::int64_t positions, std::byte* to) const {
  const auto half = static_cast<std::size_t>(bytes_of(positions) / 2);
  std::memcpy(to, keys(sequence, slot), half);
  std::memcpy(to + half, values(sequence, slot), half);
}

void KvLayer::copy_in(std::int64_t sequence, std::int64_t slot, std::int64_t positions, const std::byte* from) {
  const auto half = static_cast<std::size_t>(bytes_of(positions) / 2);
  const std::int64_t at = (sequence * slots_ + slot) * positions_ * Q_ * bits(type_) / 8;
  std::memcpy(keys_.data() + at, from, half);
  std::memcpy(values_.data() + at, from + half, half);
}

void KvLayer::store(std::int64_t sequence, std::int64_t slot, std::int64_t position, const float* key, const float* value) {
  const std::int64_t element = ((sequence * slots_ + slot) * positions_ + position - shared()) * Q_;
  if (type_ == DType::f32) {
    std::memcpy(keys_.data() + element * 4, key, static_cast<std::size_t>(Q_) * 4);
    std::memcpy(values_.data() + element * 4, value, static_cast<std::size_t>(Q_) * 4);
    return;
  }
  for (std::int64_t c = 0; c < Q_; ++c) {
    const std::uint16_t k = f32_to_bf16(key[c]), v = f32_to_bf16(value[c]);
    std::memcpy(keys_.data() + (element + c) * 2, &k, 2);
    std::memcpy(values_.data() + (element + c) * 2, &v, 2);
  }
}

void attention(const AttentionShape& shape, std::span<const AttentionRow> rows, std::span<const int> slot_of,
               const float* q, const KvLayer& cache, float* out) {
  const std::int64_t stride = shape.heads * shape.Q;
  const std::int64_t tiles = (shape.L + tile - 1) / tile;
  const auto jobs = static_cast<std::int64_t>(rows.size()) * shape.heads * tiles;
#pragma omp parallel for schedule(dynamic)
  for (std::int64_t job = 0; job < jobs; ++job) {
    thread_local Scratch scratch;
    const std::int64_t r = job / (shape.heads * tiles), h = job / tiles % shape.heads, first = job % tiles * tile;
    const AttentionRow& row = rows[static_cast<std::size_t>(r)];
    const std::int64_t at = (r * shape.L + first) * stride + h * shape.Q;
    const std::int64_t here = std::min(tile, shape.L - first);
    const std::int64_t count = std::clamp<std::int64_t>(row.new_tokens - first, 0, here);
    for (std::int64_t i = count; i < here; ++i) std::fill_n(out + at + i * stride, shape.Q, 0.0F);
    if (count == 0) continue;
    const int slot = slot_of[static_cast<std::size_t>(h)];
    attend_tile(shape, row, first, count, q + at, stride, cache, slot, out + at, scratch);
  }
}

}  // namespace tsrun
