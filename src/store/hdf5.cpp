#include "hdf5.hpp"

#include <array>

#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun::h5 {
namespace {

extern "C" herr_t take_first(unsigned, const H5E_error2_t* error, void* out) {
  auto& message = *static_cast<std::string*>(out);
  if (message.empty() && error->desc != nullptr) message = error->desc;
  return 0;
}

// Upward begins at the innermost function, where the cause is.
std::string deepest_message() {
  std::string message;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_first, &message);
  H5Eclear2(H5E_DEFAULT);
  return message.empty() ? "no reason given" : message;
}

[[noreturn]] void fail(std::string_view what) { throw Failure{text(what, " (HDF5: ", deepest_message(), ")")}; }

Id copy_of(hid_t type) { return {H5Tcopy(type), H5Tclose, "cannot copy a type"}; }

// A sign bit, then exponent, then mantissa, in two bytes.
Id half_type(std::size_t exponent_bits, std::size_t bias) {
  const std::size_t mantissa_bits = 15 - exponent_bits;
  Id type = copy_of(H5T_IEEE_F32LE);
  done(H5Tset_fields(type, 15, mantissa_bits, exponent_bits, 0, mantissa_bits), "cannot lay out a float type");
  done(H5Tset_size(type, 2), "cannot size a float type");
  done(H5Tset_ebias(type, bias), "cannot bias a float type");
  return type;
}

// As h5py writes its booleans, so that it reads ours.
Id boolean_type() {
  Id type{H5Tenum_create(H5T_STD_I8LE), H5Tclose, "cannot make a boolean type"};
  for (const auto& [word, value] : std::array<std::pair<const char*, std::int8_t>, 2>{{{"FALSE", 0}, {"TRUE", 1}}})
    done(H5Tenum_insert(type, word, &value), "cannot make a boolean type");
  return type;
}

Id untimed(hid_t property_class) {
  Id properties{H5Pcreate(property_class), H5Pclose, "cannot make properties"};
  done(H5Pset_obj_track_times(properties, false), "cannot switch time stamps off");
  return properties;
}

}  // namespace

void be_quiet() { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); }

Id::Id(hid_t id, Closer closer, std::string_view what) : id_(id), closer_(closer) {
  if (id_ < 0) fail(what);
}

void Id::close(std::string_view what) {
  if (id_ >= 0) done(closer_(std::exchange(id_, H5I_INVALID_HID)), what);
}

void done(herr_t status, std::string_view what) {
  if (status < 0) fail(what);
}

std::int64_t size_of(Element element) {
  switch (element) {
    case Element::u8:
    case Element::i8:
    case Element::boolean: return 1;
    case Element::f16:
    case Element::bf16: return 2;
    case Element::i32:
    case Element::u32:
    case Element::f32: return 4;
    case Element::i64:
    case Element::u64:
    case Element::f64: return 8;
  }
  check(false, "an element has a size");
  return 0;
}

Id type_of(Element element) {
  switch (element) {
    case Element::u8: return copy_of(H5T_STD_U8LE);
    case Element::i8: return copy_of(H5T_STD_I8LE);
    case Element::i32: return copy_of(H5T_STD_I32LE);
    case Element::u32: return copy_of(H5T_STD_U32LE);
    case Element::i64: return copy_of(H5T_STD_I64LE);
    case Element::u64: return copy_of(H5T_STD_U64LE);
    case Element::f16: return half_type(5, 15);
    case Element::bf16: return half_type(8, 127);
    case Element::f32: return copy_of(H5T_IEEE_F32LE);
    case Element::f64: return copy_of(H5T_IEEE_F64LE);
    case Element::boolean: return boolean_type();
  }
  check(false, "an element has a type");
  return {};
}

Id text_type(std::size_t bytes) {
  Id type = copy_of(H5T_C_S1);
  done(H5Tset_size(type, bytes == 0 ? 1 : bytes), "cannot size a text");
  done(H5Tset_strpad(type, H5T_STR_NULLPAD), "cannot pad a text");
  done(H5Tset_cset(type, H5T_CSET_UTF8), "cannot set a text's alphabet");
  return type;
}

Id space_of(const std::vector<hsize_t>& dims) {
  const hid_t space =
      dims.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr);
  return {space, H5Sclose, "cannot make a shape"};
}

Id create_group(hid_t at, const std::string& path) {
  const Id properties = untimed(H5P_GROUP_CREATE);
  return {H5Gcreate2(at, path.c_str(), H5P_DEFAULT, properties, H5P_DEFAULT), H5Gclose, text("cannot create ", path)};
}

Id create_dataset(hid_t at, const std::string& path, hid_t type, const std::vector<hsize_t>& dims) {
  const Id space = space_of(dims);
  const Id properties = untimed(H5P_DATASET_CREATE);
  done(H5Pset_layout(properties, H5D_CONTIGUOUS), "cannot set a layout");
  done(H5Pset_alloc_time(properties, H5D_ALLOC_TIME_EARLY), "cannot set the time of allocation");
  done(H5Pset_fill_time(properties, H5D_FILL_TIME_NEVER), "cannot switch fill values off");
  return {H5Dcreate2(at, path.c_str(), type, space, H5P_DEFAULT, properties, H5P_DEFAULT), H5Dclose,
          text("cannot create ", path)};
}

Id open_group(hid_t at, const std::string& path) {
  return {H5Gopen2(at, path.c_str(), H5P_DEFAULT), H5Gclose, text("cannot open ", path)};
}

Id open_dataset(hid_t at, const std::string& path) {
  return {H5Dopen2(at, path.c_str(), H5P_DEFAULT), H5Dclose, text("cannot open ", path)};
}

bool exists(hid_t at, const std::string& path) {
  const auto leads = [at](const std::string& link) {
    H5L_info_t info{};
    return H5Lexists(at, link.c_str(), H5P_DEFAULT) > 0 && H5Lget_info(at, link.c_str(), &info, H5P_DEFAULT) >= 0 &&
           info.type == H5L_TYPE_HARD;
  };
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1))
    if (!leads(path.substr(0, slash))) return false;
  return path == "/" || leads(path);
}

}  // namespace tsrun::h5
