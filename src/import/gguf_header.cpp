// The header: magic, version, two counts, key/values, tensor table; then, aligned, the data.
#include "gguf_header.hpp"

#include <algorithm>
#include <set>

#include "cursor.hpp"
#include "tsrun/core/error.hpp"
#include "tsrun/core/integer.hpp"
#include "tsrun/core/text.hpp"
#include "words.hpp"

namespace tsrun {
namespace {

constexpr std::uint64_t longest_name = 65535;  // GGUF's own limit for a key
constexpr int deepest_array = 4;
// The least a key/value takes (the length of the name, a letter, its kind, a byte), and a tensor (length, letter,
// number of dimensions, one dimension, type, offset).
constexpr std::uint64_t least_value = 8 + 1 + 4 + 1;
constexpr std::uint64_t least_tensor = 8 + 1 + 4 + 8 + 4 + 8;
constexpr const char* fetch_again = "the file is damaged; fetch it again";

class HeaderReader {
 public:
  explicit HeaderReader(const Bytes& bytes) : bytes_(bytes), cursor_(bytes) {}

  GgufHeader read() {
    read_magic();
    const auto tensors = cursor_.take<std::uint64_t>("the number of tensors");
    const auto values = cursor_.take<std::uint64_t>("the number of keys");
    cursor_.require_room(values, least_value, "the list of keys");
    for (std::uint64_t i = 0; i < values; ++i) read_value();
    cursor_.require_room(tensors, least_tensor, "the list of tensors");
    for (std::uint64_t i = 0; i < tensors; ++i) read_tensor();
    place_tensors();
    refuse_overlap();
    return std::move(header_);
  }

 private:
  [[noreturn]] void damaged(std::string what, Numbers numbers = {}, std::string next = fetch_again) const {
    refuse({.what = std::move(what), .where = bytes_.name(), .numbers = std::move(numbers), .next = std::move(next)});
  }

  void read_magic();
  void read_value();
  GgufValue read_payload(GgufKind kind, const std::string& key);
  void skip_elements(GgufKind kind, std::uint64_t count, const std::string& key, int depth);
  void read_tensor();
  void size_tensor(GgufTensor& tensor, std::uint32_t type_number);
  void place_tensors();
  void refuse_overlap() const;

