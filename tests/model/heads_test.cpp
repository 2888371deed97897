// The placement of heads on any number of chips.
#include "tsrun/model/heads.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "tsrun/core/integer.hpp"

using namespace tsrun;

namespace {

constexpr int cuts[] = {1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 64};
struct Heads {
  std::int64_t H;
  std::int64_t K;
};
constexpr Heads models[] = {{1, 1}, {9, 3}, {8, 8}, {16, 1}, {32, 8}, {48, 1}, {40, 8}, {6, 2}, {14, 2}, {25, 5}};

struct Groups {
  std::int64_t count, size;
  std::int64_t padded() const { return count * size; }
};

// The grouping of the fewest padded heads, found by trying all.
Groups fewest_padded(std::int64_t H, std::int64_t K, int cut) {
  const std::int64_t g = H / K;
  Groups best{K, g * cut};
  for (std::int64_t count = K; count <= K + cut; ++count)
    for (std::int64_t size = g; size <= g + cut; ++size) {
      const Groups tried{count, size};
      if (tried.padded() % cut != 0 || tried.padded() >= best.padded()) continue;
      const std::int64_t share = tried.padded() / cut;
      if (share % size == 0 || size % share == 0) best = tried;
    }
  return best;
}

std::size_t most_slots(const HeadPlacement& p, int cut) {
  const std::int64_t share = p.padded() / cut;
  std::size_t most = 0;
  for (int chip = 0; chip < cut; ++chip) most = std::max(most, kv_slots(p, {chip * share, (chip + 1) * share}).size());
  return most;
}

// As they stand in `groups`.
HeadPlacement placed(std::int64_t H, std::int64_t K, const Groups& groups) {
  HeadPlacement p;
  int last = 0;
  for (std::int64_t i = 0; i < groups.padded(); ++i) {
    const std::int64_t group = i / groups.size, of_group = i % groups.size;
    const bool real = group < K && of_group < H / K;
    p.head.push_back(real ? static_cast<int>(group * (H / K) + of_group) : -1);
    if (real) last = static_cast<int>(group);
    p.kv.push_back(last);
  }
  return p;
}

}  // namespace

TEST_CASE("every head stands once, in order, on a multiple of the cut, and never more padded than at the end") {
  for (const Heads& heads : models)
    for (const int cut : cuts) {
      const std::int64_t H = heads.H, K = heads.K;
      CAPTURE(H);
      CAPTURE(cut);
      const HeadPlacement p = place_heads(H, K, cut);
      CHECK(p.padded() % cut == 0);
      CHECK(p.padded() <= round_up(H, cut));
      std::vector<int> real;
      for (const int h : p.head)
        if (h >= 0) real.push_back(h);
      REQUIRE(real.size() == static_cast<std::size_t>(H));
      for (int h = 0; h < H; ++h) CHECK(real[static_cast<std::size_t>(h)] == h);
    }
}

TEST_CASE("a head reads its key/value head by the true H and K, a padded one that of the real head before it") {
  for (const Heads& heads : models)
    for (const int cut : cuts) {
      const std::int64_t H = heads.H, K = heads.K;
      const HeadPlacement p = place_heads(H, K, cut);
      REQUIRE(p.kv.size() == p.head.size());
      int last = 0;
      for (std::size_t i = 0; i < p.head.size(); ++i) {
        if (p.head[i] >= 0) last = static_cast<int>(p.head[i] / (H / K));
        CHECK(p.kv[i] == last);
      }
    }
}

TEST_CASE("a chip holds the key/value heads that its heads read, ascending, and all chips together hold all") {
  for (const Heads& heads : models)
    for (const int cut : cuts) {
      const std::int64_t H = heads.H, K = heads.K;
      const HeadPlacement p = place_heads(H, K, cut);
      const std::int64_t share = p.padded() / cut;
      std::vector<bool> held(static_cast<std::size_t>(K));
      for (int chip = 0; chip < cut; ++chip) {
        const std::vector<int> slots = kv_slots(p, {chip * share, (chip + 1) * share});
        REQUIRE_FALSE(slots.empty());
        for (std::size_t i = 1; i < slots.size(); ++i) CHECK(slots[i - 1] < slots[i]);
        for (const int k : slots) held[static_cast<std::size_t>(k)] = true;
      }
      CHECK(held == std::vector<bool>(static_cast<std::size_t>(K), true));
    }
}

TEST_CASE("of heads padded at the end and in groups the way with fewer is taken, then the one with fewer slots") {
  for (const Heads& heads : models)
    for (const int cut : cuts) {
      const std::int64_t H = heads.H, K = heads.K;
      CAPTURE(H);
      CAPTURE(K);
      CAPTURE(cut);
      HeadPlacement end;
      for (std::int64_t i = 0; i < round_up(H, cut); ++i) {
        end.head.push_back(i < H ? static_cast<int>(i) : -1);
        end.kv.push_back(static_cast<int>(std::min(i, H - 1) / (H / K)));
      }
      const HeadPlacement group = placed(H, K, fewest_padded(H, K, cut)), p = place_heads(H, K, cut);
      const bool grouped = group.padded() != end.padded() ? group.padded() < end.padded()
                                                          : most_slots(group, cut) < most_slots(end, cut);
      CHECK(p.head == (grouped ? group : end).head);
      CHECK(p.kv == (grouped ? group : end).kv);
    }
}

TEST_CASE("nothing is padded where nothing needs to be, and one key/value head is one slot everywhere") {
  CHECK(place_heads(32, 8, 8).padded() == 32);
  CHECK(place_heads(9, 3, 1).padded() == 9);
  CHECK(place_heads(9, 3, 2).padded() == 10);
  const HeadPlacement many_chips = place_heads(32, 8, 64);  // 8 key/value heads over 64 chips: each chip one slot
  CHECK(many_chips.padded() == 64);
  for (int chip = 0; chip < 64; ++chip) CHECK(kv_slots(many_chips, {chip, chip + 1}).size() == 1);
  const HeadPlacement palm = place_heads(48, 1, 64);
  for (const int k : palm.kv) CHECK(k == 0);
}
