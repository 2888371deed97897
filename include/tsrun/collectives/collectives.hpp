// Carries out a program's collectives: pack, walk the schedule by nonblocking messages, unpack.
//
// The schedule is the whole truth about what is sent; this only follows it, and counts each payload byte at its
// sender. Nothing is allocated after the first pass of a shape.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tsrun/kernels/pages.hpp"
#include "tsrun/mesh/mesh.hpp"
#include "tsrun/program/program.hpp"
#include "tsrun/schedule/links.hpp"
#include "tsrun/schedule/schedule.hpp"
#include "tsrun/schedule/slots.hpp"

namespace tsrun {

// One tensor of a collective as the memory sees it: [outer][n * width] whole, [outer][width] as one block, elements of
// `element` bytes. The chips' blocks stand side by side in the dimension that is gathered or scattered; an all_to_all
// splits one dimension (outer, width) and joins another.
struct Strided {
  std::int64_t outer = 1;
  std::int64_t width = 1;
  const void* in = nullptr;
  void* out = nullptr;
  std::int64_t joined_width = 1;  // all_to_all: of one block in the joined dimension
  std::int64_t element = sizeof(float);
  bool spends_in = false;  // reduce_scatter: `in` is memory that may be written, and nobody reads it afterwards
  std::int64_t block_bytes() const { return outer * width * element; }
};

class Collectives {
 public:
  explicit Collectives(const Mesh& mesh) : mesh_(mesh) {}

  // all_gather: in is one block, out all of them. reduce_scatter: in is all blocks, out this chip's, summed. all_to_all:
  // in and out are all blocks, of the chips they go to and of those they come from. all_reduce: in and out are as many
  // numbers, [1][width] with width the whole count; all together are cut into blocks here. What is added is f32. What
  // this rank sends is added to `counts`.
  void run(const Schedule& schedule, std::span<const Strided> tensors, LinkCounts& counts);

  double waited() const { return waited_; }  // seconds in which this rank had nothing to do but wait for messages

 private:
  void reduce_all(const Schedule& schedule, std::span<const Strided> tensors, LinkCounts& counts);
  void pack(const Schedule& schedule, const SlotBytes& slots, std::span<const Strided> tensors);
  void unpack(const Schedule& schedule, const SlotBytes& slots, std::span<const Strided> tensors);
  void walk(const Schedule& schedule, const SlotBytes& slots, LinkCounts& counts);
  // Starts a round's messages; `what` names the collective where that fails.
  void post(const Round& round, const SlotBytes& slots, LinkCounts& counts, const char* what);
  void take(const Round& round, const SlotBytes& slots);

  const Mesh& mesh_;
  double waited_ = 0;
  std::byte* buffer_ = nullptr;  // the schedule's: `blocks_`, or a tensor where its blocks lie alike
  Pages blocks_;                 // all blocks of the group, of all tensors
  Pages received_;               // blocks on their way in that may not lie down yet, move after move
  Pages sending_;                // those that do not lie side by side
  std::vector<MPI_Request> requests_;
};

}  // namespace tsrun
