// Plays a schedule on every chip with sets in place of numbers: for each block, whose addends it holds. In an all_to_all
// nothing is added, and a block is known by who sends it to whom.
#include <algorithm>
#include <cstdint>
#include <string>

#include "tsrun/core/integer.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/schedule/schedule.hpp"

namespace tsrun {
namespace {

void require(bool holds, int rank, std::size_t round, const char* promise) {
  if (!holds) throw std::logic_error(text("rank ", rank, ", round ", round, ": ", promise));
}

// A set of the group's chips, as bits of consecutive words.
using Word = std::uint64_t;
constexpr int word_bits = 64;

class Play {
 public:
  Play(Op collective, const Torus& torus, const std::function<Schedule(const Coord&)>& walk_of) : torus_(torus) {
    for (int rank = 0; rank < torus.size(); ++rank) walks_.push_back(walk_of(coord_of(torus, rank)));
    blocks_ = walks_[0].blocks;
    const int chips = torus.size(walks_[0].group);
    words_ = collective == Op::all_to_all ? 1 : static_cast<std::size_t>(ceil_div(chips, word_bits));
    exchanges_ = collective == Op::all_to_all;
    whole_.assign(words_, 0);
    for (int chip = 0; chip < chips && !exchanges_; ++chip) whole_[index(chip / word_bits)] |= Word{1} << chip % word_bits;
    held_.resize(index(torus.size()) * index(blocks_) * words_);
    for (int rank = 0; rank < torus.size(); ++rank) start(collective, rank);
  }

  void run() {
    std::vector<Word> sent;  // what is received in a round was sent from the state before it
    for (std::size_t round = 0; round < walks_[0].rounds.size(); ++round) {
      sent.clear();
      for (int rank = 0; rank < torus_.size(); ++rank) send(rank, round, sent);
      const Word* arriving = sent.data();
      for (int rank = 0; rank < torus_.size(); ++rank) receive(rank, round, arriving);
    }
  }

  void finish(Op collective) {
    if (collective == Op::all_to_all) return finish_all_to_all();
    for (int rank = 0; rank < torus_.size(); ++rank)
      for (int b = 0; b < blocks_; ++b)
        if (collective != Op::reduce_scatter || b == walks_[index(rank)].own)
          require(std::equal(whole_.begin(), whole_.end(), held(rank, b)), rank, walks_[0].rounds.size(), "it ends with the whole block");
  }

 private:
  // The block that the group's chip `from` has for its chip `to`.
  Word letter(int from, int to) const { return Word{1} + static_cast<Word>(from) * static_cast<Word>(blocks_) + static_cast<Word>(to); }
  int me(int rank) const { return block_of(torus_, walks_[index(rank)].group, coord_of(torus_, rank)); }
  void finish_all_to_all() {
    for (int rank = 0; rank < torus_.size(); ++rank)
      for (int b = 0; b < blocks_; ++b)
        require(*held(rank, b) == letter(b, me(rank)), rank, walks_[0].rounds.size(), "it ends with every chip's block for it");
  }

  static std::size_t index(int i) { return static_cast<std::size_t>(i); }
  Word* held(int rank, int block) { return held_.data() + (index(rank) * index(blocks_) + index(block)) * words_; }

  // Gathering, only the own block is there, and it is whole; reducing, every block has the own addend.
  void start(Op collective, int rank) {
    const Schedule& walk = walks_[index(rank)];
    const int me = this->me(rank);
    require(walks_[index(rank)].rounds.size() == walks_[0].rounds.size(), rank, 0, "every chip takes as many rounds");
    if (exchanges_) for (int b = 0; b < blocks_; ++b) *held(rank, b) = letter(me, b);
    else if (collective == Op::all_gather) std::copy(whole_.begin(), whole_.end(), held(rank, walk.own));
    else for (int b = 0; b < blocks_; ++b) held(rank, b)[me / word_bits] |= Word{1} << me % word_bits;
  }

