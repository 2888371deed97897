#include "memory_file.hpp"

#if __has_include(<H5FDdevelop.h>)
#include <H5FDdevelop.h>  // where HDF5 1.14 keeps what a driver needs
#endif

#include <algorithm>
#include <limits>
#include <new>

namespace tsrun {
namespace {

// What the access properties carry to open(), copied by HDF5 as bytes.
struct Access {
  MemoryFile* memory;
};

// HDF5's view of an open file. It must begin with HDF5's own part.
struct OpenFile {
  H5FD_t base;
  MemoryFile* memory;
  haddr_t allocated;
  bool writable;
};

OpenFile& ours(H5FD_t* file) { return *reinterpret_cast<OpenFile*>(file); }
const OpenFile& ours(const H5FD_t* file) { return *reinterpret_cast<const OpenFile*>(file); }

extern "C" {

H5FD_t* memory_open(const char*, unsigned flags, hid_t access, haddr_t) {
  const auto* const info = static_cast<const Access*>(H5Pget_driver_info(access));
  if (info == nullptr) return nullptr;
  auto* const file = new (std::nothrow) OpenFile{};
  if (file == nullptr) return nullptr;
  file->memory = info->memory;
  file->writable = (flags & H5F_ACC_RDWR) != 0;
  return &file->base;
}

herr_t memory_close(H5FD_t* file) {
  if (ours(file).writable) ours(file).memory->set_end(ours(file).allocated);
  delete &ours(file);
  return 0;
}

herr_t memory_query(const H5FD_t*, unsigned long* flags) {
  *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_AGGREGATE_SMALLDATA;
  return 0;
}

haddr_t memory_get_eoa(const H5FD_t* file, H5FD_mem_t) { return ours(file).allocated; }

herr_t memory_set_eoa(H5FD_t* file, H5FD_mem_t, haddr_t address) {
  ours(file).allocated = address;
  return 0;
}

haddr_t memory_get_eof(const H5FD_t* file, H5FD_mem_t) { return ours(file).memory->end(); }

herr_t memory_read(H5FD_t* file, H5FD_mem_t, hid_t, haddr_t address, size_t bytes, void* out) {
  const OpenFile& f = ours(file);
  if (address > f.allocated || bytes > f.allocated - address) return -1;
  f.memory->read(address, {static_cast<std::byte*>(out), bytes});
  return 0;
}

herr_t memory_write(H5FD_t* file, H5FD_mem_t, hid_t, haddr_t address, size_t bytes, const void* in) {
  try {  // no exception may cross HDF5
    ours(file).memory->write(address, {static_cast<const std::byte*>(in), bytes});
  } catch (const std::bad_alloc&) {
    return -1;
  }
  return 0;
}

}  // extern "C"

const H5FD_class_t& driver() {
  static const H5FD_class_t driver = [] {
    H5FD_class_t d{};
#ifdef H5FD_CLASS_VERSION  // HDF5 1.14
    d.version = H5FD_CLASS_VERSION;
    d.value = static_cast<H5FD_class_value_t>(510);  // of the range for drivers outside the library
#endif
    d.name = "tsrun_memory";
    d.maxaddr = static_cast<haddr_t>(std::numeric_limits<std::int64_t>::max());
    d.fc_degree = H5F_CLOSE_STRONG;
    d.fapl_size = sizeof(Access);
    d.open = memory_open;
    d.close = memory_close;
    d.query = memory_query;
    d.get_eoa = memory_get_eoa;
    d.set_eoa = memory_set_eoa;
    d.get_eof = memory_get_eof;
    d.read = memory_read;
    d.write = memory_write;
    constexpr H5FD_mem_t lists[] = H5FD_FLMAP_DICHOTOMY;  // free space of headers and of data kept apart
    std::copy(std::begin(lists), std::end(lists), d.fl_map);
    return d;
  }();
  return driver;
}

// Registered anew for each file, which keeps it alive: HDF5 forgets its drivers when MPI_Finalize closes it.
h5::Id access_to(MemoryFile& memory) {
  h5::be_quiet();
  const h5::Id registered{H5FDregister(&driver()), H5FDunregister, "cannot register a file driver"};
  h5::Id access{H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "cannot make properties"};
  const Access info{&memory};
  h5::done(H5Pset_driver(access, registered, &info), "cannot set the file driver");
  // The newest layout of headers is the one with checksums.
  h5::done(H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST), "cannot ask for the newest headers");
  // Headers in few places: each place is one more read when the file is opened.
  h5::done(H5Pset_meta_block_size(access, hsize_t{1} << 15), "cannot set the size of header blocks");
  return access;
}

}  // namespace

void MemoryFile::write(std::uint64_t offset, std::span<const std::byte> bytes) {
  end_ = std::max(end_, offset + bytes.size());
  while (!bytes.empty()) {
    const std::size_t at = offset % page_bytes;
    const std::size_t n = std::min(bytes.size(), page_bytes - at);
    std::unique_ptr<Page>& page = pages_[offset / page_bytes];
    if (!page) page = std::make_unique<Page>();
    std::copy_n(bytes.begin(), n, page->begin() + static_cast<std::ptrdiff_t>(at));
    offset += n;
    bytes = bytes.subspan(n);
  }
}

void MemoryFile::read(std::uint64_t offset, std::span<std::byte> bytes) const {
  while (!bytes.empty()) {
    const std::size_t at = offset % page_bytes;
    const std::size_t n = std::min(bytes.size(), page_bytes - at);
    const auto page = pages_.find(offset / page_bytes);
    if (page == pages_.end())
      std::fill_n(bytes.begin(), n, std::byte{0});
    else
      std::copy_n(page->second->begin() + static_cast<std::ptrdiff_t>(at), n, bytes.begin());
    offset += n;
    bytes = bytes.subspan(n);
  }
}

h5::Id create_hdf5(MemoryFile& memory) {
  const h5::Id access = access_to(memory);
  const h5::Id properties{H5Pcreate(H5P_FILE_CREATE), H5Pclose, "cannot make properties"};
  h5::done(H5Pset_obj_track_times(properties, false), "cannot switch time stamps off");
  return {H5Fcreate("model", H5F_ACC_TRUNC, properties, access), H5Fclose, "cannot make a file in memory"};
}

h5::Id open_hdf5(MemoryFile& memory) {
  const h5::Id access = access_to(memory);
  return {H5Fopen("model", H5F_ACC_RDONLY, access), H5Fclose, "cannot read it"};
}

}  // namespace tsrun
