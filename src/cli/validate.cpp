// tsrun validate: the cost model's predictions against the published measurements.
#include <cstdio>
#include <map>

#include "commands.hpp"
#include "data_folder.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/import/chip_file.hpp"
#include "tsrun/import/published.hpp"
#include "tsrun/import/source.hpp"

namespace tsrun::cli {
namespace {

struct Validation {
  std::vector<PublishedPoint> points;
  ModelsByName models;
  Chip chip;
  std::vector<double> errors;

  std::map<std::string, std::vector<double>> by_source() const {
    std::map<std::string, std::vector<double>> of;
    for (std::size_t i = 0; i < points.size(); ++i) of[points[i].source].push_back(errors[i]);
    return of;
  }
  double predicted_s(std::size_t i) const { return points[i].measured_s * (1 + errors[i]); }
  LayoutAgreement agreement() const {
    std::vector<double> predicted;
    for (std::size_t i = 0; i < points.size(); ++i) predicted.push_back(predicted_s(i));
    return layout_agreement(points, predicted);
  }
};

void print_errors(const std::string& what, const std::vector<double>& errors) {
  const ValidationErrors e = errors_of(errors);
  std::printf("  %-28s %4zu points   mean %4.1f %%   most %4.1f %%   bias %5.1f %%   within 8 %%: %5.1f %%\n",
              what.c_str(), errors.size(), 100 * e.mean, 100 * e.most, 100 * e.bias, 100 * e.within_8);
}

void print_constants(const std::string& what, const Chip& c) {
  std::printf("  %-28s efficiency %.3f   alpha %.2f us   call %.2f us   passes %.2f\n", what.c_str(), c.efficiency,
              1e6 * c.alpha_s, 1e6 * c.call_s, c.passes);
}

void print(const Validation& v) {
  std::printf("%s: %zu published times, each the price of its program of steps\n", v.chip.name.c_str(),
              v.points.size());
  print_constants("constants", v.chip);
  for (const auto& [source, errors] : v.by_source()) print_errors(source, errors);
  print_errors("all", v.errors);
  const LayoutAgreement agreement = v.agreement();
  std::printf("  the layout that was measured faster is predicted faster in %d of %d cases\n", agreement.agree,
              agreement.of);
}

void print_fit(const Validation& v) {
  const Chip best = fitted(v.chip, v.points, v.models);
  print_constants("fitted to all", best);
  print_errors("all, fitted to all", prediction_errors(v.points, v.models, best));
  std::vector<double> left_out;
  for (const LeftOut& source : each_left_out(v.chip, v.points, v.models)) {
    print_constants("without " + source.source, source.chip);
    left_out.insert(left_out.end(), source.errors.begin(), source.errors.end());
  }
  print_errors("each source from the others", left_out);
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
          {"dtype", p.weights == DType::bf16 ? "bf16" : "int8"},
          {"ffn", ffn_name(p.layout)},
          {"attention", attention_name(p.layout)},
          {"measured_s", p.measured_s},
          {"predicted_s", v.predicted_s(i)},
          {"error", v.errors[i]}};
}

Json document_of(const Validation& v) {
  Json document = envelope("validate", {});
  document["clock"] = "model";
  document["chip"] = v.chip.name;
  document["points"] = Json::array();
  for (std::size_t i = 0; i < v.points.size(); ++i) document["points"].push_back(point_json(v, i));
  const ValidationErrors all = errors_of(v.errors);
  document["mape"] = all.mean;
  document["max"] = all.most;
  document["bias"] = all.bias;
  for (const auto& [source, errors] : v.by_source()) document["by_source"][source] = errors_of(errors).mean;
  const LayoutAgreement agreement = v.agreement();
  document["layout_agreement"] = {{"agree", agreement.agree}, {"of", agreement.of}};
  return document;
}

}  // namespace

po::options_description validate_options() {
  po::options_description o("Validate");
  // clang-format off: a table
  o.add_options()("data", po::value<std::string>()->value_name("DIR"),
                  "the published measurements (those that come with tsrun)")(
      "chip", po::value<std::string>()->value_name("NAME|FILE"), "the chip that they were measured on (tpu_v4)")(
      "fit", po::bool_switch(), "fit the constants again, to all points and to all but each source");
  // clang-format on
  return o.add(common_options());
}

int run_validate(const Arguments& a, const Console& console) {
  Validation v;
  v.chip = read_chip(named_file("chips", a.text("chip", "tpu_v4"), "--chip"));
  v.points = read_published(a.has("data") ? *a.text("data") : data_path("paper"));
  for (const PublishedPoint& p : v.points)
    if (!v.models.contains(p.model)) v.models[p.model] = read_hf_config(named_file("models", p.model, "--data"));
  v.errors = prediction_errors(v.points, v.models, v.chip);
  if (console.prints()) {
    print(v);
    if (a.flag("fit")) print_fit(v);
  }
  console.write(document_of(v));
  return 0;
}

}  // namespace tsrun::cli
