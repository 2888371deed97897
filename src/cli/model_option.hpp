// A model as the options of plan and bench name it, where no weights are needed.
#pragma once

#include <string>

#include "tsrun/model/config.hpp"

namespace tsrun::cli {

// The configuration of a model file, of a Hugging Face folder or its config.json, or of a model of data/models by name.
ModelConfig config_named(const std::string& given);

}  // namespace tsrun::cli
