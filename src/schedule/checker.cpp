// Plays a schedule on every chip with 64-bit words in place of numbers.
//
// What a chip starts with (its block, its addend of a block, its letter to another chip) is a word of its own, drawn by a
// hash; 0 is nothing; sums are sums of words. Words that end as promised came from where they should, each once: two
// different sums of such words are equal once in 2^64.
#include <algorithm>
#include <concepts>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "tsrun/core/splitmix.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/schedule/schedule.hpp"

namespace tsrun {
namespace {

using Word = std::uint64_t;

// The word of a pair of numbers.
Word word_of(std::integral auto a, std::integral auto b) {
  return splitmix64(static_cast<Word>(a) << 32 ^ static_cast<Word>(b)) | 1U;
}

std::size_t index(int i) { return static_cast<std::size_t>(i); }

class Play {
 public:
  Play(Op collective, const Torus& torus, const std::function<Schedule(const Coord&)>& walk_of)
      : collective_(collective), torus_(torus), chips_(torus.size()) {
    for (int rank = 0; rank < chips_; ++rank) {
      coords_.push_back(coord_of(torus, rank));
      walks_.push_back(walk_of(coords_.back()));
    }
    const Schedule& first = walks_[0];
    blocks_ = first.blocks;
    slots_ = first.slots();
    for (int rank = 0; rank < chips_; ++rank) {
      const Schedule& w = walks_[index(rank)];
      require(w.rounds.size() == first.rounds.size() && w.blocks == first.blocks && w.parts == first.parts, rank,
              "every chip takes as many rounds over as many slots");
    }
    digits_.resize(index(torus.size(first.group)));
    for (const Coord& c : coords_) {
      me_.push_back(block_of(torus, first.group, c));
      for (const Axis a : first.group) digits_[index(me_.back())].at(a) = c.at(a);
    }
    held_.resize(index(chips_) * index(slots_));
    letters_.resize(index(chips_) * index(chips_));
    leaving_.resize(index(slots_));
    for (int rank = 0; rank < chips_; ++rank) start(rank);
  }

  // What is received in a round was sent from the state before it.
  void run() {
    for (round_ = 0; round_ < walks_[0].rounds.size(); ++round_) {
      sent_.clear();
      under_way_ = 0;
      for (int rank = 0; rank < chips_; ++rank) send(rank);
      for (int rank = 0; rank < chips_; ++rank) receive(rank);
      require(under_way_ == 0, 0, "what is sent is received");
    }
  }

  void finish() {
    const Sums sums = collective_ == Op::reduce_scatter || collective_ == Op::all_reduce ? whole_sums() : Sums{};
    for (int rank = 0; rank < chips_; ++rank)
      for (int slot = 0; slot < slots_; ++slot) {
        const int b = slot % blocks_;
        if (collective_ == Op::reduce_scatter && b != walks_[index(rank)].own) continue;
        const Word word = *held(rank, slot);
        if (collective_ == Op::all_gather)
          require(word == word_of(numbered(rank, b), slot), rank, "it ends with every block");
        else if (collective_ == Op::all_to_all)
          require(word == word_of(away(rank, b, Direction::minus), rank), rank,
                  "it ends with every chip's block for it");
        else require(word == sums[index(first_of_group(rank) * slots_ + slot)], rank, "it ends with the whole sum");
      }
  }

 private:
  using Sums = std::vector<Word>;  // by the group's first chip and slot
  struct Letter {
    std::uint32_t at = none;  // in sent_
    std::uint32_t name = 0;   // by which both ends know it
    static constexpr std::uint32_t none = ~std::uint32_t{0};
  };

  void require(bool holds, int rank, const char* promise) const {
    if (!holds) throw std::logic_error(text("rank ", rank, ", round ", round_, ": ", promise));
  }

  Word* held(int rank, int slot) { return held_.data() + index(rank) * index(slots_) + index(slot); }
  const AxisStack& group() const { return walks_[0].group; }

  // The rank of the group's chip whose digits are a block's number, and of the chip as far ahead of this one or behind it.
  int first_of_group(int rank) const { return rank - rank_of(torus_, digits_[index(me_[index(rank)])]); }
  int numbered(int rank, int b) const { return first_of_group(rank) + rank_of(torus_, digits_[index(b)]); }
  int away(int rank, int b, Direction direction) const {
    Coord c = coords_[index(rank)];
    const Coord& d = digits_[index(b)];
    for (const Axis a : all_axes)
      if (direction == Direction::plus) c.at(a) += d.at(a) - (c.at(a) + d.at(a) >= torus_.size(a) ? torus_.size(a) : 0);
      else c.at(a) += (c.at(a) < d.at(a) ? torus_.size(a) : 0) - d.at(a);
    return rank_of(torus_, c);
  }

  void start(int rank) {
    for (int slot = 0; slot < slots_; ++slot) {
      const int b = slot % blocks_;
      if (collective_ == Op::all_to_all) *held(rank, slot) = word_of(rank, away(rank, b, Direction::plus));
      else if (collective_ != Op::all_gather || b == walks_[index(rank)].own) *held(rank, slot) = word_of(rank, slot);
    }
  }
  Sums whole_sums() const {
    Sums sums(index(chips_) * index(slots_));
    for (int rank = 0; rank < chips_; ++rank)
      for (int slot = 0, first = first_of_group(rank) * slots_; slot < slots_; ++slot)
        sums[index(first + slot)] += word_of(rank, slot);
    return sums;
  }

