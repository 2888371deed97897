// The oracle: the whole Transformer on one rank in plain loops.
//
// It is the only other description of the mathematics in this repository, and is kept slow and obvious: one function
// per formula, double precision, no BLAS, no cache, no batch, nothing shared with the code it judges. Every layout,
// mesh, type and fast kernel is held against it. It is itself held against logits of an independent implementation
// (reference_test.cpp, ../golden).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tsrun/import/source.hpp"
#include "tsrun/model/config.hpp"

namespace tsrun {

struct ReferenceModel {
  ModelConfig config;
  std::map<std::string, std::vector<float>> tensors;  // by path ("/layers/0/attn_q"), rows of output channels
};

// The logits after each of `ids`, the first at position 0: [ids.size()][V].
std::vector<float> reference_logits(const ReferenceModel& model, const std::vector<int>& ids);

// Every tensor exactly dequantised to f32.
ReferenceModel load_reference(const ModelSource& source);

}  // namespace tsrun
