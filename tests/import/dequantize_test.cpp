// Blocks become the values the gguf package makes of them, bit for bit, and kept types keep those values.
#include <doctest/doctest.h>

#include <bit>
#include <fstream>
#include <set>
#include <sstream>

#include "small_models.hpp"
#include "tsrun/import/ggml_type.hpp"
#include "tsrun/import/source.hpp"

using namespace tsrun;
using namespace tsrun::test;

namespace {

struct Golden {
  const GgmlType* type = nullptr;
  Image block;
  std::vector<float> values;
};

Image from_hex(const std::string& hex) {
  Image out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    out.push_back(static_cast<std::byte>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return out;
}

const GgmlType& type_named(const std::string& name) {
  for (const GgmlType& type : ggml_types())
    if (type.name == name) return type;
  throw std::logic_error("no type of the name " + name);
}

// tests/import/golden/dequantize.txt, written by the script beside it.
std::vector<Golden> goldens() {
  std::ifstream file(TSRUN_SOURCE_DIR "/tests/import/golden/dequantize.txt");
  std::vector<Golden> out;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("#")) continue;
    std::istringstream words(line);
    std::string name, block, values;
    words >> name >> block >> values;
    Golden g{&type_named(name), from_hex(block), {}};
    const Image raw = from_hex(values);
    g.values.resize(raw.size() / sizeof(float));
    std::memcpy(g.values.data(), raw.data(), raw.size());
    out.push_back(std::move(g));
  }
  return out;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace

TEST_CASE("every type that is read dequantises as the gguf package does") {
  std::set<std::string_view> covered;
  for (const Golden& g : goldens()) {
    CAPTURE(g.type->name);
    REQUIRE(static_cast<std::int64_t>(g.block.size()) == g.type->bytes);
    REQUIRE(static_cast<std::int64_t>(g.values.size()) == g.type->block);
    std::vector<float> out(g.values.size());
    g.type->dequantize(g.block.data(), 1, out.data());
    CHECK(same_bits(out, g.values));
    covered.insert(g.type->name);
  }
  for (const GgmlType& type : ggml_types())
    if (type.readable()) CHECK(covered.contains(type.name));
}

TEST_CASE("what is kept decodes to the same bits where the type is exact, and to rounded ones where it is not") {
  // Each golden block stands in the last row of a V whose width it divides.
  for (const Golden& g : goldens()) {
    CAPTURE(g.type->name);
    constexpr std::uint64_t E = 256, rows = 128;
    const auto row_bytes = static_cast<std::size_t>(E / static_cast<std::uint64_t>(g.type->block)) * g.block.size();
    GgufImage image;
    add_sizes(image, "palm");
    image.f32("palm.attention.layer_norm_rms_epsilon", 1e-6F);
    image.u32("palm.embedding_length", E);
    for (const char* const name : {"token_embd.weight", "blk.0.ffn_gate.weight", "blk.0.ffn_up.weight"})
      add_matrix(image, name, 32, E);
    add_matrix(image, "blk.0.attn_q.weight", E, E);
    add_matrix(image, "blk.0.attn_k.weight", rows, E);
    add_matrix(image, "blk.0.attn_output.weight", E, E);
    add_matrix(image, "blk.0.ffn_down.weight", E, 32);
    for (const char* const name : {"output_norm.weight", "blk.0.attn_norm.weight"})
      image.tensor(name, {E}, type_f32, counted(1, E));
    Image data(rows * row_bytes - g.block.size());
    data.insert(data.end(), g.block.begin(), g.block.end());
    image.tensor("blk.0.attn_v.weight", {E, rows}, g.type->number, data);

    const auto source = open_source(bytes_in_memory(image.bytes(), "test.gguf"));
    std::size_t v = 0;
    while (source->tensors()[v].spec.weight != Weight::attn_v) ++v;
    const SourceTensor& tensor = source->tensors()[v];
    CHECK(tensor.type == g.type->kept);
    CHECK(tensor.exact == g.type->exact);
    CHECK(tensor.source_type == g.type->name);
    CHECK(tensor.bytes == data.size());
    std::vector<float> read(E), kept(E);
    source->read_f32(v, rows - 1, 1, read.data());
    const TensorRows row = source->read(v, rows - 1, 1);
    CHECK(row.type == tensor.type);
    decode_rows(row, 0, 1, kept.data());
    std::vector<float> tail(read.end() - g.type->block, read.end());
    CHECK(same_bits(tail, g.values));
    if (!tensor.exact)
      for (float& value : read) value = bf16_to_f32(f32_to_bf16(value));
    CHECK(same_bits(kept, read));
  }
}

TEST_CASE("the even column stands in the low half of a byte") {
  Image block;
  put<std::uint16_t>(block, 0x3c00);  // scale 1
  for (int j = 0; j < 16; ++j) put(block, static_cast<std::uint8_t>(j | (15 - j) << 4));  // columns j and 16 + j
  GgufImage image = small_palm();
  Image data;
  for (int row = 0; row < 16; ++row) data.insert(data.end(), block.begin(), block.end());
  image.named("blk.0.attn_v.weight").type = type_q4_0;
  image.named("blk.0.attn_v.weight").data = data;
  const auto source = open_source(bytes_in_memory(image.bytes(), "test.gguf"));
  std::size_t v = 0;
  while (source->tensors()[v].spec.weight != Weight::attn_v) ++v;
  const TensorRows row = source->read(v, 3, 1);
  REQUIRE(row.type == DType::int4);
  CHECK(row.scale == std::vector<std::uint16_t>{0x3c00});
  CHECK(row.values[0] == std::byte{0x10});   // columns 0 and 1
  CHECK(row.values[7] == std::byte{0xfe});   // columns 14 and 15
  CHECK(row.values[8] == std::byte{0xef});   // columns 16 and 17
  CHECK(row.values[15] == std::byte{0x01});  // columns 30 and 31
}
