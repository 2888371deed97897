#include "names.hpp"

#include <stdexcept>

#include "rows.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun {
namespace {

// Which of q, k, v; or of gate, in.
int place_of(Weight w) {
  switch (w) {
    case Weight::attn_q:
    case Weight::attn_q_bias:
    case Weight::ffn_gate:
    case Weight::ffn_gate_bias: return 0;
    case Weight::attn_k:
    case Weight::attn_k_bias:
    case Weight::ffn_in:
    case Weight::ffn_in_bias: return 1;
    case Weight::attn_v:
    case Weight::attn_v_bias: return 2;
    default: break;
  }
  throw std::logic_error("only q, k and v, or gate and in, are fused");
}

}  // namespace

std::string expand(std::string_view pattern, int layer) {
  const std::size_t at = pattern.find('#');
  if (at == std::string_view::npos) return std::string(pattern);
  return text(pattern.substr(0, at), layer, pattern.substr(at + 1));
}

std::string tensor_name(std::span<const TensorName> names, Weight weight, int layer) {
  for (const TensorName& entry : names)
    if (entry.weight == weight) return expand(entry.pattern, layer);
  return {};
}

std::int64_t RowOrder::index(std::int64_t i) const {
  if (neighbours > 0) i = neighbour_row(i, Q, neighbours);
  return run == 0 ? first + i : first + i / run * stride + i % run;
}

RowOrder row_order(Fusing fusing, const TensorSpec& spec, const ModelConfig& c) {
  RowOrder order;
  order.rows = spec.is_vector ? spec.columns : spec.rows;
  if (fusing == Fusing::none) return order;
  const int place = place_of(spec.weight);
  const std::int64_t heads = c.H * c.Q, queries = c.H / c.K * c.Q;  // rows of all queries, and of those of one key
  switch (fusing) {
    case Fusing::none: break;
    case Fusing::stacked:
      order.rows = heads + 2 * c.C();
      order.first = place == 0 ? 0 : heads + (place - 1) * c.C();
      break;
    case Fusing::by_heads:
      order.rows = heads + 2 * c.C();
      order.first = place == 0 ? 0 : queries + (place - 1) * c.Q;
      order.run = place == 0 ? queries : c.Q;
      order.stride = queries + 2 * c.Q;
      break;
    case Fusing::halves:
      order.rows = 2 * c.F;
      order.first = place * c.F;
      break;
  }
  return order;
}

}  // namespace tsrun
