// What each local step does to this chip's numbers.
#pragma once

#include <span>

#include "tsrun/engine/executor.hpp"

namespace tsrun {

class LocalSteps {
 public:
  LocalSteps(const PreparedProgram& ready, const Coord& chip, const ModelConfig& config, const Weights& weights,
             std::vector<KvLayer>& cache, Rotary& rotary, float* arena, std::span<const PassInput> rows);
  void run(const Step& step);

 private:
  float* at(ValueId v) const { return arena_ + ready_.buffers.offset[static_cast<std::size_t>(v)]; }
  // A value as rows of sequences or tokens: all dimensions but B and L together are its width.
  std::int64_t rows_of(ValueId v) const;
  std::int64_t width_of(ValueId v) const { return p_.local_elements(v) / rows_of(v); }
  Range mine(ValueId v, Dim d) const;
  VocabularyPart vocabulary(ValueId logits) const;

  void embed(const Step& step) const;
  void norm(const Step& step) const;
  void bias(const Step& step) const;
  void rotate_queries(const Step& step) const;
  void store_kv(const Step& step);
  void attend(const Step& step) const;
  void pick(const Step& step) const;
  void best(const Step& step) const;
  void choose(const Step& step) const;
  void sum_masks(const Step& step) const;
  void score(const Step& step) const;

  const PreparedProgram& ready_;
  const Program& p_;
  Coord chip_;
  const ModelConfig& config_;
  const Weights& weights_;
  std::vector<KvLayer>& cache_;
  Rotary& rotary_;
  float* arena_;
  std::span<const PassInput> rows_;
  std::int64_t L_;
};

}  // namespace tsrun
