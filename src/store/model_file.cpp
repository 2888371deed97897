#include "tsrun/store/model_file.hpp"

#include <algorithm>
#include <map>

#include "attributes.hpp"
#include "facts.hpp"
#include "made_up.hpp"
#include "memory_file.hpp"
#include "schema.hpp"
#include "sealed_file.hpp"
#include "tsrun/core/splitmix.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/store/crc32c.hpp"

namespace tsrun {
namespace {

// Where a dataset's bytes lie, and what they must be.
struct Stream {
  Part part;
  std::uint64_t offset = 0;
  std::vector<std::uint32_t> crcs;
};

std::string words(const std::vector<hsize_t>& dims) {
  std::string out;
  for (const hsize_t d : dims) out += text("[", d, "]");
  return out;
}

// Checks one tensor after the other against what the configuration says of it.
class TensorReader {
 public:
  TensorReader(hid_t file, const std::string& path, std::uint64_t body) : file_(file), path_(path), body_(body) {}

  DType type(const TensorSpec& spec) const {
    const h5::Id dataset = open(spec.path);
    std::string word;
    Attributes(dataset, path_, spec.path).get("dtype", word);
    const std::optional<DType> type = dtype_named(word);
    if (!type) misfit(path_, spec.path, "the tensor is of a dtype that this tsrun does not know", {{"dtype", word}});
    if (is_grouped(*type) && spec.columns % group_size != 0)
      misfit(path_, spec.path, "the tensor's columns are not whole groups", {{"columns", spec.columns}});
    return *type;
  }

  Stream stream(Part part) const {
    const h5::Id dataset = open(part.path);
    check_shape(dataset, part);
    const h5::Id properties{H5Dget_create_plist(dataset), H5Pclose, "cannot read properties"};
    if (H5Pget_layout(properties) != H5D_CONTIGUOUS || H5Pget_external_count(properties) != 0)
      misfit(path_, part.path, "the dataset is not contiguous");
    const haddr_t offset = H5Dget_offset(dataset);
    if (offset == HADDR_UNDEF || offset > body_ || static_cast<std::uint64_t>(part.bytes()) > body_ - offset)
      misfit(path_, part.path, "the dataset's bytes are not all in the file",
             {{"at byte", static_cast<std::int64_t>(offset)},
              {"bytes", part.bytes()},
              {"file ends at", static_cast<std::int64_t>(body_)}});
    Stream stream{std::move(part), offset, {}};
    stream.crcs.resize(static_cast<std::size_t>(spans_of(stream.part.bytes())));
    Attributes(dataset, path_, stream.part.path).get("crc32c", stream.crcs);
    return stream;
  }

 private:
  h5::Id open(const std::string& path) const {
    if (!h5::exists(file_, path)) misfit(path_, path, "the dataset is missing");
    return h5::open_dataset(file_, path);
  }

  void check_shape(hid_t dataset, const Part& part) const {
    const h5::Id type{H5Dget_type(dataset), H5Tclose, "cannot read a type"};
    if (H5Tequal(type, h5::type_of(part.element)) <= 0)
      misfit(path_, part.path, "the dataset's element type is not the one of the tensor's dtype");
    const h5::Id space{H5Dget_space(dataset), H5Sclose, "cannot read a shape"};
    const int rank = H5Sget_simple_extent_ndims(space);
    std::vector<hsize_t> dims(static_cast<std::size_t>(std::max(rank, 0)));
    if (rank > 0) H5Sget_simple_extent_dims(space, dims.data(), nullptr);
    if (dims != part.dims)
      misfit(path_, part.path, "the dataset's shape contradicts the configuration",
             {{"found", words(dims)}, {"needed", words(part.dims)}});
  }

  hid_t file_;
  const std::string& path_;
  std::uint64_t body_;
};

void check_format(hid_t file, const std::string& path) {
  const std::string place = "/";
  const h5::Id root = h5::open_group(file, place);
  const Attributes attributes(root, path, place);
  std::string format;
  std::int64_t version = 0;
  attributes.get("format", format);
  if (format != format_name) misfit(path, place, "this is not a tsrun model", {{"format", format}});
  attributes.get("format_version", version);
  if (version > format_version)
    refuse({.what = "the file was written by a newer tsrun",
            .where = path,
            .numbers = {{"format version", version}, {"known", format_version}},
            .next = "update tsrun, or convert with this one"});
  if (version < 1) misfit(path, place, "there is no such format version", {{"format version", version}});
}

}  // namespace

struct ModelFile::State {
  SealedFile file;
  ModelConfig config;
  TokenizerData tokenizer;
  std::vector<StoredTensor> tensors;
  std::vector<std::vector<Stream>> streams;  // as many as tensors, one to three each; none where all is made up
  std::map<std::pair<Weight, int>, std::size_t> index;

  std::uint64_t identity = 0;

