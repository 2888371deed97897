// The family of a chat template, by the marks in its source.
#pragma once

#include <string>

namespace tsrun {

// "chatml", "llama-2", "llama-3", "mistral", "gemma", "phi-3", or "of its own" with the template's first line.
std::string chat_name(const std::string& source);

}  // namespace tsrun
