#include "tsrun/engine/weights.hpp"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <new>

#include "read_plan.hpp"
#include "shard_packer.hpp"
#include "tsrun/core/error.hpp"
#include "tsrun/core/integer.hpp"
#include "tsrun/mesh/host_window.hpp"

namespace tsrun {
namespace {

bool is_norm_scale(Weight w) {
  switch (w) {
    case Weight::attn_norm:
    case Weight::ffn_norm:
    case Weight::attn_post_norm:
    case Weight::ffn_post_norm:
    case Weight::attn_q_norm:
    case Weight::attn_k_norm:
    case Weight::final_norm: return true;
    default: return false;
  }
}

// What a thread of a round came upon first.
class FirstError {
 public:
  explicit operator bool() const { return failed_; }
  void keep() {
#pragma omp critical(tsrun_first_error)
    if (!error_) error_ = std::current_exception();
    failed_ = true;
  }
  // As an error for all ranks; our own mistakes end this one, and with it the job.
  std::optional<Error> take() const {
    try {
      if (error_) std::rethrow_exception(error_);
    } catch (const Error& error) {
      return error;
    } catch (const std::bad_alloc&) {
      return out_of_memory();
    }
    return {};
  }

 private:
  std::exception_ptr error_;
  std::atomic<bool> failed_ = false;
};

// The rounds of a host's plan. In each, this rank's threads read its spans of one round into one half of the window and
// pack what they need of the round before from the other half; then all ranks wait for each other, once, and learn of
// any error. The number of rounds is the same on every rank of the job, so that a rank that fails keeps nobody waiting.
class Rounds {
 public:
  Rounds(const ModelFile& file, const Mesh& mesh, const ReadPlan& plan, ShardPacker& packer)
      : file_(file), mesh_(mesh), plan_(plan), packer_(packer), scratch_(static_cast<std::size_t>(omp_get_max_threads())) {
    for (const auto& round : plan.rounds)
      for (const PlannedSpan& s : round) ++left_[s.weight];
  }

  std::optional<Error> run(const LoadProgress& progress) {
    const auto count = static_cast<std::size_t>(mesh_.max({std::ssize(plan_.rounds)})[0]);
    const HostWindow window(mesh_, plan_.window.bytes);
    std::int64_t done = 0;
    for (std::size_t i = 0; i <= count; ++i) {
      const auto& packed = round(i == 0 ? count : i - 1);
      const std::optional<Error> mine = step(round(i), packed, window);
      window.sync();
      if (std::optional<Error> error = mesh_.agreed(mine, "loading the model")) return error;
      window.sync();
      for (const PlannedSpan& s : packed) done += s.span.bytes;
      if (progress) progress(done, plan_.bytes);
    }
    return {};
  }

 private:
  const std::vector<PlannedSpan>& round(std::size_t i) const {
    static const std::vector<PlannedSpan> none;
    return i < plan_.rounds.size() ? plan_.rounds[i] : none;
  }

  std::optional<Error> step(const std::vector<PlannedSpan>& reads, const std::vector<PlannedSpan>& packs,
                            const HostWindow& window) {
    std::vector<const PlannedSpan*> mine, beside, values;
    for (const PlannedSpan& s : reads)
      if (s.reader == mesh_.rank_on_host()) mine.push_back(&s);
    for (const PlannedSpan& s : packs) (s.span.part > 0 ? beside : values).push_back(&s);
    for (const PlannedSpan* s : beside) packer_.begin(s->weight);
    FirstError failed;
    const auto guarded = [&failed](const auto& work) {
      try {
        if (!failed) work();
      } catch (...) {
        failed.keep();
      }
    };
    const auto pack = [&](const PlannedSpan& s) {
      packer_.pack(s.weight, s.span, window.data() + s.at, scratch_[static_cast<std::size_t>(omp_get_thread_num())]);
    };
    const auto read = [&](const PlannedSpan& s) {
      file_.read_span(s.span, {window.data() + s.at, static_cast<std::size_t>(s.span.bytes)});
    };
#pragma omp parallel
    {
#pragma omp for schedule(dynamic)
      for (std::size_t i = 0; i < beside.size(); ++i) guarded([&] { pack(*beside[i]); });
#pragma omp for schedule(dynamic) nowait
      for (std::size_t i = 0; i < mine.size(); ++i) guarded([&] { read(*mine[i]); });
#pragma omp for schedule(dynamic)
      for (std::size_t i = 0; i < values.size(); ++i) guarded([&] { pack(*values[i]); });
    }
    for (const PlannedSpan& s : packs)
      if (--left_[s.weight] == 0) packer_.end(s.weight);
    return failed.take();
  }

