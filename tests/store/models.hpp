// Small models with values that tell where they came from: every byte follows from its tensor's path and its place.
#pragma once

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "read_rows.hpp"
#include "tsrun/core/error.hpp"
#include "tsrun/store/model_file.hpp"
#include "tsrun/store/writer.hpp"

namespace tsrun::test {

// A folder of this test's own, gone with it.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "tsrun_store_XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }
  std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(path_), std::filesystem::directory_iterator()));
  }

 private:
  std::string path_;
};

// Grouped-query attention, rotary scaling, tied embeddings, every bias, sizes that divide nothing but the groups.
inline ModelConfig serial_config() {
  ModelConfig c;
  c.name = "small \xc3\xa9";
  c.architecture = "test";
  c.layers = 2;
  c.E = 96;
  c.F = 160;
  c.H = 6;
  c.K = 3;
  c.Q = 14;
  c.V = 37;
  c.context = 77;
  c.norm = Norm::layer;
  c.norm_bias = true;
  c.norm_epsilon = 1.25e-6;
  c.norm_offset = 1;
  c.activation = Activation::gelu_tanh;
  c.qkv_bias = c.attn_out_bias = c.ffn_bias = c.tied = true;
  c.embed_scale = 9.797958971132712;
  c.logit_scale = 0.0625;
  c.rope_dims = 6;
  c.rope_base = 123456.5;
  c.rope_pairing = Pairing::adjacent;
  c.rope_scaling = RopeScaling::llama3;
  c.rope_factor = 8;
  c.rope_low_freq_factor = 1.5;
  c.rope_original_context = 33;
  return c;
}

// One norm, no gate, no bias, one key/value head, an unembedding.
inline ModelConfig parallel_config() {
  ModelConfig c;
  c.layers = 3;
  c.E = 32;
  c.F = 7;
  c.H = 5;
  c.K = 1;
  c.Q = 2;
  c.V = 259;
  c.context = 1;
  c.block = Block::parallel;
  c.activation = Activation::relu;
  c.gated = false;
  c.rope_dims = 2;
  return c;
}

// Almost nothing but an embedding of rows x columns.
inline ModelConfig embedding_config(std::int64_t rows, std::int64_t columns) {
  ModelConfig c;
  c.layers = c.F = c.H = c.K = c.context = 1;
  c.Q = c.rope_dims = 2;
  c.V = rows;
  c.E = columns;
  c.tied = true;
  return c;
}

inline TokenizerData bpe_tokenizer() {
  TokenizerData t;
  t.kind = TokenizerKind::bpe;
  t.normalizer = {{.kind = TextStep::Kind::nfc}, {.kind = TextStep::Kind::replace, .text = " ", .other = "\u2581"}};
  t.pre_tokenizer = {{.text = "\\s+(?!\\S)", .matches = TextStep::Matches::removed, .inverted = true},
                     {.kind = TextStep::Kind::lead, .text = "\u2581"}};
  t.added = {{.id = 4, .takes_space_behind = true}, {.id = 2, .normalized = true, .whole_word = true}};
  t.scores = {-1, 0, -2.5, 0.1, 0, 1e-300};
  t.byte_fallback = t.drop_first_space = true;
  t.tokens = {"a", "", "\xc4\xa0the", std::string("z\0z", 3), "<|end|>", std::string(5000, 'x')};
  t.types = {TokenType::normal, TokenType::unused, TokenType::user_defined,
             TokenType::byte, TokenType::control, TokenType::unknown};
  t.merges = {"a b", "\xc4\xa0 the"};
  t.bos = 0;
  t.eos = 4;
  t.pad = -1;
  t.ends = {4, 5};
  t.add_bos = t.ignore_merges = true;
  t.chat_template = "{% for m in messages %}{{ m }}\n{% endfor %}";
  return t;
}

inline TokenizerData bytes_tokenizer() {
  TokenizerData t;
  t.kind = TokenizerKind::bytes;
  t.unknown = 2;
  t.add_eos = true;
  return t;
}

inline const std::vector<DType> all_types = {DType::f32,  DType::f16,          DType::bf16,    DType::int8,
                                             DType::int4, DType::int8_channel, DType::int4_min};

