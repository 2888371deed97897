// Memory of this host and of this process.
#pragma once

#include <cstdint>
#include <string>

namespace tsrun {

// Bytes that processes may still take: the kernel's estimate, and what the control groups leave, whichever is less.
// -1 where the system does not say.
std::int64_t available_memory();
// Bytes that the control groups of this process leave it, the least of its own and of all above it (a step of a Slurm
// job, a container); pages of files count as free, for they give way. -1 where none has a limit. Reads the names of the
// groups in `membership`, and their memory controllers of version 1, version 2 or both below `mounts`; what is missing
// or unreadable there limits nothing.
std::int64_t left_by_control_groups(const std::string& membership = "/proc/self/cgroup",
                                    const std::string& mounts = "/sys/fs/cgroup");
// The most this process ever had resident, in bytes.
std::int64_t peak_resident();

}  // namespace tsrun