  void open(std::string path);
  void read(const Stream& stream, std::int64_t begin, std::span<std::byte> out);
};

void ModelFile::State::open(std::string path) {
  file = open_sealed(std::move(path));
  MemoryFile memory = read_outside(file);
  try {
    const h5::Id hdf5 = open_hdf5(memory);
    check_format(hdf5, file.path);
    config = read_config(hdf5, file.path);
    tokenizer = read_tokenizer(hdf5, file.path, file.seal.body);
    const TensorReader reader(hdf5, file.path, file.seal.body);
    for (TensorSpec& spec : tensors_of(config)) {
      const DType type = reader.type(spec);
      std::vector<Stream>& parts = streams.emplace_back();
      for (Part& part : parts_of(spec, type)) parts.push_back(reader.stream(std::move(part)));
      index.emplace(std::pair(spec.weight, spec.layer), tensors.size());
      tensors.push_back({std::move(spec), type});
      // Whoever takes rows from a span asks the tensor for their length, which knows nothing of the schema.
      check(tensors.back().parts() == std::ssize(parts), "a tensor has as many datasets as the schema gives it");
      for (int i = 0; i < tensors.back().parts(); ++i)
        check(tensors.back().row_bytes(i) == parts[static_cast<std::size_t>(i)].part.row_bytes,
              "a tensor's rows are as long as the schema has them");
    }
    // The CRCs cover every byte, so there is nothing to be read for it.
    identity = splitmix64(file.seal.outside);
    for (const std::vector<Stream>& parts : streams)
      for (const Stream& stream : parts)
        for (const std::uint32_t crc : stream.crcs) identity = splitmix64(identity ^ crc);
  } catch (const h5::Failure& failure) {
    refuse({.what = text("the HDF5 library cannot read the file: ", failure.what),
            .where = file.path,
            .next = "copy or convert the file again"});
  }
}

// Whole spans, read at once, each checked.
void ModelFile::State::read(const Stream& stream, std::int64_t begin, std::span<std::byte> out) {
  const std::string where = text(file.path, ": ", stream.part.path);
  file.read(stream.offset + static_cast<std::uint64_t>(begin), out, where);
  for (; !out.empty(); out = out.subspan(std::min<std::size_t>(out.size(), span_bytes)), begin += span_bytes) {
    const std::int64_t span = begin / span_bytes;
    const std::uint32_t stored = stream.crcs[static_cast<std::size_t>(span)];
    const std::uint32_t found = crc32c(out.first(std::min<std::size_t>(out.size(), span_bytes)));
    if (found != stored)
      refuse({.what = "the tensor's data is damaged",
              .where = where,
              .numbers = {{"span", span},
                          {"of", spans_of(stream.part.bytes())},
                          {"at byte", static_cast<std::int64_t>(stream.offset) + begin},
                          {"CRC-32C stored", static_cast<std::int64_t>(stored)},
                          {"found", static_cast<std::int64_t>(found)}},
              .next = "copy or convert the file again"});
  }
}

Unit StoredTensor::unit(int part) const {
  if (part == 0) return bits(type) < 8 ? Unit{8 / bits(type), 1} : Unit{1, bits(type) / 8};
  return is_grouped(type) ? Unit{group_size, 2} : Unit{spec.columns, 4};
}

std::vector<TensorSpan> spans_of(const StoredTensor& tensor) {
  std::vector<TensorSpan> spans;
  for (int part = 0; part < tensor.parts(); ++part) {
    const std::int64_t bytes = tensor.spec.rows * tensor.row_bytes(part);
    for (std::int64_t begin = 0, size = 0; begin < bytes; begin += size) {
      size = bytes - begin < longest_span ? bytes - begin : span_bytes;
      spans.push_back({&tensor, part, begin, size});
    }
  }
  return spans;
}

ModelFile::ModelFile(std::string path) : state_(std::make_unique<State>()) { state_->open(std::move(path)); }
ModelFile::ModelFile() : state_(std::make_unique<State>()) {}
ModelFile::~ModelFile() = default;

std::unique_ptr<ModelFile> ModelFile::made_up(const ModelConfig& config, DType type) {
  std::unique_ptr<ModelFile> file(new ModelFile);
  State& s = *file->state_;
  s.file.path = config.name;
  s.config = config;
  s.tensors = made_up_tensors(config, type);
  for (std::size_t i = 0; i < s.tensors.size(); ++i)
    s.index.emplace(std::pair(s.tensors[i].spec.weight, s.tensors[i].spec.layer), i);
  return file;
}

std::uint64_t ModelFile::identity() const { return state_->identity; }
const std::string& ModelFile::path() const { return state_->file.path; }
const ModelConfig& ModelFile::config() const { return state_->config; }
const TokenizerData& ModelFile::tokenizer() const { return state_->tokenizer; }
const std::vector<StoredTensor>& ModelFile::tensors() const { return state_->tensors; }
std::int64_t ModelFile::bytes_read() const { return state_->file.bytes_read; }

const StoredTensor& ModelFile::tensor(Weight weight, int layer) const {
  const auto found = state_->index.find({weight, layer});
  check(found != state_->index.end(), "a tensor asked for is one of the model");
  return state_->tensors[found->second];
}

void ModelFile::read_span(const TensorSpan& span, std::span<std::byte> out) const {
  State& s = *state_;
  const auto found = s.index.find({span.tensor->spec.weight, span.tensor->spec.layer});
  check(found != s.index.end() && std::ssize(out) == span.bytes, "a span read is one of the model");
  if (s.streams.empty()) return make_up(*span.tensor, span.part, span.begin, out);
  s.read(s.streams[found->second][static_cast<std::size_t>(span.part)], span.begin, out);
}

void ModelFile::verify(const std::function<void(std::int64_t, std::int64_t)>& progress) const {
  std::int64_t done = 0;
  std::int64_t all = 0;
  for (const StoredTensor& t : tensors()) all += t.bytes();
  std::vector<std::byte> buffer(static_cast<std::size_t>(longest_span));
  for (const StoredTensor& t : tensors())
    for (const TensorSpan& span : spans_of(t)) {
      read_span(span, std::span(buffer).first(static_cast<std::size_t>(span.bytes)));
      done += span.bytes;
      if (progress) progress(done, all);
    }
}

}  // namespace tsrun