  const Bytes& bytes_;
  Cursor cursor_;
  GgufHeader header_;
  std::set<std::string, std::less<>> names_;
};

void HeaderReader::read_magic() {
  constexpr std::uint32_t magic = 0x46554747;  // "GGUF"
  if (bytes_.size() < 4 || cursor_.take<std::uint32_t>("the magic") != magic)
    damaged("not a GGUF file: it does not begin with GGUF", {{"size", number(bytes_.size())}},
            "give the path of a GGUF file");
  const auto version = cursor_.take<std::uint32_t>("the version");
  const Numbers numbers{{"version", number(version)}};
  if (version != 0 && (version & 0xffffU) == 0)
    damaged("this GGUF file is big-endian, which tsrun does not read",
            {{"version", number(version >> 24 | (version >> 8 & 0xff00U))}}, "convert it to little-endian first");
  if (version == 1)
    damaged("GGUF version 1 is not read", numbers, "convert the model again; tsrun reads versions 2 and 3");
  if (version != 2 && version != 3) damaged("unknown GGUF version", numbers, "tsrun reads versions 2 and 3");
}

// Bytes of a value of fixed size, 0 for strings, arrays and kinds that do not exist.
std::uint64_t fixed_size(GgufKind kind) {
  switch (kind) {
    case GgufKind::u8:
    case GgufKind::i8:
    case GgufKind::boolean: return 1;
    case GgufKind::u16:
    case GgufKind::i16: return 2;
    case GgufKind::u32:
    case GgufKind::i32:
    case GgufKind::f32: return 4;
    case GgufKind::u64:
    case GgufKind::i64:
    case GgufKind::f64: return 8;
    case GgufKind::string:
    case GgufKind::array: break;
  }
  return 0;
}

void HeaderReader::read_value() {
  std::string key = cursor_.take_string(longest_name, "a key");
  if (key.empty()) damaged("a key has no name", {{"at byte", number(cursor_.position())}});
  const auto kind = static_cast<GgufKind>(cursor_.take<std::uint32_t>("the kind of a value"));
  GgufValue value = read_payload(kind, key);
  const auto [at, is_new] = header_.values.try_emplace(std::move(key), value);
  if (!is_new) damaged(text("the key ", printable(at->first), " stands twice in the file"));
}

GgufValue HeaderReader::read_payload(GgufKind kind, const std::string& key) {
  const auto whole = [](auto v) { return GgufValue(static_cast<std::uint64_t>(v)); };
  const auto negative = [](auto v) { return GgufValue(static_cast<std::int64_t>(v)); };
  const std::string what = text("the value of ", printable(key));
  switch (kind) {
    case GgufKind::u8: return whole(cursor_.take<std::uint8_t>(what));
    case GgufKind::u16: return whole(cursor_.take<std::uint16_t>(what));
    case GgufKind::u32: return whole(cursor_.take<std::uint32_t>(what));
    case GgufKind::u64: return whole(cursor_.take<std::uint64_t>(what));
    case GgufKind::i8: return negative(cursor_.take<std::int8_t>(what));
    case GgufKind::i16: return negative(cursor_.take<std::int16_t>(what));
    case GgufKind::i32: return negative(cursor_.take<std::int32_t>(what));
    case GgufKind::i64: return negative(cursor_.take<std::int64_t>(what));
    case GgufKind::f32: return static_cast<double>(cursor_.take<float>(what));
    case GgufKind::f64: return cursor_.take<double>(what);
    case GgufKind::boolean: {
      const auto byte = cursor_.take<std::uint8_t>(what);
      if (byte > 1) damaged(text(what, " is neither true nor false"), {{"byte", std::int64_t{byte}}});
      return byte == 1;
    }
    case GgufKind::string: {
      const auto length = cursor_.take<std::uint64_t>(what);
      const GgufString string{cursor_.position(), length};
      cursor_.skip(length, what);
      return string;
    }
    case GgufKind::array: {
      const auto of = static_cast<GgufKind>(cursor_.take<std::uint32_t>(what));
      const auto count = cursor_.take<std::uint64_t>(what);
      const GgufArray array{of, cursor_.position(), count};
      skip_elements(of, count, key, 1);
      return array;
    }
  }
  damaged(text(what, " is of an unknown kind"), {{"kind", number(static_cast<std::uint32_t>(kind))}});
}

void HeaderReader::skip_elements(GgufKind kind, std::uint64_t count, const std::string& key, int depth) {
  const std::string what = text("the list ", printable(key));
  if (depth > deepest_array) damaged(text(what, " is nested too deeply"), {{"deepest", std::int64_t{deepest_array}}});
  if (const std::uint64_t size = fixed_size(kind)) {
    cursor_.require_room(count, size, what);
    cursor_.skip(count * size, what);
  } else if (kind == GgufKind::string) {
    cursor_.require_room(count, 8, what);
    for (std::uint64_t i = 0; i < count; ++i) cursor_.skip(cursor_.take<std::uint64_t>(what), what);
  } else if (kind == GgufKind::array) {
    cursor_.require_room(count, 12, what);
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto of = static_cast<GgufKind>(cursor_.take<std::uint32_t>(what));
      skip_elements(of, cursor_.take<std::uint64_t>(what), key, depth + 1);
    }
  } else {
    damaged(text(what, " holds an unknown kind"), {{"kind", number(static_cast<std::uint32_t>(kind))}});
  }
}

void HeaderReader::read_tensor() {
  GgufTensor tensor;
  tensor.name = cursor_.take_string(longest_name, "a tensor's name");
  const std::string shown = printable(tensor.name);
  if (tensor.name.empty()) damaged("a tensor has no name", {{"at byte", number(cursor_.position())}});
  if (!names_.insert(tensor.name).second) damaged(text("the tensor ", shown, " stands twice in the file"));
  const auto dims = cursor_.take<std::uint32_t>("a tensor's number of dimensions");
  if (dims < 1 || dims > tensor.shape.size())
    damaged(text("the tensor ", shown, " has an absurd number of dimensions"),
            {{"dimensions", number(dims)}, {"most", number(tensor.shape.size())}});
  for (std::uint32_t i = 0; i < dims; ++i) tensor.shape[i] = cursor_.take<std::uint64_t>("a tensor's dimension");
  const auto type_number = cursor_.take<std::uint32_t>("a tensor's type");
  tensor.offset = cursor_.take<std::uint64_t>("a tensor's offset");
  size_tensor(tensor, type_number);
  header_.tensors.push_back(std::move(tensor));
}

void HeaderReader::size_tensor(GgufTensor& tensor, std::uint32_t type_number) {
  const std::string shown = printable(tensor.name);
  tensor.type = ggml_type(type_number);
  if (!tensor.type)
    damaged(text("the tensor ", shown, " is of an unknown type"), {{"type number", number(type_number)}},
            "the file is damaged, or newer than this tsrun");
  const GgmlType& type = *tensor.type;
  if (!type.readable())
    damaged(text("the tensor ", shown, " is of type ", type.name, ", which tsrun does not read"), {},
            "requantise the model, e.g. to Q8_0, Q4_1 or Q4_K");
  const auto block = static_cast<std::uint64_t>(type.block);
  std::optional<std::uint64_t> bytes = static_cast<std::uint64_t>(type.bytes);
  for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
    const std::uint64_t size = tensor.shape[i];
    if (size == 0) damaged(text("the tensor ", shown, " has a dimension of zero"));
    if (i == 0 && size % block != 0)
      damaged(text("a row of the tensor ", shown, " is not a whole number of ", type.name, " blocks"),
              {{"columns", number(size)}, {"block", number(block)}});
    if (bytes) bytes = checked_mul(*bytes, i == 0 ? size / block : size);
  }
  if (!bytes)
    damaged(text("the tensor ", shown, " has absurd dimensions"),
            {{"columns", number(tensor.shape[0])}, {"rows", number(tensor.shape[1])}});
  tensor.bytes = *bytes;
}

