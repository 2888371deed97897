// The container: what an honest file says is read, and no lie of a header is believed.
#include "tsrun/import/safetensors.hpp"

#include <doctest/doctest.h>

#include "refusal.hpp"
#include "safetensors_image.hpp"
#include "small_models.hpp"

using namespace tsrun;
using namespace tsrun::test;

namespace {

Safetensors read_bytes(Image bytes) { return Safetensors(bytes_in_memory(std::move(bytes), "test.safetensors")); }
void expect_bytes_refused(const Image& bytes, std::initializer_list<std::string> words) {
  expect_refusal([&] { read_bytes(bytes); }, words);
}

SafetensorsImage small() {
  SafetensorsImage image;
  image.tensor("second", "BF16", {3, 4}, Image(24, std::byte{2}));
  image.tensor("first", "F32", {2, 5}, counted(2, 5));
  image.tensor("nothing", "F16", {0, 7}, {});
  image.tensor("mask", "BOOL", {1, 1, 2, 2}, Image(4, std::byte{1}));
  image.tensor("count", "I64", {}, Image(8, std::byte{9}));
  return image;
}
// The small file with one tensor's entry of the header changed.
Image lying(const std::string& tensor, const char* field, const nlohmann::json& value) {
  const SafetensorsImage image = small();
  nlohmann::json header = image.header();
  header[tensor][field] = value;
  return image.bytes(header.dump());
}
std::string with_twice(const SafetensorsImage& image, const std::string& name) {
  std::string header = image.header().dump();
  header.insert(1, "\"" + name + "\":" + image.header()[name].dump() + ",");
  return header;
}

}  // namespace

TEST_CASE("tensors of every shape are found where they lie, those of unread types too") {
  const Safetensors file = read_bytes(small().bytes());
  REQUIRE(file.tensors().size() == 5);
  const auto named = [&](std::string_view name) -> const FileTensor& {
    for (const FileTensor& t : file.tensors())
      if (t.name == name) return t;
    throw std::logic_error("no such tensor");
  };
  const FileTensor& first = named("first");
  CHECK(first.shape == std::vector<std::uint64_t>{2, 5});
  CHECK(first.type_name == "F32");
  REQUIRE(first.type != nullptr);
  CHECK(first.type->kept == DType::f32);
  CHECK(first.bytes == 40);
  std::vector<float> values(10);
  first.file->read(first.offset, std::as_writable_bytes(std::span(values)));
  CHECK(values[7] == 102);
  CHECK(named("second").type->kept == DType::bf16);
  CHECK(named("nothing").bytes == 0);
  CHECK(named("mask").type == nullptr);
  CHECK(named("count").shape.empty());
}

TEST_CASE("a header may be padded, and a file may hold nothing") {
  const SafetensorsImage image = small();
  CHECK(read_bytes(image.bytes(image.header().dump() + "     ")).tensors().size() == 5);
  CHECK(read_bytes(SafetensorsImage{}.bytes()).tensors().empty());
}

TEST_CASE("a length or a place that lies is refused with its numbers") {
  expect_bytes_refused({}, {"the header's length"});
  for (const std::uint64_t length : {std::uint64_t{1} << 63, ~std::uint64_t{0}, std::uint64_t{100'000'001}}) {
    Image image = small().bytes();
    std::memcpy(image.data(), &length, sizeof length);
    expect_bytes_refused(image, {"absurdly long", std::to_string(length)});
  }
  Image image = small().bytes();
  const std::uint64_t beyond = image.size() - 7;
  std::memcpy(image.data(), &beyond, sizeof beyond);
  expect_bytes_refused(image, {"the header", "does not fit"});
  expect_bytes_refused(lying("first", "data_offsets", {40, 80}), {"first", "end 80", "past the end"});
  expect_bytes_refused(lying("first", "data_offsets", {64, 24}), {"first", "data_offsets"});
  expect_bytes_refused(lying("first", "data_offsets", {24, -1}), {"first", "whole numbers"});
  expect_bytes_refused(lying("first", "data_offsets", {24, ~std::uint64_t{0}}), {"first", "whole numbers"});
  expect_bytes_refused(lying("first", "data_offsets", {24, 1e300}), {"first", "whole numbers"});
  expect_bytes_refused(lying("first", "data_offsets", {24}), {"first", "data_offsets"});
  expect_bytes_refused(lying("first", "data_offsets", "24"), {"first", "data_offsets"});
  expect_bytes_refused(lying("first", "data_offsets", {20, 60}), {"first", "overlaps"});
  expect_bytes_refused(lying("second", "data_offsets", {36, 60}), {"first", "leaves a hole"});
  image = small().bytes();
  image.pop_back();
  expect_bytes_refused(image, {"count", "past the end"});
  image = small().bytes();
  image.push_back({});
  expect_bytes_refused(image, {"longer than its tensors"});
}

