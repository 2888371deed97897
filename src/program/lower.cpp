#include "tsrun/program/lower.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "attention_route.hpp"
#include "tsrun/core/integer.hpp"
#include "writer.hpp"

namespace tsrun {
namespace {

class Lowering {
 public:
  Lowering(const ModelConfig& config, const Torus& torus, const Layout& layout, const PassShape& shape,
           const Schedules& schedules)
      : w_(config, torus, layout, shape, schedules),
        layout_(layout),
        group_A_(axis_order.reversed().only(layout.cut_E())),
        group_B_(axis_order.reversed().only(layout.cut_F())),
        route_(w_.program()) {}

  Program lowered() && {
    ValueId x = embed();
    for (int layer = 0; layer < config().layers; ++layer) {
      layer_ = layer;
      w_.enter_layer(layer);
      x = config().block == Block::serial ? serial_block(x) : parallel_block(x);
    }
    w_.enter_layer(-1);
    head(x);
    return std::move(w_.program());
  }

 private:
  using Values = StepWriter::Values;
  using Products = std::vector<Product>;
  const ModelConfig& config() const { return w_.config(); }
  Partition part(ValueId v) const { return w_.part(v); }

  ValueId gather_E(ValueId x) { return w_.all_gather({x}, group_B_, {Dim::E})[0]; }
  void bias(bool present, ValueId x, Weight weight) {
    if (present) w_.step(Op::bias, {x}, {x}).weights = {w_.weight(weight)};
  }

  // --- embedding: from the stationary cut of the table to the residual's

  ValueId embed() {
    const WeightUse table = w_.weight(Weight::embed);
    ValueId x = w_.make(
        "x",
        Partition("BLE").with(Dim::E, table.partition.axes(Dim::E)).with_partial(table.partition.axes(Dim::V).set()));
    Step& lookup = w_.step(Op::embed, {}, {x});
    lookup.weights = {table};
    if (config().positions == Positions::learned) lookup.weights.push_back(w_.weight(Weight::pos_embed));
    x = w_.all_to_all({x}, axis_order.only(layout_.gathered & layout_.stored_E), {Dim::E}, {route_.tokens()})[0];
    x = w_.reduce_scatter({x}, axis_order.only(layout_.gathered & layout_.stored_F()), {route_.tokens()})[0];
    return w_.reduce_scatter({x}, group_B_, {Dim::E})[0];
  }

  // --- norms

  // Statistics of the whole row: partial over the axes that still cut it.
  ValueId statistic(Op op, ValueId x) {
    const Partition whole = part(x);
    Partition s;
    AxisSet cut;
    for (int i = 0; i < whole.dims(); ++i) {
      const Cut& d = whole[i];
      if (d.dim == Dim::B || d.dim == Dim::L) s = s.then(d);
      else cut = cut | d.axes.set();
    }
    const ValueId out = w_.make(op == Op::sum ? "sum" : "squares", s.then({Dim::T, {}}).with_partial(cut));
    w_.step(op, {x}, {out});
    return w_.all_reduce({out})[0];
  }
  // What the statistics of a norm are taken of, and the sum of its squares.
  struct Measured {
    ValueId x = -1;
    ValueId squares = -1;
  };
  Measured measured(ValueId x) {
    if (config().norm == Norm::layer) {
      const ValueId sum = statistic(Op::sum, x);
      const ValueId centered = w_.make("n", part(x));
      w_.step(Op::center, {x, sum}, {centered});
      x = centered;
    }
    return {x, statistic(Op::sum_squares, x)};
  }
  ValueId scaled(const Measured& m, Weight scale, Weight offset) {
    const ValueId out = w_.make("n", part(m.x));
    Step& s = w_.step(Op::norm, {m.x, m.squares}, {out});
    s.weights = {w_.weight(scale)};
    if (config().norm_bias) s.weights.push_back(w_.weight(offset));
    return out;
  }
  ValueId norm(ValueId x, Weight scale, Weight offset) { return scaled(measured(x), scale, offset); }
  // Over all that x holds but its tokens, in place; without a mean and a bias.
  void rms_norm(ValueId x, Weight scale) {
    const ValueId squares = statistic(Op::sum_squares, x);
    w_.step(Op::norm, {x, squares}, {x}).weights = {w_.weight(scale)};
  }
  // What attention or the feed-forward reads of the residual, and what it gives to it.
  ValueId read(ValueId x, Weight scale, Weight offset) {
    const ValueId whole = gather_E(x);
    return config().norm_place == NormPlace::after ? whole : norm(whole, scale, offset);
  }
  void give(ValueId x, ValueId y, Weight post_norm) {
    if (config().norm_place != NormPlace::before) rms_norm(y, post_norm);
    w_.step(Op::add, {x, y}, {x});
  }

  // --- attention

  // What x is multiplied with for attention, and where each product is scattered.
  Products attention_inputs() const {
    if (layout_.kv == KvStorage::replicated) return {{Weight::attn_q, "q"}};
    return {{Weight::attn_q, "q"}, {Weight::attn_k, "k"}, {Weight::attn_v, "v"}};
  }
  std::vector<Dim> attention_dims() const {
    if (layout_.kv == KvStorage::replicated) return {route_.scattered_q()};
    return {route_.scattered_q(), route_.scattered_kv(), route_.scattered_kv()};
  }

