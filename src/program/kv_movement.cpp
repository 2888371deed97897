#include "tsrun/program/kv_movement.hpp"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <set>
#include <tuple>
#include <utility>

#include "tsrun/core/integer.hpp"

namespace tsrun {
namespace {

int hops(const Torus& torus, const Coord& a, const Coord& b) {
  int sum = 0;
  for (const Axis axis : all_axes) sum += std::abs(links_between(torus, axis, a, b));
  return sum;
}

// What every chip holds, worked out once.
struct Holdings {
  explicit Holdings(const KvCut& cut) {
    for (int rank = 0; rank < cut.torus.size(); ++rank) {
      const Coord chip = coord_of(cut.torus, rank);
      rows.push_back(cut.rows_of(chip));
      slots.push_back(cut.slots_of(chip));
    }
  }
  bool has(int rank, std::int64_t row, int head) const {
    const auto r = static_cast<std::size_t>(rank);
    return row >= rows[r].begin && row < rows[r].end && std::binary_search(slots[r].begin(), slots[r].end(), head);
  }
  std::vector<Range> rows;
  std::vector<std::vector<int>> slots;
};

void by_ends(KvMoves& moves) {
  std::stable_sort(moves.begin(), moves.end(),
                   [](const KvMove& a, const KvMove& b) { return std::tie(a.from, a.to) < std::tie(b.from, b.to); });
}

int nearest(const Torus& torus, const Holdings& held, int to, std::int64_t row, int head) {
  int best = -1, best_hops = 0;
  for (int rank = 0; rank < torus.size(); ++rank) {
    if (!held.has(rank, row, head)) continue;
    const int h = hops(torus, coord_of(torus, rank), coord_of(torus, to));
    if (best < 0 || h < best_hops) best = rank, best_hops = h;
  }
  check(best >= 0, "some chip holds every head of every sequence");
  return best;
}

}  // namespace

std::vector<int> KvCut::slots_of(const Coord& chip) const {
  return kv_slots(heads, shard(torus, axis_order.reversed().only(axes_xyz - batch), chip, heads.padded()));
}

int KvCut::most_slots() const {
  std::size_t most = 1;
  for (int rank = 0; rank < torus.size(); ++rank) most = std::max(most, slots_of(coord_of(torus, rank)).size());
  return static_cast<int>(most);
}

bool KvCut::same_cut(const KvCut& other) const {
  return (batch & torus.cutting_axes()) == (other.batch & torus.cutting_axes());
}

KvCut kv_cut(const ModelConfig& config, const Torus& torus, const Layout& layout, std::int64_t sequences) {
  return {torus, layout.batch, round_up(sequences, torus.size(layout.batch)), pad(config, torus, layout).heads};
}

KvMoves plan_kv_movement(const KvCut& before, const KvCut& after, const std::vector<RowMove>& rows) {
  const Holdings held(before), wanted(after);
  KvMoves moves;
  for (int to = 0; to < after.torus.size(); ++to)
    for (const RowMove& row : rows)
      for (const int head : wanted.slots[static_cast<std::size_t>(to)])
        if (wanted.has(to, row.to, head))
          moves.push_back({nearest(before.torus, held, to, row.from, head), to, head, row});
  by_ends(moves);
  return moves;
}

std::vector<KvWave> plan_kv_distribution(const KvCut& before, const KvCut& after, const RowMove& row) {
  const Holdings held(before), wanted(after);
  const int chips = before.torus.size();
  // The (chip, head) that have been served.
  std::set<std::pair<int, int>> there;
  std::vector<KvWave> waves;
  const auto wave = [&](bool from_after, const auto& sources_of) {
    KvMoves moves;
    for (int to = 0; to < chips; ++to)
      for (const int head : wanted.slots[static_cast<std::size_t>(to)]) {
        if (there.count({to, head}) > 0) continue;
        int best = -1;
        for (const int from : sources_of(to)) {
          const bool has = from_after ? there.count({from, head}) > 0 : held.has(from, row.from, head);
          const auto far = [&](int chip) {
            return hops(before.torus, coord_of(before.torus, chip), coord_of(before.torus, to));
          };
          if (has && (best < 0 || far(from) < far(best))) best = from;
        }
        if (best >= 0) moves.push_back({best, to, head, from_after ? RowMove{row.to, row.to, row.positions} : row});
      }
    for (const KvMove& m : moves) there.insert({m.to, m.head});
    by_ends(moves);
    if (!moves.empty()) waves.push_back({from_after, std::move(moves)});
  };
  const auto along = [&](Axis a) {
    return [&before, a](int to) {
      std::vector<int> line;
      for (int i = 0; i < before.torus.size(a); ++i)
        line.push_back(rank_of(before.torus, shifted(before.torus, coord_of(before.torus, to), a, Direction::plus, i)));
      return line;
    };
  };
  const auto all = [chips](int) {
    std::vector<int> every(static_cast<std::size_t>(chips));
    std::iota(every.begin(), every.end(), 0);
    return every;
  };
  wave(false, along(Axis::x));
  wave(true, along(Axis::y));
  wave(true, along(Axis::z));
  wave(false, all);  // heads that no chip on the way needed
  return waves;
}

}  // namespace tsrun
