// Whatever happens to a model file, reading it ends in a refusal that says what is wrong, or in the true values:
// never in a crash, never in other values.

#include <hdf5.h>
#include <sys/stat.h>

#include "models.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/store/crc32c.hpp"
#include "tsrun/store/seal.hpp"

using namespace tsrun;
using namespace tsrun::test;

namespace {

std::string refusal(const std::string& path) {
  return message_of(Exit::request, [&] { ModelFile{path}.verify({}); });
}

enum class Outcome { refused, unharmed, wrong };

Outcome outcome(const std::string& path) {
  try {
    const ModelFile file(path);
    file.verify({});
    return is_unharmed(file, parallel_config(), bytes_tokenizer()) ? Outcome::unharmed : Outcome::wrong;
  } catch (const Error& error) {
    return error.exit() == Exit::request ? Outcome::refused : Outcome::wrong;
  }
}

Seal seal_of(const std::string& bytes) {
  const auto all = std::as_bytes(std::span(bytes));
  const auto size = seal_size(all.last<seal_footer_bytes>(), all.size());
  REQUIRE(size);
  const auto seal = decode_seal(all.last(*size));
  REQUIRE(seal);
  return *seal;
}

// A whole file that says something else: HDF5 changes it, and it is sealed again.
void bend(const std::string& path, const std::function<void(hid_t)>& change) {
  Seal seal = seal_of(bytes_of_file(path));
  std::filesystem::resize_file(path, seal.body);
  const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, access);
  REQUIRE(file >= 0);
  change(file);
  REQUIRE(H5Fclose(file) >= 0);
  H5Pclose(access);
  std::string bytes = bytes_of_file(path);
  seal.body = bytes.size();
  seal.outside = 0;
  for (const Extent& gap : outside_of(seal))
    seal.outside = crc32c(std::as_bytes(std::span(bytes)).subspan(gap.offset, gap.bytes), seal.outside);
  const std::vector<std::byte> encoded = encode_seal(seal);
  bytes.append(reinterpret_cast<const char*>(encoded.data()), encoded.size());
  put_file(path, bytes);
}

void put_int(hid_t file, const char* group, const char* name, std::int64_t value) {
  const hid_t at = H5Gopen2(file, group, H5P_DEFAULT);
  if (H5Aexists(at, name) > 0) H5Adelete(at, name);
  const hid_t space = H5Screate(H5S_SCALAR);
  const hid_t attribute = H5Acreate2(at, name, H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT);
  CHECK(H5Awrite(attribute, H5T_NATIVE_INT64, &value) >= 0);
  H5Aclose(attribute);
  H5Sclose(space);
  H5Gclose(at);
}

void put_word(hid_t file, const char* object, const char* name, const std::string& word) {
  const hid_t at = H5Oopen(file, object, H5P_DEFAULT);
  if (H5Aexists(at, name) > 0) H5Adelete(at, name);
  const hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, word.size());
  const hid_t space = H5Screate(H5S_SCALAR);
  const hid_t attribute = H5Acreate2(at, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  CHECK(H5Awrite(attribute, type, word.data()) >= 0);
  H5Aclose(attribute);
  H5Sclose(space);
  H5Tclose(type);
  H5Oclose(at);
}

void remove_attribute(hid_t file, const char* object, const char* name) {
  CHECK(H5Adelete_by_name(file, object, name, H5P_DEFAULT) >= 0);
}

enum class Layout { contiguous, chunked, unwritten };

void replace_dataset(hid_t file, const char* path, hid_t type, std::vector<hsize_t> dims, Layout layout) {
  CHECK(H5Ldelete(file, path, H5P_DEFAULT) >= 0);
  const hid_t space = H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr);
  const hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
  if (layout == Layout::chunked) H5Pset_chunk(properties, static_cast<int>(dims.size()), dims.data());
  if (layout == Layout::contiguous) H5Pset_alloc_time(properties, H5D_ALLOC_TIME_EARLY);
  const hid_t dataset = H5Dcreate2(file, path, type, space, H5P_DEFAULT, properties, H5P_DEFAULT);
  CHECK(dataset >= 0);
  H5Dclose(dataset);
  H5Pclose(properties);
  H5Sclose(space);
  put_word(file, path, "dtype", "f32");
}

}  // namespace

