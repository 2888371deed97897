#include "tsrun/engine/weights.hpp"

#include <algorithm>

#include "tsrun/core/error.hpp"

namespace tsrun {
namespace {

// A run of a dimension: where it lies in the file and where in the shard.
struct Piece {
  std::int64_t file = 0;
  std::int64_t local = 0;
  std::int64_t count = 0;
};

// One dimension of a weight as this chip holds it.
struct Cutting {
  std::vector<Piece> pieces;
  std::int64_t local = 0;  // size of the shard, padding included
};

class Cutter {
 public:
  Cutter(const ModelConfig& config, const Torus& torus, const Layout& layout, const Coord& chip)
      : config_(config), torus_(torus), chip_(chip), sizes_(pad(config, torus, layout)) {}

  Cutting cut(Dim d, const AxisStack& axes) const {
    const Range mine = shard(torus_, axes, chip_, sizes_.of(d, config_));
    if (d == Dim::H) return heads(mine);
    const std::int64_t real = real_size(d);
    Cutting c{{}, mine.size()};
    if (mine.begin < real) c.pieces.push_back({mine.begin, 0, std::min(mine.end, real) - mine.begin});
    return c;
  }

 private:
  std::int64_t real_size(Dim d) const {
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
  Cutting heads(Range positions) const {
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

  const ModelConfig& config_;
  Torus torus_;
  Coord chip_;
  PaddedSizes sizes_;
};

// Rows that are decoded at a time: enough to read whole spans, few enough to stay small beside the shard.
std::int64_t slab_rows(const StoredTensor& t) {
  return std::max<std::int64_t>(1, (std::int64_t{4} << 20) / std::max<std::int64_t>(1, t.bytes() / t.spec.rows));
}

bool is_norm_scale(Weight w) {
  switch (w) {
    case Weight::attn_norm:
    case Weight::ffn_norm:
    case Weight::attn_post_norm:
    case Weight::ffn_post_norm:
    case Weight::attn_q_norm:
    case Weight::attn_k_norm:
    case Weight::final_norm: return true;
    default: return false;
  }
}

}  // namespace

DType held_type(DType stored, std::optional<DType> asked) {
  if (asked) return *asked;
  return stored == DType::bf16 ? DType::bf16 : DType::f32;
}

Weights::Weights(const ModelFile& file, const Torus& torus, const Coord& chip, const Layout& layout,
                 std::optional<DType> asked) {
  const Cutter cutter(file.config(), torus, layout, chip);
  TensorRows rows_read;  // memory that is used again and again
  std::vector<float> slab;
  for (const WeightUse& use : stored_weights(file.config(), layout)) {
    const StoredTensor& tensor = file.tensor(use.weight, use.layer);
    const TensorSpec& spec = tensor.spec;
    const Cutting columns = cutter.cut(spec.in, use.partition.axes(spec.in));
    const Cutting rows = spec.is_vector ? Cutting{{{0, 0, 1}}, 1} : cutter.cut(spec.out, use.partition.axes(spec.out));
    Held& h = held_[{use.layer, use.weight}];
    h.shape = {spec.is_vector ? DType::f32 : held_type(tensor.type, asked), rows.local, columns.local, nullptr};
    const auto elements = static_cast<std::size_t>(rows.local * columns.local);
    if (h.shape.type == DType::bf16) h.bf16.resize(elements);
    else h.f32.resize(elements);
    bytes_ += static_cast<std::int64_t>(elements) * bits(h.shape.type) / 8;

    const float offset = is_norm_scale(use.weight) ? static_cast<float>(file.config().norm_offset) : 0.0F;
    for (const Piece& piece : rows.pieces)
      for (std::int64_t done = 0; done < piece.count;) {
        const std::int64_t count = std::min(slab_rows(tensor), piece.count - done);
        slab.resize(static_cast<std::size_t>(count * spec.columns));
        file.read_rows(tensor, piece.file + done, count, rows_read);
        decode_rows(rows_read, 0, count, slab.data());
        for (std::int64_t r = 0; r < count; ++r)
          for (const Piece& c : columns.pieces) {
            const float* const from = slab.data() + r * spec.columns + c.file;
            const std::int64_t to = (piece.local + done + r) * columns.local + c.local;
            if (h.shape.type == DType::bf16) std::transform(from, from + c.count, h.bf16.data() + to, f32_to_bf16);
            else std::transform(from, from + c.count, h.f32.data() + to, [offset](float v) { return v + offset; });
          }
        done += count;
      }
  }
}

const Weights::Held& Weights::held(const WeightUse& use) const {
  const auto found = held_.find({use.layer, use.weight});
  check(found != held_.end(), "a step uses only weights that were loaded");
  return found->second;
}

Matrix Weights::matrix(const WeightUse& use) const {
  const Held& h = held(use);
  Matrix m = h.shape;
  m.data = m.type == DType::bf16 ? static_cast<const void*>(h.bf16.data()) : h.f32.data();
  return m;
}

const float* Weights::vector(const WeightUse& use) const { return held(use).f32.data(); }

}  // namespace tsrun
