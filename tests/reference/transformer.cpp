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

// The angle by which rotary pair i turns per position.
double rotary_frequency(const ModelConfig& c, std::int64_t i) {
  const double frequency = std::pow(c.rope_base, -2 * static_cast<double>(i) / static_cast<double>(c.rope_dims));
  if (c.rope_scaling == RopeScaling::none) return frequency;
  if (c.rope_scaling == RopeScaling::linear) return frequency / c.rope_factor;
  // Llama 3: slow pairs are slowed further by the factor, fast ones left alone, those between blended. What counts
  // is how often a pair turns within the context that the model was first trained with.
  const double turns = static_cast<double>(c.rope_original_context) * frequency / (2 * std::numbers::pi);
  if (turns < c.rope_low_freq_factor) return frequency / c.rope_factor;
  if (turns > c.rope_high_freq_factor) return frequency;
  const double blend = (turns - c.rope_low_freq_factor) / (c.rope_high_freq_factor - c.rope_low_freq_factor);
  return (1 - blend) * frequency / c.rope_factor + blend * frequency;
}

// Turns the leading rope_dims of one head's vector, in place.
void rotate(const ModelConfig& c, std::size_t position, double* head) {
  for (std::int64_t i = 0; i < c.rope_dims / 2; ++i) {
    const bool halves = c.rope_pairing == Pairing::half;
    double& a = head[halves ? i : 2 * i];
    double& b = head[halves ? i + c.rope_dims / 2 : 2 * i + 1];
    const double angle = static_cast<double>(position) * rotary_frequency(c, i);
    const double turned_a = a * std::cos(angle) - b * std::sin(angle);
    const double turned_b = a * std::sin(angle) + b * std::cos(angle);
    a = turned_a;
    b = turned_b;
  }
}

void rotate_heads(const ModelConfig& c, std::size_t position, Vector& heads) {
  for (std::size_t first = 0; first < heads.size(); first += size(c.Q)) rotate(c, position, &heads[first]);
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
    for (const int id : ids) stream.push_back(embed(id));
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

  Vector embed(int id) const {
    check(id >= 0 && id < c_.V, "an id is inside the vocabulary");
    const std::vector<float>& table = tensor(Weight::embed, -1);
    Vector x(size(c_.E));
    const std::size_t first = size(id) * x.size();
    for (std::size_t e = 0; e < x.size(); ++e) x[e] = c_.embed_scale * static_cast<double>(table.at(first + e));
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
    const auto width = static_cast<double>(x.size());
    if (c_.norm == Norm::layer) {
      double mean = 0;
      for (const double v : x) mean += v / width;
      for (double& v : x) v -= mean;
    }
    double mean_square = 0;
    for (const double v : x) mean_square += v * v / width;
    const std::vector<float>& scale = tensor(weight, layer);
    for (std::size_t e = 0; e < x.size(); ++e)
      x[e] *= (static_cast<double>(scale.at(e)) + c_.norm_offset) / std::sqrt(mean_square + c_.norm_epsilon);
    if (!c_.norm_bias) return x;
    const std::vector<float>& shift = tensor(bias, layer);
    for (std::size_t e = 0; e < x.size(); ++e) x[e] += static_cast<double>(shift.at(e));
    return x;
  }

  void run_layer(int layer, Rows& stream) const {
    const bool serial = c_.block == Block::serial;
    Rows normed;
    for (const Vector& x : stream) normed.push_back(norm(Weight::attn_norm, Weight::attn_norm_bias, layer, x));
    const Rows attended = attention(layer, normed);
    for (std::size_t t = 0; t < stream.size(); ++t) {
      add(attended[t], stream[t]);
      // A parallel block's feed-forward reads what its attention read.
      if (serial) normed[t] = norm(Weight::ffn_norm, Weight::ffn_norm_bias, layer, stream[t]);
      add(feed_forward(layer, normed[t]), stream[t]);
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
      rotate_heads(c_, t, query);
      rotate_heads(c_, t, keys[t]);
      Vector mixed;  // [H][Q]
      for (std::int64_t h = 0; h < c_.H; ++h) {
        const Vector one = attend(&query[size(h * c_.Q)], keys, values, size(h / (c_.H / c_.K) * c_.Q));
        mixed.insert(mixed.end(), one.begin(), one.end());
      }
      out.push_back(linear(Weight::attn_o, Weight::attn_o_bias, c_.attn_out_bias, layer, c_.E, mixed));
    }
    return out;
  }

  // One query head over all positions so far, whose keys and values of its head begin at `first`.
  Vector attend(const double* query, const Rows& keys, const Rows& values, std::size_t first) const {
    const std::size_t Q = size(c_.Q);
    Vector weights;
    for (const Vector& key : keys) {
      double dot = 0;
      for (std::size_t i = 0; i < Q; ++i) dot += query[i] * key[first + i];
      weights.push_back(dot / std::sqrt(static_cast<double>(Q)));
    }
    softmax(weights);
    Vector out(Q, 0.0);
    for (std::size_t s = 0; s < values.size(); ++s)
      for (std::size_t i = 0; i < Q; ++i) out[i] += weights[s] * values[s][first + i];
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
