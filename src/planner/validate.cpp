#include "tsrun/planner/validate.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <tuple>

#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun {

namespace {

LoweredPass lowered(const PublishedPoint& p, const ModelsByName& models, const Chip& chip) {
  ModelConfig config = models.at(p.model);
  if (p.layers > 0) config.layers = p.layers;
  const PassShape shape = PassShape::uniform(p.phase, p.batch, p.tokens, p.context, Output::greedy);
  return lower_pass(config, chip, p.torus, p.layout, shape);
}

double predicted_s(const PublishedPoint& p, const LoweredPass& pass, const Chip& chip, WalkLoads& walks) {
  const PassCost cost = price_pass(pass, chip, p.weights, DType::bf16, walks);
  return p.passes * (p.whole ? cost.time_s() : cost.layers.time_s);
}

}  // namespace

std::vector<double> predicted_s(const std::vector<PublishedPoint>& points, const ModelsByName& models,
                                const Chip& chip) {
  std::vector<double> seconds;
  WalkLoads walks;
  for (const PublishedPoint& p : points) seconds.push_back(predicted_s(p, lowered(p, models, chip), chip, walks));
  return seconds;
}

std::vector<double> prediction_errors(const std::vector<PublishedPoint>& points, const ModelsByName& models,
                                      const Chip& chip) {
  std::vector<double> errors = predicted_s(points, models, chip);
  for (std::size_t i = 0; i < points.size(); ++i) errors[i] = errors[i] / points[i].measured_s - 1;
  return errors;
}

std::vector<Bound> bounds_of(const std::vector<PublishedPoint>& points, const ModelsByName& models, const Chip& chip) {
  std::vector<Bound> bounds;
  WalkLoads walks;
  for (const PublishedPoint& p : points)
    bounds.push_back(bound_of(price_pass(lowered(p, models, chip), chip, p.weights, DType::bf16, walks).layers));
  return bounds;
}

ValidationErrors errors_of(const std::vector<double>& errors) {
  ValidationErrors e;
  for (const double error : errors) {
    e.mean += std::abs(error);
    e.bias += error;
    e.most = std::max(e.most, std::abs(error));
    e.within_8 += std::abs(error) <= 0.08 ? 1 : 0;
  }
  const double n = std::max<double>(1, static_cast<double>(errors.size()));
  e.mean /= n;
  e.bias /= n;
  e.within_8 /= n;
  return e;
}

LayoutAgreement layout_agreement(const std::vector<PublishedPoint>& points, const std::vector<double>& predicted) {
  LayoutAgreement agreement;
  const auto work = [](const PublishedPoint& p) {
    return std::tuple(p.source, p.model, p.phase, to_text(p.torus), p.batch, p.tokens, p.context, p.weights, p.layers);
  };
  for (std::size_t i = 0; i < points.size(); ++i)
    for (std::size_t j = i + 1; j < points.size(); ++j) {
      if (work(points[i]) != work(points[j]) || points[i].layout == points[j].layout) continue;
      ++agreement.of;
      if ((points[i].measured_s < points[j].measured_s) == (predicted[i] < predicted[j])) ++agreement.agree;
    }
  return agreement;
}

namespace {

constexpr std::size_t constants = 4;
using Point = std::array<double, constants>;  // logarithms of the constants

void refuse_zero(const char* constant, double value, const Chip& chip) {
  if (value > 0) return;
  refuse({.what = text("a constant of 0 cannot be fitted: ", constant),
          .where = chip.name,
          .next = text("give the chip file a first guess of ", constant)});
}

Point point_of(const Chip& c) {
  refuse_zero("efficiency", c.efficiency, c);
  refuse_zero("alpha_s", c.alpha_s, c);
  refuse_zero("call_s", c.call_s, c);
  refuse_zero("passes", c.passes, c);
  return {std::log(c.efficiency), std::log(c.alpha_s), std::log(c.call_s), std::log(c.passes)};
}
Chip chip_at(Chip c, const Point& p) {
  c.efficiency = std::exp(p[0]);
  c.alpha_s = std::exp(p[1]);
  c.call_s = std::exp(p[2]);
  c.passes = std::exp(p[3]);
  return c;
}

// The lowest point of a function, by the simplex of Nelder and Mead.
Point lowest(const Point& start, const std::function<double(const Point&)>& f) {
  struct Vertex {
    Point at;
    double value;
  };
  std::vector<Vertex> simplex = {{start, f(start)}};
  for (std::size_t i = 0; i < constants; ++i) {
    Point p = start;
    p[i] += 0.2;
    simplex.push_back({p, f(p)});
  }
  const auto between = [](const Point& from, const Point& to, double share) {
    Point p;
    for (std::size_t i = 0; i < constants; ++i) p[i] = from[i] + share * (to[i] - from[i]);
    return p;
  };
  const auto by_value = [](const Vertex& a, const Vertex& b) { return a.value < b.value; };
  for (int step = 0; step < 200; ++step) {
    std::sort(simplex.begin(), simplex.end(), by_value);
    if (simplex.back().value - simplex.front().value < 1e-9) break;
    Point centre{};
    for (std::size_t v = 0; v < constants; ++v)
      for (std::size_t i = 0; i < constants; ++i) centre[i] += simplex[v].at[i] / constants;
    Vertex& worst = simplex.back();
    const auto tried = [&](double share) {
      const Point p = between(centre, worst.at, share);
      return Vertex{p, f(p)};
    };
    const Vertex reflected = tried(-1);
    Vertex next = reflected;
    if (reflected.value < simplex.front().value) next = std::min(reflected, tried(-2), by_value);
    else if (reflected.value >= simplex[constants - 1].value) next = std::min(worst, tried(0.5), by_value);
    if (next.value < worst.value) {
      worst = next;
      continue;
    }
    for (std::size_t v = 1; v <= constants; ++v) {
      simplex[v].at = between(simplex.front().at, simplex[v].at, 0.5);
      simplex[v].value = f(simplex[v].at);
    }
  }
  return std::min_element(simplex.begin(), simplex.end(), by_value)->at;
}

}  // namespace

Chip fitted(const Chip& chip, const std::vector<PublishedPoint>& points, const ModelsByName& models) {
  std::vector<LoweredPass> passes;
  for (const PublishedPoint& p : points) passes.push_back(lowered(p, models, chip));
  WalkLoads walks;
  const auto mean_square = [&](const Point& at) {
    const Chip tried = chip_at(chip, at);
    double sum = 0;
    for (std::size_t i = 0; i < points.size(); ++i)
      sum += std::pow(std::log(predicted_s(points[i], passes[i], tried, walks) / points[i].measured_s), 2);
    return sum / static_cast<double>(points.size());
  };
  return chip_at(chip, lowest(point_of(chip), mean_square));
}

std::vector<LeftOut> each_left_out(const Chip& chip, const std::vector<PublishedPoint>& points,
                                   const ModelsByName& models) {
  std::map<std::string, std::pair<std::vector<PublishedPoint>, std::vector<PublishedPoint>>> own_and_others;
  for (const PublishedPoint& p : points) own_and_others[p.source].first.push_back(p);
  for (auto& [source, sides] : own_and_others)
    for (const PublishedPoint& p : points)
      if (p.source != source) sides.second.push_back(p);
  std::vector<LeftOut> all;
  for (const auto& [source, sides] : own_and_others) {
    const Chip without = fitted(chip, sides.second, models);
    all.push_back({source, without, prediction_errors(sides.first, models, without)});
  }
  return all;
}

}  // namespace tsrun
