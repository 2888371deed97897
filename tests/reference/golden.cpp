#include "reference/golden.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <stdexcept>
#include <string_view>

#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun {
namespace {

class GoldenFile {
 public:
  GoldenFile(const std::string& path, std::string_view magic) : path_(path), in_(path, std::ios::binary) {
    in_.exceptions(std::ios::failbit | std::ios::badbit | std::ios::eofbit);
    if (word(8) != magic) throw std::runtime_error(text(path, " does not begin with ", magic));
  }

  int number() { return numbers<std::int32_t>(1).front(); }
  // Characters, zero-padded.
  std::string word(std::size_t length) {
    std::string out(length, '\0');
    in_.read(out.data(), static_cast<std::streamsize>(length));
    return out.substr(0, out.find('\0'));
  }
  template <class Value>
  std::vector<Value> numbers(int count) {
    static_assert(std::endian::native == std::endian::little);
    if (count < 0 || count > most) throw std::runtime_error(text(path_, " has an absurd count: ", count));
    std::vector<Value> out(static_cast<std::size_t>(count));
    in_.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(out.size() * sizeof(Value)));
    return out;
  }

 private:
  static constexpr int most = 1 << 24;
  std::string path_;
  std::ifstream in_;
};

}  // namespace

const std::vector<std::string>& golden_names() {
  static const std::vector<std::string> names = {
      "llama_gqa", "llama_bias", "cohere_mqa", "cohere_linear", "palm",  "palm_scaled", "llama",          "cohere",
      "mistral",   "qwen2",      "qwen3",      "gemma3",        "phi3",  "gptneox",     "gptneox_serial", "gpt2",
      "starcoder", "starcoder2", "falcon",     "falcon40",      "olmo2", "smollm3"};
  return names;
}

Golden read_golden(const std::string& folder, const std::string& name) {
  const std::string stem = text(folder, "/", name);
  const bool has_gguf = std::filesystem::exists(stem + ".gguf"), has_folder = std::filesystem::exists(stem);
  Golden golden{name, has_gguf ? stem + ".gguf" : stem, has_folder ? stem : "", 0, {}, {}};
  GoldenFile logits(stem + ".logits", "tsgold1");
  golden.vocabulary = logits.number();
  for (int left = logits.number(); left > 0; --left) {
    const int length = logits.number();
    auto ids = logits.numbers<int>(length);
    golden.sequences.push_back({std::move(ids), logits.numbers<float>(length * golden.vocabulary)});
  }
  GoldenFile flips(stem + ".flips", "tsflip1");
  check(flips.number() == golden.vocabulary, "a model's golden files agree on its vocabulary");
  for (int left = flips.number(); left > 0; --left) {
    std::string label = flips.word(48);
    golden.flips.push_back({std::move(label), flips.numbers<float>(golden.vocabulary)});
  }
  return golden;
}

double standard_deviation(const std::vector<float>& values) {
  double sum = 0, squares = 0;
  for (const float v : values) sum += static_cast<double>(v);
  const double mean = sum / static_cast<double>(values.size());
  for (const float v : values) squares += (static_cast<double>(v) - mean) * (static_cast<double>(v) - mean);
  return std::sqrt(squares / static_cast<double>(values.size()));
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  check(a.size() == b.size(), "what is compared has one size");
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (std::isnan(difference)) return std::numeric_limits<double>::quiet_NaN();
    largest = std::max(largest, difference);
  }
  return largest;
}

}  // namespace tsrun
