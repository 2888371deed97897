// Loading: what it takes, that every byte is read once, and that damage in what one rank reads stops all of them.
#include <fstream>

#include "tsrun/engine/host_memory.hpp"
#include "wide_model.hpp"

using namespace tsrun;
using namespace tsrun::test;

namespace {

Torus torus_here() {
  switch (world_size()) {
    case 6: return {3, 2, 1};
    case 8: return {2, 2, 2};
    default: return {world_size(), 1, 1};
  }
}

// One that needs next to nothing once the weights are there.
Plan light_plan(const char* layout, std::optional<DType> weights = {}) {
  Plan plan;
  plan.torus = torus_here();
  plan.prefill = plan.decode = parse_layout(layout);
  plan.weights = weights;
  plan.context = plan.chunk = 16;
  plan.widest = Output::greedy;
  return plan;
}

std::int64_t bytes_of_tensors(const ModelFile& file) {
  std::int64_t bytes = 0;
  for (const StoredTensor& t : file.tensors()) bytes += t.bytes();
  return bytes;
}

// What this rank is told of a load that is refused.
std::string refusal(const ModelFile& file, const Mesh& mesh) {
  try {
    const Engine engine(file, light_plan("ws2d/head"), mesh);
  } catch (const Error& error) {
    CHECK(error.exit() == Exit::request);
    return error.what();
  }
  return {};
}

bool holds(const std::string& message, const std::string& words) { return message.find(words) != std::string::npos; }

// All ranks wait until the first has done it.
void by_first(const Mesh& mesh, const std::function<void()>& work) {
  if (mesh.rank() == 0) work();
  mesh.sum({0});
}

void flip(const std::string& path, std::uint64_t at) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(at));
  const int byte = file.get();
  file.seekp(static_cast<std::streamoff>(at));
  file.put(static_cast<char>(byte ^ 1));
}

}  // namespace

// The first of this file: no rank ever had more memory before.
TEST_CASE("what a rank has resident grows, while it loads, by what was predicted, within a tenth") {
  const WideFile file;
  const Mesh mesh(torus_here(), 60);
  const Engine engine(*file, light_plan("ws2d/head"), mesh);
  const std::int64_t peak = mesh.max({peak_resident()})[0];
  const Memory& m = engine.memory();
  REQUIRE(m.window_seen > m.at_work());
  CHECK(m.window_seen <= m.window * world_size());
  if (mesh.rank() == 0)
    MESSAGE("predicted " << m.resident() << " bytes (process " << m.process << ", weights " << m.weights << ", window "
                         << m.window_seen << "), resident at most " << peak);
  const double grown = static_cast<double>(peak - m.process), planned = static_cast<double>(m.resident() - m.process);
  CHECK(grown == doctest::Approx(planned).epsilon(0.1));
}

TEST_CASE("the ranks of a host read every byte of every tensor, and none twice") {
  for (const DType stored : {DType::bf16, DType::int8}) {
    CAPTURE(name(stored));
    const WideFile file(stored);
    const Mesh mesh(torus_here(), 60);
    for (const char* layout : {"ws2d/head", "wg_x@1d/batch"})
      for (const std::optional<DType> asked : {std::optional<DType>{}, std::optional(DType::f32)}) {
        CAPTURE(layout);
        std::int64_t told = 0;
        const Engine engine(*file, light_plan(layout, asked), mesh, [&](std::int64_t done, std::int64_t all) {
          CHECK(done >= told);
          CHECK(all == bytes_of_tensors(*file));
          told = done;
        });
        CHECK(told == bytes_of_tensors(*file));
        CHECK(mesh.sum({engine.load_bytes()})[0] == bytes_of_tensors(*file));
        // Nobody waits for one who reads all.
        CHECK(engine.load_bytes() < 2 * bytes_of_tensors(*file) / world_size());
      }
  }
}

TEST_CASE("a byte that is wrong where one rank reads it stops all ranks, and a repaired file loads") {
  const WideFile file;
  const Mesh mesh(torus_here(), 60);
  const std::uint64_t size = std::filesystem::file_size(file->path());
  bool others = false;
  for (const std::uint64_t place : {size / 5, size / 2, size - size / 8}) {
    by_first(mesh, [&] { flip(file->path(), place); });
    const std::string message = refusal(*file, mesh);
    for (const char* words : {"the tensor's data is damaged", "wide", ".h5: /", "at byte", "CRC-32C stored", "found"})
      CHECK_MESSAGE(holds(message, words), message);
    others = others || (holds(message, " while loading the model") && !holds(message, "rank 0 while"));
    by_first(mesh, [&] { flip(file->path(), place); });
  }
  CHECK((mesh.max({others ? 1 : 0})[0] == 1) == (world_size() > 1));
  CHECK(refusal(*file, mesh).empty());
}

TEST_CASE("a file that is cut off while ranks have it open stops all of them, and names what is missing") {
  const WideFile file;
  const Mesh mesh(torus_here(), 60);
  by_first(mesh, [&] { std::filesystem::resize_file(file->path(), std::filesystem::file_size(file->path()) / 2); });
  const std::string message = refusal(*file, mesh);
  for (const char* words : {"became shorter", ".h5: /", "at byte", "needed", "read"})
    CHECK_MESSAGE(holds(message, words), message);
}
