#include "tsrun/cost/price.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "tsrun/core/cache_type.hpp"
#include "tsrun/cost/volume.hpp"
#include "tsrun/cost/walk_time.hpp"

namespace tsrun {

bool Chip::wraps(const Torus& t) const {
  if (wrap == Wrap::all_axes_multiple_of_4) return t.X % 4 == 0 && t.Y % 4 == 0 && t.Z % 4 == 0;
  return wrap == Wrap::always;
}

double Chip::flops(DType weights) const {
  if (weights == DType::f32) return f32_flops;
  return weights == DType::int8 || weights == DType::int8_channel ? int8_flops : bf16_flops;
}

StepPrice& StepPrice::operator+=(const StepPrice& o) {
  compute_s += o.compute_s;
  memory_s += o.memory_s;
  passes_s += o.passes_s;
  communication_s += o.communication_s;
  exposed_communication_s += o.exposed_communication_s;
  latency_s += o.latency_s;
  time_s += o.time_s;
  flops += o.flops;
  return *this;
}

StepPrice StepPrice::times(double n) const {
  return {compute_s * n,               memory_s * n,  passes_s * n, communication_s * n,
          exposed_communication_s * n, latency_s * n, time_s * n,   flops * n};
}

std::string_view name(Bound bound) {
  switch (bound) {
    case Bound::compute: return "compute";
    case Bound::memory: return "memory";
    case Bound::communication: return "communication";
    case Bound::latency: return "latency";
  }
  return "";
}

// Passes over activations run alone, beside reading weights and cache: the two are memory traffic of different steps.
Bound bound_of(const StepPrice& p) {
  const std::array<std::pair<double, Bound>, 4> all = {
      {{p.latency_s, Bound::latency},
       {p.exposed_communication_s, Bound::communication},
       {std::max(p.memory_s - p.passes_s, p.passes_s), Bound::memory},
       {p.compute_s, Bound::compute}}};
  return std::max_element(all.begin(), all.end(), [](auto a, auto b) { return a.first < b.first; })->second;
}

namespace {

class Pricing {
 public:
  Pricing(const Program& p, const Chip& chip, const std::function<DType(const WeightUse&)>& held, DType kv,
          WalkLoads& walks)
      : p_(p), chip_(chip), held_(held), kv_(kv), walks_(walks), wraps_(chip.wraps(p.torus)) {}

  // Seconds of a gather that could pass beside the product that reads it: norms are taken of blocks as they come.
  double could_hide(const Step& s) const {
    if (chip_.fused != Fused::max || s.dims[0] != Dim::E) return 0;
    const auto& rounds = walks_.of(s.op, s.schedule, p_.torus, walked(s.axes), wraps_);
    return walk_time(rounds, moved_bytes(s), chip_.alpha_s, chip_.link_bytes_per_s, chip_.overlap).bytes_s;
  }
  // Seconds of a product that its own movement leaves free.
  double left_beside(const Step& s, const StepPrice& priced) const {
    return std::max(0.0, product(s).time_s - (priced.communication_s - priced.exposed_communication_s));
  }

  StepPrice step(const Step& s) const {
    if (s.op == Op::attend) return attention(s);
    StepPrice r;
    if (multiplies(s.op)) r = product(s);
    if (communicates(s.op)) movement(s, r);
    if (multiplies(s.op)) {
      r.passes_s = passes(s);
      r.memory_s += r.passes_s;
      r.time_s += r.passes_s;
    }
    return r;
  }

 private:
  double memory_rate() const { return chip_.memory_bytes_per_s * chip_.efficiency; }
  // Of its values: the efficiency that chips were fitted with covers their scales.
  double shard_bytes(const WeightUse& w) const {
    return static_cast<double>(shard_shape(p_.config, p_.torus, p_.sizes, w).elements()) * bits(held_(w)) / 8;
  }
  double buffer_bytes(ValueId v) const { return static_cast<double>(p_.local_elements(v)) * chip_.activation_bytes; }
  double rows(ValueId v) const {
    double n = 1;
    const Partition& part = p_.value(v).partition;
    for (int d = 0; d < part.dims(); ++d)
      if (part[d].dim == Dim::B || part[d].dim == Dim::L) n *= static_cast<double>(p_.local_size(v, d));
    return n;
  }
  // What a step multiplies, and what comes out before it is scattered.
  static std::span<const ValueId> factors(const Step& s) {
    return s.op == Op::gather_matmul ? moved_to(s) : std::span<const ValueId>(s.in);
  }
  static std::span<const ValueId> products(const Step& s) {
    return s.op == Op::matmul_scatter ? moved_from(s) : std::span<const ValueId>(s.out);
  }

