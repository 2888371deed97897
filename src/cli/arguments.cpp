#include "arguments.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "tsrun/core/text.hpp"

namespace tsrun::cli {
namespace {

// `text` names a member in this file's class.
[[noreturn]] void refuse_value(const char* name, const std::string& value, const std::string& wanted) {
  refuse({.what = tsrun::text("\"", value, "\" is not a value for it"),
          .where = tsrun::text("--", name),
          .next = "give " + wanted});
}

}  // namespace

po::options_description common_options() {
  po::options_description o("Common");
  // clang-format off: a table
  o.add_options()
    ("json", po::value<std::string>()->value_name("FILE|-"), "write the machine-readable result")
    ("timeout", po::value<std::string>()->value_name("S"), "deadline on every wait for another rank (600)")
    ("quiet", po::bool_switch(), "no report, no progress")
    ("verbose", po::bool_switch(), "say more")
    ("help,h", po::bool_switch(), "this text");
  // clang-format on
  return o;
}

po::options_description model_options(const std::string& limited) {
  const std::string limit = text("refuse to begin where no layout is predicted to ", limited, " within it");
  po::options_description o("Model and mesh");
  // clang-format off: a table
  o.add_options()
    ("model,m", po::value<std::string>()->value_name("FILE.h5"), "model file, made by tsrun convert")
    ("mesh", po::value<std::string>()->value_name("XxYxZ|auto"), "the torus of ranks (auto)")
    ("layout", po::value<std::string>()->value_name("FFN/ATTN"),
     "ws1d ws2d wg_x wg_xy or wg_xyz (with @1d behind a wg_ name: stored as for ws1d) / head batch batch_x or batch_xy, "
     "or prefill=..,decode=.., or one of these (auto)")
    ("dtype", po::value<std::string>()->value_name("TYPE"), "what weights are held as: auto (as stored), f32, bf16, int8, int4")
    ("kv-dtype", po::value<std::string>()->value_name("TYPE"), "what the cache is held as: bf16 (default), f32, int8")
    ("threads,t", po::value<std::string>()->value_name("N"), "threads of each rank (the host's cores over its ranks)")
    ("ctx-size,c", po::value<std::string>()->value_name("N"), "positions of the cache (longest prompt + n)")
    ("prefill-chunk", po::value<std::string>()->value_name("N"), "prompt tokens of a sequence in one pass (512)")
    ("chip", po::value<std::string>()->value_name("host|NAME|FILE"), "whose costs the planner uses (host)")
    ("objective", po::value<std::string>()->value_name("GOAL"), "latency, throughput or cost: for a given batch and number of ranks all ask for the fastest (latency)")
    ("max-latency-ms", po::value<std::string>()->value_name("MS"), limit.c_str())
    ("schedules", po::value<std::string>()->value_name("chip|any|NAME"), "how collectives walk: ring two_way balanced .. (chip)")
    ("wrap", po::value<std::string>()->value_name("auto|all|none"), "whether the ends of an axis are joined (auto: the chip's rule)")
    ("explain", po::bool_switch(), "print the program of steps with its bytes");
  // clang-format on
  return o;
}

std::vector<std::string> words_of(const std::string& list) {
  std::vector<std::string> words;
  for (std::size_t at = 0, end = 0; end != std::string::npos; at = end + 1) {
    end = list.find(',', at);
    words.push_back(list.substr(at, end == std::string::npos ? end : end - at));
  }
  return words;
}

double timeout_option(const Arguments& a) { return a.real("timeout", 600, 0.001, 1e9); }

std::optional<DType> weights_option(const Arguments& a) { return weights_named(a.text("dtype", "auto")); }

std::optional<DType> weights_named(const std::string& word) {
  if (word == "auto") return std::nullopt;
  return type_named(word, "dtype", {DType::f32, DType::bf16, DType::int8, DType::int4}, {"auto"});
}

DType cache_option(const Arguments& a) { return cache_named(a.text("kv-dtype", "bf16")); }

DType cache_named(const std::string& word) {
  return type_named(word, "kv-dtype", {DType::f32, DType::bf16, DType::int8});
}

DType type_named(const std::string& word, const char* option, std::initializer_list<DType> types,
                 const std::vector<std::string>& others) {
  std::vector<std::string> known = others;
  for (const DType type : types) {
    if (word == name(type)) return type;
    known.emplace_back(name(type));
  }
  refuse({.what = tsrun::text("\"", word, "\" is not a type"),
          .where = tsrun::text("--", option),
          .next = "choose one of: " + join(known, " ")});
}

Arguments::Arguments(const std::string& command, const std::vector<std::string>& words,
                     const po::options_description& options, const std::vector<std::string>& places)
    : places_(places) {
  po::positional_options_description order;
  for (const std::string& place : places) order.add(place.c_str(), 1);
  try {
    // Only whole names: an abbreviation of today may be ambiguous tomorrow.
    constexpr int style = po::command_line_style::default_style & ~po::command_line_style::allow_guessing;
    po::store(po::command_line_parser(words).options(options).positional(order).style(style).run(), values_);
    po::notify(values_);
  } catch (const po::error& e) {
    refuse({.what = e.what(), .where = command, .next = tsrun::text("tsrun ", command, " --help lists the options")});
  }
  if (const auto json = text("json"); json && json->starts_with('-') && *json != "-")
    refuse({.what = tsrun::text("\"", *json, "\" is an option and not the name of a file"),
            .where = "--json",
            .next = "write --json FILE, or --json -"});
}

std::optional<std::string> Arguments::text(const char* name) const {
  if (!has(name)) return std::nullopt;
  return values_[name].as<std::string>();
}

std::string Arguments::required(const char* name, const char* next) const {
  const std::optional<std::string> value = text(name);
  if (value && !value->empty()) return *value;
  const bool is_place = std::find(places_.begin(), places_.end(), name) != places_.end();
  refuse({.what = "it is missing", .where = tsrun::text(is_place ? "" : "--", name), .next = next});
}

std::vector<std::string> Arguments::list(const char* name) const {
  return has(name) ? values_[name].as<std::vector<std::string>>() : std::vector<std::string>{};
}

std::int64_t Arguments::integer(const char* name, std::int64_t otherwise, std::int64_t least, std::int64_t most) const {
  const std::optional<std::string> given = text(name);
  if (!given) return otherwise;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(given->data(), given->data() + given->size(), value);
  if (error != std::errc() || end != given->data() + given->size() || value < least || value > most)
    refuse_value(name, *given,
                 most == std::numeric_limits<std::int64_t>::max()
                     ? tsrun::text("a whole number of at least ", least)
                     : tsrun::text("a whole number from ", least, " to ", most));
  return value;
}

double Arguments::real(const char* name, double otherwise, double least, double most) const {
  const std::optional<std::string> given = text(name);
  if (!given) return otherwise;
  double value = 0;
  const auto [end, error] = std::from_chars(given->data(), given->data() + given->size(), value);
  if (error != std::errc() || end != given->data() + given->size() || !std::isfinite(value) || value < least ||
      value > most)
    refuse_value(name, *given, tsrun::text("a number from ", least, " to ", most));
  return value;
}

}  // namespace tsrun::cli
