// Whole characters out of bytes that come in any portions (Unicode, chapter 3, "maximal subparts").
#include <algorithm>

#include "tsrun/core/text.hpp"
#include "tsrun/tokenizer/tokenizer.hpp"

namespace tsrun {
namespace {

constexpr const char* replacement = "\xef\xbf\xbd";

}  // namespace

std::string Utf8Stream::push(std::string_view bytes) {
  waiting_ += bytes;
  std::string out;
  std::size_t at = 0;
  while (at < waiting_.size()) {
    const Utf8Beginning next = utf8_beginning(std::string_view(waiting_).substr(at));
    const std::size_t n = std::max<std::size_t>(1, next.there);
    if (next.is_whole()) out.append(waiting_, at, n);
    else if (at + n == waiting_.size() && next.size > 0) break;  // more may come
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
