// The container: what an honest file says is read, and no lie of a header is believed.
#include "tsrun/import/gguf.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "refusal.hpp"
#include "small_models.hpp"

using namespace tsrun;
using namespace tsrun::test;

namespace {

Gguf read_image(const GgufImage& image) { return Gguf(bytes_in_memory(image.bytes(), "test.gguf")); }
Gguf read_bytes(Image bytes) { return Gguf(bytes_in_memory(std::move(bytes), "test.gguf")); }

// Reads all there is to read; what comes back is not looked at.
void use_all(const ModelSource& source) {
  for (std::size_t i = 0; i < source.tensors().size(); ++i) {
    const TensorSpec& spec = source.tensors()[i].spec;
    std::vector<float> out(static_cast<std::size_t>(spec.elements()));
    source.read_f32(i, 0, spec.rows, out.data());
    CHECK(source.read(i, 0, spec.rows).rows == spec.rows);
  }
}

// What is refused is refused at once: a file that was opened can be read to its end.
enum class Outcome { opened, refused };
Outcome open_or_refuse(Image bytes) {
  std::unique_ptr<ModelSource> source;
  try {
    source = open_source(bytes_in_memory(std::move(bytes), "test.gguf"));
  } catch (const Error& error) {
    CHECK(error.exit() == Exit::request);
    return Outcome::refused;
  }
  use_all(*source);
  return Outcome::opened;
}

const std::string scratch_path = std::string(TSRUN_BINARY_DIR) + "/gguf_test.scratch.gguf";
void write_file(const Image& bytes) {
  std::ofstream(scratch_path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace

TEST_CASE("values of every kind are read") {
  GgufImage image;
  image.scalar("a.u8", GgufKind::u8, std::uint8_t{200});
  image.scalar("a.i8", GgufKind::i8, std::int8_t{100});
  image.scalar("a.u16", GgufKind::u16, std::uint16_t{60000});
  image.scalar("a.i16", GgufKind::i16, std::int16_t{30000});
  image.scalar("a.i32", GgufKind::i32, std::int32_t{7});
  image.scalar("a.u64", GgufKind::u64, std::uint64_t{1} << 40);
  image.scalar("a.i64", GgufKind::i64, std::int64_t{1} << 41);
  image.scalar("a.f64", GgufKind::f64, 0.1);
  image.f32("a.f32", 0.5F);
  image.boolean("a.boolean", true);
  image.string("a.string", "caf\xc3\xa9");
  image.strings("a.strings", {"", "one", "two"});
  image.i32s("a.i32s", {-1, 0, 1});
  const Gguf file = read_image(image);
  CHECK(file.integer("a.u8") == 200);
  CHECK(file.integer("a.i8") == 100);
  CHECK(file.integer("a.u16") == 60000);
  CHECK(file.integer("a.i16") == 30000);
  CHECK(file.integer("a.i32") == 7);
  CHECK(file.integer("a.u64") == std::int64_t{1} << 40);
  CHECK(file.integer("a.i64") == std::int64_t{1} << 41);
  CHECK(file.real("a.f64") == 0.1);
  CHECK(file.real("a.f32") == 0.5);
  CHECK(file.real("a.u8") == 200.0);
  CHECK(file.boolean("a.boolean") == true);
  CHECK(file.string("a.string") == "caf\xc3\xa9");
  CHECK(file.strings("a.strings") == std::vector<std::string>{"", "one", "two"});
  CHECK(file.integers("a.i32s") == std::vector<std::int64_t>{-1, 0, 1});
  CHECK_FALSE(file.integer("a.absent"));
}

TEST_CASE("a value of another kind than asked for is refused by key") {
  GgufImage image;
  image.string("a.word", "seven");
  image.string("a.broken", "\xc3(");
  image.scalar("a.negative", GgufKind::i32, std::int32_t{-1});
  image.scalar("a.huge", GgufKind::u64, ~std::uint64_t{0});
  image.f32("a.infinite", HUGE_VALF);
  image.strings("a.strings", {"good", "\xff"});
  const Gguf file = read_image(image);
  expect_refusal([&] { file.integer("a.word"); }, {"a.word", "whole number"});
  expect_refusal([&] { file.string("a.broken"); }, {"a.broken", "UTF-8", "\\xc3("});
  expect_refusal([&] { file.integer("a.negative"); }, {"a.negative"});
  expect_refusal([&] { file.integer("a.huge"); }, {"a.huge", "2^63"});
  expect_refusal([&] { file.real("a.infinite"); }, {"a.infinite", "finite"});
  expect_refusal([&] { file.strings("a.strings"); }, {"a.strings", "index 1"});
  expect_refusal([&] { file.strings("a.word"); }, {"a.word", "list"});
  expect_refusal([&] { file.integers("a.strings"); }, {"a.strings", "list of whole numbers"});
  expect_refusal([&] { file.boolean("a.negative"); }, {"a.negative", "true or false"});
}

TEST_CASE("version 2 is read; version 1, a newer one, big-endian and other files are refused by name") {
  GgufImage image = small_llama();
  image.version = 2;
  CHECK_NOTHROW(open_image(image));
  image.version = 1;
  expect_refusal(image, {"version 1", "2 and 3"});
  image.version = 4;
  expect_refusal(image, {"unknown GGUF version", "version 4"});
  image.version = 0x03000000;
  expect_refusal(image, {"big-endian", "version 3"});
  Image other = image.bytes();
  other[0] = std::byte{'X'};
  expect_refusal([&] { read_bytes(other); }, {"not a GGUF file"});
  expect_refusal([&] { read_bytes({}); }, {"not a GGUF file", "size 0"});
}

TEST_CASE("counts and lengths that lie are refused before anything is allocated") {
  constexpr std::uint64_t one = 1;
  for (const std::uint64_t lie : {one << 63, (one << 63) - 1, ~std::uint64_t{0}, one << 32}) {
    GgufImage image = small_llama();
    image.tensor_count_lie = lie;
    expect_refusal(image, {"list of tensors", std::to_string(lie)});
    image = small_llama();
    image.value_count_lie = lie;
    expect_refusal(image, {"list of keys", std::to_string(lie)});
    image = small_llama();
    Image payload;
    put(payload, lie);
    image.set({"general.name", GgufKind::string, payload});
    expect_refusal(image, {"general.name"});
    for (const GgufKind of : {GgufKind::u8, GgufKind::f64, GgufKind::string, GgufKind::array}) {
      image = small_llama();
      image.set({"tokenizer.ggml.scores", GgufKind::array, GgufImage::array_head(of, lie)});
      expect_refusal(image, {"tokenizer.ggml.scores", std::to_string(lie)});
    }
  }
  GgufImage image;
  image.string(std::string(70000, 'k'), "v");
  expect_refusal(image, {"a key", "absurdly long", "70000"});
  image = {};
  image.string("", "v");
  expect_refusal(image, {"a key has no name"});
}

TEST_CASE("kinds that do not exist, odd truth values, deep nesting and duplicates are refused by key") {
  GgufImage image = small_llama();
  image.set({"a.odd", static_cast<GgufKind>(13), {}});
  expect_refusal(image, {"a.odd", "unknown kind", "13"});
  image.set({"a.odd", GgufKind::array, GgufImage::array_head(static_cast<GgufKind>(99), 1)});
  expect_refusal(image, {"a.odd", "unknown kind", "99"});
  image.scalar("a.odd", GgufKind::boolean, std::uint8_t{2});
  expect_refusal(image, {"a.odd", "neither true nor false"});

  Image nested;
  for (int depth = 0; depth < 1000; ++depth) {
    const Image head = GgufImage::array_head(GgufKind::array, 1);
    nested.insert(nested.end(), head.begin(), head.end());
  }
  image.set({"a.odd", GgufKind::array, nested});
  expect_refusal(image, {"a.odd", "nested too deeply"});

  image.drop("a.odd");
  image.values.push_back(image.values.front());
  expect_refusal(image, {"general.architecture", "twice"});
}

TEST_CASE("nested lists within the limit are passed over") {
  GgufImage image = small_llama();
  Image nested = GgufImage::array_head(GgufKind::array, 2);
  for (int i = 0; i < 2; ++i) {
    const Image inner = GgufImage::array_head(GgufKind::u8, 1);
    nested.insert(nested.end(), inner.begin(), inner.end());
    nested.push_back(std::byte{7});
  }
  image.set({"a.nested", GgufKind::array, nested});
  CHECK_NOTHROW(open_image(image));
}

TEST_CASE("tensors that lie about their shape, type or place are refused by name") {
  const auto with = [](const std::function<void(GgufImage::Tensor&)>& change) {
    GgufImage image = small_llama();
    change(image.named("blk.0.attn_v.weight"));
    return image;
  };
  const std::string v = "blk.0.attn_v.weight";
  using Tensor = GgufImage::Tensor;
  expect_refusal(with([](Tensor& t) { t.shape = {32, 0}; }), {v, "dimension of zero"});
  expect_refusal(with([](Tensor& t) { t.shape = {}; }), {v, "number of dimensions", "0"});
  expect_refusal(with([](Tensor& t) { t.shape = {32, 16, 1, 1, 1}; }), {v, "number of dimensions", "5"});
  constexpr std::uint64_t one = 1;
  expect_refusal(with([](Tensor& t) { t.shape = {one << 40, one << 40}; }), {v, "absurd dimensions"});
  expect_refusal(with([](Tensor& t) { t.shape = {one << 62, 1}; }), {v, "absurd dimensions"});
  expect_refusal(with([](Tensor& t) { t.shape = {one << 40, 1}; }), {v, "past the end"});
  const auto odd_row = [](Tensor& t) {
    t.shape = {33, 16};
    t.type = type_q8_0;
  };
  expect_refusal(with(odd_row), {v, "Q8_0", "columns 33", "block 32"});
  expect_refusal(with([](Tensor& t) { t.type = type_q6_k; }), {v, "Q6_K", "columns 32", "block 256"});
  expect_refusal(with([](Tensor& t) { t.type = 31; }), {v, "unknown type", "31"});
  expect_refusal(with([](Tensor& t) { t.type = 20; }), {v, "IQ4_NL"});
  expect_refusal(with([](Tensor& t) { t.offset_lie = 33; }), {v, "not aligned", "33"});
  expect_refusal(with([](Tensor& t) { t.offset_lie = 1 << 20; }), {v, "past the end", "1048576"});
  expect_refusal(with([](Tensor& t) { t.offset_lie = ~std::uint64_t{31}; }), {v, "past the end"});
  expect_refusal(with([](Tensor& t) { t.offset_lie = 0; }), {v, "token_embd.weight", "overlap"});
  GgufImage image = small_llama();
  image.tensors.push_back(image.named(v));
  expect_refusal(image, {v, "twice"});
  image = small_llama();
  image.named(v).name = "";
  expect_refusal(image, {"a tensor has no name"});
}

TEST_CASE("an alignment of the file's own is kept, an absurd one refused") {
  GgufImage image = small_llama();
  image.alignment = 64;
  image.u32("general.alignment", 64);
  CHECK(Gguf(bytes_in_memory(image.bytes(), "test.gguf")).tensors()[0].offset % 64 == 0);
  for (const std::uint32_t lie : {0U, 3U, 48U}) {
    image.u32("general.alignment", lie);
    expect_refusal(image, {"general.alignment", std::to_string(lie)});
  }
  image.string("general.alignment", "64");
  expect_refusal(image, {"general.alignment"});
  image.scalar("general.alignment", GgufKind::u64, std::uint64_t{1} << 63);
  expect_refusal(image, {"general.alignment"});
}

TEST_CASE("a file cut anywhere is refused or opened, never a crash") {
  for (const GgufImage& image : {small_llama(), small_palm()}) {
    const Image whole = image.bytes();
    CHECK(open_or_refuse(whole) == Outcome::opened);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const Image cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      CAPTURE(size);
      CHECK(open_or_refuse(cut) == Outcome::refused);
    }
  }
}

TEST_CASE("a flip of any bit of the header is refused or opened, never a crash") {
  for (const GgufImage& image : {small_llama(), small_command_r(), small_palm()}) {
    Image bytes = image.bytes();
    const std::size_t header = image.header().size();
    std::size_t refused = 0;
    for (std::size_t bit = 0; bit < 8 * header; ++bit) {
      bytes[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
      if (open_or_refuse(bytes) == Outcome::refused) ++refused;
      bytes[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    }
    CHECK(refused > 4 * header);  // most of the header matters
  }
}

TEST_CASE("a file on disk reads as one in memory") {
  const GgufImage image = small_llama();
  write_file(image.bytes());
  const auto from_disk = open_source(scratch_path);
  const auto from_memory = open_image(image);
  CHECK(from_disk->config() == from_memory->config());
  CHECK(from_disk->tokenizer() == from_memory->tokenizer());
  for (std::size_t i = 0; i < from_memory->tensors().size(); ++i) {
    const std::int64_t rows = from_memory->tensors()[i].spec.rows;
    CHECK(from_disk->read(i, 0, rows).values == from_memory->read(i, 0, rows).values);
  }
  std::filesystem::remove(scratch_path);
}

TEST_CASE("a file that is shortened while it is read is refused") {
  const GgufImage image = small_llama();
  write_file(image.bytes());
  const auto source = open_source(scratch_path);
  std::filesystem::resize_file(scratch_path, image.header().size());
  const std::size_t last = source->tensors().size() - 1;
  try {
    source->read(last, 0, 1);
    FAIL_CHECK("read what is no longer there");
  } catch (const Error& error) {
    CHECK(error.exit() == Exit::request);
    CHECK(std::string(error.what()).find("shorter") != std::string::npos);
  }
  std::filesystem::remove(scratch_path);
}

TEST_CASE("what is not a regular file is refused at once") {
  const auto expect = [](const std::string& path, const char* word) {
    try {
      open_source(path);
      FAIL_CHECK("opened what is no file");
    } catch (const Error& error) {
      CHECK(error.exit() == Exit::request);
      CHECK(std::string(error.what()).find(path) != std::string::npos);
      CHECK(std::string(error.what()).find(word) != std::string::npos);
    }
  };
  expect(std::string(TSRUN_BINARY_DIR) + "/no such file", "No such file");
  expect(TSRUN_BINARY_DIR, "config.json");
  const std::string pipe = scratch_path + ".pipe";
  std::filesystem::remove(pipe);
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  expect(pipe, "not a regular file");
  std::filesystem::remove(pipe);
}
