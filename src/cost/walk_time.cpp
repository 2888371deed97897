#include "tsrun/cost/walk_time.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>

namespace tsrun {
namespace {

// Bytes over each link, by axis, direction and the place of the link's sender: kept as the differences from the link
// before, so that a message of many hops is written down at its ends only.
class Links {
 public:
  explicit Links(const Torus& torus, bool wraps)
      : torus_(torus), wraps_(wraps), steps_(static_cast<std::size_t>(torus.size()) * 6) {}

  // Along one axis, `links` further (negative: back); gives the hops.
  int send(Coord& at, Axis a, int links, double bytes) {
    const int k = torus_.size(a);
    int way = links;
    if (!wraps_ && (at.at(a) + way < 0 || at.at(a) + way >= k)) way += way < 0 ? k : -k;
    const int end = at.at(a) + way;
    if (way > 0) add(at, a, true, at.at(a), end, bytes);
    if (way < 0) add(at, a, false, end + 1, at.at(a) + 1, bytes);
    at.at(a) = (end + k) % k;
    return std::abs(way);
  }
  double fullest() const {
    double most = 0;
    for (int rank = 0; rank < torus_.size(); ++rank)
      for (const Axis a : all_axes)
        if (coord_of(torus_, rank).at(a) == 0)
          for (const bool plus : {false, true}) most = std::max(most, fullest_of_line(coord_of(torus_, rank), a, plus));
    return most;
  }

 private:
  // The links whose senders' places are [from, to), which may begin before the line or end behind it, on the other
  // side.
  void add(Coord line, Axis a, bool plus, int from, int to, double bytes) {
    const int k = torus_.size(a);
    if (from < 0) {
      add(line, a, plus, from + k, k, bytes);
      from = 0;
    }
    if (to > k) {
      add(line, a, plus, 0, to - k, bytes);
      to = k;
    }
    line.at(a) = from;
    steps_[index(line, a, plus)] += bytes;
    if (to == k) return;
    line.at(a) = to;
    steps_[index(line, a, plus)] -= bytes;
  }
  double fullest_of_line(Coord at, Axis a, bool plus) const {
    double load = 0, most = 0;
    for (int i = 0; i < torus_.size(a); ++i) {
      at.at(a) = i;
      load += steps_[index(at, a, plus)];
      most = std::max(most, load);
    }
    return most;
  }
  std::size_t index(const Coord& at, Axis a, bool plus) const {
    return (static_cast<std::size_t>(rank_of(torus_, at)) * 3 + static_cast<std::size_t>(a)) * 2 + (plus ? 1 : 0);
  }
  const Torus& torus_;
  bool wraps_;
  std::vector<double> steps_;
};

int signed_hops(const Move& move) { return move.direction == Direction::plus ? move.hops : -move.hops; }

double share_of(const Blocks& blocks, const Schedule& schedule) {
  return static_cast<double>(blocks.total()) / schedule.slots();
}

// Where every chip sends alike and each message takes a way of its own, all links of an axis carry what one chip sends.
RoundLoad symmetric_load(const Round& round, const Schedule& schedule) {
  RoundLoad r;
  std::array<double, 6> load{};
  const auto add = [&](Axis a, int links, double bytes) {
    if (links == 0) return;
    load[static_cast<std::size_t>(a) * 2 + (links > 0 ? 1 : 0)] += bytes * std::abs(links);
    r.axes = r.axes | AxisSet{a};
  };
  for (const Move& move : round) {
    if (move.send.total() == 0) continue;
    const double bytes = share_of(move.send, schedule);
    int hops = 0;
    for (const Axis a : all_axes) {
      const int links = a == move.axis ? signed_hops(move) : move.further.at(a);
      add(a, links, bytes);
      hops += std::abs(links);
    }
    r.hops = std::max(r.hops, hops);
  }
  r.load = *std::max_element(load.begin(), load.end());
  return r;
}

std::vector<RoundLoad> counted_loads(Op op, ScheduleName name, const Torus& torus, const AxisStack& group, bool wraps) {
  std::vector<Schedule> walks;
  std::size_t rounds = 0;
  for (int rank = 0; rank < torus.size(); ++rank) {
    walks.push_back(schedule_of(op, name, torus, group, coord_of(torus, rank)));
    rounds = std::max(rounds, walks.back().rounds.size());
  }
  std::vector<RoundLoad> loads;
  for (std::size_t i = 0; i < rounds; ++i) {
    Links links(torus, wraps);
    RoundLoad r;
    for (int rank = 0; rank < torus.size(); ++rank) {
      const Schedule& walk = walks[static_cast<std::size_t>(rank)];
      if (i >= walk.rounds.size()) continue;
      for (const Move& move : walk.rounds[i]) {
        if (move.send.total() == 0) continue;
        Coord at = coord_of(torus, rank);
        int hops = 0;
        for (const Axis a : all_axes) {
          const int further = a == move.axis ? signed_hops(move) : move.further.at(a);
          if (further == 0) continue;
          hops += links.send(at, a, further, share_of(move.send, walk));
          r.axes = r.axes | AxisSet{a};
        }
        r.hops = std::max(r.hops, hops);
      }
    }
    r.load = links.fullest();
    loads.push_back(r);
  }
  return loads;
}

// What a walk sees of the torus: chips that differ along other axes are in other groups, on other links.
Torus only(const Torus& torus, const AxisStack& group) {
  const auto size = [&](Axis a) { return group.set().has(a) ? torus.size(a) : 1; };
  return {size(Axis::x), size(Axis::y), size(Axis::z)};
}

}  // namespace

std::vector<RoundLoad> round_loads(Op op, ScheduleName name, const Torus& torus, const AxisStack& group, bool wraps) {
  const Torus walked = only(torus, group);
  const bool line_ring = !wraps && is_ring(name);
  if (!is_symmetric(name) || (!wraps && !line_ring)) return counted_loads(op, name, walked, group, wraps);
  const Schedule walk = schedule_of(op, line_ring ? ScheduleName::ring : name, walked, group, Coord{});
  std::vector<RoundLoad> loads;
  for (const Round& round : walk.rounds) loads.push_back(symmetric_load(round, walk));
  return loads;
}

const std::vector<RoundLoad>& WalkLoads::of(Op op, ScheduleName name, const Torus& torus, const AxisStack& group,
                                            bool wraps) {
  const Torus t = only(torus, group);
  const auto [found, is_new] = known_.try_emplace({op, name, t.X, t.Y, t.Z, to_text(group), wraps});
  if (is_new) found->second = round_loads(op, name, torus, group, wraps);
  return found->second;
}

WalkTime walk_time(const std::vector<RoundLoad>& rounds, double bytes, double alpha_s, double bytes_per_s,
                   AxisSet along) {
  WalkTime t;
  for (const RoundLoad& r : rounds) {
    if ((r.axes & along).empty()) continue;
    t.hops_s += alpha_s * r.hops;
    t.bytes_s += bytes * r.load / bytes_per_s;
  }
  return t;
}

}  // namespace tsrun