// The tensor of `spec` in any bits: the file must keep them whatever they mean.
inline TensorRows tensor_of(const TensorSpec& spec, DType type) {
  TensorRows t = TensorRows::zeros(type, spec.rows, spec.columns);
  std::mt19937_64 random(std::hash<std::string>{}(spec.path) + static_cast<unsigned>(type));
  for (std::size_t i = 0; i < t.values.size(); i += 8) {
    const std::uint64_t eight = random();
    std::memcpy(t.values.data() + i, &eight, std::min<std::size_t>(8, t.values.size() - i));
  }
  for (std::uint16_t& s : t.scale) s = static_cast<std::uint16_t>(random());
  for (std::uint16_t& m : t.minimum) m = static_cast<std::uint16_t>(random());
  return t;
}

inline TensorRows slice(const TensorRows& t, std::int64_t first, std::int64_t count) {
  const auto cut = [&](const auto& all, auto& out, std::int64_t per_row) {
    out.assign(all.begin() + first * per_row, all.begin() + (first + count) * per_row);
  };
  TensorRows out;
  out.type = t.type;
  out.rows = count;
  out.columns = t.columns;
  cut(t.values, out.values, t.value_bytes_per_row());
  cut(t.scale, out.scale, t.scales_per_row());
  cut(t.minimum, out.minimum, has_minimum(t.type) ? t.scales_per_row() : 0);
  return out;
}

inline bool same(const TensorRows& a, const TensorRows& b) {
  return a.type == b.type && a.rows == b.rows && a.columns == b.columns && a.values == b.values && a.scale == b.scale &&
         a.minimum == b.minimum;
}

// Another type for each tensor, where the groups fit.
inline DType type_for(const TensorSpec& spec, std::size_t position) {
  const DType type = all_types[position % all_types.size()];
  return is_grouped(type) && spec.columns % group_size != 0 ? DType::bf16 : type;
}

inline void write_tensor(ModelWriter& writer, const TensorSpec& spec, DType type, std::int64_t slab) {
  const TensorRows all = tensor_of(spec, type);
  writer.begin(spec, type);
  for (std::int64_t row = 0; row < spec.rows; row += slab)
    writer.append(slice(all, row, std::min(slab, spec.rows - row)));
  writer.end();
}

inline void write_model(const std::string& path, const ModelConfig& config, const TokenizerData& tokenizer) {
  ModelWriter writer(path, config, tokenizer);
  std::size_t position = 0;
  for (const TensorSpec& spec : tensors_of(config)) {
    write_tensor(writer, spec, type_for(spec, position), 1 + static_cast<std::int64_t>(position % 5));
    ++position;
  }
  writer.commit();
}

// Everything that the file says and holds is what write_model wrote.
inline bool is_unharmed(const ModelFile& file, const ModelConfig& config, const TokenizerData& tokenizer) {
  if (file.config() != config || file.tokenizer() != tokenizer) return false;
  std::size_t position = 0;
  for (const StoredTensor& t : file.tensors()) {
    if (t.type != type_for(t.spec, position++)) return false;
    if (!same(read_rows(file, t, 0, t.spec.rows), tensor_of(t.spec, t.type))) return false;
  }
  return position == tensors_of(config).size();
}

inline std::string bytes_of_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void put_file(const std::string& path, const std::string& bytes) {
  std::filesystem::remove(path);  // a file cut to nothing and written again goes to the disk at once on ext4
  std::ofstream(path, std::ios::binary) << bytes;
}

// The message of the Error with this exit status; a failed test if none comes.
template <class Action>
std::string message_of(Exit exit, Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    CHECK(error.exit() == exit);
    return error.what();
  }
  FAIL_CHECK("nothing was refused");
  return {};
}

// In a process of its own, ended the usual way with its exit handlers: 0 or what `action` returned, 1000 and the
// signal if it crashed.
inline int in_child(const std::function<int()>& action) {
  std::cout.flush();
  std::fflush(nullptr);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) std::exit(action());
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

inline bool holds(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return true;
  MESSAGE("'", text, "' does not hold '", part, "'");
  return false;
}

}  // namespace tsrun::test
