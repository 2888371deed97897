#include "match.hpp"

#include <algorithm>
#include <set>

#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"
#include "words.hpp"

namespace tsrun {
namespace {

constexpr const char* convert_again = "the file contradicts itself or is not complete; convert the model again";

// Sizes of one in front say nothing.
std::vector<std::uint64_t> without_ones(std::vector<std::uint64_t> shape) {
  const auto first = std::find_if(shape.begin(), shape.end(), [](std::uint64_t size) { return size != 1; });
  shape.erase(shape.begin(), first);
  return shape;
}

void require_shape(const TensorTable& table, const Match& m) {
  const TensorSpec& spec = m.tensor.spec;
  const auto rows = static_cast<std::uint64_t>(m.order.rows), columns = static_cast<std::uint64_t>(spec.columns);
  std::vector<std::uint64_t> wanted{rows, columns};
  if (spec.is_vector) wanted = {rows};
  if (m.transposed) wanted = {columns, rows};
  if (without_ones(m.stored.shape) == without_ones(wanted)) return;
  refuse({.what = text("the tensor ", m.stored.name, " has another shape than the configuration asks for"),
          .where = table.where(),
          .numbers = {{"in the file", shape_text(m.stored.shape)}, {"asked for", shape_text(wanted)}},
          .next = convert_again});
}

void require_type(const TensorTable& table, const Match& m) {
  const FileTensor& stored = m.stored;
  if (!stored.type)
    refuse({.what = text("the tensor ", stored.name, " is of type ", stored.type_name, ", which tsrun does not read"),
            .where = table.where(), .next = "give the model in F32, F16 or BF16"});
  if (m.transposed && stored.type->is_blocked())
    refuse({.what = text("the tensor ", stored.name, " is quantised along the wrong dimension"), .where = table.where(),
            .numbers = {{"type", stored.type_name}}, .next = "give the model in F32, F16 or BF16"});
}

// The first of the weight's names that is there.
const TensorName* find_present(const TensorTable& table, std::span<const TensorName> names, Weight weight, int layer) {
  for (const TensorName& entry : names)
    if (entry.weight == weight && table.find(expand(entry.pattern, layer))) return &entry;
  return nullptr;
}

bool is_rotated(Weight w) {
  return w == Weight::attn_q || w == Weight::attn_k || w == Weight::attn_q_bias || w == Weight::attn_k_bias;
}

[[noreturn]] void lacks(const TensorTable& table, const Family& family, const TensorSpec& spec) {
  const std::string name = tensor_name(family.names, spec.weight, spec.layer);
  refuse({.what = text("the file lacks the tensor ", name.empty() ? spec.path : name), .where = table.where(),
          .next = convert_again});
}

Match match_one(const TensorTable& table, const Family& family, const ModelConfig& config, const TensorSpec& spec) {
  const TensorName* const name = find_present(table, family.names, spec.weight, spec.layer);
  if (!name) lacks(table, family, spec);
  const std::string full = expand(name->pattern, spec.layer);
  const FileTensor* const stored = table.find(full);
  Match m;
  m.stored = *stored;
  m.order = row_order(name->fusing, spec, config);
  m.transposed = name->transposed;
  m.tensor.spec = spec;
  require_shape(table, m);
  require_type(table, m);
  const GgmlType& type = *stored->type;
  m.tensor.source_name = full;
  m.tensor.source_type = stored->type_name;
  m.tensor.type = type.kept;
  m.tensor.exact = type.exact;
  // A part of a fused tensor is as large as it is.
  m.tensor.bytes = static_cast<std::uint64_t>(spec.elements() / type.block * type.bytes);
  if (spec.is_vector && type.is_blocked()) {  // small, and never held as groups
    m.tensor.type = DType::f32;
    m.tensor.exact = true;
    m.tensor.bytes = stored->bytes;
  }
  if (family.neighbours && is_rotated(spec.weight)) {
    m.order.Q = config.Q;
    m.order.neighbours = config.rope_dims;
  }
  return m;
}

}  // namespace

TensorTable::TensorTable(std::vector<FileTensor> tensors, std::string where)
    : tensors_(std::move(tensors)), where_(std::move(where)) {
  for (std::size_t i = 0; i < tensors_.size(); ++i) by_name_.emplace(tensors_[i].name, i);
}

const FileTensor* TensorTable::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &tensors_[found->second];
}

const FileTensor* find_stored(const TensorTable& table, std::span<const TensorName> names, Weight weight, int layer) {
  const TensorName* const name = find_present(table, names, weight, layer);
  return name ? table.find(expand(name->pattern, layer)) : nullptr;
}

std::vector<Match> match_tensors(const TensorTable& table, const Family& family, const ModelConfig& config) {
  std::vector<Match> out;
  std::set<std::string, std::less<>> wanted;
  for (const TensorSpec& spec : tensors_of(config)) {
    out.push_back(match_one(table, family, config, spec));
    const Match& m = out.back();
    const bool is_whole = m.order.rows == (spec.is_vector ? spec.columns : spec.rows);
    // A name of last resort may be another tensor's own.
    if (!wanted.insert(m.stored.name).second && is_whole) lacks(table, family, spec);
  }
  for (const FileTensor& stored : table.all())
    if (!wanted.contains(stored.name) && !family.is_ignored(stored.name))
      refuse({.what = text("the tensor ", printable(stored.name), " belongs to no ", family.name, " that tsrun knows"),
              .where = table.where(),
              .numbers = {{"tensors in the file", number(table.all().size())}, {"asked for", number(out.size())}},
              .next = "the result could be wrong without it, so the model is not read; choose another"});
  return out;
}

}  // namespace tsrun
