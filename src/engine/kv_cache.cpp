#include "tsrun/engine/kv_cache.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace tsrun {

KvCache::KvCache(const KvCut& cut, const Coord& chip, DType type, const ModelConfig& config, std::int64_t positions)
    : cut_(cut), rows_(cut.rows_of(chip)), slots_(cut.slots_of(chip)) {
  for (std::int64_t layer = 0; layer < config.layers; ++layer)
    layers_.emplace_back(type, rows_.size(), cut.most_slots(), positions, config.Q);
}

std::int64_t KvCache::local_row(std::int64_t row) const {
  check(row >= rows_.begin && row < rows_.end, "a chip is asked for sequences that its cut gives it");
  return row - rows_.begin;
}

std::int64_t KvCache::slot_of(int head) const {
  const auto found = std::lower_bound(slots_.begin(), slots_.end(), head);
  check(found != slots_.end() && *found == head, "a chip is asked for heads that its cut gives it");
  return found - slots_.begin();
}

std::int64_t KvCache::bytes() const {
  return layers_.empty() ? 0
                         : layers() * rows_.size() * cut_.most_slots() * layers_[0].bytes_of(layers_[0].positions());
}

std::int64_t KvCache::shared_bytes() const {
  const KvLayer* const prefix = layers_.empty() ? nullptr : layers_[0].prefix();
  return prefix == nullptr ? 0 : layers() * cut_.most_slots() * prefix->bytes_of(prefix->positions());
}

void KvCache::share(KvCache&& prefix) {
  check(prefix.slots_ == slots_, "a prefix has the heads of the cache that goes on from it");
  for (std::size_t l = 0; l < layers_.size(); ++l)
    layers_[l].share(std::make_shared<const KvLayer>(std::move(prefix.layers_[l])));
}

}  // namespace tsrun
