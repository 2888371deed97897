// The list of a model's tensors: which there are, how large, in which order, and their names.
#include "tsrun/model/tensors.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "small.hpp"
#include "tsrun/core/text.hpp"

using namespace tsrun;
using namespace tsrun::test;

namespace {

std::vector<std::string> paths(const ModelConfig& c) {
  std::vector<std::string> out;
  for (const TensorSpec& t : tensors_of(c)) out.push_back(t.path);
  return out;
}

const TensorSpec& find(const std::vector<TensorSpec>& all, const std::string& path) {
  const auto at = std::find_if(all.begin(), all.end(), [&](const TensorSpec& t) { return t.path == path; });
  REQUIRE_MESSAGE(at != all.end(), path);
  return *at;
}

bool has(const ModelConfig& c, const std::string& path) {
  const auto all = paths(c);
  return std::find(all.begin(), all.end(), path) != all.end();
}

}  // namespace

TEST_CASE("a plain serial model: embed, the layers, final_norm, unembed") {
  ModelConfig c = small_model();
  c.layers = 1;
  CHECK(paths(c) == std::vector<std::string>{"/embed", "/layers/0/attn_norm", "/layers/0/attn_q", "/layers/0/attn_k",
                                             "/layers/0/attn_v", "/layers/0/attn_o", "/layers/0/ffn_norm",
                                             "/layers/0/ffn_gate", "/layers/0/ffn_in", "/layers/0/ffn_out",
                                             "/final_norm", "/unembed"});
}

TEST_CASE("each fact adds or removes its tensors") {
  ModelConfig c = small_model();
  const std::size_t plain = tensors_of(c).size();
  const auto with = [&](auto set, std::initializer_list<const char*> expected) {
    ModelConfig changed = c;
    set(changed);
    for (const char* const path : expected) {
      CAPTURE(path);
      CHECK_FALSE(has(c, path));
      CHECK(has(changed, path));
    }
    return tensors_of(changed).size() - plain;
  };
  CHECK(with([](ModelConfig& m) { m.norm_bias = true; },
             {"/layers/0/attn_norm_bias", "/layers/1/ffn_norm_bias", "/final_norm_bias"}) == 5);
  CHECK(with([](ModelConfig& m) { m.qkv_bias = true; },
             {"/layers/0/attn_q_bias", "/layers/1/attn_k_bias", "/layers/1/attn_v_bias"}) == 6);
  CHECK(with([](ModelConfig& m) { m.attn_out_bias = true; }, {"/layers/0/attn_o_bias"}) == 2);
  CHECK(with([](ModelConfig& m) { m.ffn_bias = true; },
             {"/layers/0/ffn_gate_bias", "/layers/0/ffn_in_bias", "/layers/0/ffn_out_bias"}) == 6);

  CHECK(with([](ModelConfig& m) { m.norm_place = NormPlace::around; },
             {"/layers/0/attn_post_norm", "/layers/1/ffn_post_norm"}) == 4);
  CHECK(with([](ModelConfig& m) { m.qk_norm = QkNorm::head; }, {"/layers/0/attn_q_norm", "/layers/1/attn_k_norm"}) ==
        4);
  CHECK(with(
            [](ModelConfig& m) {
              m.positions = Positions::learned;
              m.rope_dims = 0;
            },
            {"/pos_embed"}) == 1);

  ModelConfig fewer = c;
  fewer.norm_place = NormPlace::after;
  CHECK_FALSE(has(fewer, "/layers/0/attn_norm"));
  CHECK_FALSE(has(fewer, "/layers/0/ffn_norm"));
  CHECK(has(fewer, "/layers/0/ffn_post_norm"));
  fewer = c;
  fewer.tied = true;
  CHECK_FALSE(has(fewer, "/unembed"));
  fewer.block = Block::parallel;  // one norm for both halves
  CHECK_FALSE(has(fewer, "/layers/0/ffn_norm"));
  CHECK(has(fewer, "/layers/0/attn_norm"));
  fewer.two_norms = true;
  CHECK(has(fewer, "/layers/0/ffn_norm"));
  fewer.gated = false;
  fewer.ffn_bias = true;
  CHECK_FALSE(has(fewer, "/layers/0/ffn_gate"));
  CHECK_FALSE(has(fewer, "/layers/0/ffn_gate_bias"));
  CHECK(has(fewer, "/layers/0/ffn_in_bias"));
}

