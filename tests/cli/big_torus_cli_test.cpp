// The embedded model on a torus of 64 ranks: every layout gives the text of one rank, and sends what was predicted.
#include "program.hpp"

using namespace tsrun::test;

TEST_CASE("4x4x4, every layout of both phases") {
  const std::string command =
      "generate --quiet --json - -m " + demo + " -p 'It was the best of' -n 8 --kv-dtype f32 --dtype f32";
  const Json alone = json_of(run(command));
  for (const char* ffn : {"ws1d", "ws2d", "wg_x", "wg_xy", "wg_xyz"})
    for (const char* attention : {"head", "batch_x", "batch_xy", "batch"}) {
      const std::string layout = std::string(ffn) + "/" + attention;
      CAPTURE(layout);
      const Json d = json_of(run(command + " --mesh 4x4x4 --layout " + layout, 64, "", 300));
      CHECK(d["sequences"][0]["tokens"] == alone["sequences"][0]["tokens"]);
      CHECK(d["tokens_sha256"] == alone["tokens_sha256"]);
      for (const Json& row : d["traffic"]) {
        CHECK(row["bytes_per_rank"] == row["predicted_bytes_per_rank"]);
        CHECK(row["bytes_per_rank_max"] == row["predicted_bytes_per_rank_max"]);
      }
    }
}
