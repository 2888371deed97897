// Where the values of a program lie in one arena of f32: values that are never alive together share memory.
//
// Known before anything runs, so the step loop allocates nothing and the memory of a pass can be said in advance.
#pragma once

#include <cstdint>
#include <vector>

#include "tsrun/program/program.hpp"

namespace tsrun {

struct Buffers {
  std::vector<std::int64_t> offset;  // of each value, in elements
  std::int64_t elements = 0;         // of the arena
};

// Each value's offset is a multiple of 16 elements (a cache line).
Buffers plan_buffers(const Program& program);

// Elements of the values that are alive at once inside a layer, where most are: no placement needs less there.
std::int64_t alive_in_layers(const Program& program);

}  // namespace tsrun
