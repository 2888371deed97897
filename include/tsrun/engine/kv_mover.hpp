// A planned movement of the KV cache: what it sends, known before, and its carrying out, layer by layer.
#pragma once

#include "tsrun/collectives/parcels.hpp"
#include "tsrun/engine/kv_cache.hpp"
#include "tsrun/mesh/mesh.hpp"

namespace tsrun {

// What a rank will send in these moves out of a cache such as `before`, by the list alone.
LinkCounts kv_sent_by(int rank, const KvCache& before, const KvMoves& moves);

// All ranks call with the same moves. What this rank sends is added to `sent`. Gives the seconds in which this rank had
// nothing to do but wait for messages.
double move_kv(const Mesh& mesh, const KvCache& before, KvCache& after, const KvMoves& moves, LinkCounts& sent);

}  // namespace tsrun
