#include "schema.hpp"

#include "tsrun/core/text.hpp"

namespace tsrun {
namespace {

constexpr std::size_t longest_word = 80;  // of a file, in a message

h5::Element element_of(DType type) {
  switch (type) {
    case DType::f32: return h5::Element::f32;
    case DType::f16: return h5::Element::f16;
    case DType::bf16: return h5::Element::bf16;
    case DType::int8:
    case DType::int8_channel: return h5::Element::i8;
    case DType::int4:
    case DType::int4_min: return h5::Element::u8;  // two of them
  }
  check(false, "a dtype has an element type");
  return h5::Element::u8;
}

Part part(const TensorSpec& spec, const char* suffix, h5::Element element, std::int64_t elements_per_row) {
  std::vector<hsize_t> dims;
  if (!spec.is_vector) dims.push_back(static_cast<hsize_t>(spec.rows));
  dims.push_back(static_cast<hsize_t>(elements_per_row));
  return {spec.path + suffix, element, std::move(dims), spec.rows, elements_per_row * h5::size_of(element)};
}

}  // namespace

std::vector<Part> parts_of(const TensorSpec& spec, DType type) {
  std::vector<Part> parts;
  parts.push_back(part(spec, "", element_of(type), spec.columns * bits(type) / 8 / h5::size_of(element_of(type))));
  if (is_grouped(type)) parts.push_back(part(spec, ".scale", h5::Element::f16, spec.columns / group_size));
  if (has_minimum(type)) parts.push_back(part(spec, ".minimum", h5::Element::f16, spec.columns / group_size));
  if (type == DType::int8_channel) {
    parts.push_back(part(spec, ".scale", h5::Element::f32, 1));
    parts.back().dims = {static_cast<hsize_t>(spec.rows)};
  }
  return parts;
}

std::span<const std::byte> part_bytes(const TensorRows& rows, std::size_t i) {
  if (i == 0) return rows.values;
  return std::as_bytes(std::span(i == 1 ? rows.scale : rows.minimum));
}

void misfit(const std::string& file, std::string_view object, std::string what, Numbers numbers) {
  for (auto& [name, number] : numbers)
    if (auto* const word = std::get_if<std::string>(&number); word && word->size() > longest_word)
      *word = word->substr(0, longest_word) + "...";
  refuse({.what = std::move(what),
          .where = text(file, ": ", object),
          .numbers = std::move(numbers),
          .next = "the file was not written by this version of tsrun; convert the model again"});
}

}  // namespace tsrun
