// The configuration: no fact is left out of the list that the file format is written from, and what cannot be a model is
// refused.
#include "tsrun/model/config.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <type_traits>

#include "small.hpp"
#include "tsrun/core/error.hpp"

using namespace tsrun;
using namespace tsrun::test;

namespace {

// Becomes a member of any type; how many of them an aggregate accepts is how many members it has.
struct Anything {
  template <class T>
  operator T() const;
};
template <class Aggregate, class... Taken>
constexpr int count_members() {
  if constexpr (requires { Aggregate{Taken{}..., Anything{}}; })
    return count_members<Aggregate, Taken..., Anything>();
  else
    return static_cast<int>(sizeof...(Taken));
}
struct Three {
  std::string a;
  double b;
  bool c;
};
static_assert(count_members<Three>() == 3);

void change(std::string& v) { v += "?"; }
void change(std::int64_t& v) { v += 1; }
void change(double& v) { v += 0.5; }
void change(bool& v) { v = !v; }
template <class Enum>
  requires std::is_enum_v<Enum>
void change(Enum& v) {
  v = v == static_cast<Enum>(0) ? static_cast<Enum>(1) : static_cast<Enum>(0);
}

bool refused(const std::function<void(ModelConfig&)>& spoil, const std::string& named) {
  ModelConfig c = small_model();
  spoil(c);
  try {
    validate(c, "some.h5");
  } catch (const Error& error) {
    const std::string what = error.what();
    INFO(what);
    CHECK(error.exit() == Exit::request);
    CHECK(what.find("some.h5") != std::string::npos);
    CHECK(what.find(named) != std::string::npos);
    return true;
  }
  return false;
}

template <class Enum>
void words_round_trip(int count) {
  std::set<std::string_view> words;
  for (int i = 0; i < count; ++i) {
    const auto value = static_cast<Enum>(i);
    words.insert(word(value));
    auto read = static_cast<Enum>((i + 1) % count);
    CHECK(from_word(word(value), read));
    CHECK(read == value);
    CHECK_FALSE(from_word("no such word", read));
    CHECK_FALSE(from_word("", read));
    CHECK(read == value);  // nothing changed
  }
  CHECK(words.size() == static_cast<std::size_t>(count));
  CHECK(word(static_cast<Enum>(count)) == "unknown");  // `count` is all of them
}

}  // namespace

TEST_CASE("visit_fields lists every field once, under a name of its own") {
  ModelConfig config;
  std::set<std::string> names;
  std::set<const void*> fields;
  int visits = 0;
  visit_fields(config, [&](const char* name, const auto& field) {
    names.insert(name);
    fields.insert(&field);
    ++visits;
  });
  CHECK(visits == count_members<ModelConfig>());
  CHECK(names.size() == static_cast<std::size_t>(visits));
  CHECK(fields.size() == static_cast<std::size_t>(visits));
}

TEST_CASE("every field takes part in comparison, and a config copied field by field is the same") {
  const ModelConfig config = small_model();
  visit_fields(config, [&](const char* name, const auto& field) {
    ModelConfig other = config;
    visit_fields(other, [&](const char* other_name, auto& other_field) {
      if (std::string(name) == other_name) change(other_field);
    });
    CAPTURE(name);
    CAPTURE(field);
    CHECK(other != config);
  });
}

TEST_CASE("enum values are words and back") {
  words_round_trip<Norm>(2);
  words_round_trip<Block>(2);
  words_round_trip<Activation>(4);
  words_round_trip<Pairing>(2);
  words_round_trip<RopeScaling>(4);
  words_round_trip<Positions>(2);
  words_round_trip<NormPlace>(3);
  words_round_trip<QkNorm>(3);
}

TEST_CASE("a model is accepted, with each kind of rotary scaling") {
  CHECK_NOTHROW(validate(small_model(), "some.h5"));
  ModelConfig c = small_model();
  c.rope_scaling = RopeScaling::linear;
  c.rope_factor = 4;
  CHECK_NOTHROW(validate(c, "some.h5"));
  c.rope_scaling = RopeScaling::llama3;
  c.rope_original_context = 8192;
  CHECK_NOTHROW(validate(c, "some.h5"));
}

TEST_CASE("a size that is missing or absurd is refused by name") {
  for (const char* const size : {"layers", "E", "F", "H", "K", "Q", "V", "context"})
    for (const std::int64_t value : {std::int64_t{0}, std::int64_t{-1}, std::numeric_limits<std::int64_t>::min(), (std::int64_t{1} << 24) + 1,
                                     std::numeric_limits<std::int64_t>::max()}) {
      CAPTURE(size);
      CAPTURE(value);
      CHECK(refused(
          [&](ModelConfig& c) {
            visit_fields(c, [&](const char* name, auto& field) {
              if constexpr (std::is_same_v<std::remove_reference_t<decltype(field)>, std::int64_t>)
                if (std::string(name) == size) field = value;
            });
          },
          size));
    }
}

TEST_CASE("the bytes of the largest model that is accepted do not wrap") {
  ModelConfig c = small_model();
  c.layers = 10000;
  c.E = c.F = c.V = std::int64_t{1} << 22;
  c.H = c.K = std::int64_t{1} << 21;
  c.Q = c.rope_dims = 2;
  CHECK_NOTHROW(validate(c, "some.h5"));
  const double parameters = 10000.0 * 7 * std::ldexp(1, 44);
  CHECK(static_cast<double>(c.parameters()) == doctest::Approx(parameters).epsilon(0.001));
  CHECK(c.parameters() <= std::numeric_limits<std::int64_t>::max() / 4);
}

