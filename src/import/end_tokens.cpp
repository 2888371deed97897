#include "end_tokens.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <string_view>

namespace tsrun {
namespace {

// Whatever the family.
constexpr std::string_view end_names[] = {"<|im_end|>",      "<|eot_id|>",    "<|endoftext|>",
                                          "<|end_of_text|>", "<end_of_turn>", "<|end|>"};

}  // namespace

void gather_ends(TokenizerData& data, const std::vector<std::int32_t>& others) {
  std::vector<std::int32_t>& ends = data.ends;
  std::set<std::int32_t> known(ends.begin(), ends.end());
  const auto add = [&](std::int32_t id) {
    if (known.insert(id).second) ends.push_back(id);
  };
  if (data.eos) add(*data.eos);
  for (const std::int32_t id : others) add(id);
  for (std::size_t i = 0; i < data.types.size(); ++i)
    if (data.types[i] == TokenType::control &&
        std::find(std::begin(end_names), std::end(end_names), data.tokens[i]) != std::end(end_names))
      add(static_cast<std::int32_t>(i));
}

}  // namespace tsrun
