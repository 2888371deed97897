#include "local_steps.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "tsrun/kernels/team.hpp"

namespace tsrun {
namespace {

// Numbers below which handing rows over takes longer than doing them.
constexpr std::int64_t worth_threads = 1 << 14;

}  // namespace

LocalSteps::LocalSteps(const PreparedProgram& ready, const Coord& chip, const ModelConfig& config,
                       const Weights& weights, KvCache& cache, Rotaries& rotary, Factors& factors, float* arena,
                       std::span<const PassInput> rows)
    : ready_(ready),
      p_(ready.program),
      chip_(chip),
      config_(config),
      weights_(weights),
      cache_(cache),
      rotary_(rotary),
      factors_(factors),
      arena_(arena),
      rows_(rows),
      L_(ready.program.L) {
  std::vector<std::int64_t> positions;
  for (const PassInput& row : rows)
    for (std::int64_t l = 0; l < L_; ++l) positions.push_back(l < std::ssize(row.tokens) ? row.context + l : -1);
  rotary_.global.set_positions(positions);
  if (config_.window > 0) rotary_.local.set_positions(positions);
}

std::int64_t LocalSteps::rows_of(ValueId v) const {
  const Partition& p = p_.value(v).partition;
  std::int64_t rows = 1;
  for (int d = 0; d < p.dims() && (p[d].dim == Dim::B || p[d].dim == Dim::L); ++d) rows *= p_.local_size(v, d);
  return rows;
}

Range LocalSteps::mine(ValueId v, Dim d) const {
  const Value& value = p_.value(v);
  return shard(p_.torus, value.partition.axes(d), chip_, value.size[static_cast<std::size_t>(value.partition.find(d))]);
}

VocabularyPart LocalSteps::vocabulary(ValueId logits) const {
  const Range ids = mine(logits, Dim::V);
  return {ids.begin, ids.size(), config_.V};
}

void LocalSteps::run(const Step& step) {
  switch (step.op) {
    case Op::embed: return embed(step);
    case Op::sum: return row_sums(at(step.in[0]), rows_of(step.in[0]), width_of(step.in[0]), at(step.out[0]));
    case Op::sum_squares:
      return row_square_sums(at(step.in[0]), rows_of(step.in[0]), width_of(step.in[0]), at(step.out[0]));
    case Op::center: {
      const Range E = mine(step.in[0], Dim::E);
      const std::int64_t real = std::clamp<std::int64_t>(config_.E - E.begin, 0, E.size());
      return center_rows(at(step.in[0]), at(step.in[1]), rows_of(step.in[0]), E.size(), real, config_.E,
                         at(step.out[0]));
    }
    case Op::norm: return norm(step);
    case Op::slice: return slice(step);
    case Op::matmul: return multiply(step, step.in, step.out, {});
    case Op::bias: return bias(step);
    case Op::head_norm: return norm_heads(step);
    case Op::rotary: return rotate_queries(step);
    case Op::store_kv: return store_kv(step);
    case Op::attend: return attend(step);
    case Op::activate:
      return activate(config_.activation, step.in.size() == 2 ? at(step.in[0]) : nullptr, at(step.out[0]),
                      p_.local_elements(step.out[0]));
    case Op::add:
      for (std::size_t i = 1; i < step.in.size(); ++i)
        add_to(at(step.in[0]), at(step.in[i]), p_.local_elements(step.in[0]));
      return;
    case Op::pick: return pick(step);
    case Op::scale: {
      float* const x = at(step.in[0]);
      const auto factor = static_cast<float>(config_.logit_scale);
      std::transform(x, x + p_.local_elements(step.in[0]), x, [factor](float v) { return v * factor; });
      return;
    }
    case Op::best: return best(step);
    case Op::choose: return choose(step);
    case Op::likeliest: return likeliest(step);
    case Op::softmax_stats: return softmax_stats(step);
    case Op::log_probability: return score(step);
    default: break;
  }
  check(false, "a local step moves nothing");
}

void LocalSteps::take_factors(std::span<const ValueId> in, std::int64_t block_width) const {
  check(in.size() <= factors_.size(), "at most two products are added");
  for (std::size_t i = 0; i < in.size(); ++i) {
    const std::int64_t width = width_of(in[i]);
    factors_[i].set_blocks(at(in[i]), rows_of(in[i]), width, block_width > 0 ? block_width : width, expected_rows());
  }
}

void LocalSteps::multiply(const Step& step, std::span<const ValueId> in, std::span<const ValueId> out,
                          BlockWidths widths) const {
  take_factors(in, widths.in);
  constexpr std::size_t most_products = 8;
  std::array<PackedView, most_products> weights;
  std::array<ProductOf, most_products> products;
  const std::size_t count = step.weights.size();
  check(count <= most_products, "an input meets the weights of a few products");
  each_product(step, in, out, [&](std::size_t i, Activations&, float* y) {
    weights[i] = weights_.matrix(step.weights[i]);
    products[i] = {.blocks = std::span(&weights[i], 1), .y = y, .y_width = widths.out};
  });
  const std::span<const ProductOf> all = std::span(products).first(count);
  for (std::size_t i = 0; i < in.size(); ++i)  // all of one input, or of each its own
    tsrun::multiply(factors_[i], in.size() == 1 ? all : all.subspan(i, 1));
  add_products(step, in, out);
}

void LocalSteps::add_products(const Step& step, std::span<const ValueId> in, std::span<const ValueId> out) const {
  if (in.size() == 2) add_to(at(out[0]), at(step.via.back()), p_.local_elements(out[0]));
}

void LocalSteps::slice(const Step& step) const {
  const ValueId v = step.out[0];
  const Partition& p = p_.value(v).partition;
  const int cut = p.find(step.dims[0]);
  std::int64_t outer = 1, width = 1;
  for (int d = 0; d < p.dims(); ++d) (d < cut ? outer : width) *= p_.local_size(v, d);
  const int holes = p_.torus.size(p[cut].axes.holes());  // digits more major than the slice's, all of them here
  outer *= holes;
  width /= holes;
  const std::int64_t blocks = p_.torus.size(step.axes), mine = block_of(p_.torus, step.axes, chip_);
  for (std::int64_t o = 0; o < outer; ++o)
    std::copy_n(at(step.in[0]) + (o * blocks + mine) * width, width, at(v) + o * width);
}

void LocalSteps::embed(const Step& step) const {
  const std::int64_t width = width_of(step.out[0]);
  std::vector<float> table_row(static_cast<std::size_t>(width));
  const auto lookup = [&](std::size_t which, std::int64_t index, float factor, float* out) {
    const WeightUse& use = step.weights[which];
    const Dim rows = which == 0 ? Dim::V : Dim::P;
    const Range mine = shard(p_.torus, use.partition.axes(rows), chip_, p_.sizes.of(rows, config_));
    if (index < mine.begin || index >= mine.end) return;
    unpack_row(weights_.matrix(use), index - mine.begin, table_row.data());
    std::transform(out, out + width, table_row.begin(), out, [factor](float v, float t) { return v + factor * t; });
  };
  float* out = at(step.out[0]);
  for (const PassInput& row : rows_)
    for (std::int64_t l = 0; l < L_; ++l, out += width) {
      std::fill_n(out, width, 0.0F);
      if (l >= std::ssize(row.tokens)) continue;
      lookup(0, row.tokens[static_cast<std::size_t>(l)], static_cast<float>(config_.embed_scale), out);
      if (step.weights.size() > 1) lookup(1, row.context + l, 1, out);
    }
}

// Of the residual, or of all query or key heads together.
void LocalSteps::norm(const Step& step) const {
  const ValueId x = step.in[0];
  const Dim cut = p_.value(x).partition[p_.value(x).partition.dims() > 2 ? 2 : 1].dim;
  const std::int64_t first = mine(x, cut).begin * (cut == Dim::H ? config_.Q : 1);
  const std::int64_t whole = cut == Dim::H ? config_.H * config_.Q : cut == Dim::C ? config_.C() : config_.E;
  const float* const offset = step.weights.size() > 1 ? weights_.vector(step.weights[1]) + first : nullptr;
  norm_rows(at(x), at(step.in[1]), rows_of(x), width_of(x), whole, config_.norm_epsilon,
            weights_.vector(step.weights[0]) + first, offset, at(step.out[0]));
}

void LocalSteps::bias(const Step& step) const {
  const ValueId x = step.in[0];
  const Partition& p = p_.value(x).partition;
  const Dim cut = p[2].dim;  // BLE, BLF, BLC, or BLHQ, whose bias has Q numbers a head
  const std::int64_t first = mine(x, cut).begin * (cut == Dim::H ? config_.Q : 1);
  add_bias(at(x), rows_of(x), width_of(x), weights_.vector(step.weights[0]) + first);
}

void LocalSteps::norm_heads(const Step& step) const {
  const std::int64_t heads = p_.local_elements(step.in[0]) / config_.Q;
  rms_norm_rows(at(step.in[0]), heads, config_.Q, config_.norm_epsilon, weights_.vector(step.weights[0]));
}

void LocalSteps::rotate_queries(const Step& step) const {
  const Rotary& rotary = rotary_of(step.layer);
  float* const q = at(step.in[0]);
  const std::int64_t tokens = rows_of(step.in[0]), width = width_of(step.in[0]);
  const std::int64_t first = mine(step.in[0], Dim::B).begin * L_;
  share_out(tokens, tokens * width > worth_threads, [&](std::int64_t t) {
    for (std::int64_t h = 0; h < width; h += config_.Q) rotary.rotate(first + t, q + t * width + h);
  });
}

void LocalSteps::store_kv(const Step& step) {
  KvLayer& layer = cache_.layer(step.layer);
  const std::int64_t width = width_of(step.in[0]), first = mine(step.in[0], Dim::C).begin;
  const Range here = mine(step.in[0], Dim::B);
  const std::int64_t slots = std::ssize(cache_.slots()), heads = here.size() * slots * L_;
  share_out(heads, heads * config_.Q > worth_threads, [&](std::int64_t i) {  // of a slot the tokens one after the other
    const std::int64_t l = i % L_, slot = i / L_ % slots, b = here.begin + i / L_ / slots;
    if (l >= std::ssize(row(b).tokens)) return;
    const std::int64_t head = ((b - here.begin) * L_ + l) * width +
                              cache_.slots()[static_cast<std::size_t>(slot)] * config_.Q - first;
    float* const key = at(step.in[0]) + head;
    if (!step.weights.empty())
      rms_norm_rows(key, 1, config_.Q, config_.norm_epsilon, weights_.vector(step.weights[0]));
    if (config_.is_rotated(step.layer)) rotary_of(step.layer).rotate(b * L_ + l, key);
    layer.store(cache_.local_row(row(b).sequence), slot, row(b).context + l, key, at(step.in[1]) + head);
  });
}

void LocalSteps::attend(const Step& step) {
  const Range here = mine(step.in[0], Dim::B);
  attention_rows_.clear();
  for (std::int64_t b = here.begin; b < here.end; ++b) {
    const auto tokens = std::ssize(row(b).tokens);
    attention_rows_.push_back({tokens == 0 ? 0 : cache_.local_row(row(b).sequence), tokens, row(b).context});
  }
  const double scale = config_.attn_scale != 0 ? config_.attn_scale : 1 / std::sqrt(static_cast<double>(config_.Q));
  const AttentionShape shape{L_, p_.local_size(step.in[0], 2), config_.Q, static_cast<float>(scale),
                             config_.is_local(step.layer) ? config_.window : 0, expected_rows()};
  attention(shape, attention_rows_, ready_.slot_of, at(step.in[0]), cache_.layer(step.layer), at(step.out[0]));
}

// Where the length is cut, the last token is on one chip; the others add 0.
void LocalSteps::pick(const Step& step) const {
  const Range rows = mine(step.in[0], Dim::B), tokens = mine(step.in[0], Dim::L);
  const std::int64_t width = width_of(step.in[0]);
  for (std::int64_t b = rows.begin; b < rows.end; ++b) {
    float* const to = at(step.out[0]) + (b - rows.begin) * width;
    const std::int64_t last = std::max<std::int64_t>(0, std::ssize(row(b).tokens) - 1);
    if (last < tokens.begin || last >= tokens.end) std::fill_n(to, width, 0.0F);
    else std::copy_n(at(step.in[0]) + ((b - rows.begin) * tokens.size() + last - tokens.begin) * width, width, to);
  }
}

// A row's best is two numbers: the logit, and the bits of the id.
void LocalSteps::best(const Step& step) const {
  const VocabularyPart part = vocabulary(step.in[0]);
  const std::int64_t rows = rows_of(step.in[0]);
  share_out(rows, rows * part.width > worth_threads, [&](std::int64_t r) {
    const Best b = best_of(at(step.in[0]) + r * part.width, part);
    at(step.out[0])[2 * r] = b.logit;
    at(step.out[0])[2 * r + 1] = std::bit_cast<float>(b.id);
  });
}

void LocalSteps::choose(const Step& step) const {
  const std::int64_t width = width_of(step.in[0]);
  for (std::int64_t r = 0; r < rows_of(step.in[0]); ++r) {
    const float* const row = at(step.in[0]) + r * width;
    std::int64_t chosen = 0;  // chips stand in the order of their ids, so the first of equals has the smallest id
    for (std::int64_t i = 2; i < width; i += 2)
      if (row[i] > row[chosen]) chosen = i;
    at(step.out[0])[r] = row[chosen + 1];
  }
}

void LocalSteps::likeliest(const Step& step) const {
  const VocabularyPart part = vocabulary(step.in[0]);
  const std::int64_t rows = rows_of(step.in[0]), count = width_of(step.out[0]) / 2;
  share_out(rows, rows * part.width > worth_threads, [&](std::int64_t r) {
    thread_local std::vector<Best> row;
    row.resize(static_cast<std::size_t>(count));
    likeliest_of(at(step.in[0]) + r * part.width, part, row);
    float* out = at(step.out[0]) + 2 * r * count;
    for (const Best& b : row) {
      *out++ = b.logit;
      *out++ = std::bit_cast<float>(b.id);
    }
  });
}

void LocalSteps::softmax_stats(const Step& step) const {
  const VocabularyPart part = vocabulary(step.in[0]);
  const std::int64_t rows = rows_of(step.in[0]);
  share_out(rows, rows * part.width > worth_threads, [&](std::int64_t r) {
    const std::span<const std::int32_t> targets = row(r / L_).targets;
    const std::int64_t l = r % L_;
    const std::int32_t target = l < std::ssize(targets) ? targets[static_cast<std::size_t>(l)] : -1;
    const SoftmaxStats stats = tsrun::softmax_stats(at(step.in[0]) + r * part.width, part, target);
    const float numbers[] = {stats.largest, stats.sum, stats.target};
    std::copy_n(numbers, 3, at(step.out[0]) + 3 * r);
  });
}

void LocalSteps::score(const Step& step) const {
  std::vector<SoftmaxStats> parts(static_cast<std::size_t>(p_.torus.size()));
  for (std::int64_t r = 0; r < rows_of(step.in[0]); ++r) {
    const float* row = at(step.in[0]) + r * width_of(step.in[0]);
    for (SoftmaxStats& part : parts) {
      part = {row[0], row[1], row[2]};
      row += 3;
    }
    at(step.out[0])[r] = log_probability(parts);
  }
}

}  // namespace tsrun
