// Attributes of one HDF5 object: put, and got back with a refusal that names what is missing or of another type.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "hdf5.hpp"
#include "schema.hpp"

namespace tsrun {

void put(hid_t object, const char* name, std::int64_t value);
void put(hid_t object, const char* name, double value);
void put(hid_t object, const char* name, bool value);
void put(hid_t object, const char* name, std::string_view value);
void put(hid_t object, const char* name, std::span<const std::uint32_t> values);
// Not by accident a bool.
void put(hid_t object, const char* name, const char* value) = delete;

class Attributes {
 public:
  // `path` is the object's, `file` the file's, for messages; all must outlive this.
  Attributes(hid_t object, const std::string& file, const std::string& path)
      : object_(object), file_(file), path_(path) {}

  bool has(const char* name) const;
  void get(const char* name, std::int64_t& out) const;
  void get(const char* name, double& out) const;
  void get(const char* name, bool& out) const;
  void get(const char* name, std::string& out) const;
  // A list of exactly out.size() values.
  void get(const char* name, std::span<std::uint32_t> out) const;

 private:
  h5::Id open(const char* name) const;
  h5::Id open(const char* name, h5::Element element, std::int64_t count) const;
  [[noreturn]] void misfit_at(const char* name, const char* what, Numbers numbers = {}) const;

  hid_t object_;
  const std::string& file_;
  const std::string& path_;
};

}  // namespace tsrun