TEST_CASE("rows are output channels, columns inputs") {
  ModelConfig c = small_model();
  c.qkv_bias = c.attn_out_bias = c.ffn_bias = c.norm_bias = true;
  const auto all = tensors_of(c);
  const auto is = [&](const std::string& path, Dim out, Dim in, std::int64_t rows, std::int64_t columns) {
    const TensorSpec& t = find(all, path);
    CAPTURE(path);
    CHECK(t.out == out);
    CHECK(t.in == in);
    CHECK(t.rows == rows);
    CHECK(t.columns == columns);
    CHECK_FALSE(t.is_vector);
  };
  is("/embed", Dim::V, Dim::E, 50, 24);
  is("/unembed", Dim::V, Dim::E, 50, 24);
  is("/layers/1/attn_q", Dim::H, Dim::E, 48, 24);
  is("/layers/1/attn_k", Dim::C, Dim::E, 24, 24);
  is("/layers/1/attn_v", Dim::C, Dim::E, 24, 24);
  is("/layers/1/attn_o", Dim::E, Dim::H, 24, 48);
  is("/layers/1/ffn_gate", Dim::F, Dim::E, 40, 24);
  is("/layers/1/ffn_in", Dim::F, Dim::E, 40, 24);
  is("/layers/1/ffn_out", Dim::E, Dim::F, 24, 40);
  const auto is_vector = [&](const std::string& path, Dim of, std::int64_t size) {
    const TensorSpec& t = find(all, path);
    CAPTURE(path);
    CHECK(t.is_vector);
    CHECK(t.out == of);
    CHECK(t.rows == 1);
    CHECK(t.columns == size);
  };
  is_vector("/final_norm", Dim::E, 24);
  is_vector("/final_norm_bias", Dim::E, 24);
  is_vector("/layers/0/ffn_norm", Dim::E, 24);
  is_vector("/layers/0/attn_q_bias", Dim::H, 48);
  is_vector("/layers/0/attn_k_bias", Dim::C, 24);
  is_vector("/layers/0/attn_o_bias", Dim::E, 24);
  is_vector("/layers/0/ffn_in_bias", Dim::F, 40);
  is_vector("/layers/0/ffn_out_bias", Dim::E, 24);
}

TEST_CASE("paths, names and layers agree, and no path comes twice") {
  ModelConfig c = small_model();
  c.qkv_bias = c.attn_out_bias = c.ffn_bias = c.norm_bias = true;
  const auto all = tensors_of(c);
  std::set<std::string> seen;
  std::int64_t elements = 0;
  for (const TensorSpec& t : all) {
    CHECK(t.path == path_of(t.weight, t.layer));
    CHECK(is_layer_weight(t.weight) == (t.layer >= 0));
    CHECK(t.path.ends_with(text("/", name(t.weight))));
    CHECK(t.elements() == t.rows * t.columns);
    elements += t.elements();
    seen.insert(t.path);
  }
  CHECK(seen.size() == all.size());
  CHECK(c.parameters() == elements);
  std::set<std::string_view> names;
  for (int w = 0; w <= static_cast<int>(Weight::ffn_out_bias); ++w) names.insert(name(static_cast<Weight>(w)));
  CHECK(names.size() == static_cast<std::size_t>(Weight::ffn_out_bias) + 1);
  CHECK(names.count("") == 0);
}

TEST_CASE("published models have their published numbers of parameters") {
  ModelConfig smollm2;
  smollm2.layers = 30, smollm2.E = 576, smollm2.F = 1536, smollm2.H = 9, smollm2.K = 3, smollm2.Q = 64,
  smollm2.V = 49152;
  smollm2.tied = true;
  CHECK(smollm2.parameters() == 134515008);
  ModelConfig palm;
  palm.layers = 118, palm.E = 18432, palm.F = 73728, palm.H = 48, palm.K = 1, palm.Q = 256, palm.V = 256000;
  palm.tied = true, palm.block = Block::parallel;
  CHECK(static_cast<double>(palm.parameters()) == doctest::Approx(540.35e9).epsilon(0.001));
}
