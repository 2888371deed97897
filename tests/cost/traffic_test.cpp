// The bytes of the default schedules are the closed forms of programs.md.
#include <doctest/doctest.h>

#include "tsrun/cost/memory.hpp"
#include "tsrun/cost/traffic.hpp"
#include "tsrun/program/explain.hpp"
#include "tsrun/program/lower.hpp"

using namespace tsrun;

namespace {

ModelConfig model() {
  ModelConfig c;
  c.layers = 1;
  c.E = 96;
  c.F = 192;
  c.H = 12;
  c.K = 12;
  c.Q = 8;
  c.V = 144;
  c.context = 64;
  c.rope_dims = 8;
  return c;
}

// Elements that a chip sends in the layer's steps that write `tensors`.
double sent(const Program& p, const std::string& tensors) {
  double elements = 0;
  for (const Step& s : p.steps)
    if (is_collective(s.op) && s.layer == 0 && written(p, s) == tensors) elements += mean_sent_bytes(p, s) / 4;
  return elements;
}

}  // namespace

TEST_CASE("ws2d sends T [2E/X f(YZ) + 3F/(YZ) f(X)] in the feed-forward, and as much for attention's gather") {
  for (const Torus t : {Torus{2, 2, 2}, Torus{3, 2, 1}, Torus{2, 3, 2}, Torus{1, 6, 2}, Torus{4, 1, 3}}) {
    const Program p = lower(model(), t, parse_layout("ws2d/head"), PassShape::uniform(Phase::prefill, 2, 3, 0, Output::none));
    const auto f = [](int k) { return (k - 1.0) / k; };
    const double T = 6, E = 96, F = 192, C = 96;
    const auto W = static_cast<double>(p.sizes.heads.padded() * 8);
    CHECK(sent(p, "x") == doctest::Approx(2 * T * E / t.X * f(t.Y * t.Z)));  // before attention and before the FFN
    CHECK(sent(p, "ffn") == doctest::Approx(T * E / t.X * f(t.Y * t.Z)));
    CHECK(sent(p, "gate hidden") == doctest::Approx(2 * T * F / (t.Y * t.Z) * f(t.X)));
    CHECK(sent(p, "hidden") == doctest::Approx(T * F / (t.Y * t.Z) * f(t.X)));
    CHECK(sent(p, "q k v") == doctest::Approx(T * (W + 2 * C) / (t.Y * t.Z) * f(t.X)));
    CHECK(sent(p, "heads") == doctest::Approx(T * W / (t.Y * t.Z) * f(t.X)));
    CHECK(sent(p, "square") == doctest::Approx(2 * 2 * f(t.X) * T));
  }
}

TEST_CASE("ws1d sends 2 T E f(n) a block half") {
  const Torus t{2, 3, 2};
  const Program p = lower(model(), t, parse_layout("ws1d/head"), PassShape::uniform(Phase::prefill, 2, 3, 0, Output::none));
  CHECK(sent(p, "x") == doctest::Approx(2 * 6.0 * 96 * 11 / 12));
  CHECK(sent(p, "ffn") + sent(p, "attn") == doctest::Approx(2 * 6.0 * 96 * 11 / 12));
  CHECK(sent(p, "square") == 0);
}

TEST_CASE("a chip's weights are its share of the model, and the cache counts slots") {
  const Torus t{2, 2, 2};
  const Program p = lower(model(), t, parse_layout("ws2d/head"), PassShape::uniform(Phase::decode, 4, 1, 0, Output::greedy));
  const Memory m = memory(p, [](const WeightUse&) { return DType::bf16; }, DType::bf16, 4, 64);
  // All matrices divide here but for the heads (12 to 16); vectors are whole.
  const double matrices = 3.0 * 96 * 192 + 2 * 96 * 128 + 2 * 96 * 96 + 2 * 144 * 96;
  CHECK(static_cast<double>(m.weights) == doctest::Approx(matrices * 2 / 8 + 3 * 96 * 4));
  CHECK(m.kv == 2 * 1 * 4 * p.kv_slots * 64 * 8 * 2);
  CHECK(m.peak() == m.weights + m.kv + m.activations + m.staging);
}
