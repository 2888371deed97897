// A planned movement of the KV cache: what it sends, known before, and its carrying out, layer by layer.
#pragma once

#include <vector>

#include "tsrun/collectives/parcels.hpp"
#include "tsrun/engine/kv_cache.hpp"
#include "tsrun/mesh/mesh.hpp"

namespace tsrun {

// What a rank will send in these moves out of a cache such as `before`, by the list alone.
LinkCounts kv_sent_by(int rank, KvCache& before, const std::vector<KvMove>& moves);

// All ranks call with the same moves. What this rank sends is added to `sent`.
void move_kv(const Mesh& mesh, KvCache& before, KvCache& after, const std::vector<KvMove>& moves, LinkCounts& sent);

}  // namespace tsrun
