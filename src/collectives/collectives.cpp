#include "tsrun/collectives/collectives.hpp"

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstring>
#include <utility>

#include "tsrun/core/integer.hpp"
#include "tsrun/kernels/rows.hpp"
#include "tsrun/kernels/team.hpp"

namespace tsrun {
namespace {

// What is long is copied by all threads: one alone moves a small part of what the memory could.
void copy_bytes(std::byte* to, const std::byte* from, std::int64_t bytes) {
  constexpr std::int64_t piece = 64 << 10, worth_threads = 4 * piece;
  share_out(ceil_div(bytes, piece), bytes >= worth_threads, [&](std::int64_t i) {
    const std::int64_t begin = i * piece, count = std::min(piece, bytes - begin);
    std::memcpy(to + begin, from + begin, static_cast<std::size_t>(count));
  });
}

void add_floats(std::byte* sum, const std::byte* addend, std::int64_t bytes) {
  add_to(reinterpret_cast<float*>(sum), reinterpret_cast<const float*>(addend),
         bytes / static_cast<std::int64_t>(sizeof(float)));
}

// Rows of a tensor, each the `place`-th of `places` in its line.
struct BlockRows {
  std::int64_t rows, bytes, places, place;
  std::int64_t begin(std::int64_t row) const { return (row * places + place) * bytes; }
};

// Where a tensor that begins `at` bytes into block `b` has its rows in the buffer, cut where parts of the block are:
// visit(in the buffer, in the tensor, bytes).
template <class Visit>
void each_piece(const Schedule& s, const SlotBytes& slots, int b, std::int64_t at, const BlockRows& rows, Visit visit) {
  const std::int64_t all = rows.rows * rows.bytes;
  for (int part = 0; part < s.parts; ++part) {
    std::int64_t from = std::max(slots.part(part) - at, std::int64_t{0});
    const std::int64_t end = std::min(slots.part(part + 1) - at, all);
    const std::int64_t there = slots.begin(part * s.blocks + b) - slots.part(part) + at;
    for (std::int64_t row = from < end ? from / rows.bytes : 0; from < end; ++row) {
      const std::int64_t to = std::min((row + 1) * rows.bytes, end);
      visit(there + from, rows.begin(row) + from - row * rows.bytes, to - from);
      from = to;
    }
  }
}

// The blocks of a tensor that a chip starts with or ends with: its own, or all.
BlockRows own_rows(const Strided& t) { return {t.outer, t.width * t.element, 1, 0}; }
BlockRows rows_at(const Strided& t, int blocks, int place) { return {t.outer, t.width * t.element, blocks, place}; }
// After an all_to_all: the same block as rows of the joined dimension.
BlockRows joined_rows(const Strided& t, int blocks, int place) {
  return {t.outer * t.width / t.joined_width, t.joined_width * t.element, blocks, place};
}

// Which chip's the block of an all_to_all is (schedule.hpp): the number of the one that it goes to, and the place in the
// joined dimension, which has the group's axes in the reverse order (layout.hpp), of the one that it comes from.
struct Ends {
  int to = 0, from = 0;
};
Ends ends_of(const Torus& torus, const AxisStack& group, const Coord& me, int block) {
  Ends ends;
  int weight = 1;
  for (const Axis a : group.reversed()) {
    const int k = torus.size(a), digit = block % k;
    ends.to += (me.at(a) + digit) % k * weight;
    ends.from = ends.from * k + (me.at(a) + k - digit) % k;
    weight *= k;
    block /= k;
  }
  return ends;
}

// Whether a message may be received where its blocks belong.
bool lies_down(const Move& m) { return m.action == Action::place && m.receive.repeat == 1; }

}  // namespace

void Collectives::post(const Round& round, const SlotBytes& slots, LinkCounts& counts, const char* what) {
  std::int64_t incoming = 0, packed = 0;
  for (const Move& m : round) {
    if (!lies_down(m)) incoming += slots.bytes(m.receive);
    if (m.send.repeat > 1) packed += slots.bytes(m.send);
  }
  std::byte* landing = room(received_, incoming);
  std::byte* leaving = room(sending_, packed);
  requests_.clear();
  const Torus& torus = mesh_.torus();
  for (const Move& m : round) {
    const int tag = static_cast<int>(m.axis) * 2 + static_cast<int>(m.direction);
    const std::int64_t in = slots.bytes(m.receive), out = slots.bytes(m.send);
    check(std::max(in, out) <= INT_MAX, "a message's bytes are counted by an int");
    if (in > 0) {
      std::byte* const to = lies_down(m) ? buffer_ + slots.begin(m.receive.first) : landing;
      const int sender = rank_of(torus, sender_to(m, torus, mesh_.coord()));
      MPI_Request& request = requests_.emplace_back();
      mesh_.must(MPI_Irecv(to, static_cast<int>(in), MPI_BYTE, sender, tag, mesh_.comm(), &request), what);
      if (to == landing) landing += in;
    }
    if (out == 0) continue;
    const std::byte* from = buffer_ + slots.begin(m.send.first);
    if (m.send.repeat > 1) {
      from = leaving;
      m.send.each_run([&](int first, int count) {
        const std::int64_t bytes = slots.begin(first + count) - slots.begin(first);
        copy_bytes(leaving, buffer_ + slots.begin(first), bytes);
        leaving += bytes;
      });
    }
    const int receiver = rank_of(torus, receiver_of(m, torus, mesh_.coord()));
    MPI_Request& request = requests_.emplace_back();
    mesh_.must(MPI_Isend(from, static_cast<int>(out), MPI_BYTE, receiver, tag, mesh_.comm(), &request), what);
    LinkCount& count = counts.at(m.axis, m.direction);
    count.messages += 1;
    count.bytes += out;
  }
}

// What has arrived goes where it belongs.
void Collectives::take(const Round& round, const SlotBytes& slots) {
  const auto lay_down = [&](const Blocks& blocks, bool adds, const std::byte* from) {
    blocks.each_run([&](int first, int count) {
      const std::int64_t bytes = slots.begin(first + count) - slots.begin(first);
      (adds ? add_floats : copy_bytes)(buffer_ + slots.begin(first), from, bytes);
      from += bytes;
    });
  };
  std::byte* landing = received_.data();
  std::byte* before = nullptr;  // the sum of the addends that come before the own one
  const Move* summed = nullptr;
  for (const Move& m : round) {
    if (m.receive.total() == 0 || lies_down(m)) continue;
    const std::int64_t bytes = slots.bytes(m.receive);
    if (m.action == Action::add_before) {
      if (before != nullptr) add_floats(before, landing, bytes);
      else before = landing, summed = &m;
    } else {
      if (before != nullptr) lay_down(summed->receive, true, std::exchange(before, nullptr));
      lay_down(m.receive, m.action == Action::add, landing);
    }
    landing += bytes;
  }
  if (before != nullptr) lay_down(summed->receive, true, before);
}

void Collectives::walk(const Schedule& schedule, const SlotBytes& slots, LinkCounts& counts) {
  const char* const what = name(schedule.collective).data();
  for (const Round& round : schedule.rounds) {
    post(round, slots, counts, what);
    const auto start = std::chrono::steady_clock::now();
    mesh_.wait_all(requests_, what);
    waited_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    take(round, slots);
  }
}

void Collectives::pack(const Schedule& s, const SlotBytes& slots, std::span<const Strided> tensors) {
  std::int64_t at = 0;
  for (const Strided& t : tensors) {
    const auto put = [&](int b, const BlockRows& rows) {
      const auto* const in = static_cast<const std::byte*>(t.in);
      each_piece(s, slots, b, at, rows,
                 [&](std::int64_t there, std::int64_t here, std::int64_t bytes) { copy_bytes(buffer_ + there, in + here, bytes); });
    };
    if (s.collective == Op::all_gather) put(s.own, own_rows(t));
    for (int b = 0; b < s.blocks && s.collective == Op::reduce_scatter; ++b) put(b, rows_at(t, s.blocks, b));
    for (int b = 0; b < s.blocks && s.collective == Op::all_to_all; ++b)
      put(b, rows_at(t, s.blocks, ends_of(mesh_.torus(), s.group, mesh_.coord(), b).to));
    at += t.block_bytes();
  }
}

void Collectives::unpack(const Schedule& s, const SlotBytes& slots, std::span<const Strided> tensors) {
  std::int64_t at = 0;
  for (const Strided& t : tensors) {
    const auto get = [&](int b, const BlockRows& rows) {
      auto* const out = static_cast<std::byte*>(t.out);
      each_piece(s, slots, b, at, rows,
                 [&](std::int64_t there, std::int64_t here, std::int64_t bytes) { copy_bytes(out + here, buffer_ + there, bytes); });
    };
    if (s.collective == Op::reduce_scatter) get(s.own, own_rows(t));
    for (int b = 0; b < s.blocks && s.collective == Op::all_gather; ++b) get(b, rows_at(t, s.blocks, b));
    for (int b = 0; b < s.blocks && s.collective == Op::all_to_all; ++b)
      get(b, joined_rows(t, s.blocks, ends_of(mesh_.torus(), s.group, mesh_.coord(), b).from));
    at += t.block_bytes();
  }
}

// Where a number lies in the buffer does not matter as long as it is the same place on every chip.
void Collectives::reduce_all(const Schedule& schedule, std::span<const Strided> tensors, LinkCounts& counts) {
  std::int64_t whole = 0;
  for (const Strided& t : tensors) whole += t.block_bytes();
  const std::int64_t element = tensors[0].element, block_bytes = ceil_div(whole / element, schedule.blocks) * element;
  const std::int64_t padded = block_bytes * schedule.blocks;
  buffer_ = static_cast<std::byte*>(tensors[0].out);
  if (padded > whole || tensors.size() > 1) {
    buffer_ = room(blocks_, padded);
    std::fill(buffer_ + whole, buffer_ + padded, std::byte{0});
  }
  std::byte* part = buffer_;
  for (const Strided& t : tensors) {
    if (part != t.in) copy_bytes(part, static_cast<const std::byte*>(t.in), t.block_bytes());
    part += t.block_bytes();
  }
  walk(schedule, {schedule, block_bytes}, counts);
  part = buffer_;
  for (const Strided& t : tensors) {
    if (part != t.out) copy_bytes(static_cast<std::byte*>(t.out), part, t.block_bytes());
    part += t.block_bytes();
  }
}

void Collectives::run(const Schedule& schedule, std::span<const Strided> tensors, LinkCounts& counts) {
  if (schedule.collective == Op::all_reduce) return reduce_all(schedule, tensors, counts);
  std::int64_t bytes = 0;
  for (const Strided& t : tensors) bytes += t.block_bytes();
  const SlotBytes slots(schedule, bytes);
  const Strided& first = tensors[0];
  const bool lies_alike = tensors.size() == 1 && first.outer == 1 && schedule.parts == 1;
  if (lies_alike && schedule.collective == Op::all_gather) {
    buffer_ = static_cast<std::byte*>(first.out);
    pack(schedule, slots, tensors);
    return walk(schedule, slots, counts);
  }
  if (lies_alike && schedule.collective == Op::reduce_scatter && first.spends_in) {
    buffer_ = static_cast<std::byte*>(const_cast<void*>(first.in));
    walk(schedule, slots, counts);
    return unpack(schedule, slots, tensors);
  }
  buffer_ = room(blocks_, bytes * schedule.blocks);
  pack(schedule, slots, tensors);
  walk(schedule, slots, counts);
  unpack(schedule, slots, tensors);
}

}  // namespace tsrun
