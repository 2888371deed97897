// Weights of every type against the reference on the same weights, exactly dequantised: on tori where groups of 32
// inputs would straddle chips, were it not for padding, and in layouts that keep the weights, gather them, and cut them
// in one dimension or two.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "golden_file.hpp"
#include "reference/transformer.hpp"
#include "store/read_rows.hpp"
#include "tsrun/kernels/product.hpp"

using namespace tsrun;
using namespace tsrun::test;

namespace {

// Sizes are whole groups and no more: 3 x 32 inputs cut over two chips, 5 x 32 over eight, heads of half a group.
ModelConfig serial() {
  ModelConfig c;
  c.layers = 2;
  c.E = 96;
  c.F = 160;
  c.H = 6;
  c.K = 2;
  c.Q = c.rope_dims = 16;
  c.V = 131;
  c.context = 64;
  return c;
}
// One key/value head, learned positions, one table at both ends.
ModelConfig parallel() {
  ModelConfig c = serial();
  c.block = Block::parallel;
  c.positions = Positions::learned;
  c.E = 64;
  c.F = 96;
  c.H = 3;
  c.K = 1;
  c.Q = 32;
  c.rope_dims = 0;
  c.tied = true;
  c.gated = false;
  return c;
}

// Every chip has whole units of the columns that move, so that products take and make them in blocks as they move.
ModelConfig wide() {
  ModelConfig c = serial();
  c.layers = 1;
  c.H = std::max(6, world_size());
  c.Q = c.rope_dims = block_width_unit;
  c.E = c.H * block_width_unit;
  c.F = 2 * c.E;
  return c;
}

// Values of a tensor, from its path; norm scales are near 1.
std::vector<float> values_of(const TensorSpec& spec) {
  std::seed_seq seed(spec.path.begin(), spec.path.end());
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> v(static_cast<std::size_t>(spec.elements()));
  const float size = spec.is_vector ? 0.1F : 1.5F / std::sqrt(static_cast<float>(spec.columns));
  for (float& x : v) x = (spec.is_vector ? 1.0F : 0.0F) + size * normal(generator);
  return v;
}

void encode_channel(const float* in, TensorRows& out, std::int64_t row) {
  float most = 0;
  for (std::int64_t i = 0; i < out.columns; ++i) most = std::max(most, std::abs(in[i]));
  const float scale = most / 127;
  std::memcpy(out.scale.data() + 2 * row, &scale, sizeof scale);
  for (std::int64_t i = 0; i < out.columns; ++i)
    out.values[static_cast<std::size_t>(row * out.columns + i)] =
        static_cast<std::byte>(static_cast<std::int8_t>(std::lround(in[i] / scale)));
}

void encode_minimum(const float* in, TensorRows& out, std::int64_t row) {
  for (std::int64_t first = 0; first < out.columns; first += group_size) {
    const auto [least, most] = std::minmax_element(in + first, in + first + group_size);
    const auto group = static_cast<std::size_t>((row * out.columns + first) / group_size);
    out.scale[group] = f32_to_f16((*most - *least) / 15);
    out.minimum[group] = f32_to_f16(*least);
    for (std::int64_t i = first; i < first + group_size; ++i) {
      const auto q = std::clamp(std::lround((in[i] - *least) / f16_to_f32(out.scale[group])), 0L, 15L);
      out.values[static_cast<std::size_t>((row * out.columns + i) / 2)] |= static_cast<std::byte>(q << (i % 2 * 4));
    }
  }
}

TensorRows encoded(const TensorSpec& spec, DType type) {
  const std::vector<float> values = values_of(spec);
  TensorRows rows = TensorRows::zeros(type, spec.rows, spec.columns);
  for (std::int64_t r = 0; r < spec.rows; ++r) {
    const float* const in = values.data() + r * spec.columns;
    if (type == DType::int8_channel) encode_channel(in, rows, r);
    else if (type == DType::int4_min) encode_minimum(in, rows, r);
    else encode_row(in, rows, r);
  }
  return rows;
}

void write_model(const std::string& path, const ModelConfig& config,
                 const std::function<DType(const TensorSpec&)>& type_of) {
  ModelWriter writer(path, config, {});
  for (const TensorSpec& spec : tensors_of(config)) {
    const DType type = spec.is_vector ? DType::f32 : type_of(spec);
    writer.begin(spec, type);
    writer.append(encoded(spec, type));
    writer.end();
  }
  writer.commit();
}

ReferenceModel reference_of(const ModelFile& file) {
  ReferenceModel model{file.config(), {}};
  for (const StoredTensor& t : file.tensors()) {
    std::vector<float>& values = model.tensors[t.spec.path];
    values.resize(static_cast<std::size_t>(t.spec.elements()));
    decode_rows(read_rows(file, t, 0, t.spec.rows), 0, t.spec.rows, values.data());
  }
  return model;
}

std::vector<Torus> tori() {
  switch (world_size()) {
    case 6: return {{3, 2, 1}};
    case 8: return {{2, 2, 2}};
    default: return {{world_size(), 1, 1}};
  }
}

constexpr const char* layouts[] = {"ws1d/head",   "ws2d/batch",  "wg_x/batch_x",
                                   "wg_xy/batch", "wg_xyz/head", "wg_xyz@1d/batch"};

Plan plan_as_stored(const SharedFile& file, const Torus& torus, const char* layout) {
  Plan plan = plan_for(file, torus, layout, 2);
  plan.weights.reset();
  plan.context = file->config().context;
  return plan;
}

const std::vector<std::int32_t> ids = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4, 6};

