// Which tokens end a text.
#pragma once

#include <cstdint>
#include <vector>

#include "tsrun/model/tokenizer_data.hpp"

namespace tsrun {

// Fills data.ends, each id once: eos, then `others`, then the control tokens that end a text or a turn by their name.
void gather_ends(TokenizerData& data, const std::vector<std::int32_t>& others);

}  // namespace tsrun
