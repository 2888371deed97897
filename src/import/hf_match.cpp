#include "hf_match.hpp"

#include <algorithm>
#include <set>

#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun {
namespace {

TensorTable table_of(const std::vector<Safetensors>& shards, const std::string& where) {
  std::vector<FileTensor> all;
  for (const Safetensors& shard : shards) all.insert(all.end(), shard.tensors().begin(), shard.tensors().end());
  return {std::move(all), where};
}

// Folders of a bare model leave the family's prefix out: h.0.ln_1.weight for transformer.h.0.ln_1.weight.
bool leaves_out(const TensorTable& table, std::string_view prefix) {
  return std::none_of(table.all().begin(), table.all().end(),
                      [prefix](const FileTensor& t) { return t.name.starts_with(prefix); });
}
std::string_view without(std::string_view prefix, std::string_view pattern) {
  return pattern.starts_with(prefix) ? pattern.substr(prefix.size()) : pattern;
}

bool same_bytes(const FileTensor& a, const FileTensor& b) {
  if (a.shape != b.shape || a.type_name != b.type_name) return false;
  std::vector<std::byte> one(std::size_t{1} << 20), other(one.size());
  for (std::uint64_t at = 0; at < a.bytes; at += one.size()) {
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(one.size(), a.bytes - at));
    a.file->read(a.offset + at, std::span(one).first(n));
    b.file->read(b.offset + at, std::span(other).first(n));
    if (!std::equal(one.begin(), one.begin() + static_cast<std::ptrdiff_t>(n), other.begin())) return false;
  }
  return true;
}

// A tied unembedding is sometimes written all the same. Returns its name, or nothing.
std::string tied_copy(const TensorTable& table, std::span<const TensorName> names, const ModelConfig& config) {
  if (!config.tied) return {};
  const FileTensor* const embed = find_stored(table, names, Weight::embed, -1);
  const FileTensor* const unembed = find_stored(table, names, Weight::unembed, -1);
  if (!embed || !unembed) return {};
  if (!same_bytes(*embed, *unembed))
    refuse({.what = text("the embedding is tied, but ", unembed->name, " is another than ", embed->name),
            .where = table.where(), .next = "the folder contradicts itself; fetch it again"});
  return unembed->name;
}

}  // namespace

std::vector<Match> match_hf_tensors(const std::vector<Safetensors>& shards, const std::string& where,
                                    const HfFamily& family, const ModelConfig& config) {
  const TensorTable table = table_of(shards, where);
  const std::string_view prefix = leaves_out(table, family.prefix) ? family.prefix : "";
  std::vector<TensorName> names(family.tensors.begin(), family.tensors.end());
  for (TensorName& name : names) name.pattern = without(prefix, name.pattern);
  std::set<std::string, std::less<>> ignored{tied_copy(table, names, config)};
  for (const std::string_view pattern : family.ignored)
    for (int layer = 0; layer < config.layers; ++layer) ignored.insert(expand(without(prefix, pattern), layer));
  const auto is_ignored = [&](std::string_view name) { return ignored.contains(name); };
  return match_tensors(table, {family.model_type, names, false, is_ignored}, config);
}

}  // namespace tsrun
