#include "tsrun/program/lower.hpp"

#include <algorithm>

#include "tsrun/core/text.hpp"

namespace tsrun {
namespace {

void refuse_unbuilt(const Layout& layout) {
  if (layout.gathered.empty() && layout.batch.empty()) return;
  Layout nearest = layout;
  nearest.gathered = {};
  nearest.batch = {};
  refuse({.what = text("the layout ", to_text(layout), " is not built yet"),
          .where = "--layout",
          .next = text("the nearest that works is ", to_text(nearest))});
}

// Writes a program step by step. A method that moves data gives back the values after the movement; over a group of
// one chip nothing moves, and the new value only renames the memory of the old one.
class Lowering {
 public:
  Lowering(const ModelConfig& config, const Torus& torus, const Layout& layout, const PassShape& shape,
           const Schedules& schedules)
      : schedules_(schedules),
        stored_(stored_weights(config, layout)),
        group_A_(axis_order.reversed().only(layout.cut_E())),
        group_B_(axis_order.reversed().only(layout.cut_F())) {
    p_.config = config;
    p_.torus = torus;
    p_.layout = layout;
    p_.shape = shape;
    p_.sizes = pad(config, torus);
    place_kv();
  }

  Program lowered() && {
    ValueId x = embed();
    for (layer_ = 0; layer_ < p_.config.layers; ++layer_)
      x = p_.config.block == Block::serial ? serial_block(x) : parallel_block(x);
    layer_ = -1;
    head(x);
    return std::move(p_);
  }

 private:
  using Values = std::vector<ValueId>;
  const ModelConfig& config() const { return p_.config; }

  // --- values and steps

  std::int64_t size_of(Dim d) const {
    if (d == Dim::B) return p_.shape.B();
    if (d == Dim::L) return p_.shape.L();
    return d == Dim::T ? 1 : p_.sizes.of(d, p_.config);
  }
  ValueId make(std::string value_name, const Partition& partition) {
    Value v{std::move(value_name), partition, {}, static_cast<ValueId>(p_.values.size())};
    for (int i = 0; i < partition.dims(); ++i) v.size[static_cast<std::size_t>(i)] = size_of(partition[i].dim);
    p_.values.push_back(std::move(v));
    return p_.values.back().storage;
  }
  Step& step(Op op, Values in, Values out) {
    Step s;
    s.op = op;
    s.layer = layer_;
    s.in = std::move(in);
    s.out = std::move(out);
    p_.steps.push_back(std::move(s));
    return p_.steps.back();
  }
  // By value: a step that makes new values may move the old ones.
  Partition part(ValueId v) const { return p_.value(v).partition; }

  WeightUse weight(Weight w) const {
    const int layer = is_layer_weight(w) ? layer_ : -1;
    if (w == Weight::unembed && config().tied) w = Weight::embed;
    for (const WeightUse& use : stored_)
      if (use.weight == w && use.layer == layer) return use;
    check(false, "a program uses only weights that the model has");
    return {};
  }

  // --- collectives, over several values at once

