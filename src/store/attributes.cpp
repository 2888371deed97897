#include "attributes.hpp"

#include "tsrun/core/text.hpp"

namespace tsrun {
namespace {

void put(hid_t object, const char* name, hid_t type, const std::vector<hsize_t>& dims, const void* data) {
  const h5::Id space = h5::space_of(dims);
  const h5::Id attribute{H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose,
                         text("cannot create the attribute ", name)};
  h5::done(H5Awrite(attribute, type, data), text("cannot write the attribute ", name));
}

constexpr std::size_t longest_text = std::size_t{64} << 20;

}  // namespace

void put(hid_t object, const char* name, std::int64_t value) {
  put(object, name, h5::type_of(h5::Element::i64), {}, &value);
}
void put(hid_t object, const char* name, double value) { put(object, name, h5::type_of(h5::Element::f64), {}, &value); }
void put(hid_t object, const char* name, bool value) {
  const std::int8_t byte = value ? 1 : 0;
  put(object, name, h5::type_of(h5::Element::boolean), {}, &byte);
}
void put(hid_t object, const char* name, std::string_view value) {
  const std::string padded(value.empty() ? std::string_view("\0", 1) : value);
  put(object, name, h5::text_type(padded.size()), {}, padded.data());
}
void put(hid_t object, const char* name, std::span<const std::uint32_t> values) {
  put(object, name, h5::type_of(h5::Element::u32), {values.size()}, values.data());
}

bool Attributes::has(const char* name) const { return H5Aexists(object_, name) > 0; }

void Attributes::misfit_at(const char* name, const char* what, Numbers numbers) const {
  misfit(file_, path_, text("the attribute ", name, " ", what), std::move(numbers));
}

h5::Id Attributes::open(const char* name) const {
  if (!has(name)) misfit_at(name, "is missing");
  return {H5Aopen(object_, name, H5P_DEFAULT), H5Aclose, text("cannot open the attribute ", name)};
}

h5::Id Attributes::open(const char* name, h5::Element element, std::int64_t count) const {
  h5::Id attribute = open(name);
  const h5::Id type{H5Aget_type(attribute), H5Tclose, "cannot read a type"};
  const h5::Id space{H5Aget_space(attribute), H5Sclose, "cannot read a shape"};
  if (H5Tequal(type, h5::type_of(element)) <= 0) misfit_at(name, "is of another type");
  const std::int64_t found = H5Sget_simple_extent_npoints(space);
  if (found != count) misfit_at(name, "has another number of values", {{"found", found}, {"needed", count}});
  return attribute;
}

void Attributes::get(const char* name, std::int64_t& out) const {
  h5::done(H5Aread(open(name, h5::Element::i64, 1), h5::type_of(h5::Element::i64), &out), text("cannot read ", name));
}
void Attributes::get(const char* name, double& out) const {
  h5::done(H5Aread(open(name, h5::Element::f64, 1), h5::type_of(h5::Element::f64), &out), text("cannot read ", name));
}
void Attributes::get(const char* name, bool& out) const {
  std::int8_t byte = 0;
  const h5::Id attribute = open(name, h5::Element::boolean, 1);
  h5::done(H5Aread(attribute, h5::type_of(h5::Element::boolean), &byte), text("cannot read ", name));
  if (byte != 0 && byte != 1) misfit_at(name, "is neither true nor false");
  out = byte == 1;
}
void Attributes::get(const char* name, std::string& out) const {
  const h5::Id attribute = open(name);
  const h5::Id type{H5Aget_type(attribute), H5Tclose, "cannot read a type"};
  const h5::Id space{H5Aget_space(attribute), H5Sclose, "cannot read a shape"};
  const bool fixed = H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0;
  const std::size_t size = H5Tget_size(type);
  if (!fixed || H5Sget_simple_extent_npoints(space) != 1 || size == 0 || size > longest_text)
    misfit_at(name, "is not one text of fixed length");
  std::string padded(size, '\0');
  h5::done(H5Aread(attribute, type, padded.data()), text("cannot read ", name));
  out = harmless(std::string_view(padded).substr(0, padded.find_last_not_of('\0') + 1));
}
void Attributes::get(const char* name, std::span<std::uint32_t> out) const {
  const h5::Id attribute = open(name, h5::Element::u32, static_cast<std::int64_t>(out.size()));
  h5::done(H5Aread(attribute, h5::type_of(h5::Element::u32), out.data()), text("cannot read ", name));
}

}  // namespace tsrun
