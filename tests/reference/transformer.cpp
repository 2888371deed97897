#include "reference/transformer.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/model/tensors.hpp"

namespace tsrun {
namespace {

using Vector = std::vector<double>;
using Rows = std::vector<Vector>;  // one vector per position

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

double activate(Activation activation, double x) {
  switch (activation) {
    case Activation::silu: return x / (1 + std::exp(-x));
    case Activation::gelu: return 0.5 * x * (1 + std::erf(x / std::numbers::sqrt2));
    case Activation::gelu_tanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
    case Activation::relu: return std::max(x, 0.0);
  }
  return 0;
}

// Llama 3: slow pairs are slowed further by the factor, fast ones left alone, those between blended. What counts is how
// often a pair turns within the context that the model was first trained with.
double llama3_frequency(const ModelConfig& c, double frequency) {
  const double turns = static_cast<double>(c.rope_original_context) * frequency / (2 * std::numbers::pi);
  if (turns < c.rope_low_freq_factor) return frequency / c.rope_factor;
  if (turns > c.rope_high_freq_factor) return frequency;
  const double blend = (turns - c.rope_low_freq_factor) / (c.rope_high_freq_factor - c.rope_low_freq_factor);
  return (1 - blend) * frequency / c.rope_factor + blend * frequency;
}

// YaRN: the same thought, blended evenly between the pair that turns beta_fast times and the one that turns beta_slow
// times, both rounded outwards to whole pairs.
double yarn_frequency(const ModelConfig& c, double frequency, double pair) {
  const auto width = static_cast<double>(c.rope_dims);
  const auto pair_of = [&](double turns) {
    const double wavelength = static_cast<double>(c.rope_original_context) / turns;
    return width * std::log(wavelength / (2 * std::numbers::pi)) / (2 * std::log(c.rope_base));
  };
  const double fast = std::max(std::floor(pair_of(c.rope_beta_fast)), 0.0);
  double slow = std::min(std::ceil(pair_of(c.rope_beta_slow)), width - 1);
  if (slow == fast) slow += 0.001;
  const double slowed = std::clamp((pair - fast) / (slow - fast), 0.0, 1.0);
  return slowed * frequency / c.rope_factor + (1 - slowed) * frequency;
}

// The angle by which rotary pair i turns per position.
double rotary_frequency(const ModelConfig& c, std::int64_t i, bool local) {
  const bool own_base = local && c.rope_local_base != 0;  // such layers are not scaled either
  const double base = own_base ? c.rope_local_base : c.rope_base;
  const double frequency = std::pow(base, -2 * static_cast<double>(i) / static_cast<double>(c.rope_dims));
  if (own_base) return frequency;
  switch (c.rope_scaling) {
    case RopeScaling::none: break;
    case RopeScaling::linear: return frequency / c.rope_factor;
    case RopeScaling::llama3: return llama3_frequency(c, frequency);
    case RopeScaling::yarn: return yarn_frequency(c, frequency, static_cast<double>(i));
  }
  return frequency;
}

// Turns the leading rope_dims of one head's vector, in place.
void rotate(const ModelConfig& c, bool local, std::size_t position, double* head) {
  const double stretch = c.rope_scaling == RopeScaling::yarn ? c.rope_attention_factor : 1;
  for (std::int64_t i = 0; i < c.rope_dims / 2; ++i) {
    const bool halves = c.rope_pairing == Pairing::half;
    double& a = head[halves ? i : 2 * i];
    double& b = head[halves ? i + c.rope_dims / 2 : 2 * i + 1];
    const double angle = static_cast<double>(position) * rotary_frequency(c, i, local);
    const double turned_a = a * std::cos(angle) - b * std::sin(angle);
    const double turned_b = a * std::sin(angle) + b * std::cos(angle);
    a = turned_a * stretch;
    b = turned_b * stretch;
  }
}

// Weights of scores up to a common constant, summing to 1.
void softmax(Vector& scores) {
  const double largest = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (double& s : scores) sum += s = std::exp(s - largest);
  for (double& s : scores) s /= sum;
}

class Transformer {
 public:
  explicit Transformer(const ReferenceModel& model) : c_(model.config), tensors_(model.tensors) {}

  std::vector<float> logits(const std::vector<int>& ids) const {
    Rows stream;
    for (const int id : ids) stream.push_back(embed(id, stream.size()));
    for (int layer = 0; layer < c_.layers; ++layer) run_layer(layer, stream);
    std::vector<float> out;
    for (const Vector& x : stream)
      for (const double logit : unembed(x)) out.push_back(static_cast<float>(logit));
    return out;
  }

