#include "made_up.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace tsrun {
namespace {

// splitmix64.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15ULL;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return z ^ z >> 31;
  }

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

void make_up_rows(const StoredTensor& tensor, std::int64_t first, TensorRows& out) {
  const auto width = static_cast<std::size_t>(out.value_bytes_per_row());
  const float most = root_of_three / std::sqrt(static_cast<float>(out.columns));
  for (std::int64_t r = 0; r < out.rows; ++r) {
    const std::span<std::byte> row(out.values.data() + static_cast<std::size_t>(r) * width, width);
    if (tensor.spec.is_vector) {
      const float one = 1;
      for (std::size_t i = 0; i < width; i += 4) std::memcpy(row.data() + i, &one, 4);
      continue;
    }
    Random random((static_cast<std::uint64_t>(tensor.spec.layer + 1) << 48) +
                  (static_cast<std::uint64_t>(tensor.spec.weight) << 40) + static_cast<std::uint64_t>(first + r));
    if (is_quantized(out.type)) fill_bits(random, row);
    else fill_floats(out.type, random, most, row);
  }
  std::fill(out.scale.begin(), out.scale.end(), f32_to_f16(most / (bits(out.type) == 8 ? 128.0F : 8.0F)));
}

}  // namespace tsrun
