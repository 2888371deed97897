#include "tsrun/engine/weights.hpp"

#include <algorithm>
#include <cmath>

#include "tsrun/core/error.hpp"
#include "tsrun/core/integer.hpp"
#include "tsrun/core/text.hpp"

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

// Rows that are read at a time: enough to read whole spans, few enough to stay small beside the shard.
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

// Rows of a file in another type than they are stored in. Memory that is used again and again.
class Converter {
 public:
  const TensorRows& convert(const TensorRows& rows, const StoredTensor& tensor, DType to) {
    if (rows.type == to) return rows;
    values_.resize(static_cast<std::size_t>(rows.rows * rows.columns));
    decode_rows(rows, 0, rows.rows, values_.data());
    if (is_grouped(to) && !std::all_of(values_.begin(), values_.end(), [](float v) { return std::isfinite(v); }))
      refuse({.what = text("the tensor ", tensor.spec.path, " has values that are not finite numbers"),
              .where = "--dtype",
              .next = text("run without --dtype ", name(to))});
    if (converted_.type != to || converted_.rows != rows.rows || converted_.columns != rows.columns)
      converted_ = TensorRows::zeros(to, rows.rows, rows.columns);
#pragma omp parallel for
    for (std::int64_t r = 0; r < rows.rows; ++r) encode_row(values_.data() + r * rows.columns, converted_, r);
    return converted_;
  }

 private:
  std::vector<float> values_;
  TensorRows converted_;
};

// A whole padded vector.
std::vector<float> load_vector(const ModelFile& file, const StoredTensor& tensor, const Cutting& cut) {
  std::vector<float> stored(static_cast<std::size_t>(tensor.spec.columns)), v(static_cast<std::size_t>(cut.local));
  decode_rows(file.read_rows(tensor, 0, 1), 0, 1, stored.data());
  const float offset = is_norm_scale(tensor.spec.weight) ? static_cast<float>(file.config().norm_offset) : 0.0F;
  for (const Piece& piece : cut.pieces)
    std::transform(stored.begin() + piece.file, stored.begin() + piece.file + piece.count, v.begin() + piece.local,
                   [offset](float value) { return value + offset; });
  return v;
}

}  // namespace

DType held_type(const StoredTensor& tensor, std::optional<DType> asked) {
  if (tensor.spec.is_vector) return DType::f32;
  const DType stored = tensor.type == DType::f16 ? DType::f32 : tensor.type;
  if (!asked) return stored;
  if (is_quantized(*asked) && is_quantized(stored) && bits(stored) <= bits(*asked)) return stored;
  return converted_type(tensor.spec, stored, *asked);
}

Layout with_groups(Layout layout, const ModelFile& file, std::optional<DType> asked) {
  const bool grouped = std::any_of(file.tensors().begin(), file.tensors().end(),
                                   [&](const StoredTensor& t) { return is_grouped(held_type(t, asked)); });
  layout.group = grouped ? static_cast<int>(group_size) : 1;
  return layout;
}

Weights::Weights(const ModelFile& file, const Torus& torus, const Coord& chip, const Layout& layout,
                 std::optional<DType> asked) {
  const Cutter cutter(file.config(), torus, layout, chip);
  const std::vector<WeightUse> uses = stored_weights(file.config(), layout);
  std::vector<std::int64_t> places;
  const std::int64_t size = allot(file, torus, layout, asked, places);
  pages_ = Pages(size);
  TensorRows read;  // memory that is used again and again
  Converter converter;
  for (std::size_t i = 0; i < uses.size(); ++i) {
    const StoredTensor& tensor = file.tensor(uses[i].weight, uses[i].layer);
    const TensorSpec& spec = tensor.spec;
    Held& h = held_[{uses[i].layer, uses[i].weight}];
    const Cutting columns = cutter.cut(spec.in, uses[i].partition.axes(spec.in));
    if (spec.is_vector) {
      h.vector = load_vector(file, tensor, columns);
      continue;
    }
    std::byte* const to = pages_.data() + places[i];
    h.shard.data = to;
    pack_zeros(h.shard.type, to, h.shard.rows, h.shard.columns);
    for (const Piece& piece : cutter.cut(spec.out, uses[i].partition.axes(spec.out)).pieces)
      for (std::int64_t done = 0, count = 0; done < piece.count; done += count) {
        count = std::min(slab_rows(tensor), piece.count - done);
        file.read_rows(tensor, piece.file + done, count, read);
        const TensorRows& kept = converter.convert(read, tensor, h.shard.type);
        for (const Piece& c : columns.pieces)
          pack(kept, {0, count, c.file, c.count}, {h.shard.type, h.shard.rows, h.shard.columns, to}, piece.local + done, c.local);
      }
  }
}

// Shapes and types, and where each matrix lies in the memory of all.
std::int64_t Weights::allot(const ModelFile& file, const Torus& torus, const Layout& layout, std::optional<DType> asked,
                            std::vector<std::int64_t>& places) {
  constexpr std::int64_t aligned = 64;
  const PaddedSizes sizes = pad(file.config(), torus, layout);
  std::int64_t size = 0;
  for (const WeightUse& use : stored_weights(file.config(), layout)) {
    const StoredTensor& tensor = file.tensor(use.weight, use.layer);
    const ShardShape shape = shard_shape(file.config(), torus, sizes, use);
    const DType type = held_type(tensor, asked);
    held_[{use.layer, use.weight}].shard = {type, shape.rows, shape.columns, nullptr};
    places.push_back(size);
    bytes_ += bytes_of(type, shape.rows, shape.columns);
    if (tensor.spec.is_vector) continue;
    size += round_up(bytes_of(type, shape.rows, shape.columns), aligned);
    const bool looked_up = use.weight == Weight::pos_embed || (use.weight == Weight::embed && !file.config().tied);
    if (!looked_up) bytes_of_products_ += bytes_of(type, shape.rows, shape.columns);
  }
  return size;
}

const Weights::Held& Weights::held(const WeightUse& use) const {
  const auto found = held_.find({use.layer, use.weight});
  check(found != held_.end(), "a step uses only weights that were loaded");
  return found->second;
}

}  // namespace tsrun
