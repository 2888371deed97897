// A model as the engine's tests use it: written once, read by every rank of the job.
#pragma once

#include <mpi.h>
#include <unistd.h>

#include <functional>
#include <memory>

#include "golden.hpp"
#include "tsrun/engine/generate.hpp"

namespace tsrun::test {

inline int world_size() {
  int n = 1;
  MPI_Comm_size(MPI_COMM_WORLD, &n);
  return n;
}

// Every torus of a few ranks; of many, those of three kinds: along one axis, flat, and with three axes.
inline std::vector<Torus> chosen_tori(int n) {
  if (n == 8) return {{2, 2, 2}, {8, 1, 1}, {1, 8, 1}, {4, 1, 2}};
  if (n == 12) return {{1, 6, 2}, {2, 3, 2}, {3, 2, 2}};
  return tori_of(n);
}

// Written by the first rank, read by all of them.
class SharedFile {
 public:
  SharedFile(const std::string& name, const std::function<void(const std::string& path)>& write) {
    int rank = 0, process = static_cast<int>(getpid());
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Bcast(&process, 1, MPI_INT, 0, MPI_COMM_WORLD);
    const std::string path = text("tsrun_", name, "_", process, ".h5");
    if (rank == 0) {
      owner_ = std::make_unique<TemporaryFile>(path);
      write(owner_->path());
    }
    MPI_Barrier(MPI_COMM_WORLD);
    file_ = std::make_unique<ModelFile>((std::filesystem::temp_directory_path() / path).string());
    MPI_Barrier(MPI_COMM_WORLD);
  }
  const ModelFile& operator*() const { return *file_; }
  const ModelFile* operator->() const { return file_.get(); }

 private:
  std::unique_ptr<TemporaryFile> owner_;
  std::unique_ptr<ModelFile> file_;
};

class GoldenFile : public SharedFile {
 public:
  explicit GoldenFile(const std::string& name)
      : SharedFile(name, [&name](const std::string& path) { convert_golden(name, path); }) {}
};

inline Plan plan_for(const SharedFile& file, const Torus& torus, const char* layout, std::int64_t sequences) {
  Plan plan;
  plan.torus = torus;
  plan.prefill = plan.decode = parse_layout(layout);
  plan.weights = DType::f32;
  plan.kv = DType::f32;
  plan.sequences = sequences;
  plan.context = std::min<std::int64_t>(400, file->config().context);
  plan.chunk = 16;
  plan.widest = Output::all_logits;
  return plan;
}

inline std::vector<float> logits_of(Engine& engine, const std::vector<std::int32_t>& ids) {
  std::vector<float> all;
  all_logits(engine, ids, [&all](const std::vector<float>& part) { all.insert(all.end(), part.begin(), part.end()); });
  return all;
}

}  // namespace tsrun::test
