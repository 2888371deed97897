// The tensors a configuration asks for, each found among the stored ones under its family's name and with the right
// shape.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "names.hpp"
#include "tsrun/import/source.hpp"
#include "tsrun/import/stored.hpp"

namespace tsrun {

// All tensors of a source, by name.
class TensorTable {
 public:
  TensorTable(std::vector<FileTensor> tensors, std::string where);
  const std::string& where() const { return where_; }
  const std::vector<FileTensor>& all() const { return tensors_; }
  const FileTensor* find(std::string_view name) const;

 private:
  std::vector<FileTensor> tensors_;
  std::map<std::string, std::size_t, std::less<>> by_name_;
  std::string where_;
};

// The tensor of the first of the family's names that is there; nullptr if none is.
const FileTensor* find_stored(const TensorTable& table, std::span<const TensorName> names, Weight weight, int layer);

struct Match {
  SourceTensor tensor;
  FileTensor stored;
  RowOrder order;
  bool transposed = false;
};

struct Family {
  std::string_view name;  // for messages
  std::span<const TensorName> names;
  bool neighbours = false;                          // rows of q and k lie as rotary neighbours
  std::function<bool(std::string_view)> is_ignored; // tensors that mean nothing
};

// Refuses by name: a tensor that is missing, one of another shape (with both), one of a type that is not read, one
// that nothing asks for.
std::vector<Match> match_tensors(const TensorTable& table, const Family& family, const ModelConfig& config);

}  // namespace tsrun
