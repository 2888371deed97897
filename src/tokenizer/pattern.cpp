#include "pattern.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <cstdint>

#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun {
namespace {

// White space as Unicode's White_Space has it; PCRE2's own \s has U+180E too.
#define SPACE R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})"
#define SPACES "[" SPACE "]"
#define ENDS_IN_SPACE SPACES "+(?![^" SPACE "])|" SPACES "+"

struct Named {
  std::string_view name;
  const char* isolated;  // cut out first, each match a piece; null if nothing is
  const char* pieces;
};

constexpr const char* gpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{L}\p{N})" SPACE "]+|" ENDS_IN_SPACE;

// Llama 3's and Qwen 2's patterns are one but for how many digits may stand together.
#define WORDS R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|)"
#define MARKS_AND_LINES R"(| ?[^\p{L}\p{N})" SPACE "]+[\\r\\n]*|" SPACES "*[\\r\\n]+|" ENDS_IN_SPACE

constexpr Named patterns[] = {
    {"gpt2", nullptr, gpt2},
    {"smollm", R"(\p{N})", gpt2},  // every digit for itself, the rest as in GPT-2
    {"llama3", nullptr, WORDS R"(\p{N}{1,3})" MARKS_AND_LINES},
    {"qwen2", nullptr, WORDS R"(\p{N})" MARKS_AND_LINES},
};

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeMatch {
  void operator()(pcre2_match_data* match) const { pcre2_match_data_free(match); }
};
using Code = std::unique_ptr<pcre2_code, FreeCode>;
using Match = std::unique_ptr<pcre2_match_data, FreeMatch>;

PCRE2_SPTR bytes_of(const char* text) { return reinterpret_cast<PCRE2_SPTR>(text); }

Code compiled(const char* pattern) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  Code code(pcre2_compile(bytes_of(pattern), PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &error, &offset, nullptr));
  check(code != nullptr, "the pre-tokenizer patterns compile");
  pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);  // without a JIT the interpreter serves
  return code;
}

std::string words_of(int error) {
  unsigned char words[128] = {};
  pcre2_get_error_message(error, words, sizeof words);
  return reinterpret_cast<const char*>(words);
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

// Calls piece for every match and for what lies between matches.
template <class Piece>
void walk(const pcre2_code* code, std::string_view text, const Match& match, const Piece& piece) {
  std::size_t at = 0;
  while (at < text.size() && find(code, text, at, match.get())) {
    const PCRE2_SIZE* const bounds = pcre2_get_ovector_pointer(match.get());
    if (bounds[1] == bounds[0]) break;
    if (bounds[0] > at) piece(text.substr(at, bounds[0] - at), false);
    at = bounds[1];
    piece(text.substr(bounds[0], at - bounds[0]), true);
  }
  if (at < text.size()) piece(text.substr(at), false);
}

}  // namespace

struct Pattern::State {
  Code isolated, pieces;
};

Pattern::Pattern(const std::string& name, const std::string& where) {
  std::string known;
  for (const Named& p : patterns) {
    if (p.name == name) {
      auto state = std::make_unique<State>();
      if (p.isolated != nullptr) state->isolated = compiled(p.isolated);
      state->pieces = compiled(p.pieces);
      state_ = std::move(state);
      return;
    }
    known += " " + std::string(p.name);
  }
  refuse({.what = text("the pre-tokenizer pattern \"", name, "\" is not known"), .where = where,
          .next = "use ids in place of text, or a model with one of:" + known});
}
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern::~Pattern() = default;

// PCRE2 checks the whole text before it looks for a match.
std::optional<std::size_t> Pattern::invalid_utf8(std::string_view text) const {
  const pcre2_code* const code = state_->pieces.get();
  const Match match(pcre2_match_data_create_from_pattern(code, nullptr));
  const int found = pcre2_match(code, bytes_of(text.data()), text.size(), 0, PCRE2_ANCHORED, match.get(), nullptr);
  if (found > PCRE2_ERROR_UTF8_ERR1 || found < PCRE2_ERROR_UTF8_ERR21) return std::nullopt;
  return pcre2_get_startchar(match.get());
}

void Pattern::split(std::string_view text, const std::function<void(std::string_view)>& piece) const {
  const pcre2_code* const pieces = state_->pieces.get();
  const Match match(pcre2_match_data_create_from_pattern(pieces, nullptr));
  const auto all = [&](std::string_view part) {
    walk(pieces, part, match, [&piece](std::string_view p, bool) { piece(p); });
  };
  if (!state_->isolated) return all(text);
  const Match first(pcre2_match_data_create_from_pattern(state_->isolated.get(), nullptr));
  walk(state_->isolated.get(), text, first,
       [&](std::string_view part, bool isolated) { isolated ? piece(part) : all(part); });
}

}  // namespace tsrun
