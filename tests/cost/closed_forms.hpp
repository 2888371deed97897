// What a whole pass sends under the default schedules, in closed form: the axis
// sets as numbers of chips, and nothing of the program that it is held against.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tsrun/core/integer.hpp"
#include "tsrun/layout/partition.hpp"
#include "tsrun/program/program.hpp"

namespace tsrun::test {

class ClosedForm {
 public:
  // A pass of as many sequences in each block of chips that attention tells apart, of L new tokens at most.
  ClosedForm(const ModelConfig& config, const Torus& torus, const Layout& layout, std::int64_t in_each_block,
             std::int64_t L)
      : c_(config), t_(torus), l_(layout), sizes_(pad(config, torus, layout)) {
    a_ = of(l_.cut_E()), b_ = of(l_.cut_F()), g_ = of(l_.gathered), n_ = t_.size();
    const std::int64_t B = in_each_block * t_.size(l_.batch), g = t_.size(l_.gathered);
    cuts_length_ = B < g && B * round_up(L, g) < round_up(B, g) * L;
    B_ = static_cast<double>(cuts_length_ ? B : round_up(B, g));
    T_ = B_ * static_cast<double>(cuts_length_ ? round_up(L, g) : L);
  }

  // Elements that a chip sends, on average.
  double pass(Output output, std::int64_t candidates = 0) const {
    double all = embedding() + head(output, static_cast<double>(candidates));
    for (std::int64_t i = 0; i < c_.layers; ++i)
      all += c_.block == Block::serial ? attention() + residual() + feed_forward() + residual()
                                       : attention() + feed_forward() + residual();
    return all;
  }

 private:
  static double f(double k) { return (k - 1) / k; }
  double of(AxisSet s) const { return t_.size(s); }
  double E() const { return static_cast<double>(sizes_.E); }
  double F() const { return static_cast<double>(sizes_.F); }
  double W() const { return static_cast<double>(sizes_.heads.padded() * c_.Q); }
  double C() const { return static_cast<double>(sizes_.C); }
  double V() const { return static_cast<double>(sizes_.V); }
  double gathered_weight(double elements) const { return elements * (g_ - 1) / n_; }
  // The sum over the axes of a set, one exchange after the other.
  double exchanges(AxisSet s) const {
    double sum = 0;
    for (const Axis a : all_axes) sum += s.has(a) ? f(t_.size(a)) : 0;
    return sum;
  }
  double statistics(double tokens) const { return (c_.norm == Norm::layer ? 2 : 1) * 2 * f(a_) * tokens / g_; }

  // E gathered before a norm, the norm, and E scattered after the product.
  double residual() const { return 2 * f(b_) * T_ * E() / (g_ * a_) + statistics(T_); }

  double feed_forward() const {
    const double nw = c_.gated ? 3 : 2;
    return nw * f(a_) * T_ * F() / (g_ * b_) + nw * gathered_weight(E() * F());
  }

  double attention() const {
    const double columns = W() + (replicated() ? 0 : 2 * C());
    double all = f(a_) * T_ * (columns + W()) / (g_ * b_) + gathered_weight(E() * (columns + W()));
    all += moves() * T_ * (columns + W()) / n_;
    return all + (replicated() ? replicated_kv() : (whole_heads() - 1) * T_ * 2 * C() / n_);
  }
  bool replicated() const { return l_.kv == KvStorage::replicated; }
  // Of the tokens of a chip: what goes between tokens and heads, each way.
  double moves() const {
    const AxisSet A = l_.cut_E(), G = l_.gathered, N = l_.batch;
    if (cuts_length_) return exchanges(G) + exchanges(N);
    const AxisSet on_tokens = G | (N.contains(A) ? A : AxisSet{});
    return exchanges(on_tokens - N) + exchanges(N - on_tokens);
  }
  double replicated_kv() const {
    const AxisSet A = l_.cut_E(), G = l_.gathered, N = l_.batch;
    const double once = N.contains(A) ? f(a_) / of(N - A - G) : 2 * f(a_) / of(N - G);
    const double weights = 2 * E() * C() * f(of(l_.stored_E & G));
    return once * T_ * 2 * C() / g_ + weights;
  }
  // Chips whose columns of K and V a chip must have, until the heads that its queries read are whole.
  double whole_heads() const {
    const AxisStack rest = axis_order.reversed().only(axes_xyz - l_.batch);
    AxisStack kept = rest;
    for (int rank = 0; rank < t_.size(); ++rank) {
      const Coord chip = coord_of(t_, rank);
      const std::vector<int> kv = kv_slots(sizes_.heads, shard(t_, rest, chip, sizes_.heads.padded()));
      for (Range have = shard(t_, kept, chip, sizes_.C);
           have.begin > kv.front() * c_.Q || have.end < (kv.back() + 1) * c_.Q; have = shard(t_, kept, chip, sizes_.C))
        kept.pop();
    }
    return static_cast<double>(t_.size(rest) / t_.size(kept));
  }

  double embedding() const {
    const AxisSet A = l_.stored_E, G = l_.gathered;
    const double local = T_ * E() / of(A), scattered = of(l_.stored_F() & G);
    return exchanges(A & G) * local + f(scattered) * local + f(b_) * local / scattered;
  }

  // The last token of each sequence or all; then weight-stationary.
  double head(Output output, double candidates) const {
    if (output == Output::none) return 0;
    const AxisSet A = l_.stored_E, G = l_.gathered;
    const bool last = output != Output::all_logits && output != Output::score;
    const double tokens = last ? B_ : T_, cut = cuts_length_ && last ? 1 : g_;
    double all = last && cuts_length_ ? 2 * f(g_) * B_ * E() / (a_ * b_) : 0;
    all += f(b_) * tokens * E() / (cut * a_) + statistics(tokens * g_ / cut);
    if (cut > 1) {
      const double whole = tokens * E() / (a_ * of(A & G));
      all += f(of(l_.stored_F() & G)) * whole + exchanges(A & G) * whole;
    }
    all += f(of(A)) * tokens * V() / of(l_.stored_F());
    if (output == Output::greedy) return all + (n_ - 1) * 2 * tokens;
    if (output == Output::candidates) return all + (n_ - 1) * 2 * std::min(candidates, V() / n_) * tokens;
    if (output == Output::score) return all + (n_ - 1) * 3 * tokens;
    return all + f(n_) * tokens * V();
  }

  ModelConfig c_;
  Torus t_;
  Layout l_;
  PaddedSizes sizes_;
  double a_ = 1, b_ = 1, g_ = 1, n_ = 1, B_ = 1, T_ = 1;
  bool cuts_length_ = false;
};

}  // namespace tsrun::test