  // The new values carry the partition and name of a collective's result; the step is left out where nothing moves.
  Values moved(Op op, const Values& in, const AxisStack& group, const std::vector<Dim>& dims, ScheduleName schedule,
               const std::vector<Partition>& after) {
    const bool moves = p_.torus.size(group) > 1;
    Values out;
    for (std::size_t i = 0; i < in.size(); ++i) {
      const Value before = p_.value(in[i]);
      out.push_back(make(before.name, after[i]));
      Value& v = p_.values.back();
      v.size = before.size;
      if (!moves) v.storage = before.storage;
    }
    if (moves) {
      Step& s = step(op, in, out);
      s.axes = group;
      s.dims = dims;
      s.schedule = schedule;
    }
    return out;
  }
  Values all_gather(const Values& in, const AxisStack& group, const std::vector<Dim>& dims) {
    std::vector<Partition> after;
    for (std::size_t i = 0; i < in.size(); ++i) {
      after.push_back(part(in[i]));
      for (const Axis a : group.reversed()) after[i] = after[i].all_gather(a, dims[i]);
    }
    return moved(Op::all_gather, in, group, dims, schedules_.all_gather, after);
  }
  Values reduce_scatter(const Values& in, const AxisStack& group, const std::vector<Dim>& dims) {
    std::vector<Partition> after;
    for (std::size_t i = 0; i < in.size(); ++i) {
      after.push_back(part(in[i]));
      for (const Axis a : group) after[i] = after[i].reduce_scatter(a, dims[i]);
    }
    return moved(Op::reduce_scatter, in, group, dims, schedules_.reduce_scatter, after);
  }
  ValueId all_reduce(ValueId in) {
    const AxisStack group = axis_order.reversed().only(part(in).partial());
    return moved(Op::all_reduce, {in}, group, {}, schedules_.all_reduce, {part(in).with_partial({})})[0];
  }
  ValueId gather_E(ValueId x) { return all_gather({x}, group_B_, {Dim::E})[0]; }
  ValueId scatter_E(ValueId x) { return reduce_scatter({x}, group_B_, {Dim::E})[0]; }

  // --- local steps

  Values matmul(ValueId x, const std::vector<std::pair<Weight, const char*>>& products) {
    Values out;
    std::vector<WeightUse> weights;
    for (const auto& [w, value_name] : products) {
      weights.push_back(weight(w));
      out.push_back(make(value_name, tsrun::matmul(part(x), weights.back().partition)));
    }
    step(Op::matmul, {x}, out).weights = std::move(weights);
    return out;
  }
  void bias(bool present, ValueId x, Weight w) {
    if (present) step(Op::bias, {x}, {x}).weights = {weight(w)};
  }
  // Statistics of the whole row: partial over the axes that still cut E.
  ValueId statistic(Op op, ValueId x) {
    Partition s;
    for (int i = 0; i < part(x).dims(); ++i)
      if (part(x)[i].dim != Dim::E) s = s.then(part(x)[i]);
    const ValueId out = make(op == Op::sum ? "mean" : "square", s.then({Dim::T, {}}).with_partial(part(x).axes(Dim::E).set()));
    step(op, {x}, {out});
    return all_reduce(out);
  }
  ValueId norm(ValueId x, Weight scale, Weight offset) {
    if (config().norm == Norm::layer) {
      const ValueId mean = statistic(Op::sum, x);
      const ValueId centered = make("n", part(x));
      step(Op::center, {x, mean}, {centered});
      x = centered;
    }
    const ValueId squares = statistic(Op::sum_squares, x);
    const ValueId out = make("n", part(x));
    Step& s = step(Op::norm, {x, squares}, {out});
    s.weights = {weight(scale)};
    if (config().norm_bias) s.weights.push_back(weight(offset));
    return out;
  }

  // --- embedding

  ValueId embed() {
    const WeightUse table = weight(Weight::embed);
    const ValueId x = make("x", Partition("BLE").with(Dim::E, table.partition.axes(Dim::E))
                                    .with_partial(table.partition.axes(Dim::V).set()));
    step(Op::embed, {}, {x}).weights = {table};
    return scatter_E(x);
  }

  // --- attention