 private:
  const std::vector<float>& tensor(Weight weight, int layer) const {
    const auto found = tensors_.find(path_of(weight, layer));
    if (found == tensors_.end()) throw std::logic_error(text("the reference model lacks ", path_of(weight, layer)));
    return found->second;
  }

  Vector embed(int id, std::size_t position) const {
    check(id >= 0 && id < c_.V, "an id is inside the vocabulary");
    Vector x = row(Weight::embed, size(id));
    for (double& v : x) v *= c_.embed_scale;
    if (c_.positions == Positions::learned) add(row(Weight::pos_embed, position), x);
    return x;
  }

  Vector row(Weight table, std::size_t index) const {
    const std::vector<float>& all = tensor(table, -1);
    Vector x(size(c_.E));
    for (std::size_t e = 0; e < x.size(); ++e) x[e] = static_cast<double>(all.at(index * x.size() + e));
    return x;
  }

  Vector unembed(const Vector& x) const {
    const Weight table = c_.tied ? Weight::embed : Weight::unembed;
    Vector out = linear(table, -1, size(c_.V), norm(Weight::final_norm, Weight::final_norm_bias, -1, x));
    for (double& logit : out) logit *= c_.logit_scale;
    return out;
  }

  // W x, the rows of W being output channels.
  Vector linear(Weight weight, int layer, std::size_t rows, const Vector& x) const {
    const std::vector<float>& w = tensor(weight, layer);
    check(w.size() == rows * x.size(), "a matrix has the size that its use asks for");
    Vector out(rows, 0.0);
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t j = 0; j < x.size(); ++j) out[r] += static_cast<double>(w[r * x.size() + j]) * x[j];
    return out;
  }

  Vector linear(Weight weight, Weight bias, bool biased, int layer, std::int64_t rows, const Vector& x) const {
    Vector out = linear(weight, layer, size(rows), x);
    if (!biased) return out;
    const std::vector<float>& b = tensor(bias, layer);
    for (std::size_t r = 0; r < out.size(); ++r) out[r] += static_cast<double>(b.at(r));
    return out;
  }

  Vector norm(Weight weight, Weight bias, int layer, Vector x) const {
    if (c_.norm == Norm::layer) {
      double mean = 0;
      for (const double v : x) mean += v / static_cast<double>(x.size());
      for (double& v : x) v -= mean;
    }
    rms_norm(weight, layer, x.data(), x.size());
    if (!c_.norm_bias) return x;
    const std::vector<float>& shift = tensor(bias, layer);
    for (std::size_t e = 0; e < x.size(); ++e) x[e] += static_cast<double>(shift.at(e));
    return x;
  }

  void rms_norm(Weight weight, int layer, double* x, std::size_t width) const {
    double mean_square = 0;
    for (std::size_t e = 0; e < width; ++e) mean_square += x[e] * x[e] / static_cast<double>(width);
    const std::vector<float>& scale = tensor(weight, layer);
    for (std::size_t e = 0; e < width; ++e)
      x[e] *= (static_cast<double>(scale.at(e)) + c_.norm_offset) / std::sqrt(mean_square + c_.norm_epsilon);
  }

  // What attention or the feed-forward reads, and what it gives to the stream.
  Vector norm_before(Weight weight, Weight bias, int layer, const Vector& x) const {
    return c_.norm_place == NormPlace::after ? x : norm(weight, bias, layer, x);
  }
  Vector norm_after(Weight weight, int layer, Vector x) const {
    if (c_.norm_place != NormPlace::before) rms_norm(weight, layer, x.data(), x.size());
    return x;
  }

  void run_layer(int layer, Rows& stream) const {
    Rows normed;
    for (const Vector& x : stream) normed.push_back(norm_before(Weight::attn_norm, Weight::attn_norm_bias, layer, x));
    const Rows attended = attention(layer, normed);
    for (std::size_t t = 0; t < stream.size(); ++t) {
      const Vector before = stream[t];
      add(norm_after(Weight::attn_post_norm, layer, attended[t]), stream[t]);
      // The feed-forward of a parallel block reads the stream as its attention found it, normed for both or for itself.
      Vector read = normed[t];
      if (c_.block == Block::serial || c_.two_norms)
        read =
            norm_before(Weight::ffn_norm, Weight::ffn_norm_bias, layer, c_.block == Block::serial ? stream[t] : before);
      add(norm_after(Weight::ffn_post_norm, layer, feed_forward(layer, read)), stream[t]);
    }
  }

