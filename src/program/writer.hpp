// Writes a program step by step: the values, the movements of the partition algebra, and products with the movement
// beside them. What is written in which order is the business of lower.cpp.
//
// A method that moves data gives back the values after the movement; over a group of one chip nothing moves, and the
// new value only renames the memory of the old one.
#pragma once

#include <string>
#include <vector>

#include "tsrun/program/program.hpp"

namespace tsrun {

struct Product {
  Weight weight = Weight::embed;
  const char* name = "";  // of the value it gives
};

class StepWriter {
 public:
  using Values = std::vector<ValueId>;

  StepWriter(const ModelConfig& config, const Torus& torus, const Layout& layout, const PassShape& shape,
             const Schedules& schedules);

  void enter_layer(int layer) { layer_ = layer; }
  Program& program() { return p_; }
  const Program& program() const { return p_; }
  const ModelConfig& config() const { return p_.config; }
  Partition part(ValueId v) const { return p_.value(v).partition; }
  WeightUse weight(Weight w) const;

  ValueId make(std::string value_name, const Partition& partition);
  Step& step(Op op, Values in, Values out);

  // Movements of several values at once; `dims` names the dimension of each that is gathered, scattered or exchanged.
  // A group is written as its axes stand on the cut dimension, major to minor (all_to_all: on `to`).
  Values all_gather(const Values& in, const AxisStack& group, const std::vector<Dim>& dims);
  Values reduce_scatter(const Values& in, const AxisStack& group, const std::vector<Dim>& dims);
  Values all_to_all(const Values& in, const AxisStack& group, const std::vector<Dim>& from, const std::vector<Dim>& to);
  Values all_reduce(const Values& in);
  // My part of a dimension that is replicated over the group, around holes that are opened first.
  ValueId slice(ValueId in, const AxisStack& group, Dim dim, const AxisStack& holes = {});

  // x times each weight, each product scattered over the group.
  Values matmul_scatter(ValueId x, const std::vector<Product>& products, const AxisStack& group,
                        const std::vector<Dim>& dims);
  // The sum of each input, gathered over the group `over`, times its weight; then scattered over the group `onto` into
  // `to`.
  ValueId sum_of_products(const Values& in, const std::vector<Product>& products, const AxisStack& over,
                          const std::vector<Dim>& dims, const AxisStack& onto, Dim to);

 private:
  bool moves(const AxisStack& group) const { return p_.torus.size(group) > 1; }
  std::int64_t size_of(Dim d) const;
  Values renamed(const Values& in, const std::vector<Partition>& after, bool shares_memory);
  Values moved(Op op, const Values& in, const AxisStack& group, const std::vector<Dim>& dims, ScheduleName schedule,
               const std::vector<Partition>& after);
  std::vector<Partition> gathered(const Values& in, const AxisStack& group, const std::vector<Dim>& dims) const;
  std::vector<Partition> scattered(const Values& in, const AxisStack& group, const std::vector<Dim>& dims) const;
  ScheduleName scatter_schedule(const std::vector<Dim>& dims) const;
  // The weight as it is multiplied: without the axes over which this phase gathers it.
  Partition as_used(const WeightUse& use) const;
  std::vector<WeightUse> weights_of(const std::vector<Product>& products) const;
  // The axes over which these weights are gathered.
  AxisStack weight_group(const std::vector<WeightUse>& weights) const;
  int tiles_of(const std::vector<WeightUse>& weights) const;
  // A step that multiplies, which also gathers its weights where the layout says so.
  Step& product_step(Values in, Values out, std::vector<WeightUse> weights);

  Schedules schedules_;
  std::vector<WeightUse> stored_;
  int layer_ = -1;
  Program p_;
};

}  // namespace tsrun
