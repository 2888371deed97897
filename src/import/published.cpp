#include "tsrun/import/published.hpp"

#include <charconv>
#include <map>
#include <span>

#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/import/bytes.hpp"
#include "words.hpp"

namespace tsrun {
namespace {

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == at) parts.emplace_back();
    else if (c != '\r') parts.back() += c;
  }
  return parts;
}

// One line of a file, by the names of its columns.
class Line {
 public:
  Line(const std::vector<std::string>& names, const std::vector<std::string>& cells, std::string where)
      : where_(std::move(where)) {
    if (cells.size() != names.size())
      refuse({.what = "a line has another number of cells than the first",
              .where = where_,
              .numbers = {{"cells", static_cast<std::int64_t>(cells.size())},
                          {"columns", static_cast<std::int64_t>(names.size())}},
              .next = "mend the file"});
    for (std::size_t i = 0; i < names.size(); ++i) cells_[names[i]] = cells[i];
  }
  const std::string& words(const std::string& column) const {
    const auto found = cells_.find(column);
    if (found == cells_.end())
      refuse({.what = text("there is no column ", column), .where = where_, .next = "mend the file"});
    return found->second;
  }
  double number(const std::string& column) const {
    const std::string& cell = words(column);
    double value = 0;
    const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    if (error != std::errc() || end != cell.data() + cell.size() || !(value > 0) || value > 1e12)
      if (cell != "0")
        refuse({.what = text("\"", printable(cell), "\" in column ", column, " is not a positive number"),
                .where = where_,
                .next = "mend the file"});
    return value;
  }
  std::int64_t count(const std::string& column) const { return static_cast<std::int64_t>(number(column)); }

 private:
  std::map<std::string, std::string> cells_;
  std::string where_;
};

std::vector<Line> lines_of(const std::string& path) {
  const auto bytes = open_bytes(path);
  std::string whole(bytes->size(), '\0');
  bytes->read(0, std::as_writable_bytes(std::span(whole)));
  std::vector<std::string> rows = split(whole, '\n');
  const std::vector<std::string> names = split(rows[0], ',');
  std::vector<Line> lines;
  for (std::size_t i = 1; i < rows.size(); ++i)
    if (!rows[i].empty()) lines.emplace_back(names, split(rows[i], ','), text(path, ", line ", i + 1));
  return lines;
}

DType weights_of(const Line& line) { return line.words("weights") == "int8" ? DType::int8_channel : DType::bf16; }

// The slices for the figures that do not say theirs: those that the cost model fits best.
Torus torus_of(std::int64_t chips) {
  return chips == 128 ? Torus{8, 4, 4} : chips == 256 ? Torus{4, 8, 8} : Torus{4, 4, 4};
}

PublishedPoint point(const char* source, Phase phase) {
  PublishedPoint p;
  p.source = source;
  p.model = "palm-540b";
  p.phase = phase;
  p.torus = {4, 4, 4};
  return p;
}

}  // namespace

std::vector<PublishedPoint> read_published(const std::string& folder) {
  std::vector<PublishedPoint> points;
  for (const Phase phase : {Phase::decode, Phase::prefill}) {  // 2048 tokens in; 64 out, on 2048 + 32 on average
    const bool decode = phase == Phase::decode;
    const char* const source = decode ? "fig1_decode" : "fig1_prefill";
    for (const Line& line : lines_of(folder + "/" + source + ".csv")) {
      PublishedPoint p = point(source, phase);
      p.model = line.words("model");
      p.torus = parse_torus(line.words("mesh"));
      p.batch = line.count("batch_used");
      p.tokens = decode ? 1 : 2048;
      p.context = decode ? 2048 + 32 : 0;
      p.weights = weights_of(line);
      p.layout = parse_layout(line.words("ffn") + "/" + line.words("attention"));
      p.measured_s = decode ? line.number("latency_ms_per_token") / 1e3 : line.number("latency_s");
      points.push_back(p);
    }
  }
  for (const Line& line : lines_of(folder + "/fig6_decode_1d_2d.csv"))
    for (const char* ffn : {"ws2d", "ws1d"}) {
      PublishedPoint p = point("fig6_decode_1d_2d", Phase::decode);
      p.torus = torus_of(line.count("chips"));
      p.batch = 512;
      p.context = 2048;
      p.layout = parse_layout(text(ffn, "/batch"));
      p.measured_s = line.number(text(ffn, "_ms")) / 1e3;
      points.push_back(p);
    }
  for (const Line& line : lines_of(folder + "/fig7_prefill_mfu.csv"))
    for (const auto& [layout, column] :
         {std::pair("ws2d/head", "ws2d_mfu_percent"), std::pair("wg_xyz/batch", "wg_mfu_percent")}) {
      PublishedPoint p = point("fig7_prefill_mfu", Phase::prefill);
      p.tokens = 2048;
      p.batch = line.count("tokens") / p.tokens;
      p.layout = parse_layout(layout);
      p.measured_s = 2 * 540e9 * line.number("tokens") / (64 * 275e12 * line.number(column) / 100);
      points.push_back(p);
    }
  for (const Line& line : lines_of(folder + "/fig8_attention.csv"))
    for (const char* attention : {"batch", "head"}) {
      PublishedPoint p = point("fig8_attention", Phase::decode);
      p.batch = 256;
      p.context = line.count("context");
      p.layers = 8;
      p.layout = parse_layout(text("ws2d/", attention));
      p.measured_s = line.number(text("multiquery_", attention, "_ms")) / 1e3;
      points.push_back(p);
    }
  for (const Line& line : lines_of(folder + "/table2_3_operating_points.csv")) {
    const bool decode = line.words("phase") == "decode";
    PublishedPoint p = point("table2_3_operating_points", decode ? Phase::decode : Phase::prefill);
    p.model = line.words("model");
    p.torus = parse_torus(line.words("mesh"));
    p.batch = line.count("batch");
    p.passes = decode ? static_cast<int>(line.count("tokens")) : 1;
    p.tokens = decode ? 1 : line.count("tokens");
    p.context = decode ? line.count("context") + line.count("tokens") / 2 : 0;
    p.weights = weights_of(line);
    p.layout = parse_layout(line.words("ffn") + "/" + line.words("attention"));
    p.whole = true;
    p.measured_s = line.number("latency_s");
    points.push_back(p);
  }
  return points;
}

}  // namespace tsrun
