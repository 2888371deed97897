#include "pareto.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <sstream>

#include "output_files.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun::cli {
namespace {

std::string digits(double v) {
  std::array<char, 32> out{};
  std::snprintf(out.data(), out.size(), "%.4g", v);
  return out.data();
}

// Words of a user, as names of models and chips are, within SVG and HTML.
std::string escaped(const std::string& words) {
  std::string out;
  for (const char c : words)
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '"') out += "&quot;";
    else out += c;
  return out;
}

std::string csv(const std::vector<Offer>& all) {
  std::string out = "phase,chips,mesh,ffn,attention,dtype,batch,context,latency_s,cost_chip_s_per_token,mfu,frontier\n";
  for (const Offer& o : all) {
    const Candidate& c = o.chosen;
    out += text(name(o.work.phase), ",", o.chips, ",", to_text(c.torus), ",", ffn_name(c.layout), ",",
                attention_name(c.layout), ",", name(c.weights), ",", o.work.batch, ",", o.work.context, ",",
                digits(o.time_s()), ",", digits(o.cost), ",", digits(o.mfu), ",", o.is_best ? "yes" : "no", "\n");
  }
  return out;
}

// ---- the picture: both axes logarithmic, a colour for each number of chips, the frontier as a line ----

constexpr double width = 760, height = 480, left = 90, right = 130, top = 50, bottom = 60;
constexpr std::array<const char*, 8> colours = {"#4477aa", "#ee6677", "#228833", "#ccbb44",
                                                "#66ccee", "#aa3377", "#777777", "#000000"};

struct Scale {
  double least, most, from, to;
  double operator()(double v) const {
    return from + (to - from) * (std::log10(v) - std::log10(least)) / (std::log10(most) - std::log10(least));
  }
  // 1, 2 and 5 times each power of ten that lies inside.
  std::vector<double> ticks() const {
    std::vector<double> all;
    for (double power = std::pow(10, std::floor(std::log10(least))); power <= most; power *= 10)
      for (const double digit : {1.0, 2.0, 5.0})
        if (digit * power >= least && digit * power <= most) all.push_back(digit * power);
    return all;
  }
};

template <class Value>
Scale scale_of(const std::vector<const Offer*>& some, double from, double to, Value value) {
  double least = INFINITY, most = 0;
  for (const Offer* o : some) least = std::min(least, value(*o)), most = std::max(most, value(*o));
  return {least / 1.2, most * 1.2, from, to};
}

class Picture {
 public:
  Picture(const std::vector<Offer>& all, Phase phase) {
    for (const Offer& o : all)
      if (o.work.phase == phase) offers_.push_back(&o);
    for (const Offer* o : offers_) colour_.try_emplace(o->chips, colours[colour_.size() % colours.size()]);
    x_ = scale_of(offers_, left, width - right, [](const Offer& o) { return o.time_s(); });
    y_ = scale_of(offers_, height - bottom, top, [](const Offer& o) { return o.cost; });
  }

  std::string svg(const std::string& title) const {
    std::ostringstream out;
    out << "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 " << width << " " << height
        << "' font-family='sans-serif' font-size='12'>\n<rect width='100%' height='100%' fill='white'/>\n"
        << words(left, 24, title, "start", 15);
    grid(out);
    frontier(out);
    for (const Offer* o : offers_)
      out << "<circle cx='" << x_(o->time_s()) << "' cy='" << y_(o->cost) << "' r='" << (o->is_best ? 5 : 3)
          << "' fill='" << colour_.at(o->chips) << "'><title>" << escaped(label(*o)) << "</title></circle>\n";
    double at = top + 10;
    for (const auto& [chips, colour] : colour_) {
      out << "<circle cx='" << width - right + 20 << "' cy='" << at - 4 << "' r='5' fill='" << colour << "'/>\n"
          << words(width - right + 30, at, text(chips, chips == 1 ? " chip" : " chips"), "start");
      at += 18;
    }
    return out.str() + "</svg>\n";
  }
  bool empty() const { return offers_.empty(); }

 private:
  static std::string words(double x, double y, const std::string& what, const char* anchor, int size = 12) {
    return text("<text x='", x, "' y='", y, "' text-anchor='", anchor, "' font-size='", size, "'>", escaped(what),
                "</text>\n");
  }
  static std::string label(const Offer& o) {
    return text(o.chips, " chips ", to_text(o.chosen.torus), ", batch ", o.work.batch, ", ", to_text(o.chosen.layout),
                ": ", human_seconds(o.time_s()), ", ", digits(o.cost), " chip-s a token, MFU ", digits(100 * o.mfu),
                " %");
  }
  void grid(std::ostringstream& out) const {
    for (const double v : x_.ticks())
      out << "<line x1='" << x_(v) << "' y1='" << top << "' x2='" << x_(v) << "' y2='" << height - bottom
          << "' stroke='#ddd'/>\n"
          << words(x_(v), height - bottom + 18, human_seconds(v), "middle");
    for (const double v : y_.ticks())
      out << "<line x1='" << left << "' y1='" << y_(v) << "' x2='" << width - right << "' y2='" << y_(v)
          << "' stroke='#ddd'/>\n"
          << words(left - 6, y_(v) + 4, digits(v), "end");
    const bool prefills = offers_.front()->work.phase == Phase::prefill;
    out << words((left + width - right) / 2, height - 16, prefills ? "latency of the prefill" : "latency of a step",
                 "middle")
        << words(8, top - 12, "chip-seconds a token", "start");
  }
  void frontier(std::ostringstream& out) const {
    std::vector<const Offer*> best;
    for (const Offer* o : offers_)
      if (o->is_best) best.push_back(o);
    std::sort(best.begin(), best.end(), [](const Offer* a, const Offer* b) { return a->time_s() < b->time_s(); });
    out << "<polyline fill='none' stroke='#999' stroke-width='2' points='";
    for (const Offer* o : best) out << x_(o->time_s()) << "," << y_(o->cost) << " ";
    out << "'/>\n";
  }

