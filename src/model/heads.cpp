#include "tsrun/model/heads.hpp"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <optional>

#include "tsrun/core/integer.hpp"

namespace tsrun {
namespace {

HeadPlacement with_kv(std::vector<int> head, std::int64_t per_kv) {
  HeadPlacement p{std::move(head), {}};
  int last = 0;
  for (const int h : p.head) {
    if (h >= 0) last = static_cast<int>(h / per_kv);
    p.kv.push_back(last);
  }
  return p;
}

HeadPlacement at_the_end(std::int64_t H, std::int64_t K, int cut) {
  std::vector<int> head(static_cast<std::size_t>(round_up(H, cut)), -1);
  for (std::int64_t h = 0; h < H; ++h) head[static_cast<std::size_t>(h)] = static_cast<int>(h);
  return with_kv(std::move(head), H / K);
}

// K' groups of g' heads that are `padded` together, and a chip's heads a whole number of groups or a whole part of one.
std::optional<HeadPlacement> by_group(std::int64_t H, std::int64_t K, int cut, std::int64_t padded) {
  const std::int64_t g = H / K, share = padded / cut;
  for (std::int64_t groups = K; groups * g <= padded; ++groups) {
    const std::int64_t size = padded / groups;
    if (groups * size != padded || (share % size != 0 && size % share != 0)) continue;
    std::vector<int> head;
    for (std::int64_t group = 0; group < groups; ++group)
      for (std::int64_t i = 0; i < size; ++i) head.push_back(group < K && i < g ? static_cast<int>(group * g + i) : -1);
    return with_kv(std::move(head), g);
  }
  return {};
}

// Of a chip, as long as kv_slots. No lists are made: a torus may have thousands of chips, each of which asks.
std::int64_t most_slots(const HeadPlacement& p, int cut) {
  const std::int64_t share = p.padded() / cut;
  std::int64_t most = 0, slots = 0;
  for (std::int64_t i = 0; i < p.padded(); ++i) {
    if (i % share == 0) slots = 1;
    else if (p.kv[static_cast<std::size_t>(i)] != p.kv[static_cast<std::size_t>(i - 1)]) ++slots;
    most = std::max(most, slots);
  }
  return most;
}

}  // namespace

HeadPlacement place_heads(std::int64_t H, std::int64_t K, int cut, int run) {
  if (run > 1) return at_the_end(H, K, std::lcm(cut, run));
  // No way has fewer padded heads than the one at the end, and groups only count where they have as few.
  HeadPlacement end = at_the_end(H, K, cut);
  std::optional<HeadPlacement> group = by_group(H, K, cut, end.padded());
  return group && most_slots(*group, cut) < most_slots(end, cut) ? std::move(*group) : std::move(end);
}

std::vector<int> kv_slots(const HeadPlacement& placement, Range positions) {
  std::vector<int> slots;  // heads stand in the order of their key/value heads
  std::unique_copy(placement.kv.begin() + positions.begin, placement.kv.begin() + positions.end,
                   std::back_inserter(slots));
  return slots;
}

}  // namespace tsrun