// The offsets of the table count from the first aligned byte after it.
void HeaderReader::place_tensors() {
  std::uint64_t alignment = 32;
  if (const auto found = header_.values.find("general.alignment"); found != header_.values.end()) {
    const auto* const value = std::get_if<std::uint64_t>(&found->second);
    if (!value || *value == 0 || (*value & (*value - 1)) != 0)
      damaged("general.alignment is not a power of two",
              {{"alignment", value ? number(*value) : Number(std::string("of another kind"))}});
    alignment = *value;
  }
  const auto past = checked_add(cursor_.position(), alignment - 1);
  if (!past) damaged("general.alignment is absurd", {{"alignment", number(alignment)}});
  const std::uint64_t data = *past / alignment * alignment;
  for (GgufTensor& tensor : header_.tensors) {
    const std::string shown = printable(tensor.name);
    const Numbers numbers{{"offset", number(tensor.offset)}, {"bytes", number(tensor.bytes)},
                          {"data begins", number(data)}, {"size", number(bytes_.size())}};
    if (tensor.offset % alignment != 0)
      damaged(text("the tensor ", shown, " is not aligned"),
              {{"offset", number(tensor.offset)}, {"alignment", number(alignment)}});
    const auto begin = checked_add(data, tensor.offset);
    const auto end = begin ? checked_add(*begin, tensor.bytes) : std::nullopt;
    if (!end || *end > bytes_.size())
      damaged(text("the tensor ", shown, " ends past the end of the file"), numbers,
              "the file is damaged or not complete; fetch it again");
    tensor.offset = *begin;
  }
}

void HeaderReader::refuse_overlap() const {
  std::vector<const GgufTensor*> order;
  for (const GgufTensor& tensor : header_.tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->offset < b->offset; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    const GgufTensor &a = *order[i - 1], &b = *order[i];
    if (a.offset + a.bytes > b.offset)
      damaged(text("the tensors ", printable(a.name), " and ", printable(b.name), " overlap"),
              {{"first ends at byte", number(a.offset + a.bytes)}, {"second begins at", number(b.offset)}});
  }
}

}  // namespace

GgufHeader read_gguf_header(const Bytes& bytes) { return HeaderReader(bytes).read(); }

}  // namespace tsrun
