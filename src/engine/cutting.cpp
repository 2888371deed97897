#include "cutting.hpp"

#include <algorithm>

namespace tsrun {

Cutter::Cutter(const ModelConfig& config, const Torus& torus, const PaddedSizes& sizes, const Coord& chip)
    : config_(config), torus_(torus), chip_(chip), sizes_(sizes) {}

WeightCut Cutter::cut(const WeightUse& use, const TensorSpec& spec) const {
  const Cutting columns = cut(spec.in, use.partition.axes(spec.in));
  if (spec.is_vector) return {{{{0, 0, 1}}, 1}, columns};
  return {cut(spec.out, use.partition.axes(spec.out)), columns};
}

Cutting Cutter::cut(Dim d, const AxisStack& axes) const {
  const Range mine = shard(torus_, axes, chip_, sizes_.of(d, config_));
  if (d == Dim::H) return heads(mine);
  const std::int64_t real = real_size(d);
  Cutting c{{}, mine.size()};
  if (mine.begin < real) c.pieces.push_back({mine.begin, 0, std::min(mine.end, real) - mine.begin});
  return c;
}

std::int64_t Cutter::real_size(Dim d) const {
  switch (d) {
    case Dim::E: return config_.E;
    case Dim::F: return config_.F;
    case Dim::C: return config_.C();
    case Dim::P: return config_.context;
    case Dim::Q: return config_.Q;
    default: return config_.V;
  }
}

// Heads are placed one by one; neighbours in the file that are neighbours here are one piece.
Cutting Cutter::heads(Range positions) const {
  const std::int64_t Q = config_.Q;
  Cutting c{{}, positions.size() * Q};
  for (std::int64_t p = positions.begin; p < positions.end; ++p) {
    const int head = sizes_.heads.head[static_cast<std::size_t>(p)];
    if (head < 0) continue;
    const Piece piece{head * Q, (p - positions.begin) * Q, Q};
    if (!c.pieces.empty() && c.pieces.back().file + c.pieces.back().count == piece.file &&
        c.pieces.back().local + c.pieces.back().count == piece.local)
      c.pieces.back().count += Q;
    else c.pieces.push_back(piece);
  }
  return c;
}

}  // namespace tsrun