  // Compute and traffic of weights, joined; weights that are gathered are written, then read.
  StepPrice product(const Step& s) const {
    StepPrice r;
    const double gathered = s.op == Op::gather_weights ? p_.torus.size(s.axes) : 1;
    double bytes = 0, rate = 0;
    for (std::size_t i = 0; i < s.weights.size(); ++i) {
      const DType type = held_(s.weights[i]);
      const double used = shard_bytes(s.weights[i]) * gathered;
      r.flops += 2 * rows(factors(s)[factors(s).size() > 1 ? i : 0]) * used * 8 / bits(type);
      bytes += s.op == Op::gather_weights ? 2 * used : used;
      rate = rate == 0 ? chip_.flops(type) : std::min(rate, chip_.flops(type));
    }
    r.compute_s = r.flops / (rate * chip_.efficiency);
    r.memory_s = bytes / memory_rate();
    r.time_s = std::hypot(r.compute_s, r.memory_s);
    return r;
  }

  // Traffic of activations around a product of a layer: norms, activation, residual, staging and accumulation pass over
  // what goes in and what comes out. Keys and values come in with the queries, and are narrow.
  double passes(const Step& s) const {
    const auto is_kv = [&](std::size_t i) {
      return i < s.weights.size() && (s.weights[i].weight == Weight::attn_k || s.weights[i].weight == Weight::attn_v);
    };
    if (s.layer < 0 || is_kv(0)) return 0;
    double bytes = 0;
    for (const ValueId v : factors(s)) bytes += buffer_bytes(v);
    for (std::size_t i = 0; i < products(s).size(); ++i)
      if (!is_kv(i)) bytes += buffer_bytes(products(s)[i]);
    return chip_.passes * bytes / memory_rate();
  }

  // Positions that a sequence attends to, on average.
  double positions(int layer) const {
    double sum = 0;
    for (const PassRow& row : p_.shape.rows) sum += static_cast<double>((row.context + row.new_tokens) * row.sequences);
    const double mean = sum / static_cast<double>(p_.shape.B());
    return p_.config.is_local(layer) ? std::min(mean, static_cast<double>(p_.config.window + p_.L - 1)) : mean;
  }

  // All queries with all positions, the future ones too, as the released code multiplies them; the cache is read once.
  StepPrice attention(const Step& s) const {
    StepPrice r;
    const double sequences = static_cast<double>(p_.B) / p_.torus.size(p_.layout.batch);
    r.flops = 4 * static_cast<double>(p_.local_elements(s.in[0])) * positions(s.layer);
    const double cached = sequences * p_.kv_slots * positions(s.layer) * 2 *
                          static_cast<double>(cached_bytes(kv_, p_.config.Q));
    r.compute_s = r.flops / (chip_.bf16_flops * chip_.efficiency);
    r.memory_s = cached / memory_rate();
    r.time_s = r.compute_s + r.memory_s;
    return r;
  }

  double moved_bytes(const Step& s) const {
    if (s.op != Op::gather_weights) return static_cast<double>(moved_elements(p_, s)) * chip_.activation_bytes;
    double bytes = 0;
    for (const WeightUse& w : s.weights) bytes += shard_bytes(w) * p_.torus.size(s.axes);
    return bytes;
  }

  // Axes whose movements run beside products are gathered last and scattered first, when they move most.
  AxisStack walked(const AxisStack& group) const {
    AxisStack order = group.only(chip_.overlap);
    for (const Axis a : group.only(axes_xyz - chip_.overlap)) order.push(a);
    return order;
  }

