// Logits of whole sequences as HDF5: one f32 dataset /sequence_I [position][vocabulary] each.
//
// Written chunk by chunk. Like a model file it takes its name only when it is complete.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tsrun {

class LogitsFile {
 public:
  explicit LogitsFile(std::string path);
  LogitsFile(const LogitsFile&) = delete;
  LogitsFile& operator=(const LogitsFile&) = delete;
  ~LogitsFile();

  void begin(std::size_t sequence, std::int64_t positions, std::int64_t vocabulary);
  // The next whole positions of the sequence.
  void append(const std::vector<float>& logits);
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tsrun
