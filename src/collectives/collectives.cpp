#include "tsrun/collectives/collectives.hpp"

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstring>

#include "tsrun/core/integer.hpp"

namespace tsrun {
namespace {

// Block `b` of a whole tensor to or from consecutive memory.
void pack(const Strided& t, int blocks, int b, float* to) {
  const auto bytes = static_cast<std::size_t>(t.width) * sizeof(float);
  for (std::int64_t row = 0; row < t.outer; ++row) std::memcpy(to + row * t.width, t.in + (row * blocks + b) * t.width, bytes);
}
void unpack(const Strided& t, int blocks, int b, const float* from) {
  const auto bytes = static_cast<std::size_t>(t.width) * sizeof(float);
  for (std::int64_t row = 0; row < t.outer; ++row) std::memcpy(t.out + (row * blocks + b) * t.width, from + row * t.width, bytes);
}

void grow(std::vector<float>& buffer, std::int64_t elements) {
  if (static_cast<std::int64_t>(buffer.size()) < elements) buffer.resize(static_cast<std::size_t>(elements));
}

}  // namespace

void Collectives::walk(const Schedule& schedule, std::int64_t block, LinkCounts& counts) {
  for (const Round& round : schedule.rounds) {
    std::int64_t incoming = 0;
    for (const Move& m : round) incoming += m.receive.count * block;
    grow(received_, incoming);
    requests_.clear();
    float* landing = received_.data();
    for (const Move& m : round) {
      const int tag = static_cast<int>(m.axis) * 2 + static_cast<int>(m.direction);
      check(block * schedule.blocks <= INT_MAX, "a collective's payload is counted by an int");
      const auto out = static_cast<int>(m.send.count * block), in = static_cast<int>(m.receive.count * block);
      float* const to = m.action == Action::add ? landing : blocks_.data() + m.receive.first * block;
      if (in > 0)
        MPI_Irecv(to, in, MPI_FLOAT, mesh_.neighbour(m.axis, opposite(m.direction)), tag, mesh_.comm(), &requests_.emplace_back());
      if (m.action == Action::add) landing += in;
      if (out == 0) continue;
      MPI_Isend(blocks_.data() + m.send.first * block, out, MPI_FLOAT, mesh_.neighbour(m.axis, m.direction), tag,
                mesh_.comm(), &requests_.emplace_back());
      LinkCount& count = counts[static_cast<std::size_t>(m.axis)][static_cast<std::size_t>(m.direction)];
      count.messages += 1;
      count.bytes += static_cast<std::int64_t>(out) * static_cast<std::int64_t>(sizeof(float));
    }
    const auto start = std::chrono::steady_clock::now();
    mesh_.wait_all(requests_, name(schedule.collective).data());
    waited_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    landing = received_.data();
    for (const Move& m : round) {
      if (m.action != Action::add) continue;
      float* const sum = blocks_.data() + m.receive.first * block;
      const std::int64_t n = m.receive.count * block;
      for (std::int64_t i = 0; i < n; ++i) sum[i] += landing[i];
      landing += n;
    }
  }
}

void Collectives::run(const Schedule& schedule, std::span<const Strided> tensors, LinkCounts& counts) {
  const int n = schedule.blocks;
  const bool flat = schedule.collective == Op::all_reduce;
  std::int64_t elements = 0;
  for (const Strided& t : tensors) elements += t.outer * t.width;
  const std::int64_t block = flat ? ceil_div(elements, n) : elements;
  grow(blocks_, block * n);

  float* const own = blocks_.data() + schedule.own * block;
  if (flat) {
    std::copy_n(tensors[0].in, elements, blocks_.data());
    std::fill_n(blocks_.data() + elements, block * n - elements, 0.0F);
  } else {
    std::int64_t at = 0;
    for (const Strided& t : tensors) {
      if (schedule.collective == Op::all_gather) std::copy_n(t.in, t.outer * t.width, own + at);
      else for (int b = 0; b < n; ++b) pack(t, n, b, blocks_.data() + b * block + at);
      at += t.outer * t.width;
    }
  }

  walk(schedule, block, counts);

  if (flat) {
    std::copy_n(blocks_.data(), elements, tensors[0].out);
    return;
  }
  std::int64_t at = 0;
  for (const Strided& t : tensors) {
    if (schedule.collective == Op::reduce_scatter) std::copy_n(own + at, t.outer * t.width, t.out);
    else for (int b = 0; b < n; ++b) unpack(t, n, b, blocks_.data() + b * block + at);
    at += t.outer * t.width;
  }
}

}  // namespace tsrun
