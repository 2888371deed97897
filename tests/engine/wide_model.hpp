// A model that is wide and shallow: its weights outweigh what libraries take, and it is written in a moment.
#pragma once

#include <random>

#include "golden_file.hpp"

namespace tsrun::test {

inline ModelConfig wide_config() {
  ModelConfig c;
  c.name = "wide";
  c.block = Block::parallel;
  c.layers = 2;
  c.E = 1024;
  c.F = 4096;
  c.H = 8;
  c.K = 1;
  c.Q = 128;
  c.V = 512;
  c.context = 512;
  c.rope_dims = 128;
  c.tied = true;
  return c;
}

// 30 million parameters. A few rows at a time, so that the rank that writes needs no more memory than the others.
inline void write_wide(const std::string& path, DType matrices) {
  const ModelConfig config = wide_config();
  ModelWriter writer(path, config, {});
  std::minstd_rand random(1);
  std::vector<float> values;
  for (const TensorSpec& spec : tensors_of(config)) {
    const DType type = converted_type(spec, DType::bf16, matrices);
    writer.begin(spec, type);
    values.resize(static_cast<std::size_t>(spec.columns));
    for (std::int64_t row = 0; row < spec.rows; row += 64) {
      TensorRows rows = TensorRows::zeros(type, std::min<std::int64_t>(64, spec.rows - row), spec.columns);
      for (std::int64_t r = 0; r < rows.rows; ++r) {
        for (float& v : values) v = (static_cast<float>(random() % 2001) - 1000) * 4e-5F;
        encode_row(values.data(), rows, r);
      }
      writer.append(rows);
    }
    writer.end();
  }
  writer.commit();
}

class WideFile : public SharedFile {
 public:
  explicit WideFile(DType matrices = DType::bf16)
      : SharedFile("wide", [matrices](const std::string& path) { write_wide(path, matrices); }) {}
};

}  // namespace tsrun::test