  // How far K and V must be gathered, and how many slots of the cache a chip needs, follow from its query heads.
  void place_kv() {
    const AxisStack cut_H = joined(group_B_, group_A_);
    kv_axes_ = cut_H;
    for (const Coord& chip : chips()) {
      const Range heads = shard(p_.torus, cut_H, chip, p_.sizes.heads.padded());
      const std::vector<int> slots = kv_slots(p_.sizes.heads, heads);
      p_.kv_slots = std::max(p_.kv_slots, static_cast<int>(slots.size()));
      while (!holds_whole(slots, shard(p_.torus, kv_axes_, chip, p_.sizes.C))) kv_axes_.pop();
    }
    p_.kv_cache = Partition("BJSQ");
  }
  bool holds_whole(const std::vector<int>& slots, Range columns) const {
    return slots.front() * config().Q >= columns.begin && (slots.back() + 1) * config().Q <= columns.end;
  }
  static AxisStack joined(AxisStack major, const AxisStack& minor) {
    for (const Axis a : minor) major.push(a);
    return major;
  }
  std::vector<Coord> chips() const {
    std::vector<Coord> all;
    for (int rank = 0; rank < p_.torus.size(); ++rank) all.push_back(coord_of(p_.torus, rank));
    return all;
  }
  Values whole_kv(ValueId k, ValueId v) {
    AxisStack group;
    const AxisStack axes = part(k).axes(Dim::C);
    for (int i = kv_axes_.size(); i < axes.size(); ++i) group.push(axes[i]);
    return all_gather({k, v}, group, {Dim::C, Dim::C});
  }
  void qkv_bias(ValueId q, ValueId k, ValueId v) {
    bias(config().qkv_bias, q, Weight::attn_q_bias);
    bias(config().qkv_bias, k, Weight::attn_k_bias);
    bias(config().qkv_bias, v, Weight::attn_v_bias);
  }
  // From the cut projections to the heads' outputs, BLHQ cut as q.
  ValueId attend(ValueId q, ValueId k, ValueId v) {
    qkv_bias(q, k, v);
    const Values kv = whole_kv(k, v);
    step(Op::store_kv, kv, {});
    step(Op::rotary, {q}, {q});
    const ValueId heads = make("heads", part(q));
    step(Op::attend, {q}, {heads});
    return heads;
  }

  // --- feed-forward

  std::vector<std::pair<Weight, const char*>> ffn_inputs() const {
    if (config().gated) return {{Weight::ffn_gate, "gate"}, {Weight::ffn_in, "hidden"}};
    return {{Weight::ffn_in, "hidden"}};
  }
  // From the cut products to the hidden activations, BLF cut alike.
  ValueId activate(const Values& products) {
    const ValueId hidden = products.back();
    if (config().gated) bias(config().ffn_bias, products.front(), Weight::ffn_gate_bias);
    bias(config().ffn_bias, hidden, Weight::ffn_in_bias);
    step(Op::activate, products, {hidden});
    return hidden;
  }

  // --- blocks

  ValueId serial_block(ValueId x) {
    ValueId n = norm(gather_E(x), Weight::attn_norm, Weight::attn_norm_bias);
    Values qkv = matmul(n, {{Weight::attn_q, "q"}, {Weight::attn_k, "k"}, {Weight::attn_v, "v"}});
    qkv = reduce_scatter(qkv, group_A_, {Dim::H, Dim::C, Dim::C});
    const ValueId heads = all_gather({attend(qkv[0], qkv[1], qkv[2])}, group_A_, {Dim::H})[0];
    const ValueId attention = scatter_E(matmul(heads, {{Weight::attn_o, "attn"}})[0]);
    bias(config().attn_out_bias, attention, Weight::attn_o_bias);
    step(Op::add, {x, attention}, {x});

    n = norm(gather_E(x), Weight::ffn_norm, Weight::ffn_norm_bias);
    const Values products = matmul(n, ffn_inputs());
    const ValueId hidden = activate(reduce_scatter(products, group_A_, std::vector<Dim>(products.size(), Dim::F)));
    const Values whole = all_gather({hidden}, group_A_, {Dim::F});
    const ValueId ffn = scatter_E(matmul(whole[0], {{Weight::ffn_out, "ffn"}})[0]);
    bias(config().ffn_bias, ffn, Weight::ffn_out_bias);
    step(Op::add, {x, ffn}, {x});
    return x;
  }

