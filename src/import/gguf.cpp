// Typed access to the values of a header that is already checked.
#include "tsrun/import/gguf.hpp"

#include <cmath>

#include "cursor.hpp"
#include "gguf_header.hpp"
#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"
#include "words.hpp"

namespace tsrun {
namespace {

constexpr std::uint64_t longest_string = std::uint64_t{64} << 20;

[[noreturn]] void wrong_kind(const Gguf& file, std::string_view key, std::string_view wanted) {
  refuse({.what = text("the value of ", printable(key), " is not ", wanted), .where = file.where(),
          .next = "the file is damaged or was made by a program that tsrun does not know"});
}

void require_utf8(const Gguf& file, std::string_view key, const std::string& value, Numbers numbers = {}) {
  if (!invalid_utf8(value)) return;
  refuse({.what = text("the value of ", printable(key), " is not UTF-8: \"", printable(value), "\""),
          .where = file.where(), .numbers = std::move(numbers), .next = "the file is damaged; fetch it again"});
}

std::int64_t signed_or_refuse(const Gguf& file, std::string_view key, std::uint64_t value) {
  if (value >> 63 != 0) wrong_kind(file, key, "a number below 2^63");
  return static_cast<std::int64_t>(value);
}

std::int64_t take_integer(Cursor& cursor, GgufKind kind, const Gguf& file, std::string_view key) {
  switch (kind) {
    case GgufKind::u8: return cursor.take<std::uint8_t>(key);
    case GgufKind::i8: return cursor.take<std::int8_t>(key);
    case GgufKind::u16: return cursor.take<std::uint16_t>(key);
    case GgufKind::i16: return cursor.take<std::int16_t>(key);
    case GgufKind::u32: return cursor.take<std::uint32_t>(key);
    case GgufKind::i32: return cursor.take<std::int32_t>(key);
    case GgufKind::u64: return signed_or_refuse(file, key, cursor.take<std::uint64_t>(key));
    case GgufKind::i64: return cursor.take<std::int64_t>(key);
    default: wrong_kind(file, key, "a list of whole numbers");
  }
}

}  // namespace

Gguf::Gguf(std::unique_ptr<const Bytes> bytes) : bytes_(std::move(bytes)) {
  GgufHeader header = read_gguf_header(*bytes_);
  values_ = std::move(header.values);
  tensors_ = std::move(header.tensors);
  for (std::size_t i = 0; i < tensors_.size(); ++i) by_name_.emplace(tensors_[i].name, i);
}

const GgufTensor* Gguf::tensor(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &tensors_[found->second];
}

std::vector<FileTensor> Gguf::stored() const {
  std::vector<FileTensor> out;
  for (const GgufTensor& t : tensors_) {
    std::vector<std::uint64_t> shape(t.shape.rbegin(), t.shape.rend());
    while (shape.size() > 1 && shape.front() == 1) shape.erase(shape.begin());
    out.push_back({t.name, std::move(shape), std::string(t.type->name), t.type, bytes_.get(), t.offset, t.bytes});
  }
  return out;
}

const GgufValue* Gguf::find(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

std::optional<std::int64_t> Gguf::integer(std::string_view key) const {
  const GgufValue* const value = find(key);
  if (!value) return std::nullopt;
  if (const auto* const v = std::get_if<std::uint64_t>(value)) return signed_or_refuse(*this, key, *v);
  if (const auto* const v = std::get_if<std::int64_t>(value); v && *v >= 0) return *v;
  wrong_kind(*this, key, "a whole number from 0 on");
}

std::optional<double> Gguf::real(std::string_view key) const {
  const GgufValue* const value = find(key);
  if (!value) return std::nullopt;
  if (const auto* const v = std::get_if<double>(value); v && std::isfinite(*v)) return *v;
  if (const auto* const v = std::get_if<std::uint64_t>(value)) return static_cast<double>(*v);
  if (const auto* const v = std::get_if<std::int64_t>(value)) return static_cast<double>(*v);
  wrong_kind(*this, key, "a finite number");
}

std::optional<bool> Gguf::boolean(std::string_view key) const {
  const GgufValue* const value = find(key);
  if (!value) return std::nullopt;
  if (const auto* const v = std::get_if<bool>(value)) return *v;
  wrong_kind(*this, key, "true or false");
}

std::optional<std::string> Gguf::string(std::string_view key) const {
  const GgufValue* const value = find(key);
  if (!value) return std::nullopt;
  const auto* const at = std::get_if<GgufString>(value);
  if (!at || at->length > longest_string) wrong_kind(*this, key, "text of at most 64 MiB");
  std::string out(static_cast<std::size_t>(at->length), '\0');
  bytes_->read(at->offset, std::as_writable_bytes(std::span(out)));
  require_utf8(*this, key, out);
  return out;
}

const GgufArray* Gguf::find_array(std::string_view key, std::string_view of_what) const {
  const GgufValue* const value = find(key);
  if (!value) return nullptr;
  const auto* const array = std::get_if<GgufArray>(value);
  if (!array) wrong_kind(*this, key, of_what);
  return array;
}

std::optional<std::vector<std::string>> Gguf::strings(std::string_view key) const {
  const GgufArray* const array = find_array(key, "a list of texts");
  if (!array) return std::nullopt;
  if (array->of != GgufKind::string) wrong_kind(*this, key, "a list of texts");
  Cursor cursor(*bytes_, array->offset);
  std::vector<std::string> out;
  out.reserve(static_cast<std::size_t>(array->count));  // each has its length in the file, so this many can be there
  for (std::uint64_t i = 0; i < array->count; ++i) {
    out.push_back(cursor.take_string(longest_string, key));
    require_utf8(*this, key, out.back(), {{"index", static_cast<std::int64_t>(i)}});
  }
  return out;
}

std::optional<std::vector<std::int64_t>> Gguf::integers(std::string_view key) const {
  const GgufArray* const array = find_array(key, "a list of whole numbers");
  if (!array) return std::nullopt;
  Cursor cursor(*bytes_, array->offset);
  std::vector<std::int64_t> out;
  for (std::uint64_t i = 0; i < array->count; ++i) out.push_back(take_integer(cursor, array->of, *this, key));
  return out;
}

}  // namespace tsrun
