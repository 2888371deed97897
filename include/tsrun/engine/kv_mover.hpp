// A planned movement of the KV cache: what it sends, known before, and its carrying out, layer by layer.
#pragma once

#include <vector>

#include "tsrun/collectives/parcels.hpp"
#include "tsrun/engine/kv_cache.hpp"
#include "tsrun/mesh/mesh.hpp"

namespace tsrun {

// What a rank sends in these moves of `layers` layers, by the list alone; `head_bytes(positions)` for one head of one
// layer.
template <class HeadBytes>
LinkCounts sent_by(int rank, const Torus& torus, const std::vector<KvMove>& moves, std::int64_t layers,
                   HeadBytes head_bytes) {
  LinkCounts sent{};
  for (std::size_t i = 0; i < moves.size(); ++i) {
    const KvMove& m = moves[i];
    if (m.from != rank || m.to == rank) continue;
    const FirstLink link = first_link(torus, coord_of(torus, m.from), coord_of(torus, m.to));
    LinkCount& count = sent[static_cast<std::size_t>(link.axis)][static_cast<std::size_t>(link.direction)];
    const bool same_parcel = i > 0 && moves[i - 1].from == m.from && moves[i - 1].to == m.to;
    if (!same_parcel) count.messages += layers;
    count.bytes += layers * head_bytes(m.row.positions);
  }
  return sent;
}

// All ranks call with the same moves. What this rank sends is added to `sent`.
void move_kv(const Mesh& mesh, KvCache& before, KvCache& after, const std::vector<KvMove>& moves, LinkCounts& sent);

}  // namespace tsrun
