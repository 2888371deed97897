#include "tsrun/import/ggml_type.hpp"

#include "dequantize.hpp"

namespace tsrun {
namespace {

constexpr DType b = DType::bf16;
constexpr GgmlType types[] = {
    {0, "F32", 1, 4, DType::f32, true, dequantize_f32},
    {1, "F16", 1, 2, DType::f16, true, dequantize_f16},
    {30, "BF16", 1, 2, DType::bf16, true, dequantize_bf16},
    {8, "Q8_0", 32, 34, DType::int8, true, dequantize_q8_0},
    {2, "Q4_0", 32, 18, DType::int4, true, dequantize_q4_0},
    {3, "Q4_1", 32, 20, DType::int4_min, true, dequantize_q4_1},
    {6, "Q5_0", 32, 22, b, false, dequantize_q5_0},
    {7, "Q5_1", 32, 24, b, false, dequantize_q5_1},
    {10, "Q2_K", 256, 84, b, false, dequantize_q2_k},
    {11, "Q3_K", 256, 110, b, false, dequantize_q3_k},
    {12, "Q4_K", 256, 144, b, false, dequantize_q4_k},
    {13, "Q5_K", 256, 176, b, false, dequantize_q5_k},
    {14, "Q6_K", 256, 210, b, false, dequantize_q6_k},
    // Known by name only, so that the refusal can say it.
    {9, "Q8_1", 32, 40, b, false, nullptr},
    {15, "Q8_K", 256, 292, b, false, nullptr},
    {16, "IQ2_XXS", 256, 66, b, false, nullptr},
    {17, "IQ2_XS", 256, 74, b, false, nullptr},
    {18, "IQ3_XXS", 256, 98, b, false, nullptr},
    {19, "IQ1_S", 256, 50, b, false, nullptr},
    {20, "IQ4_NL", 32, 18, b, false, nullptr},
    {21, "IQ3_S", 256, 110, b, false, nullptr},
    {22, "IQ2_S", 256, 82, b, false, nullptr},
    {23, "IQ4_XS", 256, 136, b, false, nullptr},
    {24, "I8", 1, 1, b, false, nullptr},
    {25, "I16", 1, 2, b, false, nullptr},
    {26, "I32", 1, 4, b, false, nullptr},
    {27, "I64", 1, 8, b, false, nullptr},
    {28, "F64", 1, 8, b, false, nullptr},
    {29, "IQ1_M", 256, 56, b, false, nullptr},
    {34, "TQ1_0", 256, 54, b, false, nullptr},
    {35, "TQ2_0", 256, 66, b, false, nullptr},
    {39, "MXFP4", 32, 17, b, false, nullptr},
    {40, "NVFP4", 64, 36, b, false, nullptr},
};

}  // namespace

std::span<const GgmlType> ggml_types() { return types; }

const GgmlType* ggml_type(std::uint32_t number) {
  for (const GgmlType& type : types)
    if (type.number == number) return &type;
  return nullptr;
}

}  // namespace tsrun
