// Runs of the engine in any layout: which ones, and what must hold for every byte that they sent.
#pragma once

#include <cstdlib>
#include <set>

#include "cost/closed_forms.hpp"
#include "golden_file.hpp"
#include "tsrun/program/kv_movement.hpp"

namespace tsrun::test {

// Set by the tests of the label all-pairs.
inline bool long_run() { return std::getenv("TSRUN_LONG") != nullptr; }

using Words = std::vector<std::string>;
inline Words with_attention(const Words& ffns) {
  Words all;
  for (const std::string& ffn : ffns)
    for (const char* attention : {"head", "batch_x", "batch_xy", "batch"}) all.push_back(text(ffn, "/", attention));
  return all;
}
// Those over one storage.
inline Words layouts_2d() { return with_attention({"ws2d", "wg_x", "wg_xy", "wg_xyz"}); }
inline Words layouts_1d() { return with_attention({"ws1d", "wg_x@1d", "wg_xy@1d", "wg_xyz@1d"}); }

inline Plan plan_of(const SharedFile& file, const Torus& torus, const std::string& prefill, const std::string& decode,
                    std::size_t sequences) {
  Plan plan = plan_for(file, torus, prefill.c_str(), static_cast<std::int64_t>(sequences));
  plan.decode = parse_layout(decode);
  plan.chunk = 64;
  return plan;
}

// Every row of every rank, and so their mean and their largest.
inline void check_traffic(const Engine& engine) {
  CHECK((world_size() == 1) == engine.traffic().empty());
  for (const TrafficRow& row : engine.traffic()) {
    CAPTURE(text(name(row.phase), " ", row.step, " ", row.tensor, " ", sign(row.direction), letter(row.axis)));
    CHECK(row.bytes == row.predicted_bytes);
    CHECK(row.calls > 0);
  }
}

// What all ranks sent in a phase to move the cache, or for its passes.
inline std::int64_t sent_by_all(const Engine& engine, const Mesh& mesh, Phase phase, bool moving) {
  std::int64_t mine = 0;
  for (const TrafficRow& row : engine.traffic())
    if (row.phase == phase && (row.step == "move_kv") == moving) mine += row.bytes;
  return mesh.sum({mine})[0];
}

// Passes of one shape against the closed forms.
struct Passes {
  Phase phase = Phase::prefill;
  std::int64_t sequences = 1;  // in slots 0, 1, ..
  std::int64_t L = 1;
  Output output = Output::logits;
  int count = 1;
};
inline void check_closed_forms(const Engine& engine, const Mesh& mesh, const std::vector<Passes>& all) {
  const ModelConfig& c = engine.config();
  if (c.norm_place != NormPlace::before || c.qk_norm == QkNorm::all)
    return;  // there are none for their statistics
  for (const Phase phase : {Phase::prefill, Phase::decode}) {
    const Layout& layout = phase == Phase::prefill ? engine.plan().prefill : engine.plan().decode;
    double elements = 0;
    for (const Passes& p : all)
      if (p.phase == phase)
        elements +=
            p.count * ClosedForm(c, mesh.torus(), layout, ceil_div(p.sequences, mesh.torus().size(layout.batch)), p.L)
                          .pass(p.output);
    CHECK(static_cast<double>(sent_by_all(engine, mesh, phase, false)) == doctest::Approx(4 * elements * mesh.size()));
  }
}

// What a movement of these sequences, each with its positions in the cache, sends by its list: all ranks together.
inline std::int64_t listed_bytes(const Engine& engine, const Layout& from, const Layout& to,
                                 const std::vector<std::int64_t>& positions) {
  const ModelConfig& c = engine.config();
  const auto slots = static_cast<std::int64_t>(positions.size());
  const KvCut before = kv_cut(c, engine.plan().torus, from, slots), after = kv_cut(c, engine.plan().torus, to, slots);
  if (before.same_cut(after)) return 0;
  const auto place = [](const KvCut& cut, std::int64_t slot) {  // slots are dealt out to the blocks in turn
    return slot % cut.blocks() * (cut.rows / cut.blocks()) + slot / cut.blocks();
  };
  std::vector<RowMove> rows;
  for (std::int64_t s = 0; s < slots; ++s)
    rows.push_back({place(before, s), place(after, s), positions[static_cast<std::size_t>(s)]});
  std::int64_t bytes = 0;
  for (const KvMove& m : plan_kv_movement(before, after, rows))
    bytes += m.from == m.to ? 0 : 2 * c.layers * c.Q * 4 * m.row.positions;
  return bytes;
}

}  // namespace tsrun::test