  // One norm, one gather and one scatter for attention and feed-forward together.
  ValueId parallel_block(ValueId x) {
    const ValueId n = norm(gather_E(x), Weight::attn_norm, Weight::attn_norm_bias);
    std::vector<std::pair<Weight, const char*>> inputs = {
        {Weight::attn_q, "q"}, {Weight::attn_k, "k"}, {Weight::attn_v, "v"}};
    std::vector<Dim> dims = {Dim::H, Dim::C, Dim::C};
    for (const auto& input : ffn_inputs()) {
      inputs.push_back(input);
      dims.push_back(Dim::F);
    }
    const Values cut = reduce_scatter(matmul(n, inputs), group_A_, dims);
    const ValueId heads = attend(cut[0], cut[1], cut[2]);
    const ValueId hidden = activate(Values(cut.begin() + 3, cut.end()));
    const Values whole = all_gather({heads, hidden}, group_A_, {Dim::H, Dim::F});
    const ValueId out = matmul(whole[0], {{Weight::attn_o, "attn"}})[0];
    const ValueId ffn = matmul(whole[1], {{Weight::ffn_out, "ffn"}})[0];
    step(Op::add, {out, ffn}, {out});
    const ValueId y = scatter_E(out);
    bias(config().attn_out_bias, y, Weight::attn_o_bias);
    bias(config().ffn_bias, y, Weight::ffn_out_bias);
    step(Op::add, {x, y}, {x});
    return x;
  }

  // --- the end of the program

  void head(ValueId x) {
    const Output output = p_.shape.output;
    if (output == Output::none) return;
    if (output == Output::greedy || output == Output::logits) {
      const ValueId last = make("last", Partition("BE").with(Dim::E, part(x).axes(Dim::E)));
      step(Op::pick, {x}, {last});
      x = last;
    }
    const ValueId n = norm(gather_E(x), Weight::final_norm, Weight::final_norm_bias);
    const Values cut = reduce_scatter(matmul(n, {{Weight::unembed, "logits"}}), group_A_, {Dim::V});
    if (config().logit_scale != 1) step(Op::scale, cut, cut);
    if (output == Output::greedy) {
      p_.result = combined(Op::best, Op::choose, cut[0], 2, "id");
    } else if (output == Output::score) {
      p_.result = combined(Op::mask_sums, Op::log_probability, cut[0], 3, "logprob");
    } else {
      p_.result = all_gather(cut, part(cut[0]).axes(Dim::V), {Dim::V})[0];
    }
  }
  // Each chip reduces its own vocabulary to `each` numbers a row; those of all chips are gathered and reduced alike on
  // every chip.
  ValueId combined(Op local, Op global, ValueId logits, std::int64_t each, const char* value_name) {
    const ValueId mine = make(std::string(name(local)), part(logits));
    const int V = part(logits).find(Dim::V);
    p_.values.back().size[static_cast<std::size_t>(V)] = each * p_.torus.size();
    step(local, {logits}, {mine});
    const ValueId all = all_gather({mine}, part(mine).axes(Dim::V), {Dim::V})[0];
    const ValueId out = make(value_name, V == 1 ? Partition("B") : Partition("BL"));
    step(global, {all}, {out});
    return out;
  }

  Schedules schedules_;
  std::vector<WeightUse> stored_;
  AxisStack group_A_;   // A' in the order in which it stands on E, F, H, C and V
  AxisStack group_B_;   // B'
  AxisStack kv_axes_;   // what still cuts C once every chip's key/value heads are whole
  int layer_ = -1;
  Program p_;
};

}  // namespace

Program lower(const ModelConfig& config, const Torus& torus, const Layout& layout, const PassShape& shape,
              const Schedules& schedules) {
  refuse_unbuilt(layout);
  check(!shape.rows.empty(), "a pass has at least one sequence");
  return Lowering(config, torus, layout, shape, schedules).lowered();
}

}  // namespace tsrun
