// What each local step does to this chip's numbers.
#pragma once

#include <span>
#include <vector>

#include "tsrun/engine/executor.hpp"
#include "tsrun/kernels/attention.hpp"
#include "tsrun/kernels/rows.hpp"

namespace tsrun {

class LocalSteps {
 public:
  // `rows`: as many as the program's padded B; the empty ones have no tokens.
  LocalSteps(const PreparedProgram& ready, const Coord& chip, const ModelConfig& config, const Weights& weights,
             KvCache& cache, Rotaries& rotary, Factors& factors, float* arena, std::span<const PassInput> rows);
  void run(const Step& step);
  // The products of a step, which may also communicate: from the values that are whole to those that are not summed
  // yet. They are taken up once, and multiplied as often as weights come: product(i, x, y) makes the i-th product.
  void take_factors(std::span<const ValueId> in, std::int64_t block_width = 0) const;
  template <class Product>
  void each_product(const Step& step, std::span<const ValueId> in, std::span<const ValueId> out,
                    Product product) const {
    const bool sums = in.size() > 1;
    for (std::size_t i = 0; i < step.weights.size(); ++i)
      product(i, factors_[sums ? i : 0], at(!sums ? out[i] : i == 0 ? out[0] : step.via.back()));
  }
  // Of two inputs, their products are added.
  void add_products(const Step& step, std::span<const ValueId> in, std::span<const ValueId> out) const;
  // Widths of blocks of columns of the one value that is multiplied, or of the sums, one after the other; 0: side by side.
  struct BlockWidths {
    std::int64_t in = 0, out = 0;
  };
  void multiply(const Step& step, std::span<const ValueId> in, std::span<const ValueId> out, BlockWidths widths) const;

 private:
  float* at(ValueId v) const { return arena_ + ready_.buffers.offset[static_cast<std::size_t>(v)]; }
  // A value as rows of sequences or tokens: all dimensions but B and L together are its width.
  std::int64_t rows_of(ValueId v) const;
  std::int64_t width_of(ValueId v) const { return p_.local_elements(v) / rows_of(v); }
  Rows expected_rows() const { return p_.shape.phase == Phase::prefill ? Rows::many : Rows::few; }
  Range mine(ValueId v, Dim d) const;
  const PassInput& row(std::int64_t b) const { return rows_[static_cast<std::size_t>(b)]; }
  VocabularyPart vocabulary(ValueId logits) const;

  void slice(const Step& step) const;
  void embed(const Step& step) const;
  void norm(const Step& step) const;
  void bias(const Step& step) const;
  void norm_heads(const Step& step) const;
  void rotate_queries(const Step& step) const;
  const Rotary& rotary_of(int layer) const { return config_.is_local(layer) ? rotary_.local : rotary_.global; }
  void store_kv(const Step& step);
  void attend(const Step& step);
  void pick(const Step& step) const;
  void best(const Step& step) const;
  void choose(const Step& step) const;
  void likeliest(const Step& step) const;
  void softmax_stats(const Step& step) const;
  void score(const Step& step) const;

  const PreparedProgram& ready_;
  const Program& p_;
  Coord chip_;
  const ModelConfig& config_;
  const Weights& weights_;
  KvCache& cache_;
  Rotaries& rotary_;
  Factors& factors_;
  float* arena_;
  std::span<const PassInput> rows_;
  std::int64_t L_;
  std::vector<AttentionRow> attention_rows_;  // of the layer at work
};

}  // namespace tsrun
