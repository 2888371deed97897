#include "hf_config.hpp"

#include <cmath>

#include "tsrun/core/text.hpp"
#include "words.hpp"

namespace tsrun {
namespace {

std::optional<std::int64_t> whole(const Json& value) {
  if (value.is_number_unsigned() && value.get<std::uint64_t>() >> 63 == 0) return value.get<std::int64_t>();
  if (value.is_number_integer() && !value.is_number_unsigned()) return value.get<std::int64_t>();
  return std::nullopt;
}

}  // namespace

const Json* HfConfig::find(std::string_view key) const {
  const auto found = json_->find(key);
  return found == json_->end() || found->is_null() ? nullptr : &*found;
}

bool HfConfig::has(std::string_view key) const { return find(key) != nullptr; }

std::string HfConfig::full(std::string_view key) const { return text(path_, printable(key)); }

void HfConfig::missing(std::string_view key) const {
  refuse({.what = text("the configuration lacks ", full(key)), .where = where_,
          .next = "fetch the folder's config.json again"});
}

void HfConfig::wrong_kind(std::string_view key, std::string_view wanted) const {
  refuse({.what = text("the value of ", full(key), " is not ", wanted), .where = where_,
          .numbers = {{"value", printable(find(key)->dump(-1, ' ', true))}},
          .next = "the file is damaged or was made by a program that tsrun does not know"});
}

void HfConfig::unsupported(std::string_view feature, std::string_view key) const {
  const Json* const value = find(key);
  refuse({.what = text("the model has ", feature, ", which tsrun does not compute"), .where = where_,
          .numbers = {{full(key), value ? printable(value->dump(-1, ' ', true)) : std::string("null")}},
          .next = "choose a model without it"});
}

void HfConfig::contradiction(std::string what, Numbers numbers) const {
  refuse({.what = std::move(what), .where = where_, .numbers = std::move(numbers),
          .next = "the configuration contradicts itself; fetch the folder again"});
}

std::optional<std::int64_t> HfConfig::integer(std::string_view key) const {
  const Json* const value = find(key);
  if (!value) return std::nullopt;
  if (const auto number = whole(*value)) return number;
  wrong_kind(key, "a whole number");
}

std::optional<double> HfConfig::real(std::string_view key) const {
  const Json* const value = find(key);
  if (!value) return std::nullopt;
  if (value->is_number() && std::isfinite(value->get<double>())) return value->get<double>();
  wrong_kind(key, "a finite number");
}

std::optional<bool> HfConfig::boolean(std::string_view key) const {
  const Json* const value = find(key);
  if (!value) return std::nullopt;
  if (value->is_boolean()) return value->get<bool>();
  wrong_kind(key, "true or false");
}

std::optional<std::string> HfConfig::string(std::string_view key) const {
  const Json* const value = find(key);
  if (!value) return std::nullopt;
  if (value->is_string()) return value->get<std::string>();
  wrong_kind(key, "a text");
}

std::optional<std::vector<std::string>> HfConfig::strings(std::string_view key) const {
  const Json* const value = find(key);
  if (!value) return std::nullopt;
  std::vector<std::string> out;
  if (!value->is_array()) wrong_kind(key, "a list of texts");
  for (const Json& each : *value) {
    if (!each.is_string()) wrong_kind(key, "a list of texts");
    out.push_back(each.get<std::string>());
  }
  return out;
}

std::optional<std::vector<std::int64_t>> HfConfig::integers(std::string_view key) const {
  const Json* const value = find(key);
  if (!value) return std::nullopt;
  std::vector<std::int64_t> out;
  if (!value->is_array()) wrong_kind(key, "a list of whole numbers");
  for (const Json& each : *value) {
    const auto number = whole(each);
    if (!number) wrong_kind(key, "a list of whole numbers");
    out.push_back(*number);
  }
  return out;
}

std::optional<HfConfig> HfConfig::object(std::string_view key) const {
  const Json* const value = find(key);
  if (!value) return std::nullopt;
  if (value->is_object()) return HfConfig(*value, where_, full(key) + ".");
  wrong_kind(key, "an object");
}

std::int64_t HfConfig::required_integer(std::string_view key) const {
  const auto value = integer(key);
  if (!value) missing(key);
  return *value;
}

double HfConfig::required_real(std::string_view key) const {
  const auto value = real(key);
  if (!value) missing(key);
  return *value;
}

}  // namespace tsrun
