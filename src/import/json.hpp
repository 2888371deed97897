// JSON of a foreign file, with what JSON itself leaves open decided: one value per name, and no bottomless nesting.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "tsrun/import/bytes.hpp"

namespace tsrun {

using Json = nlohmann::json;

// Refuses what is not one JSON object in UTF-8, that gives a name twice, or nests deeper than 32.
Json parse_object(std::string_view json, const std::string& where);
// The whole of a small file (at most 64 MiB) as an object.
Json read_object(const Bytes& bytes);

}  // namespace tsrun