  // Joins a step's movement to its product, if it has one.
  void movement(const Step& s, StepPrice& r) const {
    const bool of_weights = s.op == Op::gather_weights;
    const AxisSet beside = of_weights ? axes_xyz : is_collective(s.op) ? AxisSet{} : chip_.overlap;
    const double rate = chip_.link_bytes_per_s * (of_weights ? chip_.efficiency : 1), bytes = moved_bytes(s);
    const auto& rounds = walks_.of(collective_of(s.op), s.schedule, p_.torus, walked(s.axes), wraps_);
    const WalkTime all = walk_time(rounds, bytes, chip_.alpha_s, rate),
                   with_product = walk_time(rounds, bytes, chip_.alpha_s, rate, beside);
    const double product_s = r.time_s, bare_s = all.bytes_s - with_product.bytes_s;
    r.communication_s = all.bytes_s;
    r.latency_s = all.hops_s + chip_.call_s;
    const Both both = chip_.fused == Fused::max || beside.empty()
                          ? Both{std::max(product_s, with_product.bytes_s) + with_product.hops_s,
                                 std::max(0.0, with_product.bytes_s - product_s)}
                          : by_chunks(rounds, bytes, rate, beside, product_s);
    r.time_s = both.time_s + bare_s + (all.hops_s - with_product.hops_s) + chip_.call_s;
    r.exposed_communication_s = both.exposed_s + bare_s;
  }

  // A product and the rounds beside it.
  struct Both {
    double time_s = 0;
    double exposed_s = 0;  // bytes that the product does not hide
  };
  // The product in one chunk more than there are rounds beside it: one alone, and one beside each round.
  Both by_chunks(const std::vector<RoundLoad>& rounds, double bytes, double rate, AxisSet beside,
                 double product_s) const {
    const auto is_beside = [&](const RoundLoad& r) { return !(r.axes & beside).empty(); };
    const double chunk_s = product_s / static_cast<double>(1 + std::count_if(rounds.begin(), rounds.end(), is_beside));
    Both both{chunk_s, 0};
    for (const RoundLoad& r : rounds) {
      if (!is_beside(r)) continue;
      const WalkTime round = walk_time({r}, bytes, chip_.alpha_s, rate);
      both.time_s += std::max(chunk_s, round.total());
      both.exposed_s += std::max(0.0, round.bytes_s - chunk_s);
    }
    return both;
  }

  const Program& p_;
  const Chip& chip_;
  const std::function<DType(const WeightUse&)>& held_;
  DType kv_;
  WalkLoads& walks_;
  bool wraps_;
};

}  // namespace

// Where the chip says what a pass takes outside its layers, the movements there are part of it.
PassPrice price(const Program& p, const Chip& chip, const std::function<DType(const WeightUse&)>& held, DType kv,
                WalkLoads& walks) {
  const Pricing pricing(p, chip, held, kv, walks);
  PassPrice pass;
  std::size_t gather = 0;   // the last in a layer
  double could_hide_s = 0;  // of it, until a product has read it
  for (const Step& s : p.steps) {
    const bool told = s.layer < 0 && chip.pass_s > 0 && s.op != Op::matmul;
    pass.steps.push_back(told ? StepPrice{} : pricing.step(s));
    if (s.layer >= 0 && s.op == Op::all_gather) {
      gather = pass.steps.size() - 1;
      could_hide_s = pricing.could_hide(s);
    }
    if (multiplies(s.op)) {
      const double hidden_s = std::min(could_hide_s, pricing.left_beside(s, pass.steps.back()));
      pass.steps[gather].time_s -= hidden_s;
      pass.steps[gather].exposed_communication_s -= hidden_s;
      could_hide_s = 0;
    }
  }
  for (std::size_t i = 0; i < p.steps.size(); ++i) (p.steps[i].layer >= 0 ? pass.layers : pass.outside) += pass.steps[i];
  pass.outside.latency_s += chip.pass_s;
  pass.outside.time_s += chip.pass_s;
  return pass;
}

PassPrice price(const Program& p, const Chip& chip, const std::function<DType(const WeightUse&)>& held, DType kv) {
  WalkLoads walks;
  return price(p, chip, held, kv, walks);
}

double mfu(double parameters, double tokens, double seconds, int chips, const Chip& chip) {
  return 2 * parameters * tokens / (seconds * chips * chip.bf16_flops);
}

}  // namespace tsrun
