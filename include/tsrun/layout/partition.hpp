// Partitions of tensors over the torus, and the algebra of the collectives on them.
//
// `BLE_xzy` is a tensor [B, L, E] whose last dimension is cut over x, z and y, x major. `E_xF_zy` is a weight cut
// both ways. `BLF_zy (partialsum-x)` is an addend: the chips along x must still be added. The axes of a dimension
// are a stack, and every collective pops or pushes at its minor end:
//   all_gather(x, F)         pops x                 BLF_zyx -> BLF_zy
//   reduce_scatter(x, F)     partial x, pushes x    BLF_zy (partialsum-x) -> BLF_zyx
//   all_reduce(x)            partial x is summed    BL (partialsum-x) -> BL
//   all_to_all(x, H, B)      pops and pushes        BLH_zyx -> B_xLH_zy
//   slice(x, B)              pushes, no bytes       BLE -> B_xLE
//   open(x, B)               pushes a hole          BLE -> B_XLE, for reduce_scatter(x, B) to fill
//   matmul                   the axes of the contracted dimensions become partial sums
// What cannot be popped is refused, never silently permuted. Partitions are compared, not shapes. Literals are
// parsed by the compiler: "BLE_xzy"_p. Source: the notation of paper section 3.1 with orders in place of sets.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "tsrun/layout/axis.hpp"
#include "tsrun/layout/torus.hpp"

namespace tsrun {

// B batch, L new tokens, E width, F feed-forward, H query heads, K key/value heads, Q head width, C = K x Q columns,
// V vocabulary, P positions, J key/value slots of a chip, S cached positions, T statistics of a norm.
enum class Dim : char {
  B = 'B',
  L = 'L',
  E = 'E',
  F = 'F',
  H = 'H',
  K = 'K',
  Q = 'Q',
  C = 'C',
  V = 'V',
  P = 'P',
  J = 'J',
  S = 'S',
  T = 'T'
};

constexpr bool is_dim(char c) { return std::string_view("BLEFHKQCVPJST").find(c) != std::string_view::npos; }

struct Cut {
  Dim dim = Dim::B;
  AxisStack axes{};
  friend constexpr bool operator==(const Cut&, const Cut&) = default;
};

class Partition {
 public:
  static constexpr int max_dims = 4;

  constexpr Partition() = default;
  // Dimensions in their order, none of them cut.
  constexpr explicit Partition(std::string_view dims) {
    for (const char c : dims) add(c);
  }
  // "B_xLE_zy (partialsum-x)"; anything else is a broken promise (std::logic_error, or a compile error in a literal).
  static constexpr Partition parse(std::string_view text);

  constexpr int dims() const { return count_; }
  constexpr const Cut& operator[](int i) const { return cuts_[static_cast<std::size_t>(i)]; }
  constexpr bool has(Dim d) const { return find(d) >= 0; }
  // Position of the dimension, -1 if it has none.
  constexpr int find(Dim d) const {
    for (int i = 0; i < count_; ++i)
      if ((*this)[i].dim == d) return i;
    return -1;
  }
  constexpr const AxisStack& axes(Dim d) const { return (*this)[index(d)].axes; }
  constexpr AxisSet partial() const { return partial_; }
  // Every axis over which the tensor is cut or partial; over the others it is replicated.
  constexpr AxisSet used() const {
    AxisSet s = partial_;
    for (int i = 0; i < count_; ++i) s = s | (*this)[i].axes.set();
    return s;
  }

  // One more, minor dimension.
  constexpr Partition then(const Cut& cut) const {
    Partition p = *this;
    p.add(static_cast<char>(cut.dim));
    p.at(cut.dim).axes = cut.axes;
    p.validate();
    return p;
  }
  constexpr Partition with(Dim d, const AxisStack& axes) const {
    Partition p = *this;
    p.at(d).axes = axes;
    p.validate();
    return p;
  }
  constexpr Partition with_partial(AxisSet axes) const {
    Partition p = *this;
    p.partial_ = axes;
    p.validate();
    return p;
  }

  constexpr Partition all_gather(Axis a, Dim d) const { return popped(a, d); }
  constexpr Partition reduce_scatter(Axis a, Dim d) const { return all_reduce(a).pushed(a, d); }
  constexpr Partition all_reduce(Axis a) const {
    check(partial_.has(a), "a reduction is over an axis of the partial sum");
    Partition p = *this;
    p.partial_ = partial_.without(a);
    return p;
  }
  constexpr Partition all_to_all(Axis a, Dim from, Dim to) const { return popped(a, from).pushed(a, to); }
  constexpr Partition slice(Axis a, Dim d) const { return pushed(a, d); }
  constexpr Partition open(Axis a, Dim d) const {
    Partition p = *this;
    p.at(d).axes.push_hole(a);
    return p;
  }

  friend constexpr bool operator==(const Partition&, const Partition&) = default;

