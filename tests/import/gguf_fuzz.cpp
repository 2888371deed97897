// Any bytes at all, given to the reader as a file: refused or opened, and once opened, readable to the end, tokenizer
// and all.
//
// Built with clang and -DTSRUN_FUZZ=ON; its words are the strings of the reader's source:
//   gguf_seeds corpus tests/golden
//   grep -ohE '"[A-Za-z0-9_.]{3,60}"' src/import/*.cpp | sort -u > words
//   gguf_fuzz -dict=words -jobs=2 -workers=2 -max_total_time=600 corpus
#include <cmath>
#include <cstring>

#include "fuzzed.hpp"
#include "tsrun/import/source.hpp"

namespace {

using namespace tsrun;
using namespace tsrun::test;

// What is kept exactly must decode to what is dequantised, a NaN to a NaN.
void compare(const SourceTensor& tensor, const std::vector<float>& read, const std::vector<float>& kept) {
  if (!tensor.exact) return;
  for (std::size_t i = 0; i < read.size(); ++i)
    require((std::isnan(read[i]) && std::isnan(kept[i])) || std::memcmp(&read[i], &kept[i], sizeof(float)) == 0);
}

void use_all(const ModelSource& source) {
  for (std::size_t i = 0; i < source.tensors().size(); ++i) {
    const SourceTensor& tensor = source.tensors()[i];
    const TensorSpec& spec = tensor.spec;
    std::vector<float> read(static_cast<std::size_t>(spec.elements())), kept(read.size());
    source.read_f32(i, 0, spec.rows, read.data());
    decode_rows(source.read(i, 0, spec.rows), 0, spec.rows, kept.data());
    compare(tensor, read, kept);
    const std::int64_t middle = spec.rows / 2;
    std::vector<float> one(static_cast<std::size_t>(spec.columns));
    source.read_f32(i, middle, 1, one.data());
    require(std::memcmp(one.data(), read.data() + middle * spec.columns, one.size() * sizeof(float)) == 0);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto* const begin = reinterpret_cast<const std::byte*>(data);
  std::vector<std::byte> image(begin, begin + size);
  // An input of odd length is a header alone, so that its few bytes are what is mutated: zeros are its data.
  if (size % 2 == 1) image.resize(size + 64 * 1024);
  std::unique_ptr<ModelSource> source;
  try {
    source = open_source(bytes_in_memory(std::move(image), "fuzz.gguf"));
  } catch (const Error& error) {
    require_refusal(error);
    return 0;
  }
  use_all(*source);
  try {
    use_tokenizer(source->tokenizer());
  } catch (const Error& error) {
    require_refusal(error);
  }
  return 0;
}
