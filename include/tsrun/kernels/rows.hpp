// What is done to rows of activations between the products: norms, activation, the ends of the vocabulary.
//
// `rows` x `width` numbers lie row after row, and what a row becomes depends on nothing but the row. Where a row is cut
// over chips, `width` is the chip's part and the caller says how many of its elements are real (the rest is padding, which
// stays 0).
#pragma once

#include <cstdint>
#include <span>

#include "tsrun/model/config.hpp"

namespace tsrun {

void row_sums(const float* x, std::int64_t rows, std::int64_t width, float* sums);
void row_square_sums(const float* x, std::int64_t rows, std::int64_t width, float* sums);
// out = x - sums / E in the first `real` columns, 0 in the others.
void center_rows(const float* x, const float* sums, std::int64_t rows, std::int64_t width, std::int64_t real,
                 std::int64_t E, float* out);
// out = x / sqrt(squares / E + epsilon) * scale + bias; bias may be null.
void norm_rows(const float* x, const float* squares, std::int64_t rows, std::int64_t width, std::int64_t E, double epsilon,
               const float* scale, const float* bias, float* out);
// Each row by its own root mean square, in place.
void rms_norm_rows(float* x, std::int64_t rows, std::int64_t width, double epsilon, const float* scale);
void add_bias(float* x, std::int64_t rows, std::int64_t width, const float* bias);
void add_to(float* x, const float* y, std::int64_t count);
// in = act(gate) * in, or act(in) where gate is null.
void activate(Activation activation, const float* gate, float* in, std::int64_t count);

// A row's part of the vocabulary, ids [first, first + width) of which those below V are real.
struct VocabularyPart {
  std::int64_t first = 0;
  std::int64_t width = 0;
  std::int64_t V = 0;
  std::int64_t real() const;
};
// The largest logit and its id, the smallest id of equals; -inf and 0 where the part has no real id.
struct Best {
  float logit;
  std::int32_t id;
  friend bool operator==(const Best&, const Best&) = default;
};
// The order of tokens by likelihood: of equals, the smaller id comes first.
constexpr bool likelier(const Best& a, const Best& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}
Best best_of(const float* logits, const VocabularyPart& part);
// As many of the likeliest as there is room for, at most the part's width, from the likeliest down. Where the part has
// fewer real ids, what is left is padding: -inf, and ids from V on.
void likeliest_of(const float* logits, const VocabularyPart& part, std::span<Best> out);
// What a part of the vocabulary adds to a softmax: the largest logit, the sum of exp(logit - largest), and the logit of
// `target` or -inf where it is not here.
struct SoftmaxStats {
  float largest, sum, target;
};
SoftmaxStats softmax_stats(const float* logits, const VocabularyPart& part, std::int32_t target);
// log(softmax(target)) from every part's statistics.
float log_probability(std::span<const SoftmaxStats> parts);

}  // namespace tsrun
