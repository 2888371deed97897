// The door to HDF5: owners of its ids, its error stack as words, and the element types of the schema.
//
// Values go in and come out as the file has them; HDF5 converts nothing. Its own messages are never printed.
#pragma once

#include <hdf5.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tsrun::h5 {

// HDF5 said no. It does not leave the store: the reader makes a refusal of it, the writer a failure.
struct Failure {
  std::string what;
};

// Switches HDF5's printing off, for the whole process: nobody else calls it.
void be_quiet();

class Id {
 public:
  using Closer = herr_t (*)(hid_t);
  Id() = default;
  // Throws Failure, with HDF5's deepest message, if HDF5 gave no id.
  Id(hid_t id, Closer closer, std::string_view what);
  Id(Id&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)), closer_(other.closer_) {}
  Id& operator=(Id&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(closer_, other.closer_);
    return *this;
  }
  ~Id() {
    if (id_ >= 0 && H5Iis_valid(id_) > 0) closer_(id_);  // MPI_Finalize closes HDF5 with all its ids
  }
  operator hid_t() const { return id_; }
  // Closes now, for ids whose closing can fail; throws Failure.
  void close(std::string_view what);

 private:
  hid_t id_ = H5I_INVALID_HID;
  Closer closer_ = nullptr;
};

// Throws Failure if the status of a call says so.
void done(herr_t status, std::string_view what);

enum class Element : std::uint8_t { u8, i8, i32, u32, i64, u64, f16, bf16, f32, f64, boolean };
std::int64_t size_of(Element element);

Id type_of(Element element);
// Fixed length, filled up with NUL, UTF-8. A text's own trailing NULs are not kept.
Id text_type(std::size_t bytes);
// No dimensions: a scalar.
Id space_of(const std::vector<hsize_t>& dims);

Id create_group(hid_t at, const std::string& path);
// Contiguous, its place in the file given at once, without time stamps: the same model gives the same bytes.
Id create_dataset(hid_t at, const std::string& path, hid_t type, const std::vector<hsize_t>& dims);
Id open_group(hid_t at, const std::string& path);
Id open_dataset(hid_t at, const std::string& path);
// Every link of the path exists, and leads to an object of this very file.
bool exists(hid_t at, const std::string& path);

}  // namespace tsrun::h5
