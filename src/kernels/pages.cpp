#include "tsrun/kernels/pages.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

#include "huge_page_choice.hpp"
#include "tsrun/core/integer.hpp"
#include "tsrun/kernels/team.hpp"

namespace tsrun {
namespace {

constexpr std::int64_t huge = std::int64_t{2} << 20, plain = std::int64_t{4} << 10;  // bytes of a page, or a divisor

// A wish: without it the memory is as good, only slower.
void wish(std::byte* at, std::int64_t bytes, bool is_huge) {
#ifdef MADV_HUGEPAGE
  madvise(at, static_cast<std::size_t>(bytes), is_huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#endif
}

// At the start of a page.
void touch(std::byte* at, std::int64_t bytes) {
#ifdef MADV_POPULATE_WRITE
  if (madvise(at, static_cast<std::size_t>(bytes), MADV_POPULATE_WRITE) == 0) return;
#endif
  for (std::int64_t i = 0; i < bytes; i += plain) *static_cast<volatile std::byte*>(at + i) = std::byte{};
}

}  // namespace

Pages::Pages(std::int64_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  const auto size = static_cast<std::size_t>(bytes);
  void* const at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) throw std::bad_alloc();
  data_ = static_cast<std::byte*>(at);
  wish(data_, bytes_, true);
}

void Pages::take() {
  if (bytes_ == 0) return;
  using Clock = std::chrono::steady_clock;
  constexpr auto quick = std::chrono::milliseconds(2);
  HugePageChoice choice;
  const auto skew = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(data_) % huge);
  share_out(ceil_div(skew + bytes_, huge), true, [&](std::int64_t i) {
    const std::int64_t begin = std::max<std::int64_t>(i * huge - skew, 0), end = std::min((i + 1) * huge - skew, bytes_);
    const bool is_huge = choice.next_is_huge();
    if (!is_huge) wish(data_ + begin, end - begin, false);
    const Clock::time_point start = Clock::now();
    touch(data_ + begin, end - begin);
    if (is_huge) choice.took_huge(Clock::now() - start < quick);
  });
  wish(data_, bytes_, true);  // the system makes huge pages of plain ones when it has time
}

Pages::Pages(Pages&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Pages& Pages::operator=(Pages&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

Pages::~Pages() {
  if (data_ != nullptr) munmap(data_, static_cast<std::size_t>(bytes_));
}

}  // namespace tsrun