// f32, f16 and, with exact activations, bf16 are held to what f32 is held to elsewhere.
bool is_exact(DType type) {
  return type == DType::f32 || type == DType::f16 ||
         (type == DType::bf16 && simd_level() < SimdLevel::avx512_bf16);
}

// A product with quantised weights takes activations in whole steps of 1/127 of the largest of 32: an error of 0.5 % of
// their deviation, in every product anew (and bf16 activations, and weights turned into bf16, are 8 bits wide too). Ten products later that is 2 to 3
// % of the logits'. A block in the wrong place, or a group with its neighbour's scale, is 30 % and more of some
// product.
constexpr double quantized_share = 0.05;

double root_mean_square(const std::vector<float>& actual, const std::vector<float>& wanted) {
  REQUIRE(actual.size() == wanted.size());
  double sum = 0;
  for (std::size_t i = 0; i < actual.size(); ++i) sum += std::pow(static_cast<double>(actual[i]) - wanted[i], 2);
  return std::sqrt(sum / static_cast<double>(actual.size()));
}

void check_near_reference(const ModelConfig& config, const std::vector<DType>& types,
                          std::span<const char* const> its_layouts) {
  for (const DType type : types) {
    CAPTURE(name(type));
    const SharedFile file("typed", [&](const std::string& path) {
      write_model(path, config, [type](const TensorSpec&) { return type; });
    });
    const std::vector<float> wanted = reference_logits(reference_of(*file), {ids.begin(), ids.end()});
    for (const Torus& torus : tori()) {
      const Mesh mesh(torus, 60);
      for (const char* layout : its_layouts) {
        CAPTURE(layout);
        Engine engine(*file, plan_as_stored(file, torus, layout), mesh);
        const std::vector<float> logits = logits_of(engine, ids);
        if (is_exact(type)) CHECK_NEAR(logits, wanted, 1e-4);
        CHECK(root_mean_square(logits, wanted) / deviation_of(wanted) < quantized_share);
        for (const TrafficRow& row : engine.traffic()) CHECK(row.bytes == row.predicted_bytes);
        CHECK(engine.weight_bytes() == engine.memory().weights);
      }
    }
  }
}

}  // namespace

TEST_CASE("every type in every kind of layout is near the reference on its weights, and takes the bytes it said") {
  for (const ModelConfig& config : {serial(), parallel()})
    check_near_reference(
        config, {DType::f32, DType::f16, DType::bf16, DType::int8, DType::int8_channel, DType::int4, DType::int4_min},
        layouts);
}

TEST_CASE("products whose columns lie in blocks as they move are as near") {
  constexpr const char* some_layouts[] = {"ws1d/head", "ws2d/batch"};
  check_near_reference(wide(), {DType::f32, DType::int8, DType::int4_min}, some_layouts);
}

TEST_CASE("weights that are quantised as they are loaded are those that convert would have stored, to the bit") {
  for (const DType asked : {DType::bf16, DType::int8, DType::int4}) {
    CAPTURE(name(asked));
    const SharedFile wide("wide", [](const std::string& path) {
      write_model(path, serial(), [](const TensorSpec&) { return DType::f32; });
    });
    const SharedFile narrow("narrow", [asked](const std::string& path) {
      write_model(path, serial(), [asked](const TensorSpec& spec) { return converted_type(spec, DType::f32, asked); });
    });
    for (const Torus& torus : tori()) {
      const Mesh mesh(torus, 60);
      for (const char* layout : {"ws2d/head", "wg_xyz/batch"}) {
        CAPTURE(layout);
        Plan plan = plan_as_stored(wide, torus, layout);
        Engine stored(*narrow, plan, mesh);
        plan.weights = asked;
        Engine loaded(*wide, plan, mesh);
        CHECK(logits_of(stored, ids) == logits_of(loaded, ids));
        CHECK(stored.weight_bytes() == loaded.weight_bytes());
      }
    }
  }
}

