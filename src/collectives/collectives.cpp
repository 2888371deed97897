#include "tsrun/collectives/collectives.hpp"

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstring>

#include "tsrun/core/integer.hpp"

namespace tsrun {
namespace {

// Block `b` of a whole tensor to or from consecutive memory.
void pack(const Strided& t, int blocks, int b, std::byte* to) {
  const std::int64_t bytes = t.width * t.element;
  const auto* const in = static_cast<const std::byte*>(t.in);
  for (std::int64_t row = 0; row < t.outer; ++row)
    std::memcpy(to + row * bytes, in + (row * blocks + b) * bytes, static_cast<std::size_t>(bytes));
}
void unpack(const Strided& t, int blocks, int b, const std::byte* from) {
  const std::int64_t bytes = t.width * t.element;
  auto* const out = static_cast<std::byte*>(t.out);
  for (std::int64_t row = 0; row < t.outer; ++row)
    std::memcpy(out + (row * blocks + b) * bytes, from + row * bytes, static_cast<std::size_t>(bytes));
}
// The other side of an all_to_all: the same block as rows of the joined dimension.
Strided joined(const Strided& t) {
  Strided j = t;
  j.outer = t.outer * t.width / t.joined_width;
  j.width = t.joined_width;
  return j;
}

void grow(std::vector<std::byte>& buffer, std::int64_t bytes) {
  if (static_cast<std::int64_t>(buffer.size()) < bytes) buffer.resize(static_cast<std::size_t>(bytes));
}

void add(std::byte* sum, const std::byte* addend, std::int64_t bytes) {
  auto* const s = reinterpret_cast<float*>(sum);
  const auto* const a = reinterpret_cast<const float*>(addend);
  for (std::int64_t i = 0; i < bytes / static_cast<std::int64_t>(sizeof(float)); ++i) s[i] += a[i];
}

}  // namespace

void Collectives::post(const Round& round, std::int64_t bytes, LinkCounts& counts) {
  std::int64_t incoming = 0, packed = 0;
  for (const Move& m : round) {
    incoming += m.receive.total() * bytes;
    packed += m.send.repeat > 1 ? m.send.total() * bytes : 0;
  }
  grow(received_, incoming);
  grow(sending_, packed);
  requests_.clear();
  std::byte* landing = received_.data();
  std::byte* leaving = sending_.data();
  for (const Move& m : round) {
    const int tag = static_cast<int>(m.axis) * 2 + static_cast<int>(m.direction);
    check(std::max(m.send.total(), m.receive.total()) * bytes <= INT_MAX, "a message's bytes are counted by an int");
    const auto out = static_cast<int>(m.send.total() * bytes), in = static_cast<int>(m.receive.total() * bytes);
    if (in > 0)
      MPI_Irecv(landing, in, MPI_BYTE, mesh_.neighbour(m.axis, opposite(m.direction), m.hops), tag, mesh_.comm(), &requests_.emplace_back());
    landing += in;
    if (out == 0) continue;
    const std::byte* from = block(m.send.first, bytes);
    if (m.send.repeat > 1) {
      from = leaving;
      m.send.each_run([&](int first, int count) { leaving = std::copy_n(block(first, bytes), count * bytes, leaving); });
    }
    MPI_Isend(from, out, MPI_BYTE, mesh_.neighbour(m.axis, m.direction, m.hops), tag, mesh_.comm(), &requests_.emplace_back());
    LinkCount& count = counts[static_cast<std::size_t>(m.axis)][static_cast<std::size_t>(m.direction)];
    count.messages += 1;
    count.bytes += out;
  }
}

// What has arrived goes where it belongs.
void Collectives::take(const Round& round, std::int64_t bytes) {
  const std::byte* landing = received_.data();
  for (const Move& m : round)
    m.receive.each_run([&](int first, int count) {
      if (m.action == Action::place) std::memcpy(block(first, bytes), landing, static_cast<std::size_t>(count * bytes));
      else add(block(first, bytes), landing, count * bytes);
      landing += count * bytes;
    });
}

// All moves of the round bring an addend of the same blocks, from chips of one axis.
void Collectives::add_in_order(const Round& round, std::int64_t bytes) {
  const Axis a = round[0].axis;
  const int k = mesh_.torus().size(a), me = mesh_.coord().at(a);
  const std::int64_t each = round[0].receive.total() * bytes;
  std::byte* const own = block(round[0].receive.first, bytes);
  const auto addend = [&](int chip) -> const std::byte* {
    for (std::size_t m = 0; m < round.size(); ++m)
      if ((me - round[m].hops + k) % k == chip) return received_.data() + static_cast<std::int64_t>(m) * each;
    return own;
  };
  grow(sending_, each);
  std::memcpy(sending_.data(), addend(0), static_cast<std::size_t>(each));
  for (int chip = 1; chip < k; ++chip) add(sending_.data(), addend(chip), each);
  std::memcpy(own, sending_.data(), static_cast<std::size_t>(each));
}

void Collectives::walk(const Schedule& schedule, std::int64_t bytes, LinkCounts& counts) {
  for (const Round& round : schedule.rounds) {
    post(round, bytes, counts);
    const auto start = std::chrono::steady_clock::now();
    mesh_.wait_all(requests_, name(schedule.collective).data());
    waited_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (!round.empty() && round[0].action == Action::add_in_order) add_in_order(round, bytes);
    else take(round, bytes);
  }
}

// The joined dimension has the group's axes in the reverse order (programs.md section 1): the place of block b there.
int Collectives::joined_place(const Schedule& schedule, int b) const {
  int place = 0;
  for (const Axis a : schedule.group.reversed()) {
    const int k = mesh_.torus().size(a);
    place = place * k + b % k;
    b /= k;
  }
  return place;
}

void Collectives::run(const Schedule& schedule, std::span<const Strided> tensors, LinkCounts& counts) {
  const int n = schedule.blocks;
  const Op op = schedule.collective;
  if (op == Op::all_reduce) {
    const std::int64_t whole = tensors[0].block_bytes();
    const std::int64_t bytes = ceil_div(tensors[0].outer * tensors[0].width, n) * tensors[0].element;
    grow(blocks_, bytes * n);
    std::memcpy(blocks_.data(), tensors[0].in, static_cast<std::size_t>(whole));
    std::fill(blocks_.data() + whole, blocks_.data() + bytes * n, std::byte{0});
    walk(schedule, bytes, counts);
    std::memcpy(tensors[0].out, blocks_.data(), static_cast<std::size_t>(whole));
    return;
  }
  std::int64_t bytes = 0;
  for (const Strided& t : tensors) bytes += t.block_bytes();
  grow(blocks_, bytes * n);
  std::byte* const own = block(schedule.own, bytes);
  std::int64_t at = 0;
  for (const Strided& t : tensors) {
    if (op == Op::all_gather) std::memcpy(own + at, t.in, static_cast<std::size_t>(t.block_bytes()));
    else for (int b = 0; b < n; ++b) pack(t, n, b, block(b, bytes) + at);
    at += t.block_bytes();
  }
  walk(schedule, bytes, counts);
  at = 0;
  for (const Strided& t : tensors) {
    if (op == Op::reduce_scatter) std::memcpy(t.out, own + at, static_cast<std::size_t>(t.block_bytes()));
    for (int b = 0; b < n && op == Op::all_gather; ++b) unpack(t, n, b, block(b, bytes) + at);
    for (int b = 0; b < n && op == Op::all_to_all; ++b) unpack(joined(t), n, joined_place(schedule, b), block(b, bytes) + at);
    at += t.block_bytes();
  }
}

}  // namespace tsrun
