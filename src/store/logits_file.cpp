#include "tsrun/store/logits_file.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "disk.hpp"
#include "hdf5.hpp"
#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun {
namespace {

template <class Work>
void or_broke(const std::string& path, const Work& work) {
  try {
    work();
  } catch (const h5::Failure& failure) {
    broke({.what = "the logits cannot be written: " + failure.what,
           .where = path,
           .next = "check the folder, its rights and its free space"});
  }
}

}  // namespace

struct LogitsFile::State {
  std::string path, part;
  h5::Id file, dataset;
  hsize_t positions = 0, vocabulary = 0, written = 0;
  bool kept = false;
};

LogitsFile::LogitsFile(std::string path) : state_(std::make_unique<State>()) {
  h5::be_quiet();
  refuse_if_not_a_file(path, "name the HDF5 file to write");
  state_->part = text(path, ".", getpid(), ".partial");
  state_->path = std::move(path);
  or_broke(state_->path, [&] {
    state_->file =
        h5::Id(H5Fcreate(state_->part.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose, "creating the file");
  });
}

LogitsFile::~LogitsFile() {
  state_->dataset = {};
  state_->file = {};
  if (!state_->kept) std::remove(state_->part.c_str());
}

void LogitsFile::begin(std::size_t sequence, std::int64_t positions, std::int64_t vocabulary) {
  State& s = *state_;
  s.positions = static_cast<hsize_t>(positions);
  s.vocabulary = static_cast<hsize_t>(vocabulary);
  s.written = 0;
  or_broke(s.path, [&] {
    s.dataset = h5::create_dataset(s.file, text("/sequence_", sequence), h5::type_of(h5::Element::f32),
                                   {s.positions, s.vocabulary});
  });
}

void LogitsFile::append(const std::vector<float>& logits) {
  State& s = *state_;
  const hsize_t start[] = {s.written, 0}, count[] = {logits.size() / s.vocabulary, s.vocabulary};
  check(s.written + count[0] <= s.positions, "a sequence has as many logits as it began with");
  or_broke(s.path, [&] {
    const h5::Id memory = h5::space_of({count[0], count[1]}), place = h5::space_of({s.positions, s.vocabulary});
    h5::done(H5Sselect_hyperslab(place, H5S_SELECT_SET, start, nullptr, count, nullptr), "selecting rows");
    h5::done(H5Dwrite(s.dataset, h5::type_of(h5::Element::f32), memory, place, H5P_DEFAULT, logits.data()),
             "writing rows");
  });
  s.written += count[0];
}

void LogitsFile::commit() {
  State& s = *state_;
  or_broke(s.path, [&] {
    s.dataset = {};
    s.file.close("closing the file");
  });
  if (std::rename(s.part.c_str(), s.path.c_str()) != 0)
    broke({.what = "the logits file cannot take its name: " + system_words(errno),
           .where = s.path,
           .next = "choose a name that can be written"});
  s.kept = true;
}

}  // namespace tsrun
