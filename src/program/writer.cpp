#include "writer.hpp"

#include <algorithm>
#include <utility>

#include "tsrun/core/error.hpp"
#include "tsrun/core/integer.hpp"

namespace tsrun {
namespace {

bool is_token_dim(Dim d) { return d == Dim::B || d == Dim::L; }

// All layers have the same weights.
ModelConfig one_layer_of(ModelConfig config) {
  config.layers = 1;
  return config;
}

}  // namespace

StepWriter::StepWriter(const ModelConfig& config, const Torus& torus, const Layout& layout, const PassShape& shape,
                       const Schedules& schedules)
    : schedules_(schedules), stored_(stored_weights(one_layer_of(config), layout)) {
  p_.config = config;
  p_.torus = torus;
  p_.layout = layout;
  p_.shape = shape;
  p_.sizes = pad(config, torus, layout);
}

std::int64_t StepWriter::size_of(Dim d) const {
  if (d == Dim::B) return p_.B;
  if (d == Dim::L) return p_.L;
  return d == Dim::T ? 1 : p_.sizes.of(d, p_.config);
}

ValueId StepWriter::make(std::string value_name, const Partition& partition) {
  Value v{std::move(value_name), partition, {}, static_cast<ValueId>(p_.values.size())};
  for (int i = 0; i < partition.dims(); ++i) v.size[static_cast<std::size_t>(i)] = size_of(partition[i].dim);
  p_.values.push_back(std::move(v));
  return p_.values.back().storage;
}

Step& StepWriter::step(Op op, Values in, Values out) {
  Step s;
  s.op = op;
  s.layer = layer_;
  s.in = std::move(in);
  s.out = std::move(out);
  p_.steps.push_back(std::move(s));
  return p_.steps.back();
}

WeightUse StepWriter::weight(Weight w) const {
  if (w == Weight::unembed && config().tied) w = Weight::embed;
  for (WeightUse use : stored_) {
    if (use.weight != w) continue;
    if (is_layer_weight(w)) use.layer = layer_;
    return use;
  }
  check(false, "a program uses only weights that the model has");
  return {};
}

// --- movements

StepWriter::Values StepWriter::renamed(const Values& in, const std::vector<Partition>& after, bool shares_memory) {
  Values out;
  for (std::size_t i = 0; i < in.size(); ++i) {
    const Value before = p_.value(in[i]);
    out.push_back(make(before.name, after[i]));
    Value& v = p_.values.back();
    v.size = before.size;
    if (shares_memory) v.storage = before.storage;
  }
  return out;
}

StepWriter::Values StepWriter::moved(Op op, const Values& in, const AxisStack& group, const std::vector<Dim>& dims,
                                     ScheduleName schedule, const std::vector<Partition>& after) {
  const Values out = renamed(in, after, !moves(group));
  if (moves(group)) {
    Step& s = step(op, in, out);
    s.axes = group;
    s.dims = dims;
    s.schedule = schedule;
  }
  return out;
}

std::vector<Partition> StepWriter::gathered(const Values& in, const AxisStack& group,
                                            const std::vector<Dim>& dims) const {
  std::vector<Partition> after;
  for (std::size_t i = 0; i < in.size(); ++i) {
    after.push_back(part(in[i]));
    for (const Axis a : group.reversed()) after[i] = after[i].all_gather(a, dims[i]);
  }
  return after;
}

std::vector<Partition> StepWriter::scattered(const Values& in, const AxisStack& group,
                                             const std::vector<Dim>& dims) const {
  std::vector<Partition> after;
  for (std::size_t i = 0; i < in.size(); ++i) {
    after.push_back(part(in[i]));
    for (const Axis a : group) after[i] = after[i].reduce_scatter(a, dims[i]);
  }
  return after;
}

// A sum whose blocks are tokens must not depend on which block a token is in.
ScheduleName StepWriter::scatter_schedule(const std::vector<Dim>& dims) const {
  return std::any_of(dims.begin(), dims.end(), is_token_dim) ? schedules_.reduce_scatter_tokens
                                                             : schedules_.reduce_scatter;
}

StepWriter::Values StepWriter::all_gather(const Values& in, const AxisStack& group, const std::vector<Dim>& dims) {
  return moved(Op::all_gather, in, group, dims, schedules_.all_gather, gathered(in, group, dims));
}

StepWriter::Values StepWriter::reduce_scatter(const Values& in, const AxisStack& group, const std::vector<Dim>& dims) {
  return moved(Op::reduce_scatter, in, group, dims, scatter_schedule(dims), scattered(in, group, dims));
}

StepWriter::Values StepWriter::all_to_all(const Values& in, const AxisStack& group, const std::vector<Dim>& from,
                                          const std::vector<Dim>& to) {
  std::vector<Partition> after;
  for (std::size_t i = 0; i < in.size(); ++i) {
    after.push_back(part(in[i]));
    for (const Axis a : group) after[i] = after[i].all_to_all(a, from[i], to[i]);
  }
  const Values out = moved(Op::all_to_all, in, group, from, schedules_.all_to_all, after);
  if (moves(group)) p_.steps.back().to = to;
  return out;
}

StepWriter::Values StepWriter::all_reduce(const Values& in) {
  const AxisSet over = part(in[0]).partial();
  std::vector<Partition> after;
  for (const ValueId v : in) {
    check(part(v).partial() == over, "sums that are all-reduced together are partial over the same axes");
    after.push_back(part(v).with_partial({}));
  }
  return moved(Op::all_reduce, in, axis_order.reversed().only(over), {}, schedules_.all_reduce, after);
}

ValueId StepWriter::slice(ValueId in, const AxisStack& group, Dim dim, const AxisStack& holes) {
  Partition after = part(in);
  for (const Axis a : holes) after = after.open(a, dim);
  for (const Axis a : group) after = after.slice(a, dim);
  return moved(Op::slice, {in}, group, {dim}, ScheduleName::ring, {after})[0];
}

// --- products

Partition StepWriter::as_used(const WeightUse& use) const {
  Partition p = use.partition;
  for (int i = 0; i < use.partition.dims(); ++i)
    for (const Axis a : use.partition[i].axes.reversed())
      if (p_.layout.gathered.has(a)) p = p.all_gather(a, use.partition[i].dim);
  return p;
}

std::vector<WeightUse> StepWriter::weights_of(const std::vector<Product>& products) const {
  std::vector<WeightUse> uses;
  for (const Product& product : products) uses.push_back(weight(product.weight));
  return uses;
}

AxisStack StepWriter::weight_group(const std::vector<WeightUse>& weights) const {
  const AxisStack group = axis_order.reversed().only(p_.layout.gathered & weights[0].partition.used());
  for (const WeightUse& use : weights)
    check((p_.layout.gathered & use.partition.used()) == group.set(),
          "weights that are multiplied together are gathered alike");
  return group;
}

// Two at least; so many that a gathered tile stays below 8 M elements, where the product takes longer than the start of
// the messages.
int StepWriter::tiles_of(const std::vector<WeightUse>& weights) const {
  constexpr std::int64_t most = std::int64_t{8} << 20;
  std::int64_t elements = 0;
  for (const WeightUse& use : weights) {
    std::int64_t of_this = 1;
    const Partition used = as_used(use);
    for (int d = 0; d < used.dims(); ++d) of_this *= size_of(used[d].dim) / p_.torus.size(used[d].axes);
    elements += of_this;
  }
  return static_cast<int>(std::max<std::int64_t>(2, ceil_div(elements, most)));
}

Step& StepWriter::product_step(Values in, Values out, std::vector<WeightUse> weights) {
  const AxisStack group = weight_group(weights);
  Step& s = step(moves(group) ? Op::gather_weights : Op::matmul, std::move(in), std::move(out));
  s.weights = std::move(weights);
  if (moves(group)) {
    s.axes = group;
    s.tiles = tiles_of(s.weights);
    s.schedule = schedules_.gather_weights;
  }
  return s;
}

StepWriter::Values StepWriter::matmul_scatter(ValueId x, const std::vector<Product>& products, const AxisStack& group,
                                              const std::vector<Dim>& dims) {
  std::vector<WeightUse> weights = weights_of(products);
  Values whole;
  for (std::size_t i = 0; i < products.size(); ++i)
    whole.push_back(make(products[i].name, matmul(part(x), as_used(weights[i]))));
  if (!moves(group) || moves(weight_group(weights))) {
    product_step({x}, whole, std::move(weights));
    return reduce_scatter(whole, group, dims);
  }
  const Values out = renamed(whole, scattered(whole, group, dims), false);
  Step& s = step(Op::matmul_scatter, {x}, out);
  s.weights = std::move(weights);
  s.via = whole;
  s.axes = group;
  s.dims = dims;
  s.schedule = scatter_schedule(dims);
  return out;
}

ValueId StepWriter::sum_of_products(const Values& in, const std::vector<Product>& products, const AxisStack& over,
                                    const std::vector<Dim>& dims, const AxisStack& onto, Dim to) {
  std::vector<WeightUse> weights = weights_of(products);
  const bool fuses_gather = moves(over) && !moves(weight_group(weights));
  const bool fuses_scatter = !moves(over) && moves(onto) && !moves(weight_group(weights));
  const Values factors = fuses_gather ? renamed(in, gathered(in, over, dims), false) : all_gather(in, over, dims);
  const ValueId out = make(products[0].name, matmul(part(factors[0]), as_used(weights[0])));
  Values addend;  // a further product, before it is added to the first
  for (std::size_t i = 1; i < in.size(); ++i) {
    check(matmul(part(factors[i]), as_used(weights[i])) == part(out), "products that are added are cut alike");
    if (addend.empty()) addend.push_back(make(products[i].name, part(out)));
  }
  if (fuses_scatter) {
    const ValueId sum = renamed({out}, scattered({out}, onto, {to}), false)[0];
    Step& s = step(Op::matmul_scatter, factors, {sum});
    s.weights = std::move(weights);
    s.via = {out};
    s.via.insert(s.via.end(), addend.begin(), addend.end());
    s.axes = onto;
    s.dims = {to};
    s.schedule = scatter_schedule({to});
    return sum;
  }
  if (fuses_gather) {
    Step& s = step(Op::gather_matmul, in, {out});
    s.weights = std::move(weights);
    s.via = factors;
    s.via.insert(s.via.end(), addend.begin(), addend.end());
    s.axes = over;
    s.dims = dims;
    s.schedule = schedules_.all_gather;
  } else {
    product_step(factors, {out}, std::move(weights)).via = addend;
  }
  return reduce_scatter({out}, onto, {to})[0];
}

}  // namespace tsrun
