// Whole characters out of bytes that come in any portions (Unicode, chapter 3, table 3-7 and "maximal subparts").
#include "tsrun/tokenizer/tokenizer.hpp"

namespace tsrun {
namespace {

constexpr const char* replacement = "\xef\xbf\xbd";

struct Sequence {
  std::size_t length = 0;    // of the character that begins here, 0 if none can
  unsigned low = 0x80, high = 0xbf;  // of its second byte
};

Sequence sequence_of(unsigned char first) {
  if (first < 0x80) return {1};
  if (first >= 0xc2 && first <= 0xdf) return {2};
  if (first == 0xe0) return {3, 0xa0, 0xbf};
  if (first == 0xed) return {3, 0x80, 0x9f};  // no surrogates
  if (first >= 0xe1 && first <= 0xef) return {3};
  if (first == 0xf0) return {4, 0x90, 0xbf};
  if (first >= 0xf1 && first <= 0xf3) return {4};
  if (first == 0xf4) return {4, 0x80, 0x8f};  // nothing above U+10FFFF
  return {};
}

bool can_begin(char first) { return sequence_of(static_cast<unsigned char>(first)).length != 0; }

// How many bytes at `at` belong to one character as far as they go; `whole` if they are all of it.
std::size_t take(const std::string& bytes, std::size_t at, bool& whole) {
  const Sequence s = sequence_of(static_cast<unsigned char>(bytes[at]));
  std::size_t n = 1;
  for (; n < s.length && at + n < bytes.size(); ++n) {
    const auto next = static_cast<unsigned char>(bytes[at + n]);
    if (n == 1 ? next < s.low || next > s.high : next < 0x80 || next > 0xbf) break;
  }
  whole = n == s.length;
  return n;
}

}  // namespace

std::string Utf8Stream::push(std::string_view bytes) {
  waiting_ += bytes;
  std::string out;
  std::size_t at = 0;
  while (at < waiting_.size()) {
    bool whole = false;
    const std::size_t n = take(waiting_, at, whole);
    if (whole) out.append(waiting_, at, n);
    else if (at + n == waiting_.size() && can_begin(waiting_[at])) break;  // more may come
    else out += replacement;
    at += n;
  }
  waiting_.erase(0, at);
  return out;
}

std::string Utf8Stream::finish() {
  const bool unfinished = !waiting_.empty();
  waiting_.clear();
  return unfinished ? replacement : "";
}

}  // namespace tsrun