TEST_CASE("facts that contradict each other are refused") {
  const double nan = std::nan(""), infinite = std::numeric_limits<double>::infinity();
  CHECK(refused([](ModelConfig& c) { c.K = 4; }, "multiple"));
  CHECK(refused([](ModelConfig& c) { c.K = 12; }, "multiple"));
  CHECK(refused([](ModelConfig& c) { c.layers = 10001; }, "layers"));
  CHECK(refused([](ModelConfig& c) { c.H = c.K = 1 << 20; }, "too wide"));
  CHECK(refused([](ModelConfig& c) { c.rope_dims = 7; }, "rope_dims 7"));
  CHECK(refused([](ModelConfig& c) { c.rope_dims = 10; }, "rope_dims 10"));
  CHECK(refused([](ModelConfig& c) { c.rope_dims = -2; }, "rope_dims -2"));
  for (const double v : {nan, infinite, -1e-5}) CHECK(refused([v](ModelConfig& c) { c.norm_epsilon = v; }, "norm_epsilon"));
  for (const double v : {nan, infinite, 0.0, 1.0, -10000.0}) CHECK(refused([v](ModelConfig& c) { c.rope_base = v; }, "rope_base"));
  for (const double v : {nan, infinite, -infinite}) {
    CHECK(refused([v](ModelConfig& c) { c.norm_offset = v; }, "scale"));
    CHECK(refused([v](ModelConfig& c) { c.embed_scale = v; }, "scale"));
    CHECK(refused([v](ModelConfig& c) { c.logit_scale = v; }, "scale"));
  }
}

TEST_CASE("rotary scaling that contradicts itself is refused, and only looked at where there is some") {
  const double nan = std::nan("");
  const auto scaled = [](RopeScaling scaling, const std::function<void(ModelConfig&)>& spoil) {
    return [=](ModelConfig& c) {
      c.rope_scaling = scaling;
      c.rope_original_context = 8192;
      spoil(c);
    };
  };
  for (const RopeScaling scaling : {RopeScaling::linear, RopeScaling::llama3})
    for (const double v : {0.0, -1.0, nan}) CHECK(refused(scaled(scaling, [v](ModelConfig& c) { c.rope_factor = v; }), "rope_factor"));
  CHECK(refused(scaled(RopeScaling::llama3, [](ModelConfig& c) { c.rope_original_context = 0; }), "contradicts"));
  CHECK(refused(scaled(RopeScaling::llama3, [](ModelConfig& c) { c.rope_high_freq_factor = 1; }), "contradicts"));
  CHECK(refused(scaled(RopeScaling::llama3, [](ModelConfig& c) { c.rope_low_freq_factor = 0; }), "contradicts"));
  CHECK(refused(scaled(RopeScaling::llama3, [nan](ModelConfig& c) { c.rope_low_freq_factor = nan; }), "contradicts"));
  CHECK(refused(scaled(RopeScaling::llama3, [](ModelConfig& c) { c.rope_high_freq_factor = std::numeric_limits<double>::infinity(); }),
                "contradicts"));
  CHECK_FALSE(refused(scaled(RopeScaling::none, [nan](ModelConfig& c) { c.rope_factor = nan; }), ""));
  CHECK_FALSE(refused(scaled(RopeScaling::yarn, [](ModelConfig&) {}), ""));
  CHECK(refused(scaled(RopeScaling::yarn, [](ModelConfig& c) { c.rope_original_context = 0; }), "contradicts"));
  CHECK(refused(scaled(RopeScaling::yarn, [](ModelConfig& c) { c.rope_beta_slow = 64; }), "contradicts"));
  CHECK(refused(scaled(RopeScaling::yarn, [nan](ModelConfig& c) { c.rope_attention_factor = nan; }), "contradicts"));
}

TEST_CASE("norms, windows and positions that contradict the block or each other are refused") {
  CHECK(refused([](ModelConfig& c) { c.two_norms = true; }, "two norms"));
  CHECK(refused([](ModelConfig& c) { c.norm_place = NormPlace::after; c.norm_bias = true; }, "norm_place after"));
  CHECK(refused([](ModelConfig& c) { c.norm_place = NormPlace::around; c.block = Block::parallel; }, "norm_place around"));
  CHECK(refused([](ModelConfig& c) { c.attn_scale = -1; }, "attn_scale"));
  CHECK(refused([](ModelConfig& c) { c.window = -1; }, "window"));
  CHECK(refused([](ModelConfig& c) { c.full_every = 6; }, "full_every 6"));
  CHECK(refused([](ModelConfig& c) { c.window = 8; c.full_every = 1; }, "full_every 1"));
  CHECK(refused([](ModelConfig& c) { c.nope_every = 1; }, "nope_every 1"));
  CHECK(refused([](ModelConfig& c) { c.rope_local_base = 10000; }, "rope_local_base"));  // without a window
  CHECK(refused([](ModelConfig& c) { c.positions = Positions::learned; }, "rope_dims 8"));
  CHECK(refused([](ModelConfig& c) { c.rope_dims = 0; }, "rope_dims 0"));
}

TEST_CASE("which layers are local and which are rotated") {
  ModelConfig c = small_model();
  CHECK_FALSE(c.is_local(0));
  c.window = 8;
  CHECK(c.is_local(5));
  c.full_every = 3;
  for (int layer = 0; layer < 9; ++layer) CHECK(c.is_local(layer) == (layer % 3 != 2));
  CHECK(c.is_rotated(3));
  c.nope_every = 4;
  for (int layer = 0; layer < 8; ++layer) CHECK(c.is_rotated(layer) == (layer % 4 != 3));
  c.positions = Positions::learned;
  CHECK_FALSE(c.is_rotated(0));
}
