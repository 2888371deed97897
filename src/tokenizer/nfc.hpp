// Unicode's canonical composition, Normalization Form C (UAX 15).
#pragma once

#include <string>
#include <string_view>

namespace tsrun {

std::string nfc(std::string_view text);  // of valid UTF-8

}  // namespace tsrun
