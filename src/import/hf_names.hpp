// What transformers calls the tensors of its families; '#' stands for the layer.
#pragma once

#include <span>
#include <string_view>

#include "names.hpp"

namespace tsrun::hf {

std::span<const TensorName> llama_names();     // and most others
std::span<const TensorName> gemma3_names();
std::span<const TensorName> olmo2_names();
std::span<const TensorName> phi3_names();
std::span<const TensorName> starcoder2_names();
std::span<const TensorName> gpt_neox_names();
std::span<const TensorName> gpt2_names();
std::span<const TensorName> gpt_bigcode_names();
std::span<const TensorName> falcon_names();

std::span<const std::string_view> llama_ignored();
std::span<const std::string_view> gpt_neox_ignored();
std::span<const std::string_view> gpt2_ignored();

}  // namespace tsrun::hf
