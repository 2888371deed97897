// A walk through a file's header that cannot leave the file.
//
// Every number it meets may be a lie, so it asks the file's size first: nothing is allocated, skipped or read on the
// word of a length alone. Behind it stands a small window, so that a long header is read in few calls.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "tsrun/import/bytes.hpp"

namespace tsrun {

class Cursor {
 public:
  explicit Cursor(const Bytes& bytes, std::uint64_t position = 0) : bytes_(bytes), position_(position) {}

  std::uint64_t position() const { return position_; }
  std::uint64_t remaining() const { return bytes_.size() - position_; }

  // `what` names the thing that is read, for the refusal: "the number of tensors".
  template <class T>
  T take(std::string_view what) {
    static_assert(std::is_arithmetic_v<T>);
    T value;
    std::memcpy(&value, next(sizeof value, what), sizeof value);
    return value;
  }
  // A string is its length in 8 bytes, then its bytes; one longer than `longest` is refused.
  std::string take_string(std::uint64_t longest, std::string_view what);
  void skip(std::uint64_t count, std::string_view what);
  // Refuses `count` things of at least `bytes_each` that the rest of the file cannot hold.
  void require_room(std::uint64_t count, std::uint64_t bytes_each, std::string_view what) const;

 private:
  const std::byte* next(std::size_t count, std::string_view what);

  const Bytes& bytes_;
  std::uint64_t position_;
  std::vector<std::byte> window_;
  std::uint64_t window_begin_ = 0;
};

}  // namespace tsrun
