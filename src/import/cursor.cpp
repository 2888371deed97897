#include "cursor.hpp"

#include <algorithm>

#include "tsrun/core/error.hpp"
#include "tsrun/core/integer.hpp"
#include "tsrun/core/text.hpp"
#include "words.hpp"

namespace tsrun {
namespace {
constexpr std::uint64_t window_bytes = 64 * 1024;
}

void Cursor::require_room(std::uint64_t count, std::uint64_t bytes_each, std::string_view what) const {
  const auto bytes = checked_mul(count, bytes_each);
  if (bytes && *bytes <= remaining()) return;
  refuse({.what = text("the file ends inside its header: ", what, " does not fit into the rest of it"),
          .where = bytes_.name(),
          .numbers = {{"at byte", number(position_)}, {"count", number(count)}, {"rest", number(remaining())}},
          .next = "the file is damaged or not complete; fetch it again"});
}

std::string Cursor::take_string(std::uint64_t longest, std::string_view what) {
  const auto length = take<std::uint64_t>(what);
  require_room(length, 1, what);
  if (length > longest)
    refuse({.what = text(what, " is absurdly long"), .where = bytes_.name(),
            .numbers = {{"bytes", number(length)}, {"longest", number(longest)}},
            .next = "the file is damaged; fetch it again"});
  std::string out(static_cast<std::size_t>(length), '\0');
  if (length <= window_bytes) {
    if (length > 0) std::memcpy(out.data(), next(out.size(), what), out.size());
  } else {
    bytes_.read(position_, std::as_writable_bytes(std::span(out)));
    position_ += length;
  }
  return out;
}

void Cursor::skip(std::uint64_t count, std::string_view what) {
  require_room(count, 1, what);
  position_ += count;
}

const std::byte* Cursor::next(std::size_t count, std::string_view what) {
  require_room(count, 1, what);
  if (position_ < window_begin_ || position_ + count > window_begin_ + window_.size()) {
    window_.resize(static_cast<std::size_t>(std::min(std::max<std::uint64_t>(window_bytes, count), remaining())));
    window_begin_ = position_;
    bytes_.read(window_begin_, window_);
  }
  const std::byte* const at = window_.data() + (position_ - window_begin_);
  position_ += count;
  return at;
}

}  // namespace tsrun
