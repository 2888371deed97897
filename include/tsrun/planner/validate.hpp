// The cost model against published measurements of TPU v4: each point priced, the errors summed up, the constants
// fitted.
//
// Source: the tables and figures of the paper and of the works that followed it (data/paper).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tsrun/planner/price_pass.hpp"

namespace tsrun {

// One published time, and what it was measured on.
struct PublishedPoint {
  std::string source;  // "fig1_decode"
  std::string model;   // "palm-540b"
  Phase phase = Phase::decode;
  Torus torus;
  std::int64_t batch = 1;
  std::int64_t tokens = 1;   // new ones of each sequence in a pass
  std::int64_t context = 0;  // before them
  DType weights = DType::bf16;
  Layout layout;
  std::int64_t layers = 0;  // 0: all of the model's
  bool whole = false;       // with embedding, logits and sampling
  int passes = 1;           // in the measured time
  double measured_s = 0;
};

using ModelsByName = std::map<std::string, ModelConfig>;

std::vector<double> predicted_s(const std::vector<PublishedPoint>& points, const ModelsByName& models,
                                const Chip& chip);
// predicted / measured - 1
std::vector<double> prediction_errors(const std::vector<PublishedPoint>& points, const ModelsByName& models,
                                      const Chip& chip);

// What each point is bound by.
std::vector<Bound> bounds_of(const std::vector<PublishedPoint>& points, const ModelsByName& models, const Chip& chip);

struct ValidationErrors {
  double mean = 0;  // of |predicted / measured - 1|
  double most = 0;
  double bias = 0;      // mean of predicted / measured - 1
  double within_8 = 0;  // share of points with |error| of at most 8 %
};
ValidationErrors errors_of(const std::vector<double>& errors);

// Pairs of layouts that were measured on the same work: in how many the faster one is predicted faster.
struct LayoutAgreement {
  int agree = 0;
  int of = 0;
};
LayoutAgreement layout_agreement(const std::vector<PublishedPoint>& points, const std::vector<double>& predicted_s);

// The chip with efficiency, alpha_s, call_s and passes fitted to the points (least mean square of the logarithm of the
// ratio, by a simplex). Refuses a chip where one of them is 0, since it is multiplied until it fits.
Chip fitted(const Chip& chip, const std::vector<PublishedPoint>& points, const ModelsByName& models);

// Each source predicted with constants fitted to the others.
struct LeftOut {
  std::string source;
  Chip chip;                   // fitted to the others
  std::vector<double> errors;  // of the source's own points
};
std::vector<LeftOut> each_left_out(const Chip& chip, const std::vector<PublishedPoint>& points,
                                   const ModelsByName& models);

}  // namespace tsrun
