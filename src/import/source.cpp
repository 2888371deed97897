// A GGUF file as a model: its keys as a configuration, its tensors in the model's order and types.
#include "tsrun/import/source.hpp"

#include <algorithm>
#include <cstring>

#include "architecture.hpp"
#include "facts.hpp"
#include "match.hpp"
#include "rows.hpp"
#include "tsrun/core/error.hpp"
#include "tsrun/core/integer.hpp"
#include "tsrun/import/gguf.hpp"
#include "vocabulary.hpp"

namespace tsrun {
namespace {

constexpr std::int64_t read_at_once = 1 << 20;  // bytes of the file in memory beside the rows asked for

class GgufSource final : public ModelSource {
 public:
  explicit GgufSource(std::unique_ptr<const Bytes> bytes) : file_(std::move(bytes)) {
    const Architecture& architecture = architecture_of(file_);
    check_keys(file_, architecture);
    config_ = read_config(file_, architecture);
    tokenizer_ = read_vocabulary(file_, config_.V);
    matches_ = match_tensors(file_, architecture, config_);
    for (const Match& m : matches_) tensors_.push_back(m.tensor);
  }

  const ModelConfig& config() const override { return config_; }
  const TokenizerData& tokenizer() const override { return tokenizer_; }
  const std::vector<SourceTensor>& tensors() const override { return tensors_; }

  TensorRows read(std::size_t i, std::int64_t first, std::int64_t count) const override {
    const Match& m = match_of(i, first, count);
    TensorRows out = TensorRows::zeros(m.tensor.type, count, m.tensor.spec.columns);
    std::vector<float> scratch(static_cast<std::size_t>(out.columns));
    for_rows(m, first, count, [&](std::int64_t row, const std::byte* in) {
      keep_row(*m.stored->type, in, out, row, scratch.data());
    });
    const auto each = static_cast<std::size_t>(bits(out.type) / 8);  // of a vector, whose type is never grouped
    if (m.tensor.spec.is_vector && m.neighbours > 0) order_elements(m, each, out.values.data());
    return out;
  }

  void read_f32(std::size_t i, std::int64_t first, std::int64_t count, float* out) const override {
    const Match& m = match_of(i, first, count);
    const GgmlType& type = *m.stored->type;
    const std::int64_t columns = m.tensor.spec.columns;
    for_rows(m, first, count, [&](std::int64_t row, const std::byte* in) {
      type.dequantize(in, columns / type.block, out + row * columns);
    });
    if (m.tensor.spec.is_vector && m.neighbours > 0)
      order_elements(m, sizeof(float), reinterpret_cast<std::byte*>(out));
  }

 private:
  const Match& match_of(std::size_t i, std::int64_t first, std::int64_t count) const {
    check(i < matches_.size(), "the source has this tensor");
    const std::int64_t rows = matches_[i].tensor.spec.rows;
    check(first >= 0 && count >= 0 && first <= rows && count <= rows - first, "the tensor has these rows");
    return matches_[i];
  }

  // visit(row, its bytes in the file) for rows 0 .. count - 1 from `first` on, about 1 MiB of the file in memory.
  template <class Visit>
  void for_rows(const Match& m, std::int64_t first, std::int64_t count, Visit&& visit) const {
    const TensorSpec& spec = m.tensor.spec;
    const bool by_heads = m.neighbours > 0 && !spec.is_vector;
    const std::int64_t row_bytes = static_cast<std::int64_t>(m.stored->bytes) / spec.rows;
    const std::int64_t unit = by_heads ? config_.Q : 1;  // rows that must be read together
    const std::int64_t step = std::max<std::int64_t>(1, read_at_once / (row_bytes * unit)) * unit;
    const std::int64_t last = first + count;
    std::vector<std::byte> slab;
    for (std::int64_t at = first / unit * unit; at < last; at += step) {
      const std::int64_t end = std::min(at + step, round_up(last, unit));
      slab.resize(static_cast<std::size_t>((end - at) * row_bytes));
      file_.bytes().read(m.stored->offset + static_cast<std::uint64_t>(at * row_bytes), slab);
      for (std::int64_t row = std::max(at, first); row < std::min(end, last); ++row) {
        const std::int64_t stored = by_heads ? neighbour_row(row, config_.Q, m.neighbours) : row;
        visit(row - first, slab.data() + (stored - at) * row_bytes);
      }
    }
  }

  // The elements of a q or k bias, from the file's order to the model's.
  void order_elements(const Match& m, std::size_t each, std::byte* values) const {
    const auto count = static_cast<std::size_t>(m.tensor.spec.columns);
    const std::vector<std::byte> stored(values, values + count * each);
    for (std::size_t i = 0; i < count; ++i) {
      const auto from = static_cast<std::size_t>(neighbour_row(static_cast<std::int64_t>(i), config_.Q, m.neighbours));
      std::memcpy(values + i * each, stored.data() + from * each, each);
    }
  }

  Gguf file_;
  ModelConfig config_;
  TokenizerData tokenizer_;
  std::vector<Match> matches_;
  std::vector<SourceTensor> tensors_;
};

}  // namespace

std::unique_ptr<ModelSource> open_source(const std::string& path) { return open_source(open_bytes(path)); }

std::unique_ptr<ModelSource> open_source(std::unique_ptr<const Bytes> bytes) {
  return std::make_unique<GgufSource>(std::move(bytes));
}

}  // namespace tsrun
