#include "rows.hpp"

#include <algorithm>
#include <cstring>

namespace tsrun {
namespace {

// GGML keeps values 0..15 of a group in the low halves of its 16 bytes and 16..31 in the high halves; tsrun keeps
// neighbours in one byte, the even column in its low half.
void repack_halves(const std::byte* in, std::byte* out) {
  const auto value = [in](int i) { return std::to_integer<unsigned>(in[i % 16]) >> (i < 16 ? 0 : 4) & 15U; };
  for (int j = 0; j < 16; ++j) out[j] = static_cast<std::byte>(value(2 * j) | value(2 * j + 1) << 4);
}

// A group of the file is d, the minimum if there is one, and the values.
void keep_groups(const GgmlType& type, const std::byte* in, TensorRows& out, std::int64_t row) {
  const std::int64_t groups = out.scales_per_row(), bytes_each = group_size * bits(out.type) / 8;
  std::byte* values = out.values.data() + row * out.value_bytes_per_row();
  const std::int64_t header = has_minimum(out.type) ? 4 : 2;
  for (std::int64_t g = 0; g < groups; ++g, in += type.bytes, values += bytes_each) {
    const auto at = static_cast<std::size_t>(row * groups + g);
    std::memcpy(&out.scale[at], in, 2);
    if (has_minimum(out.type)) std::memcpy(&out.minimum[at], in + 2, 2);
    if (out.type == DType::int8)
      std::copy_n(in + header, bytes_each, values);
    else
      repack_halves(in + header, values);
  }
}

}  // namespace

void keep_row(const GgmlType& type, const std::byte* in, TensorRows& out, std::int64_t row, float* scratch) {
  std::byte* const values = out.values.data() + row * out.value_bytes_per_row();
  if (is_grouped(out.type)) return keep_groups(type, in, out, row);
  if (out.type == type.kept && type.exact) {  // plain values, as they are
    std::copy_n(in, out.value_bytes_per_row(), values);
    return;
  }
  type.dequantize(in, out.columns / type.block, scratch);
  encode_row(scratch, out, row);
}

}  // namespace tsrun
