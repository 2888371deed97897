#include "tsrun/import/published.hpp"

#include <charconv>
#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <utility>

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

// Nothing where the cell is anything else, or more.
template <class Number>
std::optional<Number> parsed(const std::string& cell) {
  Number value{};
  const char* const end = cell.data() + cell.size();
  const auto [stop, error] = std::from_chars(cell.data(), end, value);
  return error == std::errc() && stop == end ? std::optional(value) : std::nullopt;
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
  // Above 0.
  double number(const std::string& column) const {
    const std::optional<double> value = parsed<double>(words(column));
    if (!value || !(*value > 0) || *value > most) wrong(column, "a positive number");
    return *value;
  }
  std::int64_t count(const std::string& column) const {
    const std::optional<std::int64_t> value = parsed<std::int64_t>(words(column));
    if (!value || *value < 0 || *value > most) wrong(column, "a whole number");
    return *value;
  }
  template <class Kind>
  Kind one_of(const std::string& column, std::initializer_list<std::pair<const char*, Kind>> kinds) const {
    std::string known;
    for (const auto& [word, kind] : kinds) {
      if (words(column) == word) return kind;
      known += (known.empty() ? "" : ", ") + std::string(word);
    }
    wrong(column, text("one of ", known));
  }

 private:
  static constexpr std::int64_t most = 1'000'000'000'000;

  [[noreturn]] void wrong(const std::string& column, const std::string& expected) const {
    refuse({.what = text("\"", printable(words(column)), "\" in column ", column, " is not ", expected),
            .where = where_,
            .next = "mend the file"});
  }

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

DType weights_of(const Line& line) {
  return line.one_of<DType>("weights", {{"bf16", DType::bf16}, {"int8", DType::int8_channel}});
}

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
    const auto phase = line.one_of<Phase>("phase", {{"prefill", Phase::prefill}, {"decode", Phase::decode}});
    const bool decode = phase == Phase::decode;
    PublishedPoint p = point("table2_3_operating_points", phase);
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
