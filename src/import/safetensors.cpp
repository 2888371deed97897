#include "tsrun/import/safetensors.hpp"

#include <algorithm>

#include "cursor.hpp"
#include "json.hpp"
#include "tsrun/core/error.hpp"
#include "tsrun/core/integer.hpp"
#include "tsrun/core/text.hpp"
#include "words.hpp"

namespace tsrun {
namespace {

constexpr std::uint64_t longest_header = 100'000'000;  // the format's own limit
constexpr std::size_t most_dimensions = 8;
constexpr const char* fetch_again = "the file is damaged or not complete; fetch it again";

// All types of the format, with the bits of a value.
struct ElementType {
  std::string_view name;
  std::uint64_t bits;
};
constexpr ElementType element_types[] = {
    {"F32", 32}, {"F16", 16}, {"BF16", 16}, {"F64", 64}, {"C64", 64}, {"BOOL", 8}, {"U8", 8}, {"I8", 8}, {"U16", 16},
    {"I16", 16}, {"U32", 32}, {"I32", 32}, {"U64", 64}, {"I64", 64}, {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8},
    {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4},
};

// The plain types are the same in every format.
const GgmlType* readable_type(std::string_view name) {
  for (const GgmlType& type : ggml_types())
    if (type.name == name && type.readable() && !type.is_blocked()) return &type;
  return nullptr;
}

class HeaderReader {
 public:
  explicit HeaderReader(const Bytes& bytes) : bytes_(bytes) {}

  std::vector<FileTensor> read() {
    const Json header = parse_header();
    for (const auto& [name, value] : header.items())
      if (name != "__metadata__") read_tensor(name, value);
    std::sort(tensors_.begin(), tensors_.end(), [](const FileTensor& a, const FileTensor& b) {
      return std::pair(a.offset, a.bytes) < std::pair(b.offset, b.bytes);
    });
    require_filled();
    return std::move(tensors_);
  }

 private:
  [[noreturn]] void damaged(std::string what, Numbers numbers = {}) const {
    refuse({.what = std::move(what), .where = bytes_.name(), .numbers = std::move(numbers), .next = fetch_again});
  }
  [[noreturn]] void damaged_tensor(const std::string& name, std::string_view what, Numbers numbers = {}) const {
    damaged(text("the tensor ", printable(name), " ", what), std::move(numbers));
  }

  Json parse_header();
  void read_tensor(const std::string& name, const Json& value);
  std::vector<std::uint64_t> whole_numbers(const std::string& name, const Json& value, const char* field) const;
  std::uint64_t bytes_asked_for(const FileTensor& tensor) const;
  void require_filled() const;

  const Bytes& bytes_;
  std::uint64_t data_ = 0;  // where the tensors' bytes begin
  std::vector<FileTensor> tensors_;
};

Json HeaderReader::parse_header() {
  Cursor cursor(bytes_);
  const auto length = cursor.take<std::uint64_t>("the header's length");
  if (length > longest_header)
    damaged("not a safetensors file: its header would be absurdly long",
            {{"header", number(length)}, {"longest", number(longest_header)}});
  cursor.require_room(length, 1, "the header");
  std::string all(static_cast<std::size_t>(length), '\0');
  bytes_.read(cursor.position(), std::as_writable_bytes(std::span(all)));
  data_ = cursor.position() + length;
  return parse_object(all, bytes_.name());
}

void HeaderReader::read_tensor(const std::string& name, const Json& value) {
  if (name.empty()) damaged("a tensor has no name");
  if (!value.is_object() || !value.contains("dtype") || !value["dtype"].is_string())
    damaged_tensor(name, "has no type (dtype)");
  FileTensor tensor;
  tensor.name = name;
  tensor.type_name = value["dtype"].get<std::string>();
  tensor.type = readable_type(tensor.type_name);
  tensor.file = &bytes_;
  tensor.shape = whole_numbers(name, value, "shape");
  if (tensor.shape.size() > most_dimensions)
    damaged_tensor(name, "has an absurd number of dimensions",
                   {{"dimensions", number(tensor.shape.size())}, {"most", number(most_dimensions)}});
  const std::vector<std::uint64_t> place = whole_numbers(name, value, "data_offsets");
  if (place.size() != 2 || place[0] > place[1])
    damaged_tensor(name, "has no place (data_offsets) of a begin and an end");
  const std::uint64_t room = bytes_.size() - data_;
  if (place[1] > room)
    damaged_tensor(name, "ends past the end of the file",
                   {{"begin", number(place[0])}, {"end", number(place[1])}, {"bytes of data", number(room)}});
  tensor.offset = data_ + place[0];
  tensor.bytes = place[1] - place[0];
  if (const std::uint64_t asked = bytes_asked_for(tensor); asked != tensor.bytes)
    damaged_tensor(name, "has not as many bytes as its shape and type ask for",
                   {{"shape", shape_text(tensor.shape)}, {"type", tensor.type_name}, {"asked for", number(asked)},
                    {"bytes", number(tensor.bytes)}});
  tensors_.push_back(std::move(tensor));
}

std::vector<std::uint64_t> HeaderReader::whole_numbers(const std::string& name, const Json& value,
                                                       const char* field) const {
  const auto found = value.find(field);
  if (found == value.end() || !found->is_array()) damaged_tensor(name, text("has no list of numbers as its ", field));
  std::vector<std::uint64_t> out;
  for (const Json& each : *found) {
    if (!each.is_number_unsigned() || each.get<std::uint64_t>() >> 63 != 0)
      damaged_tensor(name, text("has something else than whole numbers below 2^63 in its ", field));
    out.push_back(each.get<std::uint64_t>());
  }
  return out;
}

std::uint64_t HeaderReader::bytes_asked_for(const FileTensor& tensor) const {
  const auto* const type = std::find_if(std::begin(element_types), std::end(element_types),
                                        [&](const ElementType& t) { return t.name == tensor.type_name; });
  if (type == std::end(element_types))
    damaged_tensor(tensor.name, text("is of the unknown type ", printable(tensor.type_name)));
  std::optional<std::uint64_t> bits = type->bits;
  for (const std::uint64_t size : tensor.shape)
    if (bits) bits = checked_mul(*bits, size);
  if (!bits || *bits % 8 != 0)
    damaged_tensor(tensor.name, "has absurd dimensions", {{"shape", shape_text(tensor.shape)}});
  return *bits / 8;
}

// The tensors, ordered by place, follow one another from the first byte of the data to the last.
void HeaderReader::require_filled() const {
  std::uint64_t at = data_;
  for (const FileTensor& tensor : tensors_) {
    const Numbers numbers{{"begins at byte", number(tensor.offset)}, {"those before end at", number(at)}};
    if (tensor.offset < at) damaged_tensor(tensor.name, "overlaps the one before it", numbers);
    if (tensor.offset > at) damaged_tensor(tensor.name, "leaves a hole before it", numbers);
    at += tensor.bytes;
  }
  if (at != bytes_.size())
    damaged("the file is longer than its tensors",
            {{"tensors end at byte", number(at)}, {"size", number(bytes_.size())}});
}

}  // namespace

std::string shape_text(const std::vector<std::uint64_t>& shape) {
  std::vector<std::string> sizes;
  for (const std::uint64_t size : shape) sizes.push_back(std::to_string(size));
  return sizes.empty() ? "a single value" : join(sizes, " x ");
}

Safetensors::Safetensors(std::unique_ptr<const Bytes> bytes)
    : bytes_(std::move(bytes)), tensors_(HeaderReader(*bytes_).read()) {}

}  // namespace tsrun
