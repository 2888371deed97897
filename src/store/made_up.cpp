#include "made_up.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "tsrun/core/splitmix.hpp"

namespace tsrun {
namespace {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() { return splitmix64(std::exchange(state_, state_ + splitmix64_step)); }

 private:
  std::uint64_t state_;
};

// The deviation of numbers that fill a range evenly is their largest over the root of three.
const float root_of_three = std::sqrt(3.0F);

void fill_floats(DType type, Random& random, float most, std::span<std::byte> row) {
  const std::size_t width = type == DType::f32 ? 4 : 2;
  for (std::size_t i = 0; i < row.size(); i += width) {
    const float value = most * static_cast<float>(static_cast<std::int32_t>(random.next())) * 0x1p-31F;
    const std::uint16_t half = f32_to_bf16(value);
    if (type == DType::f32) std::memcpy(row.data() + i, &value, width);
    else std::memcpy(row.data() + i, &half, width);
  }
}

void fill_bits(Random& random, std::span<std::byte> row) {
  for (std::size_t i = 0; i < row.size(); i += 8) {
    const std::uint64_t bits = random.next();
    std::memcpy(row.data() + i, &bits, std::min<std::size_t>(8, row.size() - i));
  }
}

}  // namespace

std::vector<StoredTensor> made_up_tensors(const ModelConfig& config, DType type) {
  std::vector<StoredTensor> tensors;
  for (TensorSpec& spec : tensors_of(config)) {
    const DType as = converted_type(spec, spec.is_vector ? DType::f32 : DType::bf16, type);
    tensors.push_back({std::move(spec), as});
  }
  return tensors;
}

namespace {

void make_up_row(const StoredTensor& tensor, std::int64_t r, float most, std::span<std::byte> row) {
  if (tensor.spec.is_vector) {
    const float one = 1;
    for (std::size_t i = 0; i < row.size(); i += 4) std::memcpy(row.data() + i, &one, 4);
    return;
  }
  Random random((static_cast<std::uint64_t>(tensor.spec.layer + 1) << 48) +
                (static_cast<std::uint64_t>(tensor.spec.weight) << 40) + static_cast<std::uint64_t>(r));
  if (is_quantized(tensor.type)) fill_bits(random, row);
  else fill_floats(tensor.type, random, most, row);
}

}  // namespace

void make_up(const StoredTensor& tensor, int part, std::int64_t begin, std::span<std::byte> out) {
  const float most = root_of_three / std::sqrt(static_cast<float>(tensor.spec.columns));
  if (part > 0) {
    const std::uint16_t scale = part == 1 ? f32_to_f16(most / (bits(tensor.type) == 8 ? 128.0F : 8.0F)) : 0;
    for (std::size_t i = 0; i < out.size(); i += sizeof scale) std::memcpy(out.data() + i, &scale, sizeof scale);
    return;
  }
  std::vector<std::byte> row(static_cast<std::size_t>(tensor.row_bytes(part)));
  while (!out.empty()) {
    const std::size_t inside = static_cast<std::size_t>(begin) % row.size();
    const std::size_t n = std::min(out.size(), row.size() - inside);
    make_up_row(tensor, begin / std::ssize(row), most, row);
    std::copy_n(row.begin() + static_cast<std::ptrdiff_t>(inside), n, out.begin());
    begin += static_cast<std::int64_t>(n);
    out = out.subspan(n);
  }
}

}  // namespace tsrun
