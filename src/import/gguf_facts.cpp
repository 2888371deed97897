#include "gguf_facts.hpp"

#include <filesystem>
#include <initializer_list>

#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"
#include "words.hpp"

namespace tsrun {
namespace {

// The model's own name, or its file's.
std::string name_of(const Gguf& file) {
  const std::string name = file.string("general.name").value_or("");
  if (name.empty()) return std::filesystem::path(file.where()).stem().string();
  return is_plain(name) ? name : printable(name);
}

class FactReader {
 public:
  FactReader(const Gguf& file, const Architecture& architecture) : file_(file), a_(architecture) {}

  ModelConfig read() {
    c_ = a_.facts;
    c_.name = name_of(file_);
    c_.architecture = a_.name;
    read_sizes();
    read_heads();
    c_.norm_epsilon = required_real(a_.epsilon_key);
    c_.logit_scale = scale("logit_scale", a_.logit_scale);
    c_.embed_scale = scale("embedding_scale", a_.embed_scale);
    if (c_.positions == Positions::rotary) read_rope(file_, a_, c_);
    read_tensor_facts();
    if (a_.adjust) a_.adjust(file_, a_, c_);
    validate(c_, file_.where());
    return c_;
  }

 private:
  [[noreturn]] void missing(std::string_view suffix) const {
    refuse({.what = text("the file lacks the key ", key_of(a_, suffix)), .where = file_.where(),
            .next = "convert the model again with a current converter"});
  }
  [[noreturn]] void contradiction(std::string what, Numbers numbers) const {
    refuse({.what = std::move(what), .where = file_.where(), .numbers = std::move(numbers),
            .next = "the file contradicts itself; convert the model again"});
  }
  std::int64_t required(std::string_view suffix) const {
    const std::string key = key_of(a_, suffix);
    if (const auto found = file_.values().find(key);
        found != file_.values().end() && std::holds_alternative<GgufArray>(found->second))
      refuse({.what = text("the model's ", key, " differs from layer to layer, which tsrun does not compute"),
              .where = file_.where(), .next = "choose another model"});
    const auto value = file_.integer(key);
    if (!value) missing(suffix);
    return *value;
  }
  std::int64_t optional(std::string_view suffix, std::int64_t otherwise) const {
    return file_.has(key_of(a_, suffix)) ? required(suffix) : otherwise;
  }
  double required_real(std::string_view suffix) const {
    const auto value = file_.real(key_of(a_, suffix));
    if (!value) missing(suffix);
    return *value;
  }
  double scale(std::string_view suffix, Presence presence) const {
    if (presence == Presence::never || (presence == Presence::optional && !file_.has(key_of(a_, suffix)))) return 1;
    const double value = required_real(suffix);
    if (!(value > 0))
      contradiction(text("the value of ", key_of(a_, suffix), " is not positive"), {{"value", value}});
    return value;
  }

  void read_sizes();
  void read_heads();
  void read_tensor_facts();
  bool any_tensor(std::initializer_list<Weight> weights) const;

  const Gguf& file_;
  const Architecture& a_;
  ModelConfig c_;
};

void FactReader::read_sizes() {
  c_.layers = required("block_count");
  c_.E = required("embedding_length");
  c_.F = required("feed_forward_length");
  c_.context = required("context_length");
  const std::string name = tensor_name(a_.tensors, Weight::embed, -1);
  const GgufTensor* const embed = file_.tensor(name);
  if (!embed)
    refuse({.what = text("the file lacks the tensor ", name), .where = file_.where(),
            .next = "the file is not complete; convert the model again"});
  c_.V = static_cast<std::int64_t>(embed->shape[1]);  // below 2^63: its bytes are inside the file
  const std::int64_t stated = optional("vocab_size", c_.V);
  if (stated != c_.V)
    contradiction(text("the vocabulary of ", name, " is not that of ", key_of(a_, "vocab_size")),
                  {{"rows", c_.V}, {"vocab_size", stated}});
  // Every layer has tensors, so a count beyond them is a lie; said here, it costs nothing.
  const auto tensors = static_cast<std::int64_t>(file_.tensors().size());
  if (c_.layers > tensors)
    contradiction(text(key_of(a_, "block_count"), " asks for more layers than the file has tensors"),
                  {{"layers", c_.layers}, {"tensors", tensors}});
}

void FactReader::read_heads() {
  c_.H = required("attention.head_count");
  c_.K = optional("attention.head_count_kv", c_.H);  // GGUF: absent means as many as query heads
  if (file_.has(key_of(a_, "attention.key_length"))) {
    c_.Q = required("attention.key_length");
  } else {
    if (c_.H < 1 || c_.E % c_.H != 0)
      contradiction("the width is not a multiple of the heads, and no head width is given", {{"E", c_.E}, {"H", c_.H}});
    c_.Q = c_.E / c_.H;
  }
  const std::int64_t value_width = optional("attention.value_length", c_.Q);
  if (value_width != c_.Q)
    contradiction("the heads of keys and values differ in width, which tsrun does not compute",
                  {{"key_length", c_.Q}, {"value_length", value_width}});
}

// A kind of bias that stands anywhere must stand everywhere; the matching of tensors then names the one that lacks.
void FactReader::read_tensor_facts() {
  if (a_.biases != Presence::never) {
    c_.qkv_bias = any_tensor({Weight::attn_q_bias, Weight::attn_k_bias, Weight::attn_v_bias});
    c_.attn_out_bias = any_tensor({Weight::attn_o_bias});
    c_.ffn_bias = any_tensor({Weight::ffn_gate_bias, Weight::ffn_in_bias, Weight::ffn_out_bias});
  }
  c_.tied = a_.tying == Tying::always || !any_tensor({Weight::unembed});
}

bool FactReader::any_tensor(std::initializer_list<Weight> weights) const {
  for (const Weight weight : weights)
    for (int layer = 0; layer < (is_layer_weight(weight) ? c_.layers : 1); ++layer)
      if (file_.tensor(tensor_name(a_.tensors, weight, layer))) return true;
  return false;
}

}  // namespace

ModelConfig read_config(const Gguf& file, const Architecture& architecture) {
  return FactReader(file, architecture).read();
}

}  // namespace tsrun
