// What the paper says in words about TPU v4, each with the cost model's answer beside it.
//
// Source: paper sections 1, 3 and 4.
#pragma once

#include <string>
#include <vector>

#include "tsrun/planner/validate.hpp"

namespace tsrun {

struct Claim {
  std::string words;           // "a decode step in int8, batch 64"
  std::string unit;            // "s", "times", "tokens", "share"
  double least = 0, most = 0;  // as published or measured; the same where it is one number
  double predicted = 0;
};
// `models` holds palm-540b and palm-540b-serial.
std::vector<Claim> claims(const ModelsByName& models, const Chip& chip);

// What the planner chooses for a published point on its torus, beside the layout that the paper names.
struct ChosenBeside {
  PublishedPoint point;
  Layout chosen;
  double margin = 0;  // time of the paper's layout / time of the chosen one - 1
};
std::vector<ChosenBeside> chosen_beside(const std::vector<PublishedPoint>& points, const ModelsByName& models,
                                        const Chip& chip);

}  // namespace tsrun
