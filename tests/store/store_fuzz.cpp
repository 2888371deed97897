// Any model file that is sealed as it should be and says anything: refused or opened, and once opened, readable to the
// end. The CRCs keep chance away from HDF5's headers; whoever writes a file may still say in them what they like.
//
// An input is a list of changes to a small model: attributes and lists with other values, of other types, or gone.
// Built with clang and -DTSRUN_FUZZ=ON:
//   store_fuzz -jobs=2 -workers=2 -max_total_time=600 corpus
#define DOCTEST_CONFIG_DISABLE
#include <fuzzer/FuzzedDataProvider.h>
#include <hdf5.h>

#include "models.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/store/crc32c.hpp"
#include "tsrun/store/seal.hpp"
#include "tsrun/tokenizer/tokenizer.hpp"

namespace {

using namespace tsrun;
using namespace tsrun::test;

void require(bool holds) {
  if (!holds) std::abort();
}

// HDF5 opens no file that has no name.
struct Scratch {
  std::string path = (std::filesystem::temp_directory_path() / "tsrun_fuzz_XXXXXX").string();
  Scratch() { require(mkdtemp(path.data()) != nullptr); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { std::filesystem::remove_all(path); }
};

struct Named {
  std::string object, attribute;
};

// The model's bytes, and the names of all there is to change.
struct Base {
  std::string bytes;
  Seal seal;
  std::vector<std::string> objects;
  std::vector<Named> attributes;
};

extern "C" herr_t note_attribute(hid_t, const char* name, const H5A_info_t*, void* base) {
  auto& b = *static_cast<Base*>(base);
  b.attributes.push_back({b.objects.back(), name});
  return 0;
}

extern "C" herr_t note_object(hid_t file, const char* name, const H5O_info_t*, void* base) {
  static_cast<Base*>(base)->objects.emplace_back(name);
  return H5Aiterate_by_name(file, name, H5_INDEX_NAME, H5_ITER_INC, nullptr, note_attribute, base, H5P_DEFAULT);
}

Base make_base(const std::string& path) {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  TokenizerData tokenizer = bpe_tokenizer();
  tokenizer.kind = TokenizerKind::sentencepiece;
  tokenizer.pad.reset();
  write_model(path, parallel_config(), tokenizer);
  Base base;
  base.bytes = bytes_of_file(path);
  const auto all = std::as_bytes(std::span(base.bytes));
  base.seal = *decode_seal(all.last(*seal_size(all.last<seal_footer_bytes>(), all.size())));
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  require(H5Ovisit(file, H5_INDEX_NAME, H5_ITER_INC, note_object, &base) >= 0 && H5Fclose(file) >= 0);
  return base;
}

template <class List>
const auto& one_of(const List& list, FuzzedDataProvider& input) {
  return list[input.ConsumeIntegralInRange<std::size_t>(0, std::size(list) - 1)];
}

hid_t any_type(FuzzedDataProvider& input) {
  return one_of(std::array<hid_t, 8>{H5T_STD_I64LE, H5T_IEEE_F64LE, H5T_STD_U8LE, H5T_STD_U32LE, H5T_STD_U64LE,
                                     H5T_STD_I32LE, H5T_IEEE_F32LE, H5T_STD_I8LE}, input);
}

void change_attribute(hid_t file, const Named& which, FuzzedDataProvider& input) {
  const hid_t object = H5Oopen(file, which.object.c_str(), H5P_DEFAULT);
  if (object < 0) return;  // gone by another change
  const bool is_text = input.ConsumeBool(), stays = input.ConsumeBool();
  if (H5Aexists(object, which.attribute.c_str()) > 0) H5Adelete(object, which.attribute.c_str());
  std::string value = input.ConsumeRandomLengthString(64);
  hid_t type = H5Tcopy(is_text ? H5T_C_S1 : any_type(input));
  if (is_text) H5Tset_size(type, std::max<std::size_t>(1, value.size()));
  const hsize_t count = is_text ? 1 : std::max<hsize_t>(1, value.size() / H5Tget_size(type));
  value.resize(std::max<std::size_t>(value.size(), H5Tget_size(type)));
  const hid_t space = count == 1 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &count, nullptr);
  const char* const name = which.attribute.c_str();
  const hid_t attribute = stays ? H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT) : -1;
  if (attribute >= 0) H5Awrite(attribute, type, value.data());
  if (attribute >= 0) H5Aclose(attribute);
  H5Sclose(space);
  H5Tclose(type);
  H5Oclose(object);
}

// Another list in its place, whose values are all there or, of absurdly many, none.
void change_list(hid_t file, const std::string& name, FuzzedDataProvider& input) {
  const bool stays = input.ConsumeBool(), is_there = input.ConsumeBool();
  const hid_t type = any_type(input);
  std::string values = input.ConsumeRandomLengthString(512);
  const hsize_t most = hsize_t{1} << 40U;
  const hsize_t count = is_there ? values.size() / H5Tget_size(type) : input.ConsumeIntegralInRange<hsize_t>(0, most);
  H5Ldelete(file, name.c_str(), H5P_DEFAULT);
  if (!stays) return;
  const hid_t space = H5Screate_simple(1, &count, nullptr);
  const hid_t list = H5Dcreate2(file, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  if (list >= 0 && is_there && count > 0) H5Dwrite(list, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
  if (list >= 0) H5Dclose(list);
  H5Sclose(space);
}

void change(const Base& base, const std::string& path, FuzzedDataProvider& input) {
  const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, access);
  require(file >= 0);
  while (input.remaining_bytes() > 0) {
    if (input.ConsumeBool()) change_attribute(file, one_of(base.attributes, input), input);
    else change_list(file, one_of(base.objects, input), input);
  }
  H5Fclose(file);
  H5Pclose(access);
}

void seal(Seal seal, const std::string& path) {
  std::string bytes = bytes_of_file(path);
  seal.body = bytes.size();
  std::erase_if(seal.data, [&](const Extent& e) { return e.end() > seal.body; });  // HDF5 gave its room back
  seal.outside = 0;
  for (const Extent& gap : outside_of(seal))
    seal.outside = crc32c(std::as_bytes(std::span(bytes)).subspan(gap.offset, gap.bytes), seal.outside);
  const std::vector<std::byte> encoded = encode_seal(seal);
  bytes.append(reinterpret_cast<const char*>(encoded.data()), encoded.size());
  std::ofstream(path, std::ios::binary) << bytes;
}

void use_all(const std::string& path) {
  const ModelFile file(path);
  file.verify({});
  if (file.tokenizer().kind == TokenizerKind::none) return;
  const Tokenizer tokenizer(file.tokenizer(), path);
  tokenizer.decode(tokenizer.encode("abab a\u00e9\n the <|end|>"), true);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Scratch scratch;
  static const std::string path = scratch.path + "/m";
  static const Base base = make_base(path);
  std::ofstream(path, std::ios::binary) << base.bytes.substr(0, base.seal.body);
  FuzzedDataProvider input(data, size);
  change(base, path, input);
  seal(base.seal, path);
  try {
    use_all(path);
  } catch (const Error& error) {
    require(error.exit() == Exit::request);
    for (const char* c = error.what(); *c != '\0'; ++c) require(static_cast<unsigned char>(*c) >= 0x20 && *c != 0x7f);
  }
  return 0;
}
