// The tensors of a model: their names in the file, their dimensions and sizes.
//
// Weights are stored as rows of output channels: attn_q is [H Q][E], ffn_out is [E][F]. Written as in the paper,
// input first, they are E_A F_B or F_B E_A; `out` and `in` say which is which. A vector has no `in` and one row.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tsrun/core/dtype.hpp"
#include "tsrun/layout/partition.hpp"
#include "tsrun/model/config.hpp"

namespace tsrun {

// Those outside the layers come first: is_layer_weight goes by it.
enum class Weight : std::uint8_t {
  embed,
  pos_embed,
  unembed,
  final_norm,
  final_norm_bias,
  attn_norm,
  attn_norm_bias,
  ffn_norm,
  ffn_norm_bias,
  attn_post_norm,
  ffn_post_norm,
  attn_q_norm,
  attn_k_norm,
  attn_q,
  attn_k,
  attn_v,
  attn_o,
  attn_q_bias,
  attn_k_bias,
  attn_v_bias,
  attn_o_bias,
  ffn_gate,
  ffn_in,
  ffn_out,
  ffn_gate_bias,
  ffn_in_bias,
  ffn_out_bias,
};

// "attn_q"
std::string_view name(Weight weight);
constexpr bool is_layer_weight(Weight w) { return w >= Weight::attn_norm; }

struct TensorSpec {
  Weight weight = Weight::embed;
  int layer = -1;    // -1 outside the layers
  std::string path;  // "/layers/0/attn_q", "/embed"
  Dim out = Dim::E;  // rows of a matrix (H stands for H Q), the elements of a vector
  Dim in = Dim::E;   // columns of a matrix
  bool is_vector = false;
  std::int64_t rows = 0;  // 1 for a vector
  std::int64_t columns = 0;
  std::int64_t elements() const { return rows * columns; }
};

std::string path_of(Weight weight, int layer);
// What a tensor becomes where a model is asked to be `asked`: that, except for those that would lose too much (vectors
// and learned positions stay as stored, tables of tokens are int8 for int4), int4_min for int4, which stays, and a matrix
// whose rows are not whole groups, which becomes bf16.
DType converted_type(const TensorSpec& spec, DType stored, DType asked);
// All tensors of the model, in file order: embed, pos_embed, the layers, final_norm, unembed (absent where tied).
std::vector<TensorSpec> tensors_of(const ModelConfig& config);

}  // namespace tsrun
