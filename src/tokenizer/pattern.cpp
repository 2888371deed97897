#include "pattern.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <cstdint>

#include "tsrun/core/error.hpp"

namespace tsrun {
namespace {

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeMatch {
  void operator()(pcre2_match_data* match) const { pcre2_match_data_free(match); }
};
using Code = std::unique_ptr<pcre2_code, FreeCode>;
using Match = std::unique_ptr<pcre2_match_data, FreeMatch>;

PCRE2_SPTR bytes_of(const char* text) { return reinterpret_cast<PCRE2_SPTR>(text); }

std::string words_of(int error) {
  unsigned char words[128] = {};
  pcre2_get_error_message(error, words, sizeof words);
  return reinterpret_cast<const char*>(words);
}

Code compiled(const std::string& pattern, const std::string& where) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  Code code(pcre2_compile(bytes_of(pattern.data()), pattern.size(), PCRE2_UTF | PCRE2_UCP, &error, &offset, nullptr));
  if (!code)
    refuse({.what = "the pre-tokenizer pattern is not one that PCRE2 reads: " + words_of(error), .where = where,
            .numbers = {{"at byte", static_cast<std::int64_t>(offset)}}, .next = "use ids in place of text"});
  std::uint32_t matches_nothing = 0;
  pcre2_pattern_info(code.get(), PCRE2_INFO_MATCHEMPTY, &matches_nothing);
  if (matches_nothing != 0)
    refuse({.what = "the pre-tokenizer pattern matches nothing at all, so it cuts nowhere", .where = where,
            .next = "use ids in place of text"});
  pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);  // without a JIT the interpreter serves
  return code;
}

// The next match at or after `from`; false if there is none.
bool find(const pcre2_code* code, std::string_view text, std::size_t from, pcre2_match_data* match) {
  const int found = pcre2_match(code, bytes_of(text.data()), text.size(), from, PCRE2_NO_UTF_CHECK, match, nullptr);
  if (found == PCRE2_ERROR_NOMATCH) return false;
  if (found < 0)
    refuse({.what = "the pre-tokenizer gave up on the text: " + words_of(found), .where = "the text to encode",
            .numbers = {{"PCRE2 error", std::int64_t{found}}, {"text bytes", static_cast<std::int64_t>(text.size())}},
            .next = "split the text into shorter prompts, or its long runs of spaces"});
  return true;
}

}  // namespace

struct Pattern::State {
  Code code;
};

Pattern::Pattern(std::string_view oniguruma, const std::string& where)
    : state_(new State{compiled(pcre2_of(oniguruma, where), where)}) {}
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern::~Pattern() = default;

void Pattern::walk(std::string_view text, const std::function<void(std::string_view, bool)>& part) const {
  const pcre2_code* const code = state_->code.get();
  const Match match(pcre2_match_data_create_from_pattern(code, nullptr));
  std::size_t at = 0;
  while (at < text.size() && find(code, text, at, match.get())) {
    const PCRE2_SIZE* const bounds = pcre2_get_ovector_pointer(match.get());
    if (bounds[0] > at) part(text.substr(at, bounds[0] - at), false);
    at = bounds[1];
    part(text.substr(bounds[0], at - bounds[0]), true);
  }
  if (at < text.size()) part(text.substr(at), false);
}

}  // namespace tsrun
