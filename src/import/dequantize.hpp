// Blocks of each GGML type as f32; ggml_type.cpp lists them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tsrun {

void dequantize_f32(const std::byte* in, std::int64_t blocks, float* out);
void dequantize_f16(const std::byte* in, std::int64_t blocks, float* out);
void dequantize_bf16(const std::byte* in, std::int64_t blocks, float* out);
void dequantize_q8_0(const std::byte* in, std::int64_t blocks, float* out);
void dequantize_q4_0(const std::byte* in, std::int64_t blocks, float* out);
void dequantize_q4_1(const std::byte* in, std::int64_t blocks, float* out);
void dequantize_q5_0(const std::byte* in, std::int64_t blocks, float* out);
void dequantize_q5_1(const std::byte* in, std::int64_t blocks, float* out);
void dequantize_q2_k(const std::byte* in, std::int64_t blocks, float* out);
void dequantize_q3_k(const std::byte* in, std::int64_t blocks, float* out);
void dequantize_q4_k(const std::byte* in, std::int64_t blocks, float* out);
void dequantize_q5_k(const std::byte* in, std::int64_t blocks, float* out);
void dequantize_q6_k(const std::byte* in, std::int64_t blocks, float* out);

}  // namespace tsrun
