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

  std::byte* data() const { return data_; }
  std::int64_t bytes() const { return bytes_; }

 private:
  std::byte* data_ = nullptr;
  std::int64_t bytes_ = 0;
};

}  // namespace tsrun
