#include "read_plan.hpp"

#include <algorithm>

#include "tsrun/core/error.hpp"
#include "tsrun/core/integer.hpp"

namespace tsrun {
namespace {

struct Bytes {
  std::int64_t from = 0, to = 0;
};

// Where in a span the rows lie that a chip takes from it.
std::vector<Bytes> taken(const TensorSpan& span, const WeightCut& cut) {
  std::vector<Bytes> all;
  if (cut.columns.pieces.empty()) return all;
  const std::int64_t row_bytes = span.tensor->row_bytes(span.part);
  for (const Piece& p : cut.rows.pieces) {
    const std::int64_t from = std::max<std::int64_t>(0, p.file * row_bytes - span.begin);
    const std::int64_t to = std::min(span.bytes, (p.file + p.count) * row_bytes - span.begin);
    if (from < to) all.push_back({from, to});
  }
  return all;
}

// Where a weight's rows are cut, neighbouring spans are for one chip. So they are taken from as many places at a time
// as there are ranks: all ranks have something to pack, and each reads on where it stopped.
std::vector<TensorSpan> interleaved(const std::vector<TensorSpan>& spans, std::size_t ranks) {
  const std::size_t run = (spans.size() + ranks - 1) / ranks;
  std::vector<TensorSpan> out;
  for (std::size_t i = 0; i < run; ++i)
    for (std::size_t j = i; j < spans.size(); j += run) out.push_back(spans[j]);
  return out;
}

// Fills one round of the plan after the other.
class Dealer {
 public:
  explicit Dealer(ReadPlan& plan) : plan_(plan), given_(plan.cuts.size()) {}

  void deal(const TensorSpan& span, std::size_t weight) {
    if (plan_.rounds.empty() || used_ + span.bytes > plan_.window.half) {
      plan_.rounds.emplace_back();
      used_ = 0;
      std::fill(given_.begin(), given_.end(), 0);
    }
    const auto reader = std::min_element(given_.begin(), given_.end());
    const std::int64_t at = (plan_.rounds.size() % 2 == 1 ? 0 : plan_.window.half) + used_;
    check(at + span.bytes <= plan_.window.bytes, "what is read fits its window");
    plan_.rounds.back().push_back({span, weight, at, static_cast<std::size_t>(reader - given_.begin())});
    *reader += span.bytes;
    used_ += round_up(span.bytes, LoadWindow::alignment);
    plan_.bytes += span.bytes;
  }

 private:
  ReadPlan& plan_;
  std::int64_t used_ = 0;
  std::vector<std::int64_t> given_;  // bytes of this round, of each rank
};

}  // namespace

std::int64_t ReadPlan::window_seen_by(std::size_t rank) const {
  std::vector<Bytes> seen;
  for (const std::vector<PlannedSpan>& round : rounds)
    for (const PlannedSpan& s : round) {
      if (s.reader == rank) seen.push_back({s.at, s.at + s.span.bytes});
      for (const Bytes& b : taken(s.span, cuts[rank][s.weight])) seen.push_back({s.at + b.from, s.at + b.to});
    }
  std::sort(seen.begin(), seen.end(), [](const Bytes& a, const Bytes& b) { return a.from < b.from; });
  std::int64_t together = 0, end = 0;
  for (const auto& [from, to] : seen) {
    together += std::max<std::int64_t>(0, to - std::max(from, end));
    end = std::max(end, to);
  }
  return together;
}

ReadPlan plan_reads(const ModelFile& file, const Torus& torus, const Layout& layout, const HostRanks& host) {
  ReadPlan plan;
  plan.window = load_window(file, host.threads);
  const std::vector<WeightUse> uses = stored_weights(file.config(), layout);
  std::vector<const StoredTensor*> tensors;
  for (const WeightUse& use : uses) tensors.push_back(&file.tensor(use.weight, use.layer));
  const PaddedSizes sizes = pad(file.config(), torus, layout);
  for (const int rank : host.ranks) {
    const Cutter cutter(file.config(), torus, sizes, coord_of(torus, rank));
    std::vector<WeightCut>& of_rank = plan.cuts.emplace_back();
    for (std::size_t w = 0; w < uses.size(); ++w) of_rank.push_back(cutter.cut(uses[w], tensors[w]->spec));
  }
  Dealer dealer(plan);
  for (std::size_t w = 0; w < tensors.size(); ++w) {
    std::vector<std::vector<TensorSpan>> parts(static_cast<std::size_t>(tensors[w]->parts()));
    const auto is_wanted = [&](const TensorSpan& span) {
      return std::any_of(plan.cuts.begin(), plan.cuts.end(),
                         [&](const std::vector<WeightCut>& of_rank) { return !taken(span, of_rank[w]).empty(); });
    };
    for (const TensorSpan& span : spans_of(*tensors[w]))
      if (is_wanted(span)) parts[static_cast<std::size_t>(span.part)].push_back(span);
    // Scales and minima first: values that are converted want them.
    std::rotate(parts.begin(), parts.begin() + 1, parts.end());
    for (const std::vector<TensorSpan>& spans : parts)
      for (const TensorSpan& span : interleaved(spans, plan.cuts.size())) dealer.deal(span, w);
  }
  return plan;
}

}  // namespace tsrun
