// Typed access to the fields of a config.json. null means the same as a field that is not there, unless it is asked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json.hpp"
#include "tsrun/core/error.hpp"

namespace tsrun {

class HfConfig {
 public:
  // `path` leads from the file's top to this object: "rope_scaling."
  HfConfig(const Json& json, std::string where, std::string path = "")
      : json_(&json), where_(std::move(where)), path_(std::move(path)) {}

  const std::string& where() const { return where_; }
  const Json& json() const { return *json_; }

  bool states(std::string_view key) const { return json_->contains(key); }  // be it null
  bool has(std::string_view key) const;                                    // and not null
  // Nothing where the field is not there or null. A value of another kind is refused by its name.
  std::optional<std::int64_t> integer(std::string_view key) const;
  std::optional<double> real(std::string_view key) const;
  std::optional<bool> boolean(std::string_view key) const;
  std::optional<std::string> string(std::string_view key) const;
  std::optional<std::vector<std::string>> strings(std::string_view key) const;
  std::optional<std::vector<std::int64_t>> integers(std::string_view key) const;
  std::optional<HfConfig> object(std::string_view key) const;

  // The same, refused where it is not there.
  std::int64_t required_integer(std::string_view key) const;
  double required_real(std::string_view key) const;

  // "rope_scaling.factor"
  std::string full(std::string_view key) const;
  // "the model has X, which tsrun does not compute", with the field and its value.
  [[noreturn]] void unsupported(std::string_view feature, std::string_view key) const;
  [[noreturn]] void contradiction(std::string what, Numbers numbers) const;

 private:
  const Json* find(std::string_view key) const;
  [[noreturn]] void missing(std::string_view key) const;
  [[noreturn]] void wrong_kind(std::string_view key, std::string_view wanted) const;

  const Json* json_;
  std::string where_, path_;
};

}  // namespace tsrun
