#include "tsrun/model/heads.hpp"

#include <algorithm>
#include <iterator>
#include <numeric>

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

// K' groups of g' heads with cut | K' g', and a chip's heads a whole number of groups or a whole part of one.
HeadPlacement by_group(std::int64_t H, std::int64_t K, int cut) {
  const std::int64_t g = H / K;
  std::int64_t best_groups = 0, best_size = 0;
  for (std::int64_t groups = K; groups <= K + cut; ++groups) {
    const std::int64_t step = cut / std::gcd(groups, static_cast<std::int64_t>(cut));
    for (std::int64_t size = round_up(g, step); size <= g + cut; size += step) {
      if (best_groups != 0 && groups * size >= best_groups * best_size) break;
      const std::int64_t share = groups * size / cut;
      if (share % size != 0 && size % share != 0) continue;
      best_groups = groups, best_size = size;
    }
  }
  std::vector<int> head;
  for (std::int64_t group = 0; group < best_groups; ++group)
    for (std::int64_t i = 0; i < best_size; ++i)
      head.push_back(group < K && i < g ? static_cast<int>(group * g + i) : -1);
  return with_kv(std::move(head), g);
}

std::size_t most_slots(const HeadPlacement& p, int cut) {
  const std::int64_t share = p.padded() / cut;
  std::size_t most = 0;
  for (int chip = 0; chip < cut; ++chip) most = std::max(most, kv_slots(p, {chip * share, (chip + 1) * share}).size());
  return most;
}

}  // namespace

HeadPlacement place_heads(std::int64_t H, std::int64_t K, int cut, int run) {
  if (run > 1) return at_the_end(H, K, std::lcm(cut, run));
  HeadPlacement end = at_the_end(H, K, cut);
  HeadPlacement group = by_group(H, K, cut);
  if (group.padded() != end.padded()) return group.padded() < end.padded() ? group : end;
  return most_slots(group, cut) < most_slots(end, cut) ? group : end;
}

std::vector<int> kv_slots(const HeadPlacement& placement, Range positions) {
  std::vector<int> slots;  // heads stand in the order of their key/value heads
  std::unique_copy(placement.kv.begin() + positions.begin, placement.kv.begin() + positions.end,
                   std::back_inserter(slots));
  return slots;
}

}  // namespace tsrun