  std::vector<const Offer*> offers_;
  std::map<int, const char*> colour_;
  Scale x_{}, y_{};
};

std::string pictures(const PlanQuestion& q, const std::vector<Offer>& all) {
  std::string out;
  for (const Work& work : q.question.works)
    if (const Picture picture(all, work.phase); !picture.empty())
      out += picture.svg(
          text(q.model, ", ", name(work.phase), ", ", q.question.choices.chips[0].name, " (model's clock)"));
  return out;
}

std::string table_rows(const std::string& csv_text) {
  std::string out, line;
  std::istringstream lines(csv_text);
  for (bool head = true; std::getline(lines, line); head = false) {
    const std::string cell = head ? "th" : "td";
    out += "<tr><" + cell + ">";
    for (const char c : line) out += c == ',' ? "</" + cell + "><" + cell + ">" : escaped({c});
    out += "</" + cell + "></tr>\n";
  }
  return out;
}

std::string html(const PlanQuestion& q, const std::vector<Offer>& all) {
  return text("<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><title>", escaped(q.model),
              "</title><style>body{font-family:sans-serif;max-width:60em;margin:2em auto}svg{width:100%}"
              "td,th{padding:.1em .5em;text-align:right}</style></head><body>\n<p>",
              escaped(q.software), ". Times are of the model's clock.</p>\n", pictures(q, all), "<table>\n",
              table_rows(csv(all)), "</table></body></html>\n");
}

}  // namespace

std::string offers_text(const std::vector<Offer>& all, const Offer& best, Objective objective) {
  std::string out;
  const auto row = [](const Offer& o) {
    std::array<char, 160> line{};
    std::snprintf(line.data(), line.size(), "  %5d chips  batch %6lld  %10s  %9.3g chip-s a token  MFU %3.0f %%  %s\n",
                  o.chips, static_cast<long long>(o.work.batch), human_seconds(o.time_s()).c_str(), o.cost, 100 * o.mfu,
                  text(to_text(o.chosen.layout), " on ", to_text(o.chosen.torus)).c_str());
    return std::string(line.data());
  };
  for (const Phase phase : {Phase::prefill, Phase::decode}) {
    std::vector<const Offer*> frontier;
    for (const Offer& o : all)
      if (o.work.phase == phase && o.is_best) frontier.push_back(&o);
    std::sort(frontier.begin(), frontier.end(),
              [](const Offer* a, const Offer* b) { return a->time_s() < b->time_s(); });
    if (!frontier.empty()) out += text("frontier of ", name(phase), ": none is as fast and as cheap\n");
    for (const Offer* o : frontier) out += row(*o);
  }
  return out + text("best by ", name(objective), "\n") + row(best);
}

Json offer_json(const Offer& o) {
  const Candidate& c = o.chosen;
  return {{"phase", name(o.work.phase)},
          {"chips", o.chips},
          {"mesh", {c.torus.X, c.torus.Y, c.torus.Z}},
          {"ffn", ffn_name(c.layout)},
          {"attention", attention_name(c.layout)},
          {"dtype", name(c.weights)},
          {"batch", o.work.batch},
          {"context", o.work.context},
          {"time_s", o.time_s()},
          {"cost_chip_s_per_token", o.cost},
          {"mfu", o.mfu},
          {"frontier", o.is_best}};
}

void require_picture(const std::string& path) {
  for (const char* end : {".csv", ".svg", ".html"})
    if (path.ends_with(end)) return;
  refuse({.what = "the file's name does not say what it is to hold",
          .where = path,
          .next = "end it in .csv, .svg or .html"});
}

void write_pareto(const std::string& path, const PlanQuestion& q, const std::vector<Offer>& all) {
  if (path.ends_with(".csv")) return write_whole(path, csv(all));
  if (path.ends_with(".html")) return write_whole(path, html(q, all));
  // One picture a file: of the phase that was asked for last.
  const Phase phase = q.question.works.back().phase;
  write_whole(
      path, Picture(all, phase)
                .svg(text(q.model, ", ", name(phase), ", ", q.question.choices.chips[0].name, " (model's clock)")));
}

}  // namespace tsrun::cli
