#include "tsrun/program/program.hpp"

#include <algorithm>
#include <numeric>

namespace tsrun {

std::string_view name(Op op) {
  switch (op) {
    case Op::all_gather: return "all_gather";
    case Op::reduce_scatter: return "reduce_scatter";
    case Op::all_reduce: return "all_reduce";
    case Op::all_to_all: return "all_to_all";
    case Op::gather_matmul: return "gather_matmul";
    case Op::matmul_scatter: return "matmul_scatter";
    case Op::gather_weights: return "gather_weights";
    case Op::embed: return "embed";
    case Op::sum: return "sum";
    case Op::sum_squares: return "sum_squares";
    case Op::center: return "center";
    case Op::norm: return "norm";
    case Op::slice: return "slice";
    case Op::matmul: return "matmul";
    case Op::bias: return "bias";
    case Op::head_norm: return "head_norm";
    case Op::rotary: return "rotary";
    case Op::store_kv: return "store_kv";
    case Op::attend: return "attend";
    case Op::activate: return "activate";
    case Op::add: return "add";
    case Op::pick: return "pick";
    case Op::scale: return "scale";
    case Op::best: return "best";
    case Op::choose: return "choose";
    case Op::likeliest: return "likeliest";
    case Op::softmax_stats: return "softmax_stats";
    case Op::log_probability: return "log_probability";
  }
  return "";
}

std::string_view name(ScheduleName s) {
  switch (s) {
    case ScheduleName::ring: return "ring";
    case ScheduleName::two_way: return "two_way";
    case ScheduleName::balanced: return "balanced";
    case ScheduleName::latency: return "latency";
    case ScheduleName::rotated: return "rotated";
    case ScheduleName::line: return "line";
    case ScheduleName::one_shot: return "one_shot";
    case ScheduleName::doubling: return "doubling";
    case ScheduleName::direct: return "direct";
    case ScheduleName::hop_by_hop: return "hop_by_hop";
  }
  return "";
}
std::string_view name(Phase phase) { return phase == Phase::prefill ? "prefill" : "decode"; }

PassShape PassShape::uniform(Phase phase, std::int64_t sequences, std::int64_t tokens, std::int64_t context,
                             Output output, std::int64_t candidates) {
  return {phase, {{tokens, context, sequences}}, output, candidates};
}

std::int64_t PassShape::B() const {
  std::int64_t sequences = 0;
  for (const PassRow& row : rows) sequences += row.sequences;
  return sequences;
}

std::int64_t PassShape::L() const {
  std::int64_t longest = 1;
  for (const PassRow& row : rows) longest = std::max(longest, row.new_tokens);
  return longest;
}

PaddedSizes pad(const ModelConfig& c, const Torus& torus, const Layout& layout) {
  const int n = torus.size(), heads = layout.heads_cut > 0 ? layout.heads_cut : n;
  // E, F and H are contracted where the stored weights cut them: there groups stay whole.
  const int group = layout.quant_group, of_E = torus.size(layout.stored_E), of_F = torus.size(layout.stored_F());
  const int heads_of_group = group / std::gcd(static_cast<int>(c.Q), group);
  return {round_up(c.E, std::lcm(n, group * of_E)),
          round_up(c.F, std::lcm(n, group * of_F)),
          round_up(c.C(), n),
          round_up(c.V, n),
          round_up(c.context, n),
          place_heads(c.H, c.K, heads, heads_of_group > 1 ? heads_of_group * of_F : 1)};
}

ShardShape shard_shape(const ModelConfig& config, const Torus& torus, const PaddedSizes& sizes, const WeightUse& use) {
  ShardShape shape;
  const Partition& p = use.partition;
  for (int i = 0; i < p.dims(); ++i) {
    const bool input = i == 0 || (i == 1 && p[i].dim == Dim::Q);  // a head is two dimensions
    (input ? shape.columns : shape.rows) *= sizes.of(p[i].dim, config) / torus.size(p[i].axes);
  }
  return shape;
}

std::int64_t PaddedSizes::of(Dim d, const ModelConfig& config) const {
  switch (d) {
    case Dim::E: return E;
    case Dim::F: return F;
    case Dim::C: return C;
    case Dim::V: return V;
    case Dim::P: return P;
    case Dim::H: return heads.padded();
    case Dim::Q: return config.Q;
    default: check(false, "a weight's dimension is one of E F H C V P Q"); return 0;
  }
}

std::int64_t Program::local_size(ValueId id, int dim) const {
  const Value& v = value(id);
  return v.size[static_cast<std::size_t>(dim)] / torus.size(v.partition[dim].axes);
}

std::int64_t Program::local_elements(ValueId id) const {
  std::int64_t n = 1;
  for (int i = 0; i < value(id).partition.dims(); ++i) n *= local_size(id, i);
  return n;
}

std::vector<WeightUse> stored_weights(const ModelConfig& config, const Layout& layout) {
  std::vector<WeightUse> uses;
  for (const TensorSpec& spec : tensors_of(config)) {
    Partition p;
    // A vector is whole on every chip; a step takes its slice of it.
    const auto cut = [&](Dim d) {
      if (spec.is_vector) return Cut{d, {}};
      return Cut{d, d == Dim::E ? layout.weight_E() : d == Dim::C ? layout.weight_C() : layout.weight_F()};
    };
    const auto add = [&](Dim d) {
      p = p.then(cut(d));
      if (d == Dim::H) p = p.then({Dim::Q, {}});
    };
    if (!spec.is_vector) add(spec.in);
    add(spec.out);
    uses.push_back({spec.weight, spec.layer, p});
  }
  return uses;
}

Op collective_of(Op op) {
  if (op == Op::gather_matmul || op == Op::gather_weights) return Op::all_gather;
  return op == Op::matmul_scatter ? Op::reduce_scatter : op;
}

std::span<const ValueId> moved_from(const Step& s) {
  return s.op == Op::matmul_scatter ? std::span(s.via).first(s.out.size()) : std::span(s.in);
}

std::span<const ValueId> moved_to(const Step& s) {
  return s.op == Op::gather_matmul ? std::span(s.via).first(s.in.size()) : std::span(s.out);
}

}  // namespace tsrun
