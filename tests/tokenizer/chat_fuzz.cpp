// Any chat template: refused, or rendered, in bounded time and memory.
//
// Built with clang and -DTSRUN_FUZZ=ON; its words are the strings of the reader's source:
//   chat_seeds corpus tests/tokenizer/chats.json
//   grep -ohE '"[a-z_%|{}-]{2,60}"' src/tokenizer/jinja*.cpp | sort -u > words
//   chat_fuzz -dict=words -jobs=2 -workers=2 -max_total_time=600 corpus
#include <cstdlib>

#include "tsrun/core/error.hpp"
#include "tsrun/tokenizer/chat.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tsrun::TokenizerData tokenizer;
  tokenizer.chat_template.assign(reinterpret_cast<const char*>(data), size);
  tokenizer.tokens = {"<s>", "</s>"};
  tokenizer.bos = 0;
  tokenizer.eos = 1;
  try {
    const tsrun::ChatTemplate chat(tokenizer, "fuzz");
    render_chat(chat, {{"system", "Brief."}, {"user", " Hi\n"}, {"assistant", "<think>x</think>Ho"}, {"user", "\u00e9"}},
                true, 0);
  } catch (const tsrun::Error& error) {
    if (error.exit() != tsrun::Exit::request) std::abort();
    for (const char* c = error.what(); *c != '\0'; ++c)
      if (*c < 0x20 || *c == 0x7f) std::abort();  // not safe on a terminal
  }
  return 0;
}
