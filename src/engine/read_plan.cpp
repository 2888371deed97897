#include "read_plan.hpp"

#include <algorithm>

#include "tsrun/core/integer.hpp"
#include "tsrun/store/crc32c.hpp"

namespace tsrun {
namespace {

constexpr std::int64_t least_half = 2 * span_bytes, most_half = 16 * span_bytes, alignment = 64;

// Does a chip take anything of it?
bool needed(const TensorSpan& span, const WeightCut& cut) {
  const std::int64_t row_bytes = span.tensor->row_bytes(span.part);
  const std::int64_t first = span.begin / row_bytes, last = ceil_div(span.begin + span.bytes, row_bytes);
  return !cut.columns.pieces.empty() &&
         std::any_of(cut.rows.pieces.begin(), cut.rows.pieces.end(),
                     [&](const Piece& p) { return p.file < last && first < p.file + p.count; });
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

// Fills one round after the other.
class Dealer {
 public:
  Dealer(std::int64_t half_bytes, std::size_t ranks) : half_bytes_(half_bytes), given_(ranks) {}

  void deal(const TensorSpan& span, std::size_t weight) {
    if (plan_.rounds.empty() || used_ + span.bytes > half_bytes_) {
      plan_.rounds.emplace_back();
      used_ = 0;
      std::fill(given_.begin(), given_.end(), 0);
    }
    const auto reader = std::min_element(given_.begin(), given_.end());
    const std::int64_t half = plan_.rounds.size() % 2 == 1 ? 0 : half_bytes_;
    plan_.rounds.back().push_back({span, weight, half + used_, static_cast<std::size_t>(reader - given_.begin())});
    *reader += span.bytes;
    used_ += round_up(span.bytes, alignment);
    plan_.bytes += span.bytes;
    most_used_ = std::max(most_used_, used_);
  }
  ReadPlan plan() {
    plan_.window_bytes = plan_.rounds.size() > 1 ? 2 * half_bytes_ : most_used_;
    return std::move(plan_);
  }

 private:
  std::int64_t half_bytes_, used_ = 0, most_used_ = 0;
  std::vector<std::int64_t> given_;  // bytes of this round, of each rank
  ReadPlan plan_;
};

}  // namespace

std::int64_t half_window_bytes(std::int64_t threads_of_host) {
  return std::clamp(threads_of_host * span_bytes, least_half, most_half);
}

std::int64_t most_window_bytes() { return 2 * most_half; }

ReadPlan plan_reads(const std::vector<const StoredTensor*>& tensors, const std::vector<std::vector<WeightCut>>& cuts,
                    std::int64_t half_bytes) {
  Dealer dealer(half_bytes, cuts.size());
  for (std::size_t w = 0; w < tensors.size(); ++w) {
    std::vector<std::vector<TensorSpan>> parts(static_cast<std::size_t>(tensors[w]->parts()));
    for (const TensorSpan& span : spans_of(*tensors[w]))
      if (std::any_of(cuts.begin(), cuts.end(), [&](const auto& chip) { return needed(span, chip[w]); }))
        parts[static_cast<std::size_t>(span.part)].push_back(span);
    // Scales and minima first: values that are converted want them.
    std::rotate(parts.begin(), parts.begin() + 1, parts.end());
    for (const std::vector<TensorSpan>& spans : parts)
      for (const TensorSpan& span : interleaved(spans, cuts.size())) dealer.deal(span, w);
  }
  return dealer.plan();
}

}  // namespace tsrun