TEST_CASE("what is not a model file is refused with what it is") {
  const Folder folder;
  const std::string path = folder / "m";
  CHECK(holds(refusal(path), "No such file"));
  CHECK(holds(refusal(folder.path()), "this is a folder"));
  CHECK(holds(refusal("/dev/null"), "not a regular file"));
  REQUIRE(mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK(holds(refusal(folder / "pipe"), "not a regular file"));
  put_file(path, "");
  CHECK(holds(refusal(path), "the file is empty"));
  for (const std::string& text : {std::string("short"), std::string(100000, 'a') + "\n"}) {
    put_file(path, text);
    CHECK(holds(refusal(path), "not an HDF5 file"));
    CHECK(holds(refusal(path), "tsrun convert"));
  }
  put_file(path, "GGUF\3" + std::string(1000, '\0'));
  CHECK(holds(refusal(path), "this is a GGUF file"));
  put_file(path, "\x89HDF\r\n\x1a\n");
  CHECK(holds(refusal(path), "seal"));
}

TEST_CASE("a file that may not be read is refused") {
  const Folder folder;
  write_model(folder / "m", parallel_config(), {});
  REQUIRE(chmod((folder / "m").c_str(), 0) == 0);
  REQUIRE(chmod(folder.path().c_str(), 0755) == 0);
  CHECK(in_child([&] {
          if (geteuid() == 0 && seteuid(65534) != 0) return 1;  // root may read everything
          const int result = holds(refusal(folder / "m"), "Permission denied") ? 0 : 2;
          std::_Exit(result);  // the leak checker cannot look at a process that changed its user
        }) == 0);
}

TEST_CASE("an HDF5 file of someone else, or a model that another program rewrote, is refused") {
  const Folder folder;
  const std::string path = folder / "m";
  const hid_t other = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  H5Fclose(other);
  CHECK(holds(refusal(path), "seal"));
  write_model(path, parallel_config(), {});
  std::filesystem::resize_file(path, seal_of(bytes_of_file(path)).body);
  CHECK(holds(refusal(path), "seal"));
}

TEST_CASE("a file that contradicts itself is refused by name") {
  const Folder folder;
  const std::string path = folder / "m";
  struct Case {
    std::function<void(hid_t)> change;
    std::vector<const char*> says;
  };
  const auto gone = [](const char* link) { return [=](hid_t f) { CHECK(H5Ldelete(f, link, H5P_DEFAULT) >= 0); }; };
  const auto without = [](const char* object, const char* name) {
    return [=](hid_t f) { remove_attribute(f, object, name); };
  };
  const auto word = [](const char* object, const char* name, const std::string& value) {
    return [=](hid_t f) { put_word(f, object, name, value); };
  };
  const auto number = [](const char* group, const char* name, std::int64_t value) {
    return [=](hid_t f) { put_int(f, group, name, value); };
  };
  const auto dataset = [](const char* name, hid_t type, std::vector<hsize_t> dims, Layout layout = Layout::contiguous) {
    return [=](hid_t f) { replace_dataset(f, name, type, dims, layout); };
  };
  const std::vector<Case> cases = {
      {number("/", "format_version", 2), {"newer tsrun", "format version 2"}},
      {number("/", "format_version", 0), {"format version 0"}},
      {word("/", "format", "something else"), {"not a tsrun model"}},
      {word("/", "format", "\x1b[31m\xff"), {"not a tsrun model", "\\x1b[31m\\xff"}},
      {word("/", "format", std::string(1000, 'a')), {"not a tsrun model", "aaa..."}},
      {without("/", "format"), {"attribute format is missing"}},
      {gone("/config"), {"configuration is missing"}},
      {without("/config", "rope_base"), {"/config", "rope_base is missing"}},
      {without("/config", "name"), {"attribute name is missing"}},
      {word("/config", "norm", "batch"), {"norm", "batch"}},
      {word("/config", "E", "32"), {"attribute E", "another type"}},
      {number("/config", "gated", 1), {"attribute gated", "another type"}},
      {number("/config", "H", 0), {"size H"}},
      {number("/config", "H", std::int64_t{1} << 62), {"size H"}},
      {number("/config", "F", 8), {"/layers/0/ffn_in", "found [7][16], needed [8][16]"}},
      {number("/config", "layers", 4), {"/layers/3/attn_norm", "missing"}},
      {number("/config", "layers", 10000), {"/layers/3/attn_norm", "missing"}},
      {gone("/tokenizer"), {"tokenizer is missing"}},
      {gone("/tokenizer/merges.offsets"), {"/tokenizer/merges.offsets", "missing"}},
      {word("/tokenizer", "kind", "wordpiece"), {"wordpiece"}},
      {dataset("/tokenizer/types", H5T_STD_U8LE, {3}), {"one type per token"}},
      {dataset("/tokenizer/tokens.offsets", H5T_STD_U64LE, {0}), {"offsets"}},
      {dataset("/tokenizer/tokens", H5T_STD_U8LE, {hsize_t{1} << 29}, Layout::unwritten), {"not all in the file"}},
      {dataset("/tokenizer/tokens", H5T_STD_U8LE, {hsize_t{1} << 31}, Layout::unwritten), {"not a list"}},
      {gone("/layers/1/attn_o"), {"/layers/1/attn_o", "missing"}},
      {gone("/layers/1"), {"/layers/1/attn_norm", "missing"}},
      {gone("/embed"), {"/embed", "missing"}},
      {dataset("/embed", H5T_IEEE_F32LE, {259, 31}), {"/embed", "found [259][31], needed [259][32]"}},
      {dataset("/embed", H5T_IEEE_F32LE, {259 * 32}), {"/embed", "found [8288]"}},
      {dataset("/embed", H5T_IEEE_F32LE, {259, 32}), {"/embed", "crc32c is missing"}},
      {dataset("/embed", H5T_IEEE_F32BE, {259, 32}), {"/embed", "element type"}},
      {dataset("/embed", H5T_IEEE_F64LE, {259, 32}), {"/embed", "element type"}},
      {dataset("/embed", H5T_IEEE_F32LE, {259, 32}, Layout::chunked), {"/embed", "not contiguous"}},
      {[](hid_t f) {
         H5Ldelete(f, "/embed", H5P_DEFAULT);
         H5Gclose(H5Gcreate2(f, "/embed", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
       },
       {"cannot open /embed", "HDF5"}},
      {[](hid_t f) {  // would read what another file says
         H5Ldelete(f, "/embed", H5P_DEFAULT);
         H5Lcreate_external("other.h5", "/embed", f, "/embed", H5P_DEFAULT, H5P_DEFAULT);
       },
       {"/embed", "missing"}},
      {[](hid_t f) {
         H5Lmove(f, "/tokenizer", f, "/elsewhere", H5P_DEFAULT, H5P_DEFAULT);
         H5Lcreate_soft("/elsewhere", f, "/tokenizer", H5P_DEFAULT, H5P_DEFAULT);
       },
       {"/tokenizer", "missing"}},
      {word("/embed", "dtype", "fp4"), {"/embed", "fp4"}},
      {word("/embed", "dtype", "bf16"), {"/embed", "element type"}},
      {word("/embed", "dtype", "int8"), {"/embed"}},
      {without("/embed", "dtype"), {"/embed", "dtype is missing"}},
      {without("/embed", "crc32c"), {"/embed", "crc32c is missing"}},
      {[](hid_t f) {  // a CRC too many
         H5Adelete_by_name(f, "/embed", "crc32c", H5P_DEFAULT);
         const hsize_t two = 2;
         const hid_t space = H5Screate_simple(1, &two, nullptr);
         const hid_t at = H5Dopen2(f, "/embed", H5P_DEFAULT);
         H5Aclose(H5Acreate2(at, "crc32c", H5T_STD_U32LE, space, H5P_DEFAULT, H5P_DEFAULT));
         H5Dclose(at);
         H5Sclose(space);
       },
       {"/embed", "found 2, needed 1"}},
  };
  write_model(path, parallel_config(), bytes_tokenizer());
  const std::string good = bytes_of_file(path);
  for (const Case& c : cases) {
    put_file(path, good);
    bend(path, c.change);
    const std::string message = refusal(path);
    CHECK(holds(message, path));
    for (const char* const part : c.says) CHECK(holds(message, part));
  }
}

TEST_CASE("scales that are missing or of another shape are refused by name") {
  const Folder folder;
  const std::string path = folder / "m";
  const auto write = [&](DType type) {
    ModelWriter writer(path, parallel_config(), {});
    for (const TensorSpec& spec : tensors_of(parallel_config()))
      write_tensor(writer, spec, spec.weight == Weight::attn_q ? type : DType::f32, 3);
    writer.commit();
  };
  for (const char* const part : {"/layers/2/attn_q.scale", "/layers/2/attn_q.minimum"}) {
    write(DType::int4_min);
    bend(path, [&](hid_t f) { H5Ldelete(f, part, H5P_DEFAULT); });
    CHECK(holds(refusal(path), text(part, ": the dataset is missing")));
  }
  write(DType::int8_channel);
  bend(path, [&](hid_t f) { replace_dataset(f, "/layers/2/attn_q.scale", H5T_IEEE_F32LE, {11}, Layout::contiguous); });
  CHECK(holds(refusal(path), "/layers/2/attn_q.scale"));
  CHECK(holds(refusal(path), "found [11], needed [10]"));
}

TEST_CASE("what a newer tsrun adds to a file does not disturb") {
  const Folder folder;
  write_model(folder / "m", parallel_config(), bytes_tokenizer());
  bend(folder / "m", [](hid_t f) { put_int(f, "/config", "of no interest", 1); });
  CHECK(outcome(folder / "m") == Outcome::unharmed);
}

TEST_CASE("a damaged data byte names its tensor, in verify and in a read of these rows only") {
  const Folder folder;
  const std::string path = folder / "m";
  // Three spans of 1024 rows and one of 28.
  const ModelConfig config = embedding_config(3100, 1024);
  {
    ModelWriter writer(path, config, {});
    for (const TensorSpec& spec : tensors_of(config)) write_tensor(writer, spec, DType::f32, 500);
    writer.commit();
  }
  const std::string good = bytes_of_file(path);
  const TensorRows all = tensor_of(tensors_of(config)[0], DType::f32);
  const std::size_t begin = good.find(std::string(reinterpret_cast<const char*>(all.values.data()), 64));
  REQUIRE(begin != std::string::npos);
  const std::string bad_span_1 = [&] {
    std::string bytes = good;
    bytes[begin + 1500 * 4096 + 17] ^= 1;
    return bytes;
  }();
  put_file(path, bad_span_1);
  CHECK(holds(refusal(path), "/embed: the tensor's data is damaged"));
  CHECK(holds(refusal(path), "span 1, of 4"));
  const ModelFile file(path);
  const StoredTensor& embed = file.tensor(Weight::embed, -1);
  CHECK(same(read_rows(file, embed, 0, 1024), slice(all, 0, 1024)));
  CHECK(same(read_rows(file, embed, 2048, 1052), slice(all, 2048, 1052)));
  for (int again = 0; again < 2; ++again)
    for (const std::int64_t row : {1024, 1500, 2047})
      CHECK(holds(message_of(Exit::request, [&] { read_rows(file, embed, row, 1); }), "/embed"));
  CHECK(holds(message_of(Exit::request, [&] { read_rows(file, embed, 0, 3100); }), "/embed"));
  CHECK(same(read_rows(file, embed, 3000, 100), slice(all, 3000, 100)));
}

TEST_CASE("a file that becomes shorter while it is open is refused") {
  const Folder folder;
  write_model(folder / "m", parallel_config(), {});
  const ModelFile file(folder / "m");
  std::filesystem::resize_file(folder / "m", 3000);
  const std::string message = message_of(Exit::request, [&] { file.verify({}); });
  for (const char* words : {"became shorter", "m: /", "at byte", "needed"}) CHECK(holds(message, words));
}

TEST_CASE("a file cut off anywhere is refused") {
  const Folder folder;
  const std::string path = folder / "m";
  write_model(path, parallel_config(), bytes_tokenizer());
  const std::string good = bytes_of_file(path);
  std::mt19937_64 random(7);
  CHECK(in_child([&] {
          for (std::size_t i = 0; i < 800; ++i) {
            const std::size_t length = i < 100 ? i : i < 300 ? good.size() - (i - 99) : random() % good.size();
            put_file(path, good.substr(0, length));
            if (outcome(path) != Outcome::refused) return 1;
            if (length > 100 && length < seal_of(good).body && !holds(refusal(path), "cut off")) return 2;
          }
          return 0;
        }) == 0);
}

TEST_CASE("no flipped bit, changed byte or zeroed page crashes the reader or changes a value") {
  const Folder folder;
  const std::string path = folder / "m";
  write_model(path, parallel_config(), bytes_tokenizer());
  const std::string good = bytes_of_file(path);
  constexpr int batches = 24;
  constexpr int changes = 250;
  for (int batch = 0; batch < batches; ++batch) {
    CAPTURE(batch);
    CHECK(in_child([&] {
            std::mt19937_64 random(static_cast<unsigned>(batch));
            for (int i = 0; i < changes; ++i) {
              std::string bytes = good;
              const std::size_t at = random() % bytes.size();
              switch (batch % 3) {
                case 0: bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8)); break;
                case 1: bytes[at] = static_cast<char>(bytes[at] + 1 + static_cast<char>(random() % 255)); break;
                default: bytes.replace(at, 512, std::min<std::size_t>(512, bytes.size() - at), '\xa5');
              }
              put_file(path, bytes);
              // Each byte is covered by the seal or by a span, so that it is refused even where it would not matter.
              if (bytes != good && outcome(path) != Outcome::refused) return 1;
            }
            return 0;
          }) == 0);
  }
}