  // From the normed x and its projections, no longer partial sums, to the heads' outputs in the cut of the projections.
  ValueId attend(ValueId n, const Values& projections) {
    Values cut = route_.there(w_, projections);
    if (layout_.kv == KvStorage::replicated)
      for (const ValueId v : route_.replicated_kv(w_, n)) cut.push_back(v);
    bias(config().qkv_bias, cut[0], Weight::attn_q_bias);
    bias(config().qkv_bias, cut[1], Weight::attn_k_bias);
    bias(config().qkv_bias, cut[2], Weight::attn_v_bias);
    if (config().qk_norm == QkNorm::all) {
      rms_norm(cut[0], Weight::attn_q_norm);
      rms_norm(cut[1], Weight::attn_k_norm);
    }
    const bool by_head = config().qk_norm == QkNorm::head;
    const Values kv = w_.all_gather({cut[1], cut[2]}, route_.kv_gather(), {Dim::C, Dim::C});
    Step& stored = w_.step(Op::store_kv, kv, {});
    if (by_head) stored.weights = {w_.weight(Weight::attn_k_norm)};
    if (by_head) w_.step(Op::head_norm, {cut[0]}, {cut[0]}).weights = {w_.weight(Weight::attn_q_norm)};
    if (config().is_rotated(layer_)) w_.step(Op::rotary, {cut[0]}, {cut[0]});
    const ValueId heads = w_.make("heads", part(cut[0]));
    w_.step(Op::attend, {cut[0]}, {heads});
    return route_.back(w_, heads);
  }

  // --- feed-forward

  Products ffn_inputs() const {
    if (config().gated) return {{Weight::ffn_gate, "gate"}, {Weight::ffn_in, "hidden"}};
    return {{Weight::ffn_in, "hidden"}};
  }
  // From the cut products to the hidden activations, BLF cut alike.
  ValueId activate(const Values& products) {
    const ValueId hidden = products.back();
    if (config().gated) bias(config().ffn_bias, products.front(), Weight::ffn_gate_bias);
    bias(config().ffn_bias, hidden, Weight::ffn_in_bias);
    w_.step(Op::activate, products, {hidden});
    return hidden;
  }

  // --- blocks

  ValueId serial_block(ValueId x) {
    const ValueId n = read(x, Weight::attn_norm, Weight::attn_norm_bias);
    const ValueId heads = attend(n, w_.matmul_scatter(n, attention_inputs(), group_A_, attention_dims()));
    const ValueId attention =
        w_.sum_of_products({heads}, {{Weight::attn_o, "attn"}}, group_A_, {route_.scattered_q()}, group_B_, Dim::E);
    bias(config().attn_out_bias, attention, Weight::attn_o_bias);
    give(x, attention, Weight::attn_post_norm);

    const Products inputs = ffn_inputs();
    const std::vector<Dim> dims(inputs.size(), Dim::F);
    const ValueId hidden =
        activate(w_.matmul_scatter(read(x, Weight::ffn_norm, Weight::ffn_norm_bias), inputs, group_A_, dims));
    const ValueId ffn = w_.sum_of_products({hidden}, {{Weight::ffn_out, "ffn"}}, group_A_, {Dim::F}, group_B_, Dim::E);
    bias(config().ffn_bias, ffn, Weight::ffn_out_bias);
    give(x, ffn, Weight::ffn_post_norm);
    return x;
  }

  // The projections of a parallel block: attention's, then the feed-forward's. With one norm they share their input and
  // its scatter; with two, the statistics.
  Values parallel_inputs(const Measured& m, ValueId n) {
    Products inputs = attention_inputs();
    std::vector<Dim> dims = attention_dims();
    const Products ffn = ffn_inputs();
    const std::vector<Dim> ffn_dims(ffn.size(), Dim::F);
    if (!config().two_norms) {
      inputs.insert(inputs.end(), ffn.begin(), ffn.end());
      dims.insert(dims.end(), ffn_dims.begin(), ffn_dims.end());
      return w_.matmul_scatter(n, inputs, group_A_, dims);
    }
    Values cut = w_.matmul_scatter(n, inputs, group_A_, dims);
    const ValueId own = scaled(m, Weight::ffn_norm, Weight::ffn_norm_bias);
    for (const ValueId v : w_.matmul_scatter(own, ffn, group_A_, ffn_dims)) cut.push_back(v);
    return cut;
  }

