#include "model_option.hpp"

#include <filesystem>

#include "data_folder.hpp"
#include "tsrun/import/source.hpp"
#include "tsrun/store/model_file.hpp"

namespace tsrun::cli {

ModelConfig config_named(const std::string& given) {
  std::error_code ignored;
  if (std::filesystem::is_directory(given, ignored)) return read_hf_config(given + "/config.json");
  if (given.ends_with(".h5")) return ModelFile(given).config();
  return read_hf_config(named_file("models", given, "--model"));
}

}  // namespace tsrun::cli
