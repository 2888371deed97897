#include "json.hpp"

#include <set>
#include <vector>

#include "small_file.hpp"
#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"
#include "words.hpp"

namespace tsrun {
namespace {

constexpr int deepest = 32;
constexpr std::uint64_t longest = std::uint64_t{64} << 20;

[[noreturn]] void damaged(const std::string& where, std::string what, Numbers numbers = {}) {
  refuse({.what = std::move(what), .where = where, .numbers = std::move(numbers),
          .next = "the file is damaged; fetch it again"});
}

// Watches the parser: the names of every open object.
class Watch {
 public:
  explicit Watch(const std::string& where) : where_(where) {}

  bool operator()(int depth, Json::parse_event_t event, const Json& value) {
    if (depth > deepest) damaged(where_, "the JSON is nested too deeply", {{"deepest", std::int64_t{deepest}}});
    if (event == Json::parse_event_t::object_start) names_.emplace_back();
    if (event == Json::parse_event_t::object_end) names_.pop_back();
    if (event == Json::parse_event_t::key && !names_.back().insert(value.get_ref<const std::string&>()).second)
      damaged(where_, text("the name ", printable(value.get_ref<const std::string&>()), " stands twice in one object"));
    return true;
  }

 private:
  const std::string& where_;
  std::vector<std::set<std::string>> names_;
};

}  // namespace

Json parse_object(std::string_view json, const std::string& where) {
  Json out;
  try {
    Watch watch(where);
    const auto watching = [&watch](int depth, Json::parse_event_t event, const Json& value) {
      return watch(depth, event, value);
    };
    out = Json::parse(json.begin(), json.end(), watching);
  } catch (const Json::parse_error& error) {
    damaged(where, "not JSON", {{"at byte", number(error.byte)}});
  } catch (const Json::out_of_range&) {
    damaged(where, "a number of the JSON is too large");
  }
  if (!out.is_object()) damaged(where, "the JSON is not an object");
  return out;
}

Json read_object(const Bytes& bytes) {
  return parse_object(read_small_file(bytes, longest), bytes.name());
}

}  // namespace tsrun
