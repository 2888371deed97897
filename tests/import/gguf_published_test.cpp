// A whole published model, read to its last bit: SmolLM2-135M-Instruct (Q4_1, Q8_0, F32).
//
// Runs where TSRUN_TEST_MODELS names a folder that holds smollm2.gguf; the goldens are made by golden/published.py.
#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "tsrun/import/source.hpp"

using namespace tsrun;

namespace {

// CRC-32 as in zlib.
class Crc32 {
 public:
  Crc32() {
    for (std::uint32_t i = 0; i < 256; ++i) {
      table_[i] = i;
      for (int bit = 0; bit < 8; ++bit) table_[i] = (table_[i] >> 1) ^ ((table_[i] & 1U) != 0 ? 0xedb88320U : 0);
    }
  }
  std::uint32_t of(const std::vector<float>& values) const {
    std::uint32_t crc = ~0U;
    const auto* const bytes = reinterpret_cast<const unsigned char*>(values.data());
    for (std::size_t i = 0; i < values.size() * sizeof(float); ++i) crc = (crc >> 8) ^ table_[(crc ^ bytes[i]) & 255U];
    return ~crc;
  }

 private:
  std::array<std::uint32_t, 256> table_{};
};

std::map<std::string, std::uint32_t> goldens(const std::string& name) {
  std::ifstream file(TSRUN_SOURCE_DIR "/tests/import/golden/" + name);
  std::map<std::string, std::uint32_t> out;
  std::string tensor;
  for (std::uint32_t crc = 0; file >> tensor >> std::hex >> crc;) out[tensor] = crc;
  return out;
}

}  // namespace

TEST_CASE("every tensor of SmolLM2 reads as the gguf package reads it") {
  const char* const folder = std::getenv("TSRUN_TEST_MODELS");
  const std::string path = std::string(folder ? folder : "") + "/smollm2.gguf";
  if (!folder || !std::filesystem::exists(path)) {
    MESSAGE("skipped: TSRUN_TEST_MODELS names no folder with smollm2.gguf");
    return;
  }
  const auto begin = std::chrono::steady_clock::now();
  const auto source = open_source(path);
  const std::chrono::duration<double> opened = std::chrono::steady_clock::now() - begin;
  MESSAGE("opened in " << opened.count() << " s");

  const ModelConfig& c = source->config();
  CHECK(c.layers == 30);
  CHECK(c.E == 576);
  CHECK(c.F == 1536);
  CHECK(c.H == 9);
  CHECK(c.K == 3);
  CHECK(c.Q == 64);
  CHECK(c.V == 49152);
  CHECK(c.context == 8192);
  CHECK(c.rope_base == 100000);
  CHECK(c.tied);
  CHECK(source->tokenizer().kind == TokenizerKind::bpe);
  CHECK(source->tokenizer().pre_tokenizer.size() == 2);
  CHECK(source->tokenizer().merges.size() == 48900);
  CHECK(source->tokenizer().ends == std::vector<std::int32_t>{2, 0});

  const Crc32 crc;
  const auto golden = goldens("smollm2.txt");
  REQUIRE(source->tensors().size() == golden.size());
  std::vector<float> values, kept;
  double read_seconds = 0, read_bytes = 0;
  for (std::size_t i = 0; i < golden.size(); ++i) {
    const SourceTensor& tensor = source->tensors()[i];
    CAPTURE(tensor.source_name);
    values.resize(static_cast<std::size_t>(tensor.spec.elements()));
    kept.resize(values.size());
    source->read_f32(i, 0, tensor.spec.rows, values.data());
    CHECK(crc.of(values) == golden.at(tensor.source_name));
    const auto at = std::chrono::steady_clock::now();
    const TensorRows rows = source->read(i, 0, tensor.spec.rows);
    read_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - at).count();
    read_bytes += static_cast<double>(tensor.bytes);
    decode_rows(rows, 0, rows.rows, kept.data());
    CHECK(tensor.exact);
    CHECK(kept == values);
  }
  MESSAGE("read " << read_bytes / 1e6 << " MB at " << read_bytes / 1e6 / read_seconds << " MB/s");
}