  // Checks one chip's moves against those of the chips at their other ends, and appends what will arrive.
  void send(int rank, std::size_t round, std::vector<Word>& sent) {
    const Round& moves = walks_[index(rank)].rounds[round];
    for (std::size_t m = 0; m < moves.size(); ++m) {
      const Move& move = moves[m];
      for (std::size_t other = 0; other < m; ++other)
        require(moves[other].axis != move.axis || moves[other].direction != move.direction || moves[other].hops != move.hops, rank,
                round, "a chip sends another one message a round");
      const Move& theirs = move_of(rank, move, opposite(move.direction), m, round);
      require(fits(theirs.send, move.receive), rank, round, "it receives what its neighbour sends");
      const Move& taken = move_of(rank, move, move.direction, m, round);
      require(fits(move.send, taken.receive), rank, round, "its neighbour takes what it sends");
      move.receive.each_run([&](int first, int count) { require(first >= 0 && first + count <= blocks_, rank, round, "blocks exist"); });
      const int from = rank_of(torus_, shifted(torus_, coord_of(torus_, rank), move.axis, opposite(move.direction), move.hops));
      theirs.send.each_run([&](int first, int count) {
        require(first >= 0 && first + count <= blocks_, from, round, "blocks exist");
        sent.insert(sent.end(), held(from, first), held(from, first) + index(count) * words_);
      });
    }
  }
  // A block for another chip becomes one from it; any other keeps its number.
  bool fits(const Blocks& sent, const Blocks& received) const {
    return exchanges_ ? sent.total() == received.total() : sent == received;
  }
  // The move of the chip at the other end, in the same place of its round.
  const Move& move_of(int rank, const Move& move, Direction d, std::size_t m, std::size_t round) const {
    const int other = rank_of(torus_, shifted(torus_, coord_of(torus_, rank), move.axis, d, move.hops));
    const Round& theirs = walks_[index(other)].rounds[round];
    require(m < theirs.size() && theirs[m].axis == move.axis && theirs[m].direction == move.direction && theirs[m].hops == move.hops,
            rank, round, "both ends know of a message");
    return theirs[m];
  }

  void receive(int rank, std::size_t round, const Word*& arriving) {
    for (const Move& move : walks_[index(rank)].rounds[round])
      move.receive.each_run([&](int first, int count) {
        for (int b = first; b < first + count; ++b, arriving += words_) take(arriving, held(rank, b), move.action, rank, round);
      });
  }

  void take(const Word* sent, Word* mine, Action action, int rank, std::size_t round) const {
    if (exchanges_) {
      *mine = *sent;
      return;
    }
    Word any = 0, there = 0, twice = 0, lost = 0;
    for (std::size_t w = 0; w < words_; ++w) {
      any |= sent[w];
      there |= mine[w];
      twice |= sent[w] & mine[w];
      lost |= mine[w] & ~sent[w];
      mine[w] = action == Action::place ? sent[w] : mine[w] | sent[w];
    }
    require(any != 0, rank, round, "its neighbour has what it sends");
    if (action == Action::place) require(lost == 0, rank, round, "what is placed has all that it replaces");
    else require(there != 0 && twice == 0, rank, round, "addends are added to others, each once");
  }

  Torus torus_;
  int blocks_ = 1;
  bool exchanges_ = false;
  std::size_t words_ = 1;
  std::vector<Schedule> walks_;
  std::vector<Word> whole_;
  std::vector<Word> held_;  // [rank][block][word]
};

}  // namespace

void check_schedule(Op collective, const Torus& torus, const std::function<Schedule(const Coord&)>& walk_of) {
  Play play(collective, torus, walk_of);
  play.run();
  play.finish(collective);
}

void check_schedule(Op collective, ScheduleName schedule, const Torus& torus, const AxisStack& group) {
  check_schedule(collective, torus, [&](const Coord& chip) { return schedule_of(collective, schedule, torus, group, chip); });
}

}  // namespace tsrun
