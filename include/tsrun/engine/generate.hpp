// From prompts to texts: a batch of slots that sequences enter and leave.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "tsrun/engine/engine.hpp"
#include "tsrun/engine/sampler.hpp"

namespace tsrun {

enum class Finish : std::uint8_t { length, eos, stop };
std::string_view name(Finish finish);

struct Generated {
  std::vector<std::int32_t> tokens;  // the end token included where there is one
  Finish finish = Finish::length;
};

struct GenerateOptions {
  std::int64_t n_predict = 128;
  Sampling sampling;
  // The number of each prompt's sequence for `sample`, the same on every rank: with a number that belongs to the prompt
  // itself its text does not depend on which prompts are given with it, or in what order. Empty: its place among them.
  std::vector<std::uint64_t> sequence_numbers;
  // Every rank asks these, with the same tokens, and must get the same answers.
  std::function<bool(std::int32_t id)> ends;                         // the id ends its sequence
  std::function<bool(const std::vector<std::int32_t>& ids)> stops;  // so do the ids that it has so far
  // Tells of a sequence after each of its tokens, the last time as finished; once, of one that is to have no token.
  std::function<void(std::size_t sequence, const Generated& so_far, bool finished)> progress;
};

struct GenerateTiming {
  double prefill_s = 0;
  double ttft_s = 0;  // first prompt token in to first token out
  double decode_s = 0;
  std::int64_t prefill_tokens = 0;
  std::int64_t decode_tokens = 0;
  std::vector<double> decode_steps;  // seconds of each
};

// Sequences enter the plan's slots in input order; when one ends, the next takes its slot, and is prefilled in chunks
// between the decode steps of the others. What a sequence becomes does not depend on who sits beside it.
// A prompt has at least one token; std::logic_error, on every rank alike, where one has none.
std::vector<Generated> generate(Engine& engine, const std::vector<std::vector<std::int32_t>>& prompts,
                                const GenerateOptions& options, GenerateTiming& timing);

// What passes must bring so that tokens can be drawn: ids where sampling is greedy; else each chip's likeliest
// candidates, where a number of them is sure to hold the token (Sampling::candidates) and they are fewer bytes than the
// chip's part of the V logits; else all logits.
Output output_for(const Sampling& sampling, std::int64_t V, int chips);

// Tokens with which all prompts begin, for the plan; 0 where they are too few to be kept once.
std::int64_t shared_prefix(const std::vector<std::vector<std::int32_t>>& prompts);

// New tokens of each sequence in the next prefill pass, given what each still has: as many as possible, so that at most
// a quarter of the pass is padding, and no more than the plan's chunk each, its pass_tokens together and most_rows
// sequences. 0 for those that wait.
std::vector<std::int64_t> next_pass(const std::vector<std::int64_t>& remaining, const Plan& plan,
                                    std::int64_t most_rows);

// Log-probability of every token given those before it; the first of each sequence has none and is left out.
std::vector<std::vector<float>> score(Engine& engine, const std::vector<std::vector<std::int32_t>>& texts);

// Logits after every token: calls each([tokens][V]) chunk by chunk, from the first token on.
void all_logits(Engine& engine, const std::vector<std::int32_t>& tokens,
                const std::function<void(const std::vector<float>&)>& each);

}  // namespace tsrun
