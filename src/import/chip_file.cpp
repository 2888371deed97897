#include "tsrun/import/chip_file.hpp"

#include "json.hpp"
#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/schedule/schedule.hpp"
#include "words.hpp"

namespace tsrun {
namespace {

constexpr const char* next = "see data/chips/README.md for the fields of a chip, or copy the nearest file there";

// Far outside of any chip, and so far inside of double and int64 that no price or search by doubling leaves them.
struct Limits {
  double least, most;
};
constexpr Limits rates = {1, 1e21};      // a second: FLOPs, bytes
constexpr Limits sizes = {1, 1e18};      // bytes
constexpr Limits times = {1e-15, 1e3};   // seconds
constexpr Limits factors = {1e-6, 1e6};  // efficiency, passes

bool is_within(double value, const Limits& limits) { return value >= limits.least && value <= limits.most; }

// One object of the file, and the place that messages name.
class Fields {
 public:
  Fields(const Json& object, std::string where) : object_(object), where_(std::move(where)) {}

  Fields inner(const char* name) const {
    const Json& value = at(name);
    if (!value.is_object()) wrong(name, "an object");
    return {value, text(where_, ", ", name)};
  }
  double within(const char* name, const Limits& limits) const {
    const Json& value = at(name);
    if (!value.is_number() || !is_within(value.get<double>(), limits))
      wrong(name, text("a number from ", limits.least, " to ", limits.most));
    return value.get<double>();
  }
  double zero_or_within(const char* name, const Limits& limits) const {
    const Json& value = at(name);
    if (!value.is_number() || (value.get<double>() != 0 && !is_within(value.get<double>(), limits)))
      wrong(name, text("0, or a number from ", limits.least, " to ", limits.most));
    return value.get<double>();
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
  c.bf16_flops = flops.within("bf16", rates);
  c.int8_flops = flops.within("int8", rates);
  c.f32_flops = flops.within("f32", rates);
  c.memory_bytes = file.within("memory_bytes", sizes);
  c.memory_bytes_per_s = file.within("memory_bytes_per_s", rates);
  c.link_bytes_per_s = file.within("link_bytes_per_s", rates);
  c.alpha_s = file.zero_or_within("alpha_s", times);
  c.call_s = file.zero_or_within("call_s", times);
  c.efficiency = file.within("efficiency", factors);
  c.passes = file.zero_or_within("passes", factors);
  c.pass_s = file.zero_or_within("pass_s", times);
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
