// tsrun validate: the cost model's predictions against the published measurements.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <map>
#include <optional>

#include "chip_options.hpp"
#include "commands.hpp"
#include "data_folder.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/import/published.hpp"
#include "tsrun/import/source.hpp"
#include "tsrun/planner/candidates.hpp"
#include "tsrun/planner/claims.hpp"

namespace tsrun::cli {
namespace {

// The constants fitted again: to all points, and to all but those of each source, which then are predicted.
struct Refit {
  Chip chip;
  std::vector<double> errors;
  std::vector<LeftOut> left_out;

  std::vector<double> left_out_errors() const {
    std::vector<double> all;
    for (const LeftOut& source : left_out) all.insert(all.end(), source.errors.begin(), source.errors.end());
    return all;
  }
};

struct Validation {
  std::vector<PublishedPoint> points;
  ModelsByName models;
  Chip chip;
  std::string software;  // of the chip, in a line
  std::vector<double> errors;
  std::vector<Bound> bounds;
  std::vector<ChosenBeside> choices;  // of the operating points of tables 2 and 3
  std::vector<Claim> claims;
  std::optional<Refit> refit;  // with --fit

  std::map<std::string, std::vector<double>> by_source() const {
    std::map<std::string, std::vector<double>> of;
    for (std::size_t i = 0; i < points.size(); ++i) of[points[i].source].push_back(errors[i]);
    return of;
  }
  std::map<std::string, std::vector<double>> by_regime() const {
    std::map<std::string, std::vector<double>> of;
    for (std::size_t i = 0; i < points.size(); ++i) of["bound by " + std::string(name(bounds[i]))].push_back(errors[i]);
    return of;
  }
  double predicted_s(std::size_t i) const { return points[i].measured_s * (1 + errors[i]); }
  LayoutAgreement agreement() const {
    std::vector<double> predicted;
    for (std::size_t i = 0; i < points.size(); ++i) predicted.push_back(predicted_s(i));
    return layout_agreement(points, predicted);
  }
};

// The paper's int8 has a scale for each output channel.
std::string_view weights_word(DType type) { return type == DType::int8_channel ? name(DType::int8) : name(type); }

std::string number(double v) {
  std::array<char, 32> out{};
  std::snprintf(out.data(), out.size(), v < 10000 ? "%.3g" : "%.0f", v);
  return out.data();
}
std::string percent(double share) {
  std::array<char, 32> out{};
  std::snprintf(out.data(), out.size(), "%.1f %%", 100 * share);
  return out.data();
}

void print_errors(const std::string& what, const std::vector<double>& errors) {
  const ValidationErrors e = errors_of(errors);
  std::printf("  %-28s %4zu points   mean %4.1f %%   most %4.1f %%   bias %5.1f %%   within 8 %%: %5.1f %%\n",
              what.c_str(), errors.size(), 100 * e.mean, 100 * e.most, 100 * e.bias, 100 * e.within_8);
}

void print_constants(const std::string& what, const Chip& c) {
  std::printf("  %-28s efficiency %.3f   alpha %.2f us   call %.2f us   passes %.2f\n", what.c_str(), c.efficiency,
              1e6 * c.alpha_s, 1e6 * c.call_s, c.passes);
}

void print_choices(const Validation& v) {
  std::printf("tables 2 and 3: what the planner chooses on the paper's torus, beside the paper's layout\n");
  for (const ChosenBeside& c : v.choices) {
    const std::string work = text(c.point.model, ", ", c.point.torus.size(), " chips, ", name(c.point.phase),
                                  ", batch ", c.point.batch, ", ", weights_word(c.point.weights));
    const bool same = cut_alike(c.point.torus, c.chosen, c.point.layout);
    const std::string beside = text(percent(std::abs(c.margin)), c.margin < 0 ? " slower" : " faster",
                                    " than the paper's", std::abs(c.margin) < close_call ? ", too close to call" : "");
    std::printf("  %-44s %-14s paper %-13s %s\n", work.c_str(), to_text(c.chosen).c_str(),
                to_text(c.point.layout).c_str(), same ? "the same" : beside.c_str());
  }
}

void print_claims(const Validation& v) {
  std::printf("what the text says                                                                published   predicted\n");
  for (const Claim& c : v.claims) {
    const std::string published = c.least == c.most ? number(c.least) : text(number(c.least), "-", number(c.most));
    std::printf("  %-72s %14s %11s  %s\n", c.words.c_str(), published.c_str(), number(c.predicted).c_str(),
                c.unit.c_str());
  }
}

void print(const Refit& fit) {
  print_constants("fitted to all", fit.chip);
  print_errors("all, fitted to all", fit.errors);
  for (const LeftOut& source : fit.left_out) print_constants("without " + source.source, source.chip);
  print_errors("each source from the others", fit.left_out_errors());
}

void print(const Validation& v) {
  std::printf("%s: %zu published times, each the price of its program of steps\n%s\n", v.chip.name.c_str(),
              v.points.size(), v.software.c_str());
  print_constants("constants", v.chip);
  for (const auto& [source, errors] : v.by_source()) print_errors(source, errors);
  for (const auto& [regime, errors] : v.by_regime()) print_errors(regime, errors);
  print_errors("all", v.errors);
  const LayoutAgreement agreement = v.agreement();
  std::printf("  the layout that was measured faster is predicted faster in %d of %d cases\n", agreement.agree,
              agreement.of);
  print_choices(v);
  print_claims(v);
  if (v.refit) print(*v.refit);
}

Json point_json(const Validation& v, std::size_t i) {
  const PublishedPoint& p = v.points[i];
  return {{"source", p.source},
          {"model", p.model},
          {"phase", name(p.phase)},
          {"chips", p.torus.size()},
          {"mesh", {p.torus.X, p.torus.Y, p.torus.Z}},
          {"batch", p.batch},
          {"context", p.context},
          {"tokens", p.tokens},
          {"dtype", weights_word(p.weights)},
          {"ffn", ffn_name(p.layout)},
          {"attention", attention_name(p.layout)},
          {"measured_s", p.measured_s},
          {"predicted_s", v.predicted_s(i)},
          {"error", v.errors[i]}};
}

void add_errors(Json& out, const std::vector<double>& errors) {
  const ValidationErrors e = errors_of(errors);
  out["mape"] = e.mean;
  out["max"] = e.most;
  out["bias"] = e.bias;
}

Json fitted_json(const Chip& c, const std::vector<double>& errors) {
  Json out = {{"efficiency", c.efficiency}, {"alpha_s", c.alpha_s}, {"call_s", c.call_s}, {"passes", c.passes}};
  add_errors(out, errors);
  return out;
}

Json left_out_json(const Refit& fit) {
  Json out = Json::object();
  add_errors(out, fit.left_out_errors());
  for (const LeftOut& source : fit.left_out)
    out["by_source"][source.source] = fitted_json(source.chip, source.errors);
  return out;
}

Json document_of(const Validation& v) {
  Json document = envelope("validate", {});
  document["clock"] = "model";
  document["chip"] = v.chip.name;
  document["points"] = Json::array();
  for (std::size_t i = 0; i < v.points.size(); ++i) document["points"].push_back(point_json(v, i));
  add_errors(document, v.errors);
  for (const auto& [source, errors] : v.by_source()) document["by_source"][source] = errors_of(errors).mean;
  for (const auto& [regime, errors] : v.by_regime()) document["by_regime"][regime] = errors_of(errors).mean;
  const LayoutAgreement agreement = v.agreement();
  document["layout_agreement"] = {{"agree", agreement.agree}, {"of", agreement.of}};
  document["choices"] = Json::array();
  for (const ChosenBeside& c : v.choices)
    document["choices"].push_back({{"model", c.point.model},
                                   {"phase", name(c.point.phase)},
                                   {"chips", c.point.torus.size()},
                                   {"batch", c.point.batch},
                                   {"dtype", weights_word(c.point.weights)},
                                   {"paper", to_text(c.point.layout)},
                                   {"chosen", to_text(c.chosen)},
                                   {"margin", c.margin}});
  document["claims"] = Json::array();
  for (const Claim& c : v.claims)
    document["claims"].push_back(
        {{"claim", c.words}, {"unit", c.unit}, {"published", {c.least, c.most}}, {"predicted", c.predicted}});
  document["fit"] = v.refit ? fitted_json(v.refit->chip, v.refit->errors) : Json();
  document["left_out"] = v.refit ? left_out_json(*v.refit) : Json();
  return document;
}

}  // namespace

po::options_description validate_options() {
  po::options_description o("Validate");
  // clang-format off: a table
  o.add_options()("data", po::value<std::string>()->value_name("DIR"),
                  "the published measurements (those that come with tsrun)")(
      "chip", po::value<std::string>()->value_name("NAME|FILE"), "the chip that they were measured on (tpu_v4)")(
      "schedules", po::value<std::string>()->value_name("chip|NAME"),
      "as the chip's software has them (default), or one for all")(
      "fit", po::bool_switch(), "fit the constants again, to all points and to all but each source");
  // clang-format on
  return o.add(common_options());
}

int run_validate(const Arguments& a, const Console& console) {
  if (a.text("schedules") == "any")
    refuse({.what = "\"any\" leaves the schedules open, but what was measured had one of its own",
            .where = "--schedules",
            .next = "leave it out to take the chip's, or name one for all"});
  Validation v;
  const std::vector<Chip> chips = chip_option(a, "tpu_v4");
  v.chip = chips.front();
  v.software = software_note(a, chips);
  v.points = read_published(a.has("data") ? *a.text("data") : data_path("paper"));
  for (const PublishedPoint& p : v.points)
    if (!v.models.contains(p.model)) v.models[p.model] = read_hf_config(named_file("models", p.model, "--data"));
  v.errors = prediction_errors(v.points, v.models, v.chip);
  v.bounds = bounds_of(v.points, v.models, v.chip);
  std::vector<PublishedPoint> operating;
  std::copy_if(v.points.begin(), v.points.end(), std::back_inserter(operating),
               [](const PublishedPoint& p) { return p.source == "table2_3_operating_points"; });
  v.choices = chosen_beside(operating, v.models, v.chip);
  v.models["palm-540b-serial"] = read_hf_config(named_file("models", "palm-540b-serial", "--data"));
  v.claims = claims(v.models, v.chip);
  if (a.flag("fit")) {
    const Chip best = fitted(v.chip, v.points, v.models);
    v.refit = {best, prediction_errors(v.points, v.models, best), each_left_out(v.chip, v.points, v.models)};
  }
  if (console.prints()) print(v);
  console.write(document_of(v));
  return 0;
}

}  // namespace tsrun::cli
