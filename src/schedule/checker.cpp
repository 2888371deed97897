// Plays a schedule on every chip with sets in place of numbers: for each block, whose addends it holds.
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
    words_ = static_cast<std::size_t>(ceil_div(chips, word_bits));
    whole_.assign(words_, 0);
    for (int chip = 0; chip < chips; ++chip) whole_[index(chip / word_bits)] |= Word{1} << chip % word_bits;
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
    for (int rank = 0; rank < torus_.size(); ++rank)
      for (int b = 0; b < blocks_; ++b)
        if (collective != Op::reduce_scatter || b == walks_[index(rank)].own)
          require(std::equal(whole_.begin(), whole_.end(), held(rank, b)), rank, walks_[0].rounds.size(), "it ends with the whole block");
  }

 private:
  static std::size_t index(int i) { return static_cast<std::size_t>(i); }
  Word* held(int rank, int block) { return held_.data() + (index(rank) * index(blocks_) + index(block)) * words_; }

  // Gathering, only the own block is there, and it is whole; reducing, every block has the own addend.
  void start(Op collective, int rank) {
    const Schedule& walk = walks_[index(rank)];
    const int me = block_of(torus_, walk.group, coord_of(torus_, rank));
    require(walks_[index(rank)].rounds.size() == walks_[0].rounds.size(), rank, 0, "every chip takes as many rounds");
    if (collective == Op::all_gather) std::copy(whole_.begin(), whole_.end(), held(rank, walk.own));
    else for (int b = 0; b < blocks_; ++b) held(rank, b)[me / word_bits] |= Word{1} << me % word_bits;
  }

  // Checks one chip's moves against its neighbours', and appends what will arrive.
  void send(int rank, std::size_t round, std::vector<Word>& sent) {
    unsigned used = 0;  // a bit for each of the six links
    const Round& moves = walks_[index(rank)].rounds[round];
    for (std::size_t m = 0; m < moves.size(); ++m) {
      const Move& move = moves[m];
      const unsigned link = 1U << (2 * static_cast<unsigned>(move.axis) + static_cast<unsigned>(move.direction));
      require((used & link) == 0, rank, round, "a link carries one message a round");
      used |= link;
      const int from = rank_of(torus_, shifted(torus_, coord_of(torus_, rank), move.axis, opposite(move.direction)));
      const Round& theirs = walks_[index(from)].rounds[round];
      require(m < theirs.size() && theirs[m].axis == move.axis && theirs[m].direction == move.direction &&
                  theirs[m].send == move.receive, rank, round, "it receives what its neighbour sends");
      const int onward = rank_of(torus_, shifted(torus_, coord_of(torus_, rank), move.axis, move.direction));
      const Round& taken = walks_[index(onward)].rounds[round];
      require(m < taken.size() && taken[m].receive == move.send, rank, round, "its neighbour takes what it sends");
      require(move.receive.first >= 0 && move.receive.first + move.receive.count <= blocks_, rank, round, "blocks exist");
      sent.insert(sent.end(), held(from, move.receive.first), held(from, move.receive.first) + index(move.receive.count) * words_);
    }
  }

  void receive(int rank, std::size_t round, const Word*& arriving) {
    for (const Move& move : walks_[index(rank)].rounds[round])
      for (int b = move.receive.first; b < move.receive.first + move.receive.count; ++b, arriving += words_)
        take(arriving, held(rank, b), move.action, rank, round);
  }

  void take(const Word* sent, Word* mine, Action action, int rank, std::size_t round) const {
    Word any = 0, there = 0, twice = 0, lost = 0;
    for (std::size_t w = 0; w < words_; ++w) {
      any |= sent[w];
      there |= mine[w];
      twice |= sent[w] & mine[w];
      lost |= mine[w] & ~sent[w];
      mine[w] = action == Action::add ? mine[w] | sent[w] : sent[w];
    }
    require(any != 0, rank, round, "its neighbour has what it sends");
    if (action == Action::add) require(there != 0 && twice == 0, rank, round, "addends are added to others, each once");
    else require(lost == 0, rank, round, "what is placed has all that it replaces");
  }

  Torus torus_;
  int blocks_ = 1;
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
