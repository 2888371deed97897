// How fast ranks load a model, beside how fast as many processes read the same bytes of the page cache into fresh memory,
// each its part: in pages of 4 KiB as malloc gives them, and in huge ones. In turn, medians (and ranges) of five: in a
// virtual machine that gives free memory back to its host, a turn that has to fetch it again takes three times as long.
//
//   mpirun -n 8 load_bench MODEL.h5 2x2x2 [layout] [threads]
#include <fcntl.h>
#include <mpi.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <vector>

#include "tsrun/engine/engine.hpp"
#include "tsrun/engine/host_memory.hpp"
#include "tsrun/engine/placement.hpp"

using namespace tsrun;

namespace {

// Of the slowest rank, from a common start.
double seconds_of(const Mesh& mesh, const std::function<void()>& work) {
  MPI_Barrier(mesh.comm());
  const auto start = std::chrono::steady_clock::now();
  work();
  MPI_Barrier(mesh.comm());
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

struct Spread {
  double least, median, most;
};
Spread spread(std::vector<double> all) {
  std::sort(all.begin(), all.end());
  return {all.front(), all[all.size() / 2], all.back()};
}

// What one process of `count` reads of the file; the memory is given back when the clock has stopped.
class PlainRead {
 public:
  PlainRead(const char* path, int part, int count, bool huge) : file_(open(path, O_RDONLY)), huge_(huge) {
    const auto size = static_cast<std::int64_t>(std::filesystem::file_size(path));
    begin_ = size * part / count;
    bytes_ = static_cast<std::size_t>(size * (part + 1) / count - begin_);
  }
  ~PlainRead() {
    if (memory_ != MAP_FAILED) munmap(memory_, bytes_);
    close(file_);
  }
  void run() {
    memory_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory_ == MAP_FAILED) abort_job(Error(Exit::broke, {.what = "no memory"}));
    if (huge_) madvise(memory_, bytes_, MADV_HUGEPAGE);
    constexpr std::size_t at_a_time = 4 << 20;
    for (std::size_t done = 0; done < bytes_;) {
      const ssize_t n = pread(file_, static_cast<char*>(memory_) + done, std::min(at_a_time, bytes_ - done),
                              begin_ + static_cast<off_t>(done));
      if (n <= 0) abort_job(Error(Exit::broke, {.what = "the file cannot be read"}));
      done += static_cast<std::size_t>(n);
    }
  }

 private:
  int file_;
  bool huge_;
  std::int64_t begin_ = 0;
  std::size_t bytes_ = 0;
  void* memory_ = MAP_FAILED;
};

void measure(const char* path, const Mesh& mesh, const Layout& layout, int threads) {
  const ModelFile file(path);
  Plan plan;
  plan.torus = mesh.torus();
  plan.prefill = plan.decode = layout;
  plan.context = 16;
  plan.widest = Output::greedy;
  std::vector<double> plain_s, huge_s, load_s;
  std::int64_t read = 0, shard = 0;
  const auto read_plainly = [&](bool huge) {
    PlainRead mine(path, mesh.rank(), mesh.size(), huge);
    return seconds_of(mesh, [&] { mine.run(); });
  };
  for (int i = 0; i < 6; ++i) {  // the first warms up
    plain_s.push_back(read_plainly(false));
    huge_s.push_back(read_plainly(true));
    std::unique_ptr<Engine> engine;
    load_s.push_back(seconds_of(mesh, [&] { engine = std::make_unique<Engine>(file, plan, mesh); }));
    read = mesh.sum({engine->load_bytes()})[0];
    shard = mesh.max({engine->weight_bytes()})[0];
    if (i == 0) plain_s.clear(), huge_s.clear(), load_s.clear();
  }
  const std::int64_t peak = mesh.max({peak_resident()})[0];  // of the reads too, which take no more than a shard
  if (mesh.rank() != 0) return;
  const auto size = static_cast<double>(std::filesystem::file_size(path));
  std::printf("%d ranks, %d threads each, %s: %.2f GB, the ranks read %.2f GB\n", mesh.size(), threads,
              to_text(layout).c_str(), 1e-9 * size, 1e-9 * static_cast<double>(read));
  const double load = spread(load_s).median;
  for (const auto& [words, seconds] : {std::pair{"load", spread(load_s)},
                                       std::pair{"pread into fresh memory", spread(plain_s)},
                                       std::pair{"pread into huge fresh pages", spread(huge_s)}})
    std::printf("%-28s %.3f s (%.3f .. %.3f)  %5.2f GB/s  load has %.0f %% of this rate\n", words, seconds.median,
                seconds.least, seconds.most, 1e-9 * size / seconds.median, 100 * seconds.median / load);
  std::printf("peak of a rank %.0f MB; 1.25 of its shard and 200 MB are %.0f MB\n", 1e-6 * static_cast<double>(peak),
              1.25e-6 * static_cast<double>(shard) + 200);
}

}  // namespace

int main(int argc, char** argv) {
  MpiSession session(&argc, &argv);
  if (argc < 3) {
    if (session.speaks()) std::fprintf(stderr, "load_bench MODEL.h5 XxYxZ [layout] [threads]\n");
    return 2;
  }
  const Mesh mesh(parse_torus(argv[2]), 600);
  const int threads = place_rank(mesh, argc > 4 ? std::atoi(argv[4]) : 0);
  measure(argv[1], mesh, parse_layout(argc > 3 ? argv[3] : "ws2d/head"), threads);
}
