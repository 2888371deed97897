// What control groups leave a process, from files laid out as the kernel lays them out.
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tsrun/engine/host_memory.hpp"

using namespace tsrun;
namespace fs = std::filesystem;

namespace {

class Groups {
 public:
  Groups() { fs::create_directories(mounts()); }
  ~Groups() { fs::remove_all(folder_); }
  std::string mounts() const { return (folder_ / "cgroup").string(); }
  void file(const std::string& name, const std::string& words) const {
    const fs::path path = folder_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << words << "\n";
  }
  // A group of version 2, and one of version 1, below the mount points.
  void group2(const std::string& group, const std::string& limit, const std::string& used, int inactive = 0,
              int active = 0) const {
    const std::string at = "cgroup" + group;
    file(at + "/memory.max", limit);
    file(at + "/memory.current", used);
    file(at + "/memory.stat", "anon 7\nfile 999\ninactive_file " + std::to_string(inactive) + "\nactive_file " +
                                  std::to_string(active) + "\nslab 5");
  }
  void group1(const std::string& group, const std::string& limit, const std::string& used, int inactive = 0,
              int active = 0) const {
    const std::string at = "cgroup/memory" + group;
    file(at + "/memory.limit_in_bytes", limit);
    file(at + "/memory.usage_in_bytes", used);
    file(at + "/memory.stat", "inactive_file 1\nactive_file 1\ntotal_inactive_file " + std::to_string(inactive) +
                                  "\ntotal_active_file " + std::to_string(active));
  }
  std::int64_t left(const std::string& membership) const {
    file("membership", membership);
    return left_by_control_groups((folder_ / "membership").string(), mounts());
  }

 private:
  fs::path folder_ = fs::temp_directory_path() / ("tsrun_groups_" + std::to_string(getpid()));
};

constexpr const char* no_limit_1 = "9223372036854771712";

}  // namespace

TEST_CASE("without control groups, or without files of theirs, nothing limits") {
  const Groups groups;
  CHECK(left_by_control_groups(groups.mounts() + "/absent", groups.mounts() + "/absent") == -1);
  CHECK(groups.left("0::/job") == -1);
  CHECK(groups.left("") == -1);
  groups.file("cgroup/job/memory.max", "1000");  // nobody says how much of it is used
  CHECK(groups.left("0::/job") == -1);
}

TEST_CASE("pages of files are free: a group that is full of them leaves its limit") {
  const Groups groups;
  groups.group2("", "1000", "990", 500, 400);
  CHECK(groups.left("0::/") == 910);
  groups.group2("", "1000", "990", 0, 0);
  CHECK(groups.left("0::/") == 10);
  groups.group2("", "1000", "1200", 0, 0);
  CHECK(groups.left("0::/") == 0);
  groups.group2("", "1000", "300", 200, 200);  // counted a moment later
  CHECK(groups.left("0::/") == 1000);
  fs::remove(groups.mounts() + "/memory.stat");
  CHECK(groups.left("0::/") == 700);
}

TEST_CASE("the narrowest group on the way up counts, with limits or without") {
  const Groups groups;
  groups.group2("/slurm", "max", "5000");
  groups.group2("/slurm/job_7", "4000", "1000", 100, 100);
  groups.group2("/slurm/job_7/step_0", "9000", "800");
  groups.group2("/slurm/job_7/step_0/task_1", "max", "700");
  groups.group2("/other", "1", "1");
  CHECK(groups.left("0::/slurm/job_7/step_0/task_1") == 3200);
  CHECK(groups.left("0::/slurm/job_7/step_0/task_1/gone") == 3200);  // its folder is not there, those above are
  groups.group2("/slurm/job_7/step_0", "1500", "800");
  CHECK(groups.left("0::/slurm/job_7/step_0/task_1") == 700);
  CHECK(groups.left("0::/slurm") == -1);
}

TEST_CASE("version 1 has its own names, its own list and a number for no limit") {
  const Groups groups;
  const std::string lists = "5:devices:/else\n4:cpu,memory:/slurm/job_7\n2:memory_of_old:/other\n1:name=systemd:/init";
  groups.group1("", no_limit_1, "60000");
  groups.group1("/other", "1", "1");
  groups.group1("/slurm/job_7", no_limit_1, "1000");
  CHECK(groups.left(lists) == -1);
  groups.group1("/slurm", "4000", "3000", 1000, 500);
  CHECK(groups.left(lists) == 2500);
  groups.group1("/slurm/job_7", "2000", "1000", 200, 0);
  CHECK(groups.left(lists) == 1200);
}

TEST_CASE("both versions at once: the narrower counts") {
  const Groups groups;
  const std::string lists = "4:memory:/one\n0::/two";
  groups.group1("/one", "4000", "1000");
  groups.group2("/unified/two", "8000", "1000");
  CHECK(groups.left(lists) == 3000);
  groups.group2("/unified/two", "1500", "1000");
  CHECK(groups.left(lists) == 500);
}

TEST_CASE("a container that does not see the path of its group has it as the root") {
  const Groups groups;
  groups.group2("", "3000", "1000");
  CHECK(groups.left("0::/docker/0123abcd") == 2000);
  CHECK(groups.left("0::/../../neighbour") == 2000);
  CHECK(groups.left("0::..") == 2000);
  groups.group1("", "2500", "1000");
  CHECK(groups.left("4:memory:/docker/0123abcd\n0::/") == 1500);
}

TEST_CASE("rubbish in these files limits nothing, and harms nobody") {
  const Groups groups;
  for (const char* const limit : {"", "maximum", "-5", "12x", "99999999999999999999999999", "0x10", "\x01\xff"}) {
    CAPTURE(limit);
    groups.group2("", limit, "10");
    CHECK(groups.left("0::/") == -1);
    groups.group2("", "100", limit);
    CHECK(groups.left("0::/") == -1);
  }
  groups.group2("", "100", "10");
  groups.file("cgroup/memory.stat", "inactive_file lots\nactive_file");
  CHECK(groups.left("0::/") == 90);
  CHECK(groups.left("no colon\n:\n::\n0:\n0::") == 90);
}

TEST_CASE("this machine says what is available") { CHECK(available_memory() > 0); }
