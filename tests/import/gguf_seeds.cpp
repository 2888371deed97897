// Writes the seeds of gguf_fuzz: gguf_seeds FOLDER [GOLDEN].
//
// The small models, made smaller still, with everything in them that the reader knows: each family, each type, each
// kind of key, biases, rotary scalings; and the headers of the golden models, of which gguf_fuzz opens the small ones.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "small_models.hpp"
#include "tsrun/import/gguf.hpp"

namespace {

using namespace tsrun;
using namespace tsrun::test;

// Weights as Q4_0 zeros: what they hold steers nothing.
GgufImage shrunk(GgufImage image) {
  for (GgufImage::Tensor& t : image.tensors)
    if (t.type == type_f32 && t.shape.size() == 2) {
      t.type = type_q4_0;
      t.data.assign(t.shape[0] / 32 * 18 * t.shape[1], std::byte{});
    }
  return image;
}

GgufImage with_everything() {
  GgufImage image = shrunk(small_llama());
  for (const char* const name : {"attn_q", "attn_output", "ffn_gate", "ffn_up", "ffn_down"})
    image.tensor(std::string("blk.0.") + name + ".bias", {32}, type_f32, counted(1, 32));
  for (const char* const name : {"attn_k", "attn_v"})
    image.tensor(std::string("blk.0.") + name + ".bias", {16}, type_f32, counted(1, 16));
  Image ones;
  for (int i = 0; i < 8; ++i) put(ones, 1.0F);
  image.tensor("rope_freqs.weight", {8}, type_f32, ones);
  image.u32("general.alignment", 32);
  image.string("llama.rope.scaling.type", "linear");
  image.f32("llama.rope.scaling.factor", 1);
  image.u32("llama.expert_count", 0);
  image.boolean("llama.attention.causal", true);
  Image nested = GgufImage::array_head(GgufKind::array, 1);
  for (const std::byte b : GgufImage::array_head(GgufKind::u8, 0)) nested.push_back(b);
  image.set({"a.nested", GgufKind::array, nested});
  image.scalar("a.f64", GgufKind::f64, 0.5);
  return image;
}

GgufImage with_scores() {
  GgufImage image = shrunk(small_llama());
  image.string("tokenizer.ggml.model", "llama");
  Image scores = GgufImage::array_head(GgufKind::f32, 8);
  for (int i = 0; i < 8; ++i) put(scores, -0.5F * static_cast<float>(i));
  image.set({"tokenizer.ggml.scores", GgufKind::array, scores});
  return image;
}

// ffn_down, [32][256], in any type.
GgufImage with_type(const GgmlType& type) {
  GgufImage image = small_palm();
  image.u32("palm.feed_forward_length", 256);
  for (const char* const name : {"blk.0.ffn_gate.weight", "blk.0.ffn_up.weight"}) image.named(name).shape = {32, 256};
  image = shrunk(image);
  GgufImage::Tensor& down = image.named("blk.0.ffn_down.weight");
  down.shape = {256, 32};
  down.type = type.number;
  down.data.assign(static_cast<std::size_t>(256 / type.block * type.bytes * 32), std::byte{0x31});
  return image;
}

void write(const std::filesystem::path& path, const GgufImage& image) {
  const Image bytes = image.bytes();
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

// A header alone, of odd length: gguf_fuzz gives it zeros for its data.
void write_header(const std::filesystem::path& path, Image bytes) {
  if (bytes.size() % 2 == 0) bytes.push_back(std::byte{});
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

// All before the first tensor's data.
Image header_of(const std::filesystem::path& path) {
  const Gguf file(open_bytes(path.string()));
  std::uint64_t end = file.bytes().size();
  for (const GgufTensor& tensor : file.tensors()) end = std::min(end, tensor.offset);
  Image header(static_cast<std::size_t>(end));
  file.bytes().read(0, header);
  return header;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::fputs("usage: gguf_seeds FOLDER [GOLDEN]\n", stderr);
    return 2;
  }
  const std::filesystem::path folder = argv[1];
  std::filesystem::create_directories(folder);
  write(folder / "llama", shrunk(small_llama()));
  write_header(folder / "llama.header", small_llama().header());
  write_header(folder / "scores.header", with_scores().header());
  write_header(folder / "command-r.header", small_command_r().header());
  write_header(folder / "palm.header", small_palm().header());
  write(folder / "everything", with_everything());  // whole: zeros are no rotary divisors
  for (const GgmlType& type : ggml_types())
    if (type.readable()) write_header(folder / (std::string(type.name) + ".header"), with_type(type).header());
  if (argc == 3)
    for (const auto& entry : std::filesystem::directory_iterator(argv[2]))
      if (entry.path().extension() == ".gguf") write_header(folder / entry.path().filename(), header_of(entry.path()));
}