  const ModelFile& file_;
  const Mesh& mesh_;
  const ReadPlan& plan_;
  ShardPacker& packer_;
  std::vector<ShardPacker::Scratch> scratch_;
  std::map<std::size_t, std::int64_t> left_;  // spans of a weight that are not packed yet
};

}  // namespace

DType held_type(const StoredTensor& tensor, std::optional<DType> asked) {
  if (tensor.spec.is_vector) return DType::f32;
  const DType stored = tensor.type == DType::f16 ? DType::f32 : tensor.type;
  if (!asked) return stored;
  if (is_quantized(*asked) && is_quantized(stored) && bits(stored) <= bits(*asked)) return stored;
  return converted_type(tensor.spec, stored, *asked);
}

Layout with_groups(Layout layout, const ModelFile& file, std::optional<DType> asked) {
  const bool grouped = std::any_of(file.tensors().begin(), file.tensors().end(),
                                   [&](const StoredTensor& t) { return is_grouped(held_type(t, asked)); });
  layout.quant_group = grouped ? static_cast<int>(group_size) : 1;
  return layout;
}

Weights::Weights(const ModelFile& file, const Mesh& mesh, const Layout& layout, std::optional<DType> asked,
                 const HostRanks& host, const LoadProgress& progress) {
  std::optional<ShardPacker> packer;
  ReadPlan plan;
  mesh.together("making room for the weights", [&] {
    plan = plan_reads(file, mesh.torus(), layout, host);
    packer.emplace(make_shards(file, stored_weights(file.config(), layout), plan.cuts[mesh.rank_on_host()],
                               allot(file, mesh.torus(), layout, asked)));
  });
  if (const std::optional<Error> error = Rounds(file, mesh, plan, *packer).run(progress)) throw Error(*error);
}

// Where each weight goes to.
std::vector<Shard> Weights::make_shards(const ModelFile& file, const std::vector<WeightUse>& uses,
                                        const std::vector<WeightCut>& cuts, const std::vector<std::int64_t>& places) {
  pages_ = Pages(places.back());
  pages_.take();
  std::vector<Shard> shards;
  for (std::size_t i = 0; i < uses.size(); ++i) {
    const StoredTensor& tensor = file.tensor(uses[i].weight, uses[i].layer);
    Held& h = held_[{uses[i].layer, uses[i].weight}];
    Shard shard{&tensor, cuts[i], {}, nullptr, 0};
    if (tensor.spec.is_vector) {
      h.vector.resize(static_cast<std::size_t>(cuts[i].columns.local));
      shard.vector = h.vector.data();
      if (is_norm_scale(tensor.spec.weight)) shard.offset = static_cast<float>(file.config().norm_offset);
    } else {
      h.shard.data = pages_.data() + places[i];
      shard.matrix = {h.shard.type, h.shard.rows, h.shard.columns, pages_.data() + places[i]};
      pack_zeros(h.shard.type, shard.matrix.data, h.shard.rows, h.shard.columns);
    }
    shards.push_back(shard);
  }
  return shards;
}

// Shapes and types, where each matrix lies in the memory of all, and behind the last how large that is.
std::vector<std::int64_t> Weights::allot(const ModelFile& file, const Torus& torus, const Layout& layout,
                                         std::optional<DType> asked) {
  constexpr std::int64_t aligned = 64;
  const PaddedSizes sizes = pad(file.config(), torus, layout);
  std::vector<std::int64_t> places;
  std::int64_t size = 0;
  for (const WeightUse& use : stored_weights(file.config(), layout)) {
    const StoredTensor& tensor = file.tensor(use.weight, use.layer);
    const ShardShape shape = shard_shape(file.config(), torus, sizes, use);
    const DType type = held_type(tensor, asked);
    held_[{use.layer, use.weight}].shard = {type, shape.rows, shape.columns, nullptr};
    places.push_back(size);
    bytes_ += bytes_of(type, shape.rows, shape.columns);
    if (tensor.spec.is_vector) continue;
    size += round_up(bytes_of(type, shape.rows, shape.columns), aligned);
    const bool looked_up = use.weight == Weight::pos_embed || (use.weight == Weight::embed && !file.config().tied);
    if (!looked_up) bytes_of_products_ += bytes_of(type, shape.rows, shape.columns);
  }
  places.push_back(size);
  return places;
}

const Weights::Held& Weights::held(const WeightUse& use) const {
  const auto found = held_.find({use.layer, use.weight});
  check(found != held_.end(), "a step uses only weights that were loaded");
  return found->second;
}

}  // namespace tsrun
