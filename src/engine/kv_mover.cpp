#include "tsrun/engine/kv_mover.hpp"

#include <span>
#include <vector>

namespace tsrun {
namespace {

// The moves between this rank and one other, and the memory for one layer of them.
struct Run {
  int other = 0;
  std::span<const KvMove> moves;
  std::vector<std::byte> bytes;
};

std::vector<Run> runs_of(const KvMoves& moves, int rank, int KvMove::*mine, int KvMove::*other, const KvLayer& layer) {
  std::vector<Run> runs;
  for (std::size_t i = 0; i < moves.size();) {
    std::size_t end = i;
    std::int64_t bytes = 0;
    for (; end < moves.size() && moves[end].from == moves[i].from && moves[end].to == moves[i].to; ++end)
      bytes += layer.bytes_of(moves[end].row.positions);
    if (moves[i].*mine == rank && moves[i].*other != rank)
      runs.push_back({moves[i].*other, std::span(moves).subspan(i, end - i),
                      std::vector<std::byte>(static_cast<std::size_t>(bytes))});
    i = end;
  }
  return runs;
}

std::vector<Parcel> parcels_of(std::vector<Run>& runs) {
  std::vector<Parcel> parcels;
  for (Run& run : runs) parcels.push_back({run.other, run.bytes});
  return parcels;
}

std::byte* pack(const KvCache& cache, std::int64_t layer, const KvMove& m, std::byte* to) {
  cache.layer(layer).copy_out(cache.local_row(m.row.from), cache.slot_of(m.head), m.row.positions, to);
  return to + cache.layer(layer).bytes_of(m.row.positions);
}

const std::byte* unpack(KvCache& cache, std::int64_t layer, const KvMove& m, const std::byte* from) {
  cache.layer(layer).copy_in(cache.local_row(m.row.to), cache.slot_of(m.head), m.row.positions, from);
  return from + cache.layer(layer).bytes_of(m.row.positions);
}

}  // namespace

LinkCounts kv_sent_by(int rank, const KvCache& before, const KvMoves& moves) {
  const Torus& torus = before.cut().torus;
  LinkCounts sent;
  for (std::size_t i = 0; i < moves.size(); ++i) {
    const KvMove& m = moves[i];
    if (m.from != rank || m.to == rank) continue;
    const FirstLink link = first_link(torus, coord_of(torus, m.from), coord_of(torus, m.to));
    const bool same_parcel = i > 0 && moves[i - 1].from == m.from && moves[i - 1].to == m.to;
    if (!same_parcel) sent.at(link.axis, link.direction).messages += before.layers();
    sent.at(link.axis, link.direction).bytes += before.layers() * before.layer(0).bytes_of(m.row.positions);
  }
  return sent;
}

double move_kv(const Mesh& mesh, const KvCache& before, KvCache& after, const KvMoves& moves, LinkCounts& sent) {
  std::vector<Run> leaving = runs_of(moves, mesh.rank(), &KvMove::from, &KvMove::to, before.layer(0));
  std::vector<Run> coming = runs_of(moves, mesh.rank(), &KvMove::to, &KvMove::from, before.layer(0));
  const std::vector<Parcel> out = parcels_of(leaving), in = parcels_of(coming);
  std::vector<std::byte> here;
  double waited = 0;
  for (std::int64_t layer = 0; layer < before.layers(); ++layer) {
    for (Run& run : leaving) {
      std::byte* at = run.bytes.data();
      for (const KvMove& m : run.moves) at = pack(before, layer, m, at);
    }
    waited += exchange(mesh, out, in, sent);
    for (const Run& run : coming) {
      const std::byte* at = run.bytes.data();
      for (const KvMove& m : run.moves) at = unpack(after, layer, m, at);
    }
    for (const KvMove& m : moves) {
      if (m.from != mesh.rank() || m.to != mesh.rank()) continue;
      here.resize(static_cast<std::size_t>(before.layer(layer).bytes_of(m.row.positions)));
      pack(before, layer, m, here.data());
      unpack(after, layer, m, here.data());
    }
  }
  return waited;
}

}  // namespace tsrun
