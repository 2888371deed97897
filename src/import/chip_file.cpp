#include "tsrun/import/chip_file.hpp"

#include <cmath>

#include "json.hpp"
#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/schedule/schedule.hpp"
#include "words.hpp"

namespace tsrun {
namespace {

constexpr const char* next = "see data/chips/README.md for the fields of a chip, or copy the nearest file there";

// One object of the file, and the place that messages name.
class Fields {
 public:
  Fields(const Json& object, std::string where) : object_(object), where_(std::move(where)) {}

  Fields inner(const char* name) const {
    const Json& value = at(name);
    if (!value.is_object()) wrong(name, "an object");
    return {value, text(where_, ", ", name)};
  }
  double at_least(const char* name, double least) const {
    const Json& value = at(name);
    if (!value.is_number() || !std::isfinite(value.get<double>()) || value.get<double>() < least)
      wrong(name, text("a number of at least ", least));
    return value.get<double>();
  }
  double positive(const char* name) const {
    const double value = at_least(name, 0);
    if (value == 0) wrong(name, "a number above 0");
    return value;
  }
  int whole(const char* name, int least, int most) const {
    const Json& value = at(name);
    if (!value.is_number_integer() || value.get<double>() < least || value.get<double>() > most)
      wrong(name, text("a whole number from ", least, " to ", most));
    return value.get<int>();
  }
  bool yes(const char* name) const {
    if (!at(name).is_boolean()) wrong(name, "true or false");
    return at(name).get<bool>();
  }
  std::string words(const char* name) const {
    if (!at(name).is_string()) wrong(name, "a text");
    return at(name).get<std::string>();
  }
  template <class Kind>
  Kind one_of(const char* name, std::initializer_list<std::pair<const char*, Kind>> kinds) const {
    const std::string word = words(name);
    std::string known;
    for (const auto& [text_of, kind] : kinds) {
      if (word == text_of) return kind;
      known += (known.empty() ? "" : ", ") + std::string(text_of);
    }
    wrong(name, text("one of ", known));
  }
  AxisSet axes(const char* name) const {
    AxisSet set;
    const Json& list = at(name);
    if (!list.is_array()) wrong(name, "a list of x, y, z");
    for (const Json& entry : list) {
      const std::string axis = entry.is_string() ? entry.get<std::string>() : "";
      if (axis.size() != 1 || axis[0] < 'x' || axis[0] > 'z') wrong(name, "a list of x, y, z");
      set = set.with(static_cast<Axis>(axis[0] - 'x'));
    }
    return set;
  }

 private:
  const Json& at(const char* name) const {
    const auto found = object_.find(name);
    if (found == object_.end())
      refuse({.what = text("a chip file without \"", name, "\""), .where = where_, .next = next});
    return *found;
  }
  [[noreturn]] void wrong(const char* name, const std::string& expected) const {
    refuse({.what = text("\"", name, "\" of a chip is ", expected, ", not ", printable(object_.at(name).dump())),
            .where = where_,
            .next = next});
  }

  const Json& object_;
  std::string where_;
};

// How a chip's software moves activations and weights.
Schedules read_schedules(const Fields& f) {
  using enum ScheduleName;
  Schedules s = schedules_named(f.one_of<ScheduleName>(
      "activations", {{"one_way", ring}, {"two_way", two_way}, {"balanced", balanced}, {"latency", latency}}));
  if (s.all_gather != ring) s.all_reduce = s.reduce_scatter_tokens = s.all_gather;
  s.gather_weights = f.one_of<ScheduleName>(
      "weight_gather", {{"one_way", ring}, {"two_way", two_way}, {"balanced", balanced}, {"latency", latency}});
  if (f.one_of<bool>("axes", {{"in_sequence", false}, {"rotated", true}})) s.all_gather = s.reduce_scatter = rotated;
  return s;
}

}  // namespace

Chip read_chip(const std::string& path) {
  const auto bytes = open_bytes(path);
  const Json json = read_object(*bytes);
  const Fields file(json, path), flops = file.inner("flops"), program = file.inner("program"),
                                 moves = file.inner("schedules");
  Chip c;
  c.name = file.words("name");
  c.source = file.words("source");
  c.calibrated = file.yes("calibrated");
  c.bf16_flops = flops.positive("bf16");
  c.int8_flops = flops.positive("int8");
  c.f32_flops = flops.positive("f32");
  c.memory_bytes = file.positive("memory_bytes");
  c.memory_bytes_per_s = file.positive("memory_bytes_per_s");
  c.link_bytes_per_s = file.positive("link_bytes_per_s");
  c.alpha_s = file.at_least("alpha_s", 0);
  c.call_s = file.at_least("call_s", 0);
  c.efficiency = file.positive("efficiency");
  c.passes = file.at_least("passes", 0);
  c.pass_s = file.at_least("pass_s", 0);
  c.activation_bytes = file.whole("activation_bytes", 1, 8);
  c.wrap = file.one_of<Wrap>(
      "wrap",
      {{"never", Wrap::never}, {"always", Wrap::always}, {"all_axes_multiple_of_4", Wrap::all_axes_multiple_of_4}});
  c.kv = program.one_of<KvStorage>("kv", {{"columns", KvStorage::columns}, {"replicated", KvStorage::replicated}});
  c.released_heads = program.one_of<bool>("heads", {{"cut", false}, {"released", true}});
  c.q_through_heads = program.one_of<bool>("q", {{"into_batch", false}, {"through_heads", true}});
  c.fused = program.one_of<Fused>("fused", {{"max", Fused::max}, {"chunked", Fused::chunked}});
  c.overlap = moves.axes("overlap");
  c.schedules = read_schedules(moves);
  return c;
}

}  // namespace tsrun
