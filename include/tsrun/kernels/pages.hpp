// Memory by the page: all 0 to begin with, at the start of a page, in huge ones where the system gives them, so that a
// stream of weights does not wait for page tables.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tsrun {

class Pages {
 public:
  Pages() = default;
  // std::bad_alloc where there is no room.
  explicit Pages(std::int64_t bytes);
  Pages(Pages&& other) noexcept;
  Pages& operator=(Pages&& other) noexcept;
  ~Pages();

  // Touches all of it for the first time, by all threads: in huge pages while these come quickly, in plain ones where they
  // do not.
  void take();

  std::byte* data() const { return data_; }
  std::int64_t bytes() const { return bytes_; }

 private:
  std::byte* data_ = nullptr;
  std::int64_t bytes_ = 0;
};

// Room for `count` of T. It grows and never shrinks, so that the next pass of this size allocates nothing; what was in it
// is lost as it grows.
template <class T = std::byte>
T* room(Pages& buffer, std::int64_t count) {
  const auto bytes = count * static_cast<std::int64_t>(sizeof(T));
  if (buffer.bytes() < bytes) buffer = Pages(bytes);
  return reinterpret_cast<T*>(buffer.data());
}

}  // namespace tsrun