 private:
  constexpr int index(Dim d) const {
    const int i = find(d);
    check(i >= 0, "the tensor has the dimension");
    return i;
  }
  constexpr Cut& at(Dim d) { return cuts_[static_cast<std::size_t>(index(d))]; }
  constexpr void add(char dim) {
    check(is_dim(dim), "a dimension is one of B L E F H K Q C V P J S T");
    check(count_ < max_dims, "a tensor has at most four dimensions");
    check(find(static_cast<Dim>(dim)) < 0, "a tensor names a dimension once");
    cuts_[static_cast<std::size_t>(count_++)].dim = static_cast<Dim>(dim);
  }
  constexpr void validate() const {
    AxisSet seen = partial_;
    for (int i = 0; i < count_; ++i) {
      check((seen & (*this)[i].axes.set()).empty(), "an axis is used once in a partition");
      seen = seen | (*this)[i].axes.set();
    }
  }
  constexpr Partition popped(Axis a, Dim d) const {
    check(!axes(d).empty() && axes(d).minor() == a, "only the minor axis of a dimension can be popped");
    Partition p = *this;
    p.at(d).axes.pop();
    return p;
  }
  constexpr Partition pushed(Axis a, Dim d) const {
    check(!used().has(a), "an axis is pushed where the tensor is replicated over it");
    Partition p = *this;
    p.at(d).axes.push(a);
    return p;
  }

  std::array<Cut, max_dims> cuts_{};
  std::int8_t count_ = 0;
  AxisSet partial_{};
};

constexpr Partition Partition::parse(std::string_view text) {
  constexpr std::string_view opening = " (partialsum-";
  const auto axis_at = [text](std::size_t i) {
    check(i < text.size() && text[i] >= 'x' && text[i] <= 'z', "an axis is one of x y z");
    return static_cast<Axis>(text[i] - 'x');
  };
  Partition p;
  std::size_t i = 0;
  while (i < text.size() && text[i] != ' ') {
    p.add(text[i++]);
    if (i == text.size() || text[i] != '_') continue;
    AxisStack& stack = p.cuts_[static_cast<std::size_t>(p.count_ - 1)].axes;
    ++i;
    do stack.push(axis_at(i++));
    while (i < text.size() && text[i] != ' ' && !is_dim(text[i]));
  }
  if (i < text.size()) {
    check(text.substr(i, opening.size()) == opening && text.back() == ')', "a partial sum reads (partialsum-x)");
    for (i += opening.size(); i + 1 < text.size(); ++i) {
      check(!p.partial_.has(axis_at(i)), "a partial sum names an axis once");
      p.partial_ = p.partial_.with(axis_at(i));
    }
    check(!p.partial_.empty(), "a partial sum names its axes");
  }
  check(p.count_ > 0, "a partition names a dimension");
  p.validate();
  return p;
}

inline namespace literals {
consteval Partition operator""_p(const char* text, std::size_t size) { return Partition::parse({text, size}); }
}  // namespace literals

// a * b contracted over every dimension they share: the other dimensions of a, then those of b. Both must cut the
// shared ones alike; their axes become partial sums.   BLE_x * E_xF_zy -> BLF_zy (partialsum-x)
constexpr Partition matmul(const Partition& a, const Partition& b) {
  check(a.partial().empty() && b.partial().empty(), "a factor of a matmul is not a partial sum");
  std::array<Cut, Partition::max_dims> kept{};
  std::size_t n = 0;
  AxisSet contracted;
  for (int i = 0; i < a.dims(); ++i) {
    if (!b.has(a[i].dim)) {
      kept[n++] = a[i];
      continue;
    }
    check(a[i].axes == b.axes(a[i].dim), "a contracted dimension is cut alike in both factors");
    contracted = contracted | a[i].axes.set();
  }
  for (int i = 0; i < b.dims(); ++i) {
    if (a.has(b[i].dim)) continue;
    check(n < kept.size(), "a tensor has at most four dimensions");
    kept[n++] = b[i];
  }
  Partition out;
  for (std::size_t i = 0; i < n; ++i) out = out.then(kept[i]);
  return out.with_partial(contracted);
}

std::string to_text(const Partition& partition);

// A half-open range of global indices.
struct Range {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  constexpr std::int64_t size() const { return end - begin; }
  friend constexpr bool operator==(const Range&, const Range&) = default;
};

// What a chip holds of a dimension of `size` elements, a multiple of the cut.
constexpr Range shard(const Torus& torus, const AxisStack& axes, const Coord& chip, std::int64_t size) {
  check(axes.holes().empty(), "what lies around a hole is not one range");
  const std::int64_t cut = torus.size(axes);
  check(size % cut == 0, "a padded dimension is a multiple of its cut");
  const std::int64_t block = block_of(torus, axes, chip);
  return {size / cut * block, size / cut * (block + 1)};
}

}  // namespace tsrun
