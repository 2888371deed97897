#include "tsrun/store/writer.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <map>
#include <optional>

#include "attributes.hpp"
#include "disk.hpp"
#include "facts.hpp"
#include "memory_file.hpp"
#include "schema.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/store/crc32c.hpp"
#include "tsrun/store/seal.hpp"

namespace tsrun {
namespace {

// The CRCs of a dataset's spans, as its bytes pass by.
class RunningCrcs {
 public:
  void pass(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      if (room_ == 0) {
        crcs_.push_back(0);
        room_ = static_cast<std::size_t>(span_bytes);
      }
      const std::size_t n = std::min(bytes.size(), room_);
      crcs_.back() = crc32c(bytes.first(n), crcs_.back());
      room_ -= n;
      bytes = bytes.subspan(n);
    }
  }
  const std::vector<std::uint32_t>& crcs() const { return crcs_; }

 private:
  std::vector<std::uint32_t> crcs_;
  std::size_t room_ = 0;  // bytes that the last span still takes
};

// A dataset being written: HDF5 gave it a place, its bytes go there without HDF5.
struct Stream {
  Part part;
  std::uint64_t at = 0;  // where the next byte goes
  RunningCrcs crcs;
};

struct OpenTensor {
  TensorSpec spec;
  DType type = DType::f32;
  std::int64_t rows = 0;  // written so far
  std::vector<Stream> streams;
};

// Beside the target, so that the rename stays within one file system.
std::pair<std::string, Disk> open_temporary(const std::string& path) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    std::string name = text(path, ".", getpid(), attempt == 0 ? "" : text("-", attempt), ".partial");
    const int descriptor = open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor >= 0) return {std::move(name), Disk(descriptor)};
    if (errno != EEXIST)
      refuse({.what = text("cannot create a file in ", folder_of(path), ": ", system_words(errno)),
              .where = path,
              .next = "the folder must exist and be writable"});
  }
  refuse({.what = "too many unfinished files of earlier runs", .where = folder_of(path), .next = "remove *.partial"});
}

}  // namespace

struct ModelWriter::State {
  std::string path;
  std::int64_t expected = 0;  // bytes of all tensors, 0 if unknown
  std::int64_t written = 0;
  std::string temporary;
  Disk disk;
  MemoryFile memory;
  h5::Id hdf5;
  std::vector<Extent> data;
  std::map<std::string, TensorSpec> missing;
  std::optional<OpenTensor> tensor;

  ~State() { abandon(); }

  void abandon() {
    if (temporary.empty()) return;
    disk.close();
    unlink(temporary.c_str());
    temporary.clear();
  }

  // Nothing is left behind, and the writer takes no more calls.
  [[noreturn]] void failed(std::string what, Numbers numbers = {}, std::string next = {}) {
    abandon();
    broke({.what = std::move(what), .where = path, .numbers = std::move(numbers), .next = std::move(next)});
  }

  [[noreturn]] void disk_failed(int error, std::int64_t needed) {
    const bool full = error == ENOSPC || error == EDQUOT;
    const bool limit = error == EFBIG;
    Numbers numbers = {{"bytes needed", std::max(needed, expected - written)}};
    const std::int64_t free = free_bytes(folder_of(path));
    if (free >= 0) numbers.emplace_back("bytes free", free);
    if (tensor) numbers.emplace_back("writing", tensor->spec.path);
    failed(full    ? "the disk is full"
           : limit ? "the file is larger than the limit for this process or file system allows"
                   : text("cannot write: ", system_words(error)),
           std::move(numbers), limit ? "raise ulimit -f" : "free some space or write elsewhere");
  }

  void require_space(std::int64_t bytes) {
    const std::int64_t free = free_bytes(folder_of(path));
    if (free >= 0 && bytes > free) disk_failed(ENOSPC, bytes);
  }

  void write(std::uint64_t offset, std::span<const std::byte> bytes, std::int64_t needed) {
    if (const int error = disk.write(offset, bytes); error != 0) disk_failed(error, needed);
  }

  // `calls` of HDF5; they work in memory, so that a failure is a rare one.
  template <class Calls>
  void with_hdf5(Calls&& calls) {
    check(!temporary.empty(), "the writer was not committed and did not fail");
    try {
      calls();
    } catch (const h5::Failure& failure) {
      failed(text("the HDF5 library failed: ", failure.what));
    }
  }

  void write_facts(const ModelConfig& config, const TokenizerData& tokenizer);
  Stream new_stream(Part part, DType type);
  std::uint32_t copy_outside(const Seal& seal);
  void give_name();
};

void ModelWriter::State::write_facts(const ModelConfig& config, const TokenizerData& tokenizer) {
  hdf5 = create_hdf5(memory);
  const h5::Id root = h5::open_group(hdf5, "/");
  put(root, "format", format_name);
  put(root, "format_version", format_version);
  put(root, "written_by", std::string_view("tsrun " TSRUN_VERSION));
  write_config(hdf5, config);
  write_tokenizer(hdf5, tokenizer);
  h5::create_group(hdf5, "/layers");
  for (std::int64_t i = 0; i < config.layers; ++i) h5::create_group(hdf5, text("/layers/", i));
}

ModelWriter::ModelWriter(std::string path, const ModelConfig& config, const TokenizerData& tokenizer,
                         std::int64_t expected_bytes)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.path = std::move(path);
  s.expected = expected_bytes;
  validate(config, s.path);
  refuse_if_not_a_file(s.path, "name the model file to write");
  for (TensorSpec& spec : tensors_of(config)) s.missing.emplace(spec.path, spec);
  std::tie(s.temporary, s.disk) = open_temporary(s.path);
  s.require_space(expected_bytes);
  s.with_hdf5([&] { s.write_facts(config, tokenizer); });
}

