// Carries out a program's collectives: pack, walk the schedule by nonblocking messages, unpack.
//
// The schedule is the whole truth about what is sent; this only follows it, and counts each payload byte at its
// sender. Nothing is allocated after the first pass of a shape.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tsrun/mesh/mesh.hpp"
#include "tsrun/program/program.hpp"
#include "tsrun/schedule/schedule.hpp"

namespace tsrun {

// One tensor of a collective as the memory sees it: [outer][n * width] whole, [outer][width] as one block. The chips'
// blocks stand side by side in the dimension that is gathered or scattered.
struct Strided {
  std::int64_t outer = 1;
  std::int64_t width = 1;
  const float* in = nullptr;
  float* out = nullptr;
};

struct LinkCount {
  std::int64_t messages = 0;
  std::int64_t bytes = 0;
};
// What this rank sent, by axis and direction.
using LinkCounts = std::array<std::array<LinkCount, 2>, axis_count>;

class Collectives {
 public:
  explicit Collectives(const Mesh& mesh) : mesh_(mesh) {}

  // all_gather: in is one block, out all of them. reduce_scatter: in is all blocks, out this chip's, summed.
  // all_reduce: in and out are as many numbers, [1][width] with width the whole count; it is cut into blocks here.
  void run(const Schedule& schedule, std::span<const Strided> tensors, LinkCounts& counts);

  double waited() const { return waited_; }  // seconds in which this rank had nothing to do but wait for messages

 private:
  void walk(const Schedule& schedule, std::int64_t block, LinkCounts& counts);

  const Mesh& mesh_;
  double waited_ = 0;
  std::vector<float> blocks_;    // all blocks of the group, of all tensors
  std::vector<float> received_;  // an addend on its way in
  std::vector<MPI_Request> requests_;
};

}  // namespace tsrun