  static void add(const Vector& what, Vector& to) {
    for (std::size_t e = 0; e < to.size(); ++e) to[e] += what[e];
  }

  Rows attention(int layer, const Rows& x) const {
    Rows keys, values, out;
    for (std::size_t t = 0; t < x.size(); ++t) {
      Vector query = linear(Weight::attn_q, Weight::attn_q_bias, c_.qkv_bias, layer, c_.H * c_.Q, x[t]);
      keys.push_back(linear(Weight::attn_k, Weight::attn_k_bias, c_.qkv_bias, layer, c_.C(), x[t]));
      values.push_back(linear(Weight::attn_v, Weight::attn_v_bias, c_.qkv_bias, layer, c_.C(), x[t]));
      place(Weight::attn_q_norm, layer, t, query);
      place(Weight::attn_k_norm, layer, t, keys[t]);
      const std::size_t first = c_.is_local(layer) && t + 1 > size(c_.window) ? t + 1 - size(c_.window) : 0;
      Vector mixed;  // [H][Q]
      for (std::int64_t h = 0; h < c_.H; ++h) {
        const Vector one = attend(&query[size(h * c_.Q)], keys, values, first, size(h / (c_.H / c_.K) * c_.Q));
        mixed.insert(mixed.end(), one.begin(), one.end());
      }
      out.push_back(linear(Weight::attn_o, Weight::attn_o_bias, c_.attn_out_bias, layer, c_.E, mixed));
    }
    return out;
  }

  // Norms and turns the heads of a query or a key.
  void place(Weight norm_weight, int layer, std::size_t position, Vector& heads) const {
    if (c_.qk_norm == QkNorm::all) rms_norm(norm_weight, layer, heads.data(), heads.size());
    for (std::size_t first = 0; first < heads.size(); first += size(c_.Q)) {
      if (c_.qk_norm == QkNorm::head) rms_norm(norm_weight, layer, &heads[first], size(c_.Q));
      if (c_.is_rotated(layer)) rotate(c_, c_.is_local(layer), position, &heads[first]);
    }
  }

  // One query head over the positions from `begin` on, whose keys and values of its head begin at `first`.
  Vector attend(const double* query, const Rows& keys, const Rows& values, std::size_t begin, std::size_t first) const {
    const std::size_t Q = size(c_.Q);
    const double scale = c_.attn_scale != 0 ? c_.attn_scale : 1 / std::sqrt(static_cast<double>(Q));
    Vector weights;
    for (std::size_t s = begin; s < keys.size(); ++s) {
      double dot = 0;
      for (std::size_t i = 0; i < Q; ++i) dot += query[i] * keys[s][first + i];
      weights.push_back(dot * scale);
    }
    softmax(weights);
    Vector out(Q, 0.0);
    for (std::size_t s = begin; s < values.size(); ++s)
      for (std::size_t i = 0; i < Q; ++i) out[i] += weights[s - begin] * values[s][first + i];
    return out;
  }

  Vector feed_forward(int layer, const Vector& x) const {
    Vector hidden = linear(Weight::ffn_in, Weight::ffn_in_bias, c_.ffn_bias, layer, c_.F, x);
    if (c_.gated) {
      const Vector gate = linear(Weight::ffn_gate, Weight::ffn_gate_bias, c_.ffn_bias, layer, c_.F, x);
      for (std::size_t f = 0; f < hidden.size(); ++f) hidden[f] *= activate(c_.activation, gate[f]);
    } else {
      for (double& v : hidden) v = activate(c_.activation, v);
    }
    return linear(Weight::ffn_out, Weight::ffn_out_bias, c_.ffn_bias, layer, c_.E, hidden);
  }

  const ModelConfig& c_;
  const std::map<std::string, std::vector<float>>& tensors_;
};

}  // namespace

std::vector<float> reference_logits(const ReferenceModel& model, const std::vector<int>& ids) {
  return Transformer(model).logits(ids);
}

ReferenceModel load_reference(const ModelSource& source) {
  ReferenceModel model{source.config(), {}};
  for (std::size_t i = 0; i < source.tensors().size(); ++i) {
    const TensorSpec& spec = source.tensors()[i].spec;
    std::vector<float>& values = model.tensors[spec.path];
    values.resize(size(spec.elements()));
    source.read_f32(i, 0, spec.rows, values.data());
  }
  return model;
}

}  // namespace tsrun
