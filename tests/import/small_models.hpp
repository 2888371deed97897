// Complete models of a few kilobytes, one per architecture, whose values tell where they came from.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>

#include "gguf_image.hpp"

namespace tsrun::test {

inline constexpr std::uint32_t type_f32 = 0, type_f16 = 1, type_q4_0 = 2, type_q4_1 = 3, type_q8_0 = 8, type_q6_k = 14,
                               type_bf16 = 30;

// Row r, column c holds 100 r + c: exact in f32.
inline Image counted(std::uint64_t rows, std::uint64_t columns) {
  Image out;
  for (std::uint64_t r = 0; r < rows; ++r)
    for (std::uint64_t c = 0; c < columns; ++c) put(out, static_cast<float>(100 * r + c));
  return out;
}

// Q8_0 rows with scale 1 whose column c of row r holds (r + c) mod 128.
inline Image counted_q8_0(std::uint64_t rows, std::uint64_t columns) {
  Image out;
  for (std::uint64_t r = 0; r < rows; ++r)
    for (std::uint64_t c = 0; c < columns; ++c) {
      if (c % 32 == 0) put<std::uint16_t>(out, 0x3c00);
      put(out, static_cast<std::uint8_t>((r + c) % 128));
    }
  return out;
}

// E 32, F 32, H 2, K 1, Q 16, V 8, one layer.
inline void add_sizes(GgufImage& image, const std::string& arch) {
  image.string("general.architecture", arch);
  image.string("general.name", "small " + arch);
  const std::initializer_list<std::pair<const char*, std::uint32_t>> sizes = {
      {"block_count", 1}, {"context_length", 64}, {"embedding_length", 32}, {"feed_forward_length", 32},
      {"attention.head_count", 2}, {"attention.head_count_kv", 1}};
  for (const auto& [suffix, size] : sizes) image.u32(arch + "." + suffix, size);
}

inline void add_matrix(GgufImage& image, const std::string& name, std::uint64_t rows, std::uint64_t columns) {
  image.tensor(name, {columns, rows}, type_f32, counted(rows, columns));
}

inline void add_tensors(GgufImage& image) {
  add_matrix(image, "token_embd.weight", 8, 32);
  image.tensor("blk.0.attn_norm.weight", {32}, type_f32, counted(1, 32));
  add_matrix(image, "blk.0.attn_q.weight", 32, 32);
  image.tensor("blk.0.attn_k.weight", {32, 16}, type_q8_0, counted_q8_0(16, 32));
  add_matrix(image, "blk.0.attn_v.weight", 16, 32);
  add_matrix(image, "blk.0.attn_output.weight", 32, 32);
  add_matrix(image, "blk.0.ffn_gate.weight", 32, 32);
  add_matrix(image, "blk.0.ffn_up.weight", 32, 32);
  add_matrix(image, "blk.0.ffn_down.weight", 32, 32);
  image.tensor("output_norm.weight", {32}, type_f32, counted(1, 32));
}

inline GgufImage small_llama() {
  GgufImage image;
  add_sizes(image, "llama");
  image.f32("llama.attention.layer_norm_rms_epsilon", 1e-5F);
  image.f32("llama.rope.freq_base", 10000);
  image.u32("llama.rope.dimension_count", 16);
  image.u32("llama.vocab_size", 8);
  image.string("tokenizer.ggml.model", "gpt2");
  image.string("tokenizer.ggml.pre", "smollm");
  image.strings("tokenizer.ggml.tokens", {"<|endoftext|>", "<|im_end|>", "a", "b", "c", "ab", "abc", "bc"});
  image.i32s("tokenizer.ggml.token_type", {3, 3, 1, 1, 1, 1, 1, 1});
  image.strings("tokenizer.ggml.merges", {"a b", "ab c", "b c"});
  image.u32("tokenizer.ggml.bos_token_id", 0);
  image.u32("tokenizer.ggml.eos_token_id", 1);
  image.string("tokenizer.chat_template", "{{ messages }}");
  add_tensors(image);
  image.tensor("blk.0.ffn_norm.weight", {32}, type_f32, counted(1, 32));
  return image;
}

inline GgufImage small_command_r() {
  GgufImage image;
  add_sizes(image, "command-r");
  image.f32("command-r.attention.layer_norm_epsilon", 1e-5F);
  image.f32("command-r.logit_scale", 0.0625F);
  image.string("command-r.rope.scaling.type", "none");
  add_tensors(image);
  return image;
}

inline GgufImage small_palm() {
  GgufImage image;
  add_sizes(image, "palm");
  image.f32("palm.attention.layer_norm_rms_epsilon", 1e-6F);
  image.u32("palm.attention.key_length", 16);
  image.u32("palm.attention.value_length", 16);
  image.string("tokenizer.ggml.model", "bytes");
  image.u32("tokenizer.ggml.eos_token_id", 7);
  add_tensors(image);
  return image;
}

}  // namespace tsrun::test