  // One gather and one scatter for attention and feed-forward together.
  ValueId parallel_block(ValueId x) {
    const Measured m = measured(gather_E(x));
    const ValueId n = scaled(m, Weight::attn_norm, Weight::attn_norm_bias);
    const Values cut = parallel_inputs(m, n);
    const auto to_attention = static_cast<std::ptrdiff_t>(attention_inputs().size());
    const ValueId heads = attend(n, Values(cut.begin(), cut.begin() + to_attention));
    const ValueId hidden = activate(Values(cut.begin() + to_attention, cut.end()));
    const ValueId y = w_.sum_of_products({heads, hidden}, {{Weight::attn_o, "attn"}, {Weight::ffn_out, "ffn"}},
                                         group_A_, {route_.scattered_q(), Dim::F}, group_B_, Dim::E);
    bias(config().attn_out_bias, y, Weight::attn_o_bias);
    bias(config().ffn_bias, y, Weight::ffn_out_bias);
    w_.step(Op::add, {x, y}, {x});
    return x;
  }

  // --- the end of the program, which is weight-stationary whatever the phase gathers

  void head(ValueId x) {
    const Output output = w_.program().shape.output;
    if (output == Output::none) return;
    if (output != Output::all_logits && output != Output::score) x = last_of_each_sequence(x);
    const ValueId n = stationary(norm(gather_E(x), Weight::final_norm, Weight::final_norm_bias));
    const AxisStack group = axis_order.reversed().only(layout_.stored_E);
    const ValueId logits = unembed(n, group);
    if (config().logit_scale != 1) w_.step(Op::scale, {logits}, {logits});
    if (output == Output::greedy) {
      w_.program().result = combined(Op::best, Op::choose, logits, 2, "id");
    } else if (output == Output::candidates) {
      const std::int64_t each = std::min(w_.program().shape.candidates, part_of_vocabulary(logits));
      w_.program().result = reduced_and_gathered(Op::likeliest, logits, 2 * each);
    } else if (output == Output::score) {
      w_.program().result = combined(Op::softmax_stats, Op::log_probability, logits, 3, "logprob");
    } else {
      w_.program().result = w_.all_gather({logits}, part(logits).axes(Dim::V), {Dim::V})[0];
    }
  }
  // Where the length is cut, a token is on one chip and 0 on the others.
  ValueId last_of_each_sequence(ValueId x) {
    const ValueId last = w_.make("last", Partition("BE")
                                             .with(Dim::B, part(x).axes(Dim::B))
                                             .with(Dim::E, part(x).axes(Dim::E))
                                             .with_partial(part(x).axes(Dim::L).set()));
    w_.step(Op::pick, {x}, {last});
    return part(last).partial().empty() ? last : w_.all_reduce({last})[0];
  }
  // Back to the cut of the stored weights: every token on every chip, E over A.
  ValueId stationary(ValueId x) {
    const Dim tokens = route_.tokens();
    const bool cut = part(x).has(tokens) && !part(x).axes(tokens).empty();
    const AxisStack on_E = axis_order.reversed().only(layout_.gathered & layout_.stored_E);
    if (!cut) return w_.slice(x, on_E, Dim::E);
    x = w_.all_gather({x}, axis_order.only(layout_.gathered & layout_.stored_F()), {tokens})[0];
    return w_.all_to_all({x}, on_E, {tokens}, {Dim::E})[0];
  }
  ValueId unembed(ValueId n, const AxisStack& group) {
    const WeightUse table = w_.weight(Weight::unembed);
    const ValueId logits = w_.make("logits", matmul(part(n), table.partition));
    w_.step(Op::matmul, {n}, {logits}).weights = {table};
    return w_.reduce_scatter({logits}, group, {Dim::V})[0];
  }
  std::int64_t part_of_vocabulary(ValueId logits) const {
    return w_.program().local_size(logits, part(logits).find(Dim::V));
  }
  // Each chip reduces its own vocabulary to `each` numbers a row, and those of all chips are gathered.
  ValueId reduced_and_gathered(Op local, ValueId logits, std::int64_t each) {
    const ValueId mine = w_.make(std::string(name(local)), part(logits));
    w_.program().values.back().size[static_cast<std::size_t>(part(logits).find(Dim::V))] =
        each * w_.program().torus.size();
    w_.step(local, {logits}, {mine});
    return w_.all_gather({mine}, part(mine).axes(Dim::V), {Dim::V})[0];
  }
  // What all chips have reduced theirs to is reduced once more, alike on every chip.
  ValueId combined(Op local, Op global, ValueId logits, std::int64_t each, const char* value_name) {
    const ValueId all = reduced_and_gathered(local, logits, each);
    const ValueId out = w_.make(value_name, part(logits).find(Dim::V) == 1 ? Partition("B") : Partition("BL"));
    w_.step(global, {all}, {out});
    return out;
  }

  StepWriter w_;
  int layer_ = -1;
  Layout layout_;
  AxisStack group_A_;  // A' in the order in which it stands on E, F, H, C and V
  AxisStack group_B_;  // B'
  AttentionRoute route_;
};

}  // namespace

Program lower(const ModelConfig& config, const Torus& torus, const Layout& layout, const PassShape& shape,
              const Schedules& schedules) {
  check(shape.B() > 0, "a pass has at least one sequence");
  check((shape.output == Output::candidates) == (shape.candidates > 0), "candidates are asked for by their number");
  return Lowering(config, torus, layout, shape, schedules).lowered();
}

}  // namespace tsrun
