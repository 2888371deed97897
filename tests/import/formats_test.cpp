// The same weights as GGUF and as a Hugging Face folder are the same model: fact by fact, and bit by bit wherever both
// files hold a tensor in the same type. The models are those of tests/golden.
#include <doctest/doctest.h>

#include <filesystem>
#include <set>
#include <string>
#include <type_traits>

#include "tsrun/core/text.hpp"
#include "tsrun/import/source.hpp"

using namespace tsrun;

namespace {

namespace fs = std::filesystem;

// A GGUF file's facts are f32, a folder's are decimal numbers.
template <class Field>
bool same(const Field& a, const Field& b) {
  if constexpr (std::is_same_v<Field, double>)
    return static_cast<float>(a) == doctest::Approx(static_cast<float>(b)).epsilon(1e-6);
  else
    return a == b;
}

std::set<std::string> different_facts(const ModelConfig& a, const ModelConfig& b) {
  std::set<std::string> out;
  visit_fields(a, [&](std::string_view fact, const auto& field) {
    visit_fields(b, [&](std::string_view other, const auto& other_field) {
      if constexpr (std::is_same_v<decltype(field), decltype(other_field)>)
        if (fact == other && !same(field, other_field)) out.emplace(fact);
    });
  });
  out.erase("name");
  out.erase("architecture");
  return out;
}

std::vector<float> values(const ModelSource& source, std::size_t i) {
  const TensorSpec& spec = source.tensors()[i].spec;
  std::vector<float> out(static_cast<std::size_t>(spec.elements()));
  source.read_f32(i, 0, spec.rows, out.data());
  return out;
}

bool is_norm(Weight w) { return name(w).ends_with("norm"); }

}  // namespace

TEST_CASE("the same weights in both formats are the same model") {
  int models = 0, bitwise = 0;
  for (const auto& entry : fs::directory_iterator(TSRUN_SOURCE_DIR "/tests/golden")) {
    const std::string folder = entry.path().string();
    if (!entry.is_directory() || !fs::exists(folder + ".gguf")) continue;
    CAPTURE(folder);
    const auto gguf = open_source(folder + ".gguf"), hf = open_source(folder);
    // A GGUF file has Gemma's 1 + s as one number.
    const bool added = hf->config().norm_offset == 1;
    CHECK(different_facts(gguf->config(), hf->config()) ==
          (added ? std::set<std::string>{"norm_offset"} : std::set<std::string>{}));
    REQUIRE(gguf->tensors().size() == hf->tensors().size());
    for (std::size_t i = 0; i < hf->tensors().size(); ++i) {
      const SourceTensor &a = gguf->tensors()[i], &b = hf->tensors()[i];
      CAPTURE(b.spec.path);
      CHECK(a.spec.path == b.spec.path);
      if (added && is_norm(a.spec.weight)) continue;
      if (a.type == b.type) {
        CHECK(gguf->read(i, 0, a.spec.rows).values == hf->read(i, 0, b.spec.rows).values);
        ++bitwise;
      }
      CHECK(values(*gguf, i) == values(*hf, i));
    }
    ++models;
  }
  CHECK(models >= 15);
  CHECK(bitwise >= 200);
}
