// What the files around a tokenizer say: special tokens, ends of a text, the chat template.
#include <doctest/doctest.h>

#include "tokenizer_folder.hpp"

using namespace tsrun;
using namespace tsrun::test;

namespace {

// <s>, </s>, <pad>, <|im_end|> from id 3 on.
TokenizerFolder folder() {
  Json json = small_tokenizer();
  int id = 4;
  for (const char* const text : {"</s>", "<pad>", "<|im_end|>"})
    json["added_tokens"].push_back({{"id", id++}, {"content", text}, {"special", true}, {"normalized", false}});
  return folder_of(json);
}

TokenizerData read(TokenizerFolder files) {
  auto data = files.read();
  CHECK(files.notes.empty());
  REQUIRE(data);
  return std::move(*data);
}

}  // namespace

TEST_CASE("a folder without a tokenizer is left with a note") {
  CHECK(note_of(TokenizerFolder{}).find("neither") != std::string::npos);
  std::vector<std::string> notes;
  CHECK_FALSE(read_hf_tokenizer(std::filesystem::temp_directory_path() / "no such folder", notes));
  CHECK(notes.size() == 1);
}

TEST_CASE("special tokens go by their texts, in both forms and from both files") {
  TokenizerFolder files = folder();
  files.files["tokenizer_config.json"] =
      R"({"bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": false}, "pad_token": "none such"})";
  files.files["special_tokens_map.json"] =
      R"({"bos_token": "</s>", "pad_token": {"content": "<pad>"}, "unk_token": "<s>"})";
  const TokenizerData t = read(files);
  CHECK(t.bos == 3);
  CHECK(t.eos == 4);
  CHECK(t.pad == 5);
  CHECK(t.unknown == 3);
  CHECK_FALSE(t.add_bos);
  CHECK(t.ends == std::vector<std::int32_t>{4, 6});  // and the control token that ends a turn by its name
  files.files["tokenizer_config.json"] = R"({"eos_token": 5})";
  expect_refusal([&] { files.read(); }, {"eos_token"});
}

TEST_CASE("the configuration's word on what is added to a text overrides the template") {
  TokenizerFolder files = folder();
  files.files["tokenizer_config.json"] =
      R"({"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": true, "add_eos_token": true})";
  CHECK(read(files).add_bos);
  CHECK(read(files).add_eos);
  files.files["tokenizer_config.json"] = R"({"add_bos_token": true})";
  CHECK_FALSE(read(files).add_bos);  // there is none
  Json json = Json::parse(files.files["tokenizer.json"]);
  json["post_processor"] = Json::parse(R"({"type": "TemplateProcessing", "special_tokens": {"<s>": {"ids": [3]}},
    "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}]})");
  files.files["tokenizer.json"] = json.dump();
  CHECK(read(files).add_bos);
  files.files["tokenizer_config.json"] = R"({"add_bos_token": false})";
  CHECK_FALSE(read(files).add_bos);
}

TEST_CASE("ends are gathered from the configurations, once each") {
  TokenizerFolder files = folder();
  files.files["generation_config.json"] = R"({"eos_token_id": [5, 4, 999]})";
  files.files["config.json"] = R"({"eos_token_id": 4})";
  const TokenizerData t = read(files);
  CHECK(t.eos == 5);
  CHECK(t.ends == std::vector<std::int32_t>{5, 4, 6});
  files.files["generation_config.json"] = R"({"eos_token_id": "x"})";
  expect_refusal([&] { files.read(); }, {"generation_config.json", "eos_token_id"});
}

TEST_CASE("the chat template is a text, a named one of several, or a file of its own") {
  TokenizerFolder files = folder();
  CHECK(read(files).chat_template.empty());
  files.files["tokenizer_config.json"] = R"({"chat_template": "{{ one }}"})";
  CHECK(read(files).chat_template == "{{ one }}");
  files.files["tokenizer_config.json"] =
      R"({"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "{{ two }}"}]})";
  CHECK(read(files).chat_template == "{{ two }}");
  files.files["chat_template.jinja"] = "{{ three }}\n";
  CHECK(read(files).chat_template == "{{ three }}\n");
  files.files["chat_template.jinja"] = "\xff";
  expect_refusal([&] { files.read(); }, {"chat_template.jinja", "UTF-8"});
  files.files.erase("chat_template.jinja");
  files.files["tokenizer_config.json"] = R"({"chat_template": 1})";
  expect_refusal([&] { files.read(); }, {"chat_template"});
}
