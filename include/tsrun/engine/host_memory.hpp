// Memory of this host and of this process.
#pragma once

#include <cstdint>

namespace tsrun {

// Bytes that processes may still take: the kernel's estimate, and what the control group leaves, whichever is less.
// -1 where the system does not say.
std::int64_t available_memory();
// The most this process ever had resident, in bytes.
std::int64_t peak_resident();

}  // namespace tsrun