ModelWriter::~ModelWriter() = default;

Stream ModelWriter::State::new_stream(Part part, DType type) {
  const h5::Id dataset = h5::create_dataset(hdf5, part.path, h5::type_of(part.element), part.dims);
  if (part.path == tensor->spec.path) put(dataset, "dtype", name(type));
  const haddr_t offset = H5Dget_offset(dataset);
  if (offset == HADDR_UNDEF) throw h5::Failure{text(part.path, " got no place in the file")};
  data.push_back({offset, static_cast<std::uint64_t>(part.bytes())});
  return {std::move(part), offset, {}};
}

void ModelWriter::begin(const TensorSpec& spec, DType type) {
  State& s = *state_;
  const auto known = s.missing.find(spec.path);
  check(!s.tensor, "a tensor is ended before the next begins");
  check(known != s.missing.end(), "a tensor belongs to the model and is written once");
  check(known->second.rows == spec.rows && known->second.columns == spec.columns, "a tensor has its model's shape");
  check(!is_grouped(type) || spec.columns % group_size == 0, "a grouped tensor has whole groups");
  s.tensor = OpenTensor{spec, type, 0, {}};
  s.require_space(bytes_of(type, spec.rows, spec.columns));
  s.with_hdf5([&] {
    for (Part& part : parts_of(spec, type)) s.tensor->streams.push_back(s.new_stream(std::move(part), type));
  });
}

void ModelWriter::append(const TensorRows& rows) {
  State& s = *state_;
  check(s.tensor.has_value() && !s.temporary.empty(), "rows are appended to a tensor that has begun");
  OpenTensor& t = *s.tensor;
  check(rows.type == t.type && rows.columns == t.spec.columns, "appended rows are of the tensor's type and width");
  check(rows.rows >= 0 && rows.rows <= t.spec.rows - t.rows, "no more rows than the tensor has");
  const std::int64_t needed = bytes_of(t.type, t.spec.rows - t.rows, t.spec.columns);
  for (std::size_t i = 0; i < t.streams.size(); ++i) {
    Stream& stream = t.streams[i];
    const std::span<const std::byte> bytes = part_bytes(rows, i);
    check(static_cast<std::int64_t>(bytes.size()) == rows.rows * stream.part.row_bytes, "rows have all their bytes");
    stream.crcs.pass(bytes);
    s.write(stream.at, bytes, needed);
    stream.at += bytes.size();
  }
  t.rows += rows.rows;
  s.written += bytes_of(t.type, rows.rows, t.spec.columns);
}

void ModelWriter::end() {
  State& s = *state_;
  check(s.tensor.has_value() && s.tensor->rows == s.tensor->spec.rows, "a tensor ends with its last row");
  s.with_hdf5([&] {
    for (const Stream& stream : s.tensor->streams)
      put(h5::open_dataset(s.hdf5, stream.part.path), "crc32c", std::span(stream.crcs.crcs()));
  });
  s.missing.erase(s.tensor->spec.path);
  s.tensor.reset();
}

// All that HDF5 made, from memory to the disk, around the data that is there already.
std::uint32_t ModelWriter::State::copy_outside(const Seal& seal) {
  std::vector<std::byte> buffer(std::size_t{1} << 20);
  std::uint32_t crc = 0;
  for (const Extent& gap : outside_of(seal)) {
    for (std::uint64_t at = gap.offset; at < gap.end(); at += buffer.size()) {
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), gap.end() - at));
      const std::span<std::byte> part = std::span(buffer).first(n);
      memory.read(at, part);
      crc = crc32c(part, crc);
      write(at, part, static_cast<std::int64_t>(n));
    }
  }
  return crc;
}

void ModelWriter::State::give_name() {
  if (const int error = disk.sync(); error != 0) disk_failed(error, 0);
  if (const int error = disk.close(); error != 0) disk_failed(error, 0);
  if (std::rename(temporary.c_str(), path.c_str()) != 0)
    failed(text("cannot give the finished file its name: ", system_words(errno)));
  temporary.clear();
  // So that the name survives a power cut too. Not every file system can do it, and the file is whole without.
  Disk folder(open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.is_open()) folder.sync();
}

void ModelWriter::commit() {
  State& s = *state_;
  check(!s.tensor, "the last tensor is ended before the file is");
  check(!s.temporary.empty(), "a writer that failed or was committed is not committed");
  if (!s.missing.empty()) {
    s.abandon();
    refuse(
        {.what = "tensors of the model are missing",
         .where = s.path,
         .numbers = {{"missing", static_cast<std::int64_t>(s.missing.size())}, {"the first", s.missing.begin()->first}},
         .next = "the source does not hold the whole model"});
  }
  s.with_hdf5([&] { s.hdf5.close("cannot close the file"); });
  Seal seal{s.memory.end(), std::move(s.data), 0, seal_version};
  std::sort(seal.data.begin(), seal.data.end(), [](const Extent& a, const Extent& b) { return a.offset < b.offset; });
  seal.outside = s.copy_outside(seal);
  const std::vector<std::byte> bytes = encode_seal(seal);
  s.write(seal.body, bytes, static_cast<std::int64_t>(bytes.size()));
  s.give_name();
}

}  // namespace tsrun
