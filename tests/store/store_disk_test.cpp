// A full disk ends the writing with the numbers, leaves nothing behind and what was there before, and the process
// goes on.

#include <sys/mount.h>
#include <sys/resource.h>

#include <cerrno>
#include <csignal>

#include "models.hpp"
#include "tsrun/core/text.hpp"

using namespace tsrun;
using namespace tsrun::test;

namespace {

// A file system of its own size, where the test may mount one.
class SmallDisk {
 public:
  SmallDisk() : mounted_(mount("tsrun_test", folder_.path().c_str(), "tmpfs", 0, "size=1m") == 0) {}
  ~SmallDisk() {
    if (mounted_) umount2(folder_.path().c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  const Folder& folder() const { return folder_; }
  // Only `left` bytes stay free.
  void fill(std::size_t left) const {
    const std::size_t free = std::filesystem::space(folder_.path()).available;
    if (free > left) put_file(folder_ / "filler", std::string(free - left, 'f'));
  }

 private:
  Folder folder_;
  bool mounted_;
};

// A model of 400 kB.
ModelConfig larger() { return embedding_config(1600, 64); }

void write_larger(ModelWriter& writer) {
  for (const TensorSpec& spec : tensors_of(larger())) write_tensor(writer, spec, DType::f32, 100);
}

}  // namespace

TEST_CASE("a model larger than the disk is refused before it is written") {
  const Folder folder;
  const std::int64_t absurd = std::int64_t{1} << 60;
  const std::string message = message_of(Exit::broke, [&] { ModelWriter(folder / "m", larger(), {}, absurd); });
  CHECK(holds(message, "the disk is full"));
  CHECK(holds(message, text("bytes needed ", absurd)));
  CHECK(holds(message, "bytes free"));
  CHECK(folder.files() == 0);
}

TEST_CASE("a disk that fills up while a tensor is written, or at commit, leaves no file") {
  const SmallDisk disk;
  if (!disk.mounted()) {
    MESSAGE("skipped: this user may not mount a tmpfs (", std::strerror(errno), ")");
    return;
  }
  const std::string path = disk.folder() / "m";
  const TensorSpec embed = tensors_of(larger())[0];

  SUBCASE("before a tensor begins") {
    disk.fill(100000);
    ModelWriter writer(path, larger(), {});
    const std::string message = message_of(Exit::broke, [&] { writer.begin(embed, DType::f32); });
    CHECK(holds(message, "bytes needed 409600"));
    CHECK(holds(message, "/embed"));
  }
  SUBCASE("within a tensor") {
    ModelWriter writer(path, larger(), {});
    writer.begin(embed, DType::f32);
    disk.fill(50000);
    const std::string message = message_of(Exit::broke, [&] {
      writer.append(slice(tensor_of(embed, DType::f32), 0, 100));
      writer.append(slice(tensor_of(embed, DType::f32), 100, 1500));
    });
    CHECK(holds(message, "the disk is full"));
    CHECK(holds(message, path));
    CHECK(holds(message, "bytes needed 384000"));
    CHECK_THROWS_AS(writer.commit(), std::logic_error);
    CHECK(disk.folder().files() == 1);  // the filler; before the writer is destroyed
  }
  SUBCASE("at commit, and the target stays") {
    put_file(path, "what was there");
    {
      ModelWriter writer(path, larger(), {});
      write_larger(writer);
      disk.fill(0);
      CHECK(holds(message_of(Exit::broke, [&] { writer.commit(); }), "the disk is full"));
    }
    CHECK(bytes_of_file(path) == "what was there");
    std::filesystem::remove(path);
  }
  CHECK(disk.folder().files() == 1);
  std::filesystem::remove(disk.folder() / "filler");
  write_model(path, parallel_config(), {});  // the same process goes on
  CHECK(is_unharmed(ModelFile(path), parallel_config(), {}));
}

TEST_CASE("a write that fails at any byte leaves no file, and the process goes on") {
  const Folder folder;
  write_model(folder / "whole", parallel_config(), bytes_tokenizer());
  const auto size = std::filesystem::file_size(folder / "whole");
  std::filesystem::remove(folder / "whole");
  const auto try_with_limit = [&](rlim_t limit) {
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit now{};
    getrlimit(RLIMIT_FSIZE, &now);
    const rlimit low{limit, now.rlim_max};
    setrlimit(RLIMIT_FSIZE, &low);
    int result = 1;
    try {
      write_model(folder / "m", parallel_config(), bytes_tokenizer());
    } catch (const Error& error) {
      result = error.exit() == Exit::broke && folder.files() == 0 ? 0 : 2;
    }
    setrlimit(RLIMIT_FSIZE, &now);
    if (result != 0) return result;
    write_model(folder / "m", parallel_config(), bytes_tokenizer());
    const bool good = is_unharmed(ModelFile(folder / "m"), parallel_config(), bytes_tokenizer());
    std::filesystem::remove(folder / "m");
    return good ? 0 : 3;
  };
  for (rlim_t limit = 0; limit < size; limit += 1 + size / 61) {
    CAPTURE(limit);
    CHECK(in_child([&] { return try_with_limit(limit); }) == 0);
  }
  CHECK(in_child([&] { return try_with_limit(size - 1); }) == 0);
  CHECK(in_child([&] { return try_with_limit(size); }) == 1);  // it just fits
}