TEST_CASE("a shape or a type that lies is refused by the tensor's name") {
  constexpr std::uint64_t huge = std::uint64_t{1} << 40;
  expect_bytes_refused(lying("first", "shape", {2, 6}), {"first", "2 x 6", "asked for 48", "bytes 40"});
  expect_bytes_refused(lying("first", "shape", {huge, huge}), {"first", "absurd dimensions"});
  expect_bytes_refused(lying("first", "shape", {-1, 5}), {"first", "shape"});
  expect_bytes_refused(lying("first", "shape", {2.5, 4}), {"first", "shape"});
  expect_bytes_refused(lying("first", "shape", nullptr), {"first", "shape"});
  expect_bytes_refused(lying("first", "shape", {1, 1, 1, 1, 1, 1, 1, 2, 5}), {"first", "number of dimensions"});
  expect_bytes_refused(lying("first", "dtype", "F16"), {"first", "F16"});
  expect_bytes_refused(lying("first", "dtype", "F7"), {"first", "unknown type F7"});
  expect_bytes_refused(lying("first", "dtype", 7), {"first", "dtype"});
  expect_bytes_refused(small().bytes(R"({"first":[1,2]})"), {"first", "dtype"});
}

TEST_CASE("a header that is no JSON object, or says a thing twice, is refused") {
  const SafetensorsImage image = small();
  expect_bytes_refused(image.bytes("{\"first\":"), {"not JSON", "at byte"});
  expect_bytes_refused(image.bytes("[1]"), {"not an object"});
  expect_bytes_refused(image.bytes("{\"fi\xffrst\":{}}"), {"not JSON"});
  expect_bytes_refused(image.bytes(with_twice(image, "first")), {"first", "twice"});
  expect_bytes_refused(image.bytes(std::string(100000, '[')), {"nested too deeply"});
  expect_bytes_refused(image.bytes("{\"\":" + image.header()["first"].dump() + "}"), {"no name"});
  expect_bytes_refused(small_llama().bytes(), {"not a safetensors file"});
}

TEST_CASE("a file cut at any byte is refused, and so is one with any bit of its length flipped") {
  const Image whole = small().bytes();
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK_THROWS_AS(read_bytes(Image(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))), Error);
  for (int bit = 0; bit < 64; ++bit) {
    Image image = whole;
    image[static_cast<std::size_t>(bit / 8)] ^= static_cast<std::byte>(1 << bit % 8);
    CHECK_THROWS_AS(read_bytes(image), Error);
  }
}

TEST_CASE("a header with any byte changed is refused, or describes tensors that can be read") {
  const SafetensorsImage image = small();
  const std::string header = image.header().dump();
  for (std::size_t at = 0; at < header.size(); ++at)
    for (const char change : {'\0', '"', '9', '}', '\x80'}) {
      std::string changed = header;
      changed[at] = change;
      try {
        const Safetensors file = read_bytes(image.bytes(changed));
        for (const FileTensor& t : file.tensors()) {
          Image all(static_cast<std::size_t>(t.bytes));
          t.file->read(t.offset, all);
        }
      } catch (const Error& error) {
        CHECK(error.exit() == Exit::request);
      }
    }
}
