#include "attention_route.hpp"

#include <algorithm>

#include "tsrun/core/error.hpp"
#include "tsrun/core/integer.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun {
namespace {

bool holds_whole(const std::vector<int>& slots, Range columns, std::int64_t Q) {
  return slots.front() * Q >= columns.begin && (slots.back() + 1) * Q <= columns.end;
}

}  // namespace

AttentionRoute::AttentionRoute(Program& p) {
  cut_tokens(p);
  const AxisSet A = p.layout.cut_E(), G = p.layout.gathered, N = p.layout.batch;
  scatters_batch_ = !A.empty() && N.contains(A) && !p.layout.q_through_heads;
  AxisSet on_heads = p.layout.cut_F() | (scatters_batch_ ? AxisSet{} : A);
  const AxisSet leaves_tokens = tokens_ == Dim::L ? G : G - N;
  if (!leaves_tokens.empty()) exchanges_.push_back({axis_order.reversed().only(leaves_tokens), tokens_, true});
  on_heads = on_heads | leaves_tokens;
  if (!(N & on_heads).empty()) exchanges_.push_back({axis_order.only(N & on_heads), Dim::B, false});
  heads_ = axis_order.reversed().only(on_heads - N);
  p.kv_cache = Partition("BJSQ").with(Dim::B, axis_order.only(N));
  if (p.layout.kv == KvStorage::replicated) refuse_replicated(p);
  place_kv(p);
}

void AttentionRoute::refuse_replicated(const Program& p) const {
  if (tokens_ == Dim::B && p.layout.batch.contains(p.layout.gathered)) return;
  Layout nearest = p.layout;
  nearest.batch = nearest.gathered;
  refuse({.what = text("keys and values whose weights are replicated do not serve ", to_text(p.layout)),
          .where = "--layout",
          .numbers = {{"sequences", p.shape.B()},
                      {"chips that share the gathered weights", std::int64_t{p.torus.size(p.layout.gathered)}}},
          .next = text("store them by columns, or take ", to_text(nearest), " with as many sequences as chips")});
}

// The length is cut where the batch is too small and fewer rows of padding follow.
void AttentionRoute::cut_tokens(Program& p) {
  const std::int64_t g = p.torus.size(p.layout.gathered);
  p.B = round_up(p.shape.B(), p.torus.size(p.layout.batch));
  p.L = p.shape.L();
  const std::int64_t by_batch = round_up(p.B, g) * p.L, by_length = p.B * round_up(p.L, g);
  const bool heads_can_take_them = p.sizes.heads.padded() % p.torus.size() == 0;
  if (p.shape.B() < g && by_length < by_batch && heads_can_take_them) {
    tokens_ = Dim::L;
    p.L = round_up(p.L, g);
  } else {
    p.B = round_up(p.B, g);
  }
}

// How far K and V must be gathered, and how many slots of the cache a chip needs, follow from its query heads.
void AttentionRoute::place_kv(Program& p) {
  AxisStack whole = heads_;
  for (int rank = 0; rank < p.torus.size(); ++rank) {
    const Coord chip = coord_of(p.torus, rank);
    if (!is_first_along(chip, axes_xyz - heads_.set())) continue;  // they hold the same heads
    const std::vector<int> slots = kv_slots(p.sizes.heads, shard(p.torus, heads_, chip, p.sizes.heads.padded()));
    p.kv_slots = std::max(p.kv_slots, static_cast<int>(slots.size()));
    while (!holds_whole(slots, shard(p.torus, whole, chip, p.sizes.C), p.config.Q)) whole.pop();
  }
  if (p.layout.kv == KvStorage::replicated) return;
  for (int i = whole.size(); i < heads_.size(); ++i) kv_gather_.push(heads_[i]);
}

StepWriter::Values AttentionRoute::there(StepWriter& w, const StepWriter::Values& qkv) const {
  StepWriter::Values cut = qkv;
  std::vector<Dim> heads(qkv.size(), Dim::C);
  heads[0] = Dim::H;
  for (const Exchange& e : exchanges_) {
    const std::vector<Dim> tokens(qkv.size(), e.tokens);
    cut = e.to_heads ? w.all_to_all(cut, e.group, tokens, heads) : w.all_to_all(cut, e.group, heads, tokens);
  }
  return cut;
}

// A chip takes the rows that attention cuts for it, those of all chips along A' while they are partial sums over it.
StepWriter::Values AttentionRoute::replicated_kv(StepWriter& w, ValueId x) const {
  const Layout& layout = w.program().layout;
  const AxisSet A = layout.cut_E(), N = layout.batch;
  const ValueId rows = w.slice(x, axis_order.only(N - A - layout.gathered), Dim::B, axis_order.only(N & A));
  const std::vector<Product> kv = {{Weight::attn_k, "k"}, {Weight::attn_v, "v"}};
  if (N.contains(A)) return w.matmul_scatter(rows, kv, axis_order.only(A), {Dim::B, Dim::B});
  return w.all_reduce(w.matmul_scatter(rows, kv, {}, {Dim::B, Dim::B}));
}

ValueId AttentionRoute::back(StepWriter& w, ValueId heads) const {
  for (auto e = exchanges_.rbegin(); e != exchanges_.rend(); ++e) {
    const Dim from = e->to_heads ? Dim::H : e->tokens, to = e->to_heads ? e->tokens : Dim::H;
    heads = w.all_to_all({heads}, e->group.reversed(), {from}, {to})[0];
  }
  return heads;
}

}  // namespace tsrun
