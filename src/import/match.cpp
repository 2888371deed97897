#include "match.hpp"

#include <set>

#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"
#include "words.hpp"

namespace tsrun {
namespace {

constexpr const char* convert_again = "the file contradicts itself or is not complete; convert the model again";

std::string shape_text(const std::array<std::uint64_t, 4>& shape) {
  std::string out = text(shape[1], " x ", shape[0]);
  for (const std::size_t i : {std::size_t{2}, std::size_t{3}})
    if (shape[i] != 1) out = text(shape[i], " x ", out);
  return out;
}

void require_shape(const Gguf& file, const GgufTensor& stored, const TensorSpec& spec) {
  const std::array<std::uint64_t, 4> wanted{static_cast<std::uint64_t>(spec.columns),
                                            static_cast<std::uint64_t>(spec.rows), 1, 1};
  if (stored.shape == wanted) return;
  refuse({.what = text("the tensor ", stored.name, " has another shape than the configuration asks for"),
          .where = file.where(),
          .numbers = {{"in the file", shape_text(stored.shape)}, {"asked for", shape_text(wanted)}},
          .next = convert_again});
}

bool is_rotated(Weight w) {
  return w == Weight::attn_q || w == Weight::attn_k || w == Weight::attn_q_bias || w == Weight::attn_k_bias;
}

Match match_one(const Gguf& file, const Architecture& a, const ModelConfig& config, const TensorSpec& spec) {
  Match m;
  const std::string name = tensor_name(a, spec.weight, spec.layer);
  m.stored = file.tensor(name);
  if (!m.stored)
    refuse({.what = text("the file lacks the tensor ", name), .where = file.where(), .next = convert_again});
  require_shape(file, *m.stored, spec);
  const GgmlType& type = *m.stored->type;
  m.tensor.spec = spec;
  m.tensor.source_name = name;
  m.tensor.source_type = type.name;
  m.tensor.type = type.kept;
  m.tensor.exact = type.exact;
  m.tensor.bytes = m.stored->bytes;
  if (spec.is_vector && type.is_blocked()) {  // small, and never held as groups
    m.tensor.type = DType::f32;
    m.tensor.exact = true;
  }
  if (a.qk_rows == QkRows::neighbours && is_rotated(spec.weight)) m.neighbours = config.rope_dims;
  return m;
}

}  // namespace

std::vector<Match> match_tensors(const Gguf& file, const Architecture& a, const ModelConfig& config) {
  std::vector<Match> out;
  std::set<std::string_view> wanted{rope_divisors};
  for (const TensorSpec& spec : tensors_of(config)) {
    out.push_back(match_one(file, a, config, spec));
    wanted.insert(out.back().stored->name);
  }
  for (const GgufTensor& stored : file.tensors())
    if (!wanted.contains(stored.name))
      refuse({.what = text("the tensor ", printable(stored.name), " belongs to no ", a.name, " that tsrun knows"),
              .where = file.where(),
              .numbers = {{"tensors in the file", number(file.tensors().size())}, {"asked for", number(out.size())}},
              .next = "the result could be wrong without it, so the model is not read; choose another"});
  return out;
}

}  // namespace tsrun