  const Round& moves_of(int rank) const { return walks_[index(rank)].rounds[round_]; }
  Letter& letter(int from, int to) { return letters_[index(to) * index(chips_) + index(from)]; }
  static std::uint32_t name_of(const Move& move, const Blocks& b) {
    const int link = static_cast<int>(move.axis) * 2 + static_cast<int>(move.direction);
    return static_cast<std::uint32_t>(word_of(word_of(b.first, b.count), word_of(b.repeat << 3 | link, b.stride)));
  }

  void each_run(const Blocks& blocks, int rank, const auto& visit) const {
    blocks.each_run([&](int first, int count) {
      require(first >= 0 && count >= 0 && first + count <= slots_, rank, "blocks exist");
      visit(first, count);
    });
  }

  void send(int rank) {
    for (const Move& move : moves_of(rank)) {
      if (move.send.total() == 0) continue;
      const int to = rank_of(torus_, receiver_of(move, torus_, coords_[index(rank)]));
      require(to != rank, rank, "it sends to another chip");
      require(goes_a_shortest_way(move), rank, "it sends by a shortest way");
      require(letter(rank, to).at == Letter::none, rank, "a chip sends another one message a round");
      letter(rank, to) = {static_cast<std::uint32_t>(sent_.size()), name_of(move, move.send)};
      ++under_way_;
      each_run(move.send, rank, [&](int first, int count) {
        const Word* words = held(rank, first);
        require(std::find(words, words + count, Word{0}) == words + count, rank, "it has what it sends");
        sent_.insert(sent_.end(), words, words + count);
      });
    }
  }
  bool goes_a_shortest_way(const Move& move) const {
    if (move.hops < 1 || move.further.at(move.axis) != 0) return false;
    return 2 * move.hops <= torus_.size(move.axis) && std::all_of(all_axes.begin(), all_axes.end(), [&](Axis a) {
      return 2 * std::abs(move.further.at(a)) <= torus_.size(a);
    });
  }

  void receive(int rank) {
    const Round& moves = moves_of(rank);
    std::fill(leaving_.begin(), leaving_.end(), 0);
    for (const Move& move : moves)
      move.send.each_run([&](int first, int count) { std::fill_n(leaving_.begin() + first, count, 1); });
    const Blocks* before = nullptr;
    for (const Move& move : moves) {
      if (move.receive.total() == 0) continue;
      Letter& arrived = letter(rank_of(torus_, sender_to(move, torus_, coords_[index(rank)])), rank);
      require(arrived.at != Letter::none, rank, "what it receives is sent");
      require(arrived.name == name_of(move, move.receive), rank, "both ends know a message by the same link and blocks");
      if (move.action == Action::add_before) {
        require(before == nullptr || *before == move.receive, rank, "addends that are summed first are of the same blocks");
        before = &move.receive;
      }
      take(rank, move, sent_.data() + arrived.at);
      arrived.at = Letter::none;
      --under_way_;
    }
  }

  void take(int rank, const Move& move, const Word* arriving) {
    const bool adds = move.action == Action::add || move.action == Action::add_before;
    each_run(move.receive, rank, [&](int first, int count) {
      Word* mine = held(rank, first);
      if (adds) {
        require(std::find(mine, mine + count, Word{0}) == mine + count, rank, "addends are added to others");
        for (int i = 0; i < count; ++i) mine[i] += arriving[i];
      } else {
        const auto sent = leaving_.begin() + first;
        require(move.action == Action::replace || std::find(sent, sent + count, 1) == sent + count, rank,
                "what is placed does not lie where something is sent from");
        std::copy_n(arriving, count, mine);
      }
      arriving += count;
    });
  }

  Op collective_;
  Torus torus_;
  int chips_, blocks_ = 1, slots_ = 1;
  std::vector<Coord> coords_;    // of each rank
  std::vector<Schedule> walks_;  // of each rank
  std::vector<int> me_;          // each rank's number in its group
  std::vector<Coord> digits_;    // of each number in a group
  std::vector<Word> held_;       // [rank][slot]
  std::size_t round_ = 0;
  std::vector<Word> sent_;       // in this round
  std::vector<Letter> letters_;  // [to][from], of this round
  int under_way_ = 0;            // letters
  std::vector<char> leaving_;    // [slot]: whether this chip sends it in this round
};

}  // namespace

void check_schedule(Op collective, const Torus& torus, const std::function<Schedule(const Coord&)>& walk_of) {
  Play play(collective, torus, walk_of);
  play.run();
  play.finish();
}

void check_schedule(Op collective, ScheduleName schedule, const Torus& torus, const AxisStack& group) {
  check_schedule(collective, torus, [&](const Coord& chip) { return schedule_of(collective, schedule, torus, group, chip); });
}

}  // namespace tsrun
