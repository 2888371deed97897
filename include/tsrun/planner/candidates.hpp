// Every way to cut a phase's work over a number of chips, priced; and the choice among them.
//
// A layout on a torus is lowered to its program, and the program is priced: there is no second formula. Where two
// candidates are closer than the model is accurate, the one that sends fewer bytes is chosen, since it gains as batch
// and chips grow. Source: paper section 3, and how far off its own figures the model is (validate.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tsrun/planner/price_pass.hpp"

namespace tsrun {

// What a phase has to do, as passes that are all alike.
struct Work {
  Phase phase = Phase::decode;
  std::int64_t batch = 1;
  std::int64_t tokens = 1;   // new ones of each sequence in a pass
  std::int64_t context = 0;  // of each sequence, before them
  std::int64_t passes = 1;
  std::int64_t positions = 1;          // of each sequence that the cache has room for
  std::optional<double> limit_s = {};  // that a pass may take

  PassShape shape() const { return PassShape::uniform(phase, batch, tokens, context, Output::greedy); }
  double tokens_in_pass() const { return static_cast<double>(batch) * static_cast<double>(tokens); }
};

// What can be chosen from.
struct Choices {
  ModelConfig config;
  std::vector<Chip> chips;  // one chip, whose software may move and multiply in several ways
  std::vector<Torus> tori;
  std::vector<Layout> layouts;
  std::vector<DType> weights;
  DType kv = DType::bf16;
  std::int64_t window = 0;  // bytes that a chip takes beside its weights while these are loaded
};

struct Candidate {
  Torus torus;
  Layout layout;
  DType weights = DType::bf16;
  std::size_t chip = 0;  // of Choices::chips
  LoweredPass pass;      // empty where the layout cannot be
  PassCost cost;         // of one pass
  Memory memory;
  std::string rejected;  // why it cannot be chosen; empty: it can

  bool fits() const { return rejected.empty(); }
  bool is_priced() const { return !pass.kinds.empty(); }
  double time_s() const { return cost.time_s(); }
};
// Layouts that are the same on the torus, whose axes of one chip cut nothing.
bool cut_alike(const Torus& torus, const Layout& a, const Layout& b);

// Each different way once (axes of one chip cut nothing): those that fit before the others, fastest first.
std::vector<Candidate> candidates(const Choices& choices, const Work& work, WalkLoads& walks);

// Two times that differ by less than this share are too close to call.
inline constexpr double close_call = 0.15;

struct Choice {
  std::size_t best = 0;             // of the candidates
  std::optional<std::size_t> next;  // the fastest with another layout
  double margin = 0;                // time of next / time of best - 1; negative where fewer bytes decided
  bool is_close() const { return next && margin < close_call; }
};
// A phase's work, its candidates, and the layout that is settled already, if one is: only that can be chosen.
struct Contest {
  Work work;
  std::vector<Candidate> candidates;
  std::optional<Layout> settled = {};

  bool can_win(const Candidate& c) const { return c.fits() && (!settled || cut_alike(c.torus, *settled, c.layout)); }
};
// Nothing where no candidate can win.
std::optional<Choice> choose(const Choices& choices, const Contest& contest);

// Prefill and decode over one copy of the weights: the same torus, types and stored cut.
struct PairChoice {
  Choice prefill, decode;
};
std::optional<PairChoice> choose_both(const Choices& choices, const Contest& prefill, const Contest& decode);

// Bytes that a chip sends in one pass.
double bytes_per_chip(const Choices& choices, const Candidate& candidate);
// Chip-seconds for each new token (paper section 4.4).
double cost_per_token(const Work& work, const Candidate& candidate);
// Positions of each sequence for which the cache takes this share of a chip's memory; without a share, what weights and
// activations leave.
std::int64_t longest_context(const Choices& choices, const Work& work, const Candidate& candidate,
                             std::optional<double> share);

// The chip as it would be if latencies were half and nothing lost (low), or latencies twice as long (high).
Chip optimistic(Chip chip);
Chip pessimistic(Chip chip);

// Where another layout is chosen on the same torus: one quantity at the nearest power of two, below or above what it is.
// Tried are all from 1 to 2^16 sequences, 1 to 2^20 tokens of a prompt, 64 to 2^22 positions, and for a hop's time and a
// link's bandwidth up to 64 times more or less.
struct Flip {
  std::string in;  // "batch", "context", "alpha", "bandwidth"
  double at = 0;   // sequences, positions, seconds, bytes/s
  Layout to;
};
std::vector<Flip> flips(const Choices& choices, const Work& work, const Candidate& chosen, WalkLoads& walks);

}  // namespace tsrun
