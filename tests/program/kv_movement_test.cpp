// Who sends which head of which sequence to whom when attention changes its cut.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>
#include <tuple>

#include "tsrun/program/kv_movement.hpp"

using namespace tsrun;

namespace {

ModelConfig heads(std::int64_t H, std::int64_t K) {
  ModelConfig c;
  c.layers = 1;
  c.E = 64;
  c.F = 128;
  c.H = H;
  c.K = K;
  c.Q = 8;
  c.V = 96;
  return c;
}

std::vector<RowMove> all_rows(std::int64_t rows, std::int64_t positions) {
  std::vector<RowMove> moves;
  for (std::int64_t r = 0; r < rows; ++r) moves.push_back({r, r, positions});
  return moves;
}

// (sequence, head) pairs that a chip receives from others.
std::vector<int> received(const Torus& torus, const std::vector<KvMove>& moves) {
  std::vector<int> of_chip(static_cast<std::size_t>(torus.size()));
  for (const KvMove& m : moves) of_chip[static_cast<std::size_t>(m.to)] += m.from != m.to;
  return of_chip;
}

const char* const attentions[] = {"head", "batch_x", "batch_xy", "batch"};
const Torus tori[] = {{2, 2, 2}, {4, 2, 1}, {1, 2, 4}, {3, 2, 1}, {2, 3, 2}, {1, 1, 1}};

KvCut cut_of(const ModelConfig& c, const Torus& t, const char* attention, std::int64_t rows) {
  return kv_cut(c, t, parse_layout(std::string("ws2d/") + attention), rows);
}

}  // namespace

TEST_CASE("every chip ends with all that its cut gives it, from a chip that has it") {
  for (const Torus& t : tori)
    for (const ModelConfig& c : {heads(9, 9), heads(9, 3), heads(12, 1), heads(24, 4)})
      for (const char* from : attentions)
        for (const char* to : attentions) {
          const KvCut before = cut_of(c, t, from, 24), after = cut_of(c, t, to, 24);
          std::set<std::tuple<int, std::int64_t, int>> arrived;
          bool held = true;
          for (const KvMove& m : plan_kv_movement(before, after, all_rows(24, 5))) {
            arrived.insert({m.to, m.row.to, m.head});
            const Coord source = coord_of(t, m.from);
            const std::vector<int> slots = before.slots_of(source);
            held = held && before.rows_of(source).begin <= m.row.from && m.row.from < before.rows_of(source).end &&
                   std::find(slots.begin(), slots.end(), m.head) != slots.end();
          }
          CHECK(held);
          std::size_t wanted = 0;
          for (int rank = 0; rank < t.size(); ++rank)
            wanted += static_cast<std::size_t>(after.rows_of(coord_of(t, rank)).size()) *
                      after.slots_of(coord_of(t, rank)).size();
          CHECK(arrived.size() == wanted);
        }
}

TEST_CASE("nothing is sent between equal cuts, nor from heads to batch where all chips have the one head") {
  for (const Torus& t : tori) {
    const auto sent = [&](const ModelConfig& c, const char* from, const char* to) {
      int sum = 0;
      for (const int n : received(t, plan_kv_movement(cut_of(c, t, from, 24), cut_of(c, t, to, 24), all_rows(24, 5))))
        sum += n;
      return sum;
    };
    for (const char* attention : attentions) CHECK(sent(heads(9, 3), attention, attention) == 0);
    for (const char* to : attentions) CHECK(sent(heads(8, 1), "head", to) == 0);
    if (t.size() > 1) CHECK(sent(heads(8, 8), "head", "batch") > 0);
  }
}

TEST_CASE("a regular movement brings each chip r2 m2 - min(r1, r2) min(m1, m2) heads of sequences") {
  for (const Torus& t : {Torus{2, 2, 2}, Torus{4, 2, 1}, Torus{1, 2, 4}})
    for (const ModelConfig& c : {heads(8, 8), heads(8, 2), heads(8, 1)})
      for (const char* from : attentions)
        for (const char* to : attentions) {
          const KvCut before = cut_of(c, t, from, 24), after = cut_of(c, t, to, 24);
          const auto r1 = before.rows / before.blocks(), r2 = after.rows / after.blocks();
          const auto m1 = before.most_slots(), m2 = after.most_slots();
          for (const int n : received(t, plan_kv_movement(before, after, all_rows(24, 5))))
            CHECK(n == r2 * m2 - std::min(r1, r2) * std::min(m1, m2));
        }
}

TEST_CASE("what all sequences share reaches every chip in waves, from no chip to more than an axis") {
  for (const Torus& t : tori)
    for (const ModelConfig& c : {heads(9, 9), heads(9, 3), heads(12, 1), heads(24, 4)})
      for (const char* from : attentions)
        for (const char* to : attentions) {
          const KvCut before = cut_of(c, t, from, 1);
          KvCut after = cut_of(c, t, to, 1);
          after.everywhere = true;
          after.rows = 1;
          std::set<std::pair<int, int>> there;
          for (const KvWave& wave : plan_kv_distribution(before, after, {0, 0, 5})) {
            std::set<std::pair<int, int>> arriving;
            for (const KvMove& m : wave.moves) {
              if (wave.from_after) CHECK(there.count({m.from, m.head}) == 1);
              else CHECK(before.rows_of(coord_of(t, m.from)).begin == 0);
              arriving.insert({m.to, m.head});
            }
            there.merge(arriving);
          }
          std::size_t wanted = 0;
          for (int rank = 0; rank < t.size(); ++rank) wanted += after.slots_of(coord_of(t, rank)).size();
          CHECK(there.size() == wanted);
        }
}
