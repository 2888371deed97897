// A small model with a family's chat template, written as a Hugging Face folder and converted.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "program.hpp"

namespace tsrun::test {

inline const std::string tokenizer_tests = std::string(TSRUN_SOURCE_DIR) + "/tests/tokenizer/";

// The tokens by which a family marks turns, the end of an answer first.
struct Family {
  std::string name;
  std::vector<std::string> marks;
};
inline const std::vector<Family> families = {
    {"chatml", {"<|im_end|>", "<|im_start|>"}},
    {"llama-2", {"</s>", "<s>"}},
    {"llama-3", {"<|eot_id|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>"}},
    {"gemma", {"<end_of_turn>", "<bos>", "<start_of_turn>", "<eos>"}},
    {"mistral", {"</s>", "<s>", "[INST]", "[/INST]"}},
    {"phi-3", {"<|end|>", "<s>", "<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>"}}};

// Templates, conversations, and what transformers writes of them (tests/tokenizer/make_chats.py).
inline const Json& chats() {
  static const Json file = Json::parse(slurp(tokenizer_tests + "chats.json"));
  return file;
}

// Of chats.json; today is the day on which its texts were written.
inline Json template_of(const Family& family) {
  for (Json t : chats()["templates"]) {
    if (t["name"] != family.name) continue;
    std::string source = t["source"];
    const std::string today = "strftime_now(\"%d %b %Y\")";
    if (const auto at = source.find(today); at != std::string::npos) source.replace(at, today.size(), "'02 Jan 2030'");
    t["source"] = source;
    return t;
  }
  FAIL("no template " << family.name);
  return {};
}

// A converted model of one empty layer that says nothing but the token by which its family ends an answer.
struct ChatModel : Folder {
  std::string file = *this / "m.h5";
  std::int64_t end = 0;
  std::string bos;  // what the tokenizer puts before a text that is no conversation

  explicit ChatModel(const Family& family) {
    const std::int64_t V = write_tokenizer(family, template_of(family));
    Json config = {{"architectures", {"LlamaForCausalLM"}}, {"model_type", "llama"}, {"hidden_act", "silu"},
                   {"max_position_embeddings", 4096},       {"rms_norm_eps", 1e-5},  {"vocab_size", V},
                   {"tie_word_embeddings", false},          {"rope_theta", 1e4}};
    for (const char* width : {"hidden_size", "head_dim", "intermediate_size"}) config[width] = E;
    for (const char* one : {"num_attention_heads", "num_hidden_layers", "num_key_value_heads"}) config[one] = 1;
    write("config.json", config.dump());
    write_weights(V);
    const Ended converted = run("convert " + (*this / "") + " " + file);
    REQUIRE_MESSAGE(converted.status == 0, converted.err);
  }

 private:
  static constexpr std::int64_t E = 8;

  // One of the tokenizer tests with the family's marks, and the template; returns the number of tokens.
  std::int64_t write_tokenizer(const Family& family, const Json& chat) {
    Json tokenizer = Json::parse(slurp(tokenizer_tests + "smollm/tokenizer.json"));
    std::int64_t tokens = 0;
    for (const Json& id : tokenizer["model"]["vocab"]) tokens = std::max(tokens, id.get<std::int64_t>() + 1);
    for (const Json& token : tokenizer["added_tokens"]) tokens = std::max(tokens, token["id"].get<std::int64_t>() + 1);
    for (const std::string& mark : family.marks) {
      const std::int64_t id = add_token(tokenizer["added_tokens"], mark, tokens);
      tokens = std::max(tokens, id + 1);
      if (mark == family.marks[0]) end = id;
    }
    write("tokenizer.json", tokenizer.dump());

    const std::string first = chat["bos_token"], begun = chats()["texts"][family.name][0][1];
    if (begun.rfind(first, 0) == 0) bos = first;
    Json config = {{"chat_template", chat["source"]}, {"eos_token", chat["eos_token"]}, {"add_bos_token", !bos.empty()}};
    if (!first.empty()) config["bos_token"] = first;
    write("tokenizer_config.json", config.dump());
    return tokens;
  }

  // The id of a control token, `free` if it is new.
  static std::int64_t add_token(Json& added, const std::string& content, std::int64_t free) {
    for (const Json& token : added)
      if (token["content"] == content) return token["id"];
    Json token = added[0];
    token["id"] = free;
    token["content"] = content;
    added.push_back(token);
    return free;
  }

  // Embeddings and norms of ones, an output row of ones for the end token, zeros for the rest.
  void write_weights(std::int64_t V) {
    Json header = Json::object();
    std::string bytes;
    const auto put = [&](const std::string& name, std::vector<std::int64_t> shape, std::int64_t first, std::int64_t last) {
      const std::size_t begin = bytes.size();
      std::int64_t count = 1;
      for (const std::int64_t n : shape) count *= n;
      for (std::int64_t i = 0; i < count; ++i) bytes += first <= i && i < last ? "\x80\x3f" : std::string(2, '\0');
      header[name + ".weight"] = {{"dtype", "BF16"}, {"shape", shape}, {"data_offsets", {begin, bytes.size()}}};
    };
    put("model.embed_tokens", {V, E}, 0, V * E);
    put("lm_head", {V, E}, end * E, (end + 1) * E);
    for (const char* name : {"norm", "layers.0.input_layernorm", "layers.0.post_attention_layernorm"})
      put(std::string("model.") + name, {E}, 0, E);
    for (const char* name : {"self_attn.q", "self_attn.k", "self_attn.v", "self_attn.o", "mlp.gate", "mlp.up", "mlp.down"})
      put(std::string("model.layers.0.") + name + "_proj", {E, E}, 0, 0);
    const std::string head = header.dump();
    std::string length;
    for (int i = 0; i < 8; ++i) length += static_cast<char>(head.size() >> (8 * i) & 255U);
    write("model.safetensors", length + head + bytes);
  }
};

}  // namespace tsrun::test
