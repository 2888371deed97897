// Mesh axes, sets of them (which ranks form a group) and stacks of them (who owns which block).
//
// A set names a group of chips. A stack is an order, major to minor: a dimension cut over `zy` gives chip (y, z)
// block z * Y + y. Order is meaning: `F_zy` and `F_yz` have the same sizes and are different partitions.
//
// An entry of a stack may be a hole, written in upper case: its axis does not cut now, but keeps its place among the
// digits. A chip of `B_Xyz` has the rows whose y and z digits are its own, whatever their x digit; cutting over x fills
// the hole and gives `B_xyz`. Source: paper section 3.1; holes are an addition.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "tsrun/core/error.hpp"

namespace tsrun {

enum class Axis : std::uint8_t { x, y, z };

inline constexpr int axis_count = 3;
inline constexpr std::array<Axis, axis_count> all_axes = {Axis::x, Axis::y, Axis::z};

constexpr char letter(Axis axis) { return static_cast<char>('x' + static_cast<int>(axis)); }

class AxisSet {
 public:
  constexpr AxisSet() = default;
  constexpr AxisSet(std::initializer_list<Axis> axes) {
    for (const Axis a : axes) bits_ |= bit(a);
  }
  constexpr bool has(Axis a) const { return (bits_ & bit(a)) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr bool contains(AxisSet other) const { return (bits_ & other.bits_) == other.bits_; }
  constexpr AxisSet with(Axis a) const { return AxisSet(bits_ | bit(a)); }
  constexpr AxisSet without(Axis a) const { return AxisSet(bits_ & ~bit(a)); }
  friend constexpr AxisSet operator|(AxisSet a, AxisSet b) { return AxisSet(a.bits_ | b.bits_); }
  friend constexpr AxisSet operator&(AxisSet a, AxisSet b) { return AxisSet(a.bits_ & b.bits_); }
  friend constexpr AxisSet operator-(AxisSet a, AxisSet b) { return AxisSet(a.bits_ & ~b.bits_); }
  friend constexpr bool operator==(AxisSet, AxisSet) = default;

 private:
  static constexpr unsigned bit(Axis a) { return 1U << static_cast<unsigned>(a); }
  constexpr explicit AxisSet(unsigned bits) : bits_(bits) {}
  unsigned bits_ = 0;
};

inline constexpr AxisSet axes_xyz{Axis::x, Axis::y, Axis::z};

class AxisStack {
 public:
  constexpr AxisStack() = default;
  constexpr AxisStack(std::initializer_list<Axis> major_to_minor) {
    for (const Axis a : major_to_minor) push(a);
  }
  constexpr int size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  constexpr Axis operator[](int i) const { return axes_[static_cast<std::size_t>(i)]; }
  constexpr Axis minor() const { return axes_[static_cast<std::size_t>(size_ - 1)]; }
  constexpr const Axis* begin() const { return axes_.data(); }
  constexpr const Axis* end() const { return axes_.data() + size_; }

  // As the most minor, or into its hole.
  constexpr void push(Axis a) {
    check(!set().has(a), "an axis is pushed once on a stack");
    if (holes_.has(a)) holes_ = holes_.without(a);
    else axes_[static_cast<std::size_t>(size_++)] = a;
  }
  constexpr void push_hole(Axis a) {
    push(a);
    holes_ = holes_.with(a);
  }
  constexpr void pop() {
    check(size_ > 0 && holes_.empty(), "a stack that is popped has an axis and no hole");
    axes_[static_cast<std::size_t>(--size_)] = Axis::x;
  }
  // The axes that cut.
  constexpr AxisSet set() const {
    AxisSet s;
    for (const Axis a : *this) s = s.with(a);
    return s - holes_;
  }
  constexpr AxisSet holes() const { return holes_; }
  // The axes of the set that stand on this stack, in its order.
  constexpr AxisStack only(AxisSet kept) const {
    AxisStack s;
    for (const Axis a : *this)
      if (kept.has(a)) s.push(a);
    return s;
  }
  constexpr AxisStack reversed() const {
    AxisStack s;
    for (int i = size_ - 1; i >= 0; --i) s.push((*this)[i]);
    return s;
  }
  friend constexpr bool operator==(const AxisStack&, const AxisStack&) = default;

 private:
  std::array<Axis, axis_count> axes_{};
  std::int8_t size_ = 0;
  AxisSet holes_;
};

inline std::string to_text(const AxisStack& stack) {
  std::string out;
  for (const Axis a : stack) out += static_cast<char>(stack.holes().has(a) ? letter(a) - 'a' + 'A' : letter(a));
  return out;
}
// In the order x, y, z.
inline std::string to_text(AxisSet set) { return to_text(AxisStack{Axis::x, Axis::y, Axis::z}.only(set)); }

}  // namespace tsrun
