// The configuration: one attribute of /config per fact.

#include <algorithm>
#include <type_traits>

#include "attributes.hpp"
#include "facts.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun {
namespace {

// Facts that the first files do not state, because every model had their default then.
constexpr std::string_view later_facts[] = {
    "norm_place", "two_norms",  "qk_norm",         "attn_scale",     "window",         "full_every",
    "positions",  "nope_every", "rope_local_base", "rope_beta_fast", "rope_beta_slow", "rope_attention_factor",
};
bool may_be_absent(std::string_view fact) {
  return std::find(std::begin(later_facts), std::end(later_facts), fact) != std::end(later_facts);
}

}  // namespace

void write_config(hid_t file, const ModelConfig& config) {
  const h5::Id group = h5::create_group(file, "/config");
  visit_fields(config, [&group](const char* name, const auto& field) {
    using Field = std::remove_cvref_t<decltype(field)>;
    if constexpr (std::is_enum_v<Field>) put(group, name, word(field));
    else if constexpr (std::is_same_v<Field, std::string>) put(group, name, std::string_view(field));
    else put(group, name, field);
  });
}

ModelConfig read_config(hid_t file, const std::string& path) {
  const std::string place = "/config";
  if (!h5::exists(file, place)) misfit(path, place, "the configuration is missing");
  const h5::Id group = h5::open_group(file, place);
  const Attributes attributes(group, path, place);
  ModelConfig config;
  visit_fields(config, [&](const char* name, auto& field) {
    if (may_be_absent(name) && !attributes.has(name)) return;
    if constexpr (std::is_enum_v<std::remove_cvref_t<decltype(field)>>) {
      std::string found;
      attributes.get(name, found);
      if (!from_word(found, field))
        misfit(path, place, text("the attribute ", name, " is a word that this tsrun does not know"), {{name, found}});
    } else {
      attributes.get(name, field);
    }
  });
  validate(config, path);
  return config;
}

}  // namespace tsrun