TEST_CASE("what is stored in fewer bits than asked for is held as it is stored, or without loss") {
  const SharedFile file("mixed", [](const std::string& path) {
    write_model(path, serial(), [](const TensorSpec& spec) {
      return spec.weight == Weight::attn_q   ? DType::int4_min
             : spec.weight == Weight::ffn_in ? DType::int8_channel
                                             : DType::f16;
    });
  });
  const auto held = [&](Weight weight, int layer, std::optional<DType> asked) {
    return held_type(file->tensor(weight, layer), asked);
  };
  CHECK(held(Weight::attn_q, 0, {}) == DType::int4_min);
  CHECK(held(Weight::attn_q, 0, DType::int8) == DType::int4_min);
  CHECK(held(Weight::attn_q, 0, DType::int4) == DType::int4_min);
  CHECK(held(Weight::attn_q, 0, DType::bf16) == DType::bf16);
  CHECK(held(Weight::ffn_in, 0, DType::int8) == DType::int8_channel);
  CHECK(held(Weight::ffn_in, 0, DType::int4) == DType::int4);
  CHECK(held(Weight::embed, -1, {}) == DType::f32);
  CHECK(held(Weight::embed, -1, DType::int4) == DType::int8);
  CHECK(held(Weight::attn_norm, 0, DType::int8) == DType::f32);
}

TEST_CASE("a row's bits do not depend on the rows beside it, whatever the weights are held as") {
  for (const DType type : {DType::bf16, DType::int8, DType::int4}) {
    CAPTURE(name(type));
    const SharedFile file("rows", [&](const std::string& path) {
      write_model(path, serial(), [type](const TensorSpec&) { return type; });
    });
    const auto V = static_cast<std::ptrdiff_t>(file->config().V);
    for (const Torus& torus : tori()) {
      const Mesh mesh(torus, 60);
      for (const char* layout : layouts) {
        CAPTURE(layout);
        Plan plan = plan_as_stored(file, torus, layout);
        plan.sequences = 5;
        plan.chunk = 32;
        Engine engine(*file, plan, mesh);
        const std::vector<std::int32_t> other(ids.rbegin(), ids.rend() - 4);
        std::vector<PassInput> rows = {
            {0, 0, ids}, {1, 0, other}, {2, 0, ids}, {3, 0, std::span(ids).first(7)}, {4, 0, ids}};
        const std::vector<float> together = engine.forward(Phase::prefill, rows, Output::logits).logits;
        for (const int row : {2, 4})
          CHECK(std::equal(together.begin(), together.begin() + V, together.begin() + row * V));
        const std::vector<float> alone =
            engine.forward(Phase::prefill, std::span(rows).first(1), Output::logits).logits;
        CHECK(std::equal(together.begin(), together.begin() + V, alone.begin()));
      }
    }
  }
}

// bf16 keeps 8 bits of a key or a value, int8 as many of the largest of 32: 0.5 % of each, far below what quantised
// weights may do, and a head in the wrong place is all of it.
TEST_CASE("a cache in fewer bits is near, moves between cuts, and takes the bytes it said") {
  for (const ModelConfig& config : {serial(), parallel()}) {
    const SharedFile file("cached", [&](const std::string& path) {
      write_model(path, config, [](const TensorSpec&) { return DType::f32; });
    });
    const std::vector<float> wanted = reference_logits(reference_of(*file), {ids.begin(), ids.end()});
    const auto V = static_cast<std::size_t>(config.V);
    for (const Torus& torus : tori()) {
      const Mesh mesh(torus, 60);
      for (const DType kv : {DType::bf16, DType::int8})
        for (const auto& [prefill, decode] :
             {std::pair("ws2d/head", "ws2d/batch"), std::pair("wg_xyz/batch", "ws2d/head")}) {
          CAPTURE(name(kv));
          CAPTURE(text(prefill, " then ", decode));
          Plan plan = plan_as_stored(file, torus, prefill);
          plan.decode = parse_layout(decode);
          plan.kv = kv;
          Engine engine(*file, plan, mesh);
          const std::size_t first = ids.size() - 2;
          std::vector<float> logits;
          for (std::size_t at = 0; at < ids.size(); at += at == 0 ? first : 1) {
            const PassInput row{1, static_cast<std::int64_t>(at), std::span(ids).subspan(at, at == 0 ? first : 1)};
            logits =
                engine.forward(at == 0 ? Phase::prefill : Phase::decode, std::span(&row, 1), Output::logits).logits;
            const auto end = wanted.begin() + static_cast<std::ptrdiff_t>((at + row.tokens.size()) * V);
            const std::vector<float> there(end - static_cast<std::ptrdiff_t>(V), end);
            CHECK(root_mean_square(logits, there) / deviation_of(there) < quantized_share);
          }
          for (const TrafficRow& row : engine.traffic()) CHECK(row.bytes == row.predicted_bytes);
          CHECK(engine.cache_bytes() == engine.memory().kv);
        }
    }
  }
}
