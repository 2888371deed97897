#include "tsrun/model/tensors.hpp"

#include "tsrun/core/text.hpp"

namespace tsrun {
namespace {

struct Size {
  Dim dim;
  std::int64_t size;
};

class List {
 public:
  void matrix(Weight w, int layer, Size out, Size in) {
    specs_.push_back({w, layer, path_of(w, layer), out.dim, in.dim, false, out.size, in.size});
  }
  void vector(Weight w, int layer, Size of) {
    specs_.push_back({w, layer, path_of(w, layer), of.dim, of.dim, true, 1, of.size});
  }
  void vector_if(bool present, Weight w, int layer, Size of) {
    if (present) vector(w, layer, of);
  }
  std::vector<TensorSpec> specs_;
};

}  // namespace

std::string_view name(Weight weight) {
  switch (weight) {
    case Weight::embed: return "embed";
    case Weight::pos_embed: return "pos_embed";
    case Weight::unembed: return "unembed";
    case Weight::final_norm: return "final_norm";
    case Weight::final_norm_bias: return "final_norm_bias";
    case Weight::attn_norm: return "attn_norm";
    case Weight::attn_norm_bias: return "attn_norm_bias";
    case Weight::ffn_norm: return "ffn_norm";
    case Weight::ffn_norm_bias: return "ffn_norm_bias";
    case Weight::attn_post_norm: return "attn_post_norm";
    case Weight::ffn_post_norm: return "ffn_post_norm";
    case Weight::attn_q_norm: return "attn_q_norm";
    case Weight::attn_k_norm: return "attn_k_norm";
    case Weight::attn_q: return "attn_q";
    case Weight::attn_k: return "attn_k";
    case Weight::attn_v: return "attn_v";
    case Weight::attn_o: return "attn_o";
    case Weight::attn_q_bias: return "attn_q_bias";
    case Weight::attn_k_bias: return "attn_k_bias";
    case Weight::attn_v_bias: return "attn_v_bias";
    case Weight::attn_o_bias: return "attn_o_bias";
    case Weight::ffn_gate: return "ffn_gate";
    case Weight::ffn_in: return "ffn_in";
    case Weight::ffn_out: return "ffn_out";
    case Weight::ffn_gate_bias: return "ffn_gate_bias";
    case Weight::ffn_in_bias: return "ffn_in_bias";
    case Weight::ffn_out_bias: return "ffn_out_bias";
  }
  return "";
}

// Vectors stay as they are: they are small, and norms are sensitive. So do learned positions, which are added as they
// are read. The tables at both ends decide every logit: below int8 they do not go.
DType converted_type(const TensorSpec& spec, DType stored, DType asked) {
  if (spec.is_vector || spec.weight == Weight::pos_embed) return stored;
  if (asked == DType::int4 && stored == DType::int4_min) return stored;
  if (is_grouped(asked) && spec.columns % group_size != 0) return DType::bf16;
  const bool is_table = spec.weight == Weight::embed || spec.weight == Weight::unembed;
  return asked == DType::int4 && is_table ? DType::int8 : asked;
}

std::string path_of(Weight weight, int layer) {
  return layer < 0 ? text("/", name(weight)) : text("/layers/", layer, "/", name(weight));
}

std::vector<TensorSpec> tensors_of(const ModelConfig& c) {
  const Size E{Dim::E, c.E}, F{Dim::F, c.F}, H{Dim::H, c.H * c.Q}, C{Dim::C, c.C()}, V{Dim::V, c.V};
  const Size Q{Dim::Q, c.Q}, P{Dim::P, c.context};
  const bool normed_before = c.norm_place != NormPlace::after, normed_after = c.norm_place != NormPlace::before;
  List list;
  list.matrix(Weight::embed, -1, V, E);
  if (c.positions == Positions::learned) list.matrix(Weight::pos_embed, -1, P, E);
  for (int i = 0; i < c.layers; ++i) {
    list.vector_if(normed_before, Weight::attn_norm, i, E);
    list.vector_if(c.norm_bias, Weight::attn_norm_bias, i, E);
    list.matrix(Weight::attn_q, i, H, E);
    list.vector_if(c.qkv_bias, Weight::attn_q_bias, i, H);
    list.matrix(Weight::attn_k, i, C, E);
    list.vector_if(c.qkv_bias, Weight::attn_k_bias, i, C);
    list.matrix(Weight::attn_v, i, C, E);
    list.vector_if(c.qkv_bias, Weight::attn_v_bias, i, C);
    list.vector_if(c.qk_norm != QkNorm::none, Weight::attn_q_norm, i, c.qk_norm == QkNorm::head ? Q : H);
    list.vector_if(c.qk_norm != QkNorm::none, Weight::attn_k_norm, i, c.qk_norm == QkNorm::head ? Q : C);
    list.matrix(Weight::attn_o, i, E, H);
    list.vector_if(c.attn_out_bias, Weight::attn_o_bias, i, E);
    list.vector_if(normed_after, Weight::attn_post_norm, i, E);
    if (c.block == Block::serial || c.two_norms) {
      list.vector_if(normed_before, Weight::ffn_norm, i, E);
      list.vector_if(c.norm_bias, Weight::ffn_norm_bias, i, E);
    }
    if (c.gated) {
      list.matrix(Weight::ffn_gate, i, F, E);
      list.vector_if(c.ffn_bias, Weight::ffn_gate_bias, i, F);
    }
    list.matrix(Weight::ffn_in, i, F, E);
    list.vector_if(c.ffn_bias, Weight::ffn_in_bias, i, F);
    list.matrix(Weight::ffn_out, i, E, F);
    list.vector_if(c.ffn_bias, Weight::ffn_out_bias, i, E);
    list.vector_if(normed_after, Weight::ffn_post_norm, i, E);
  }
  list.vector(Weight::final_norm, -1, E);
  list.vector_if(c.norm_bias, Weight::final_norm_bias, -1, E);
  if (!c.tied) list.matrix(Weight::unembed, -1, V, E);
  return std::move(list.specs_);
}

std::int64_t ModelConfig::parameters() const {
  std::int64_t n = 0;
  for (const TensorSpec& t : tensors_of(*this)) n += t.elements();
  return n;
}

}  // namespace tsrun
