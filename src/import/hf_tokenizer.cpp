// What the files around a tokenizer say about it: special tokens, ends of a text, the chat template.
#include "tsrun/import/hf_tokenizer.hpp"

#include <unordered_map>

#include "end_tokens.hpp"
#include "hf_config.hpp"
#include "json.hpp"
#include "sentencepiece.hpp"
#include "small_file.hpp"
#include "tokenizer_json.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun {
namespace {

const Json nothing = Json::object();
constexpr std::uint64_t longest_template = std::uint64_t{1} << 20U;

class FolderReader {
 public:
  explicit FolderReader(const Folder& folder)
      : folder_(folder), config_(object("tokenizer_config.json")), map_(object("special_tokens_map.json")) {}

  std::optional<TokenizerData> read(std::vector<std::string>& notes) {
    try {
      if (!read_tokens()) {
        notes.push_back("the folder has neither a tokenizer.json nor a tokenizer.model");
        return std::nullopt;
      }
    } catch (const UnreadTokenizer& what) {
      notes.push_back(what.reason);
      return std::nullopt;
    }
    for (std::size_t i = 0; i < data_.tokens.size(); ++i) id_of_.emplace(data_.tokens[i], static_cast<std::int32_t>(i));
    read_special();
    read_ends();
    read_template();
    return std::move(data_);
  }

 private:
  bool read_tokens();
  void read_special();
  void read_ends();
  void read_template();
  Json object(const std::string& file) const {
    const auto bytes = folder_.open(file);
    return bytes ? read_object(*bytes) : nothing;
  }
  HfConfig config() const { return {config_, place("tokenizer_config.json")}; }
  std::string place(const char* file) const { return text(folder_.name(), "/", file); }
  std::optional<std::int32_t> special(const char* key) const;
  std::vector<std::int32_t> ids(const char* file, const char* key) const;

  const Folder& folder_;
  Json config_, map_;
  TokenizerData data_;
  std::unordered_map<std::string_view, std::int32_t> id_of_;
};

bool FolderReader::read_tokens() {
  if (const auto json = folder_.open("tokenizer.json")) {
    const Json file = read_object(*json);
    data_ = read_tokenizer_json(HfConfig(file, json->name()));
    return true;
  }
  if (const auto model = folder_.open("tokenizer.model")) {
    data_ = read_sentencepiece(*model);
    data_.add_bos = data_.bos.has_value();  // as Llama's and Gemma's own tokenizers have it
    // Otherwise every text between special tokens begins with a space, not only the first.
    if (data_.drop_first_space && !config().boolean("legacy").value_or(true)) {
      data_.normalizer.clear();
      data_.pre_tokenizer = metaspace_steps(space_sign, Lead::first, false);
    }
    return true;
  }
  return false;
}

// The id of a token that stands there by its text, or as an added token {"content": ".."}.
std::optional<std::int32_t> FolderReader::special(const char* key) const {
  for (const Json* const json : {&config_, &map_}) {
    const auto found = json->find(key);
    if (found == json->end() || found->is_null()) continue;
    const HfConfig holder(*json, folder_.name());
    const auto content = found->is_object() ? holder.object(key)->string("content") : holder.string(key);
    const auto id = content ? id_of_.find(*content) : id_of_.end();
    if (id != id_of_.end()) return id->second;
  }
  return std::nullopt;
}

void FolderReader::read_special() {
  const auto set = [this](std::optional<std::int32_t>& id, const char* key) {
    if (const auto found = special(key)) id = found;
  };
  // What a template puts around a text stays; the names may be those of another program.
  if (!data_.add_bos) set(data_.bos, "bos_token");
  if (!data_.add_eos) set(data_.eos, "eos_token");
  set(data_.pad, "pad_token");
  if (!data_.unknown) set(data_.unknown, "unk_token");
  if (const auto add = config().boolean("add_bos_token")) data_.add_bos = *add && data_.bos;
  if (const auto add = config().boolean("add_eos_token")) data_.add_eos = *add && data_.eos;
}

// One id, or a list of them.
std::vector<std::int32_t> FolderReader::ids(const char* file, const char* key) const {
  const Json json = object(file);
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return {};
  const HfConfig holder(json, place(file));
  std::vector<std::int32_t> out;
  for (const std::int64_t id : found->is_array() ? *holder.integers(key) : std::vector{*holder.integer(key)})
    if (id >= 0 && id < std::ssize(data_.tokens)) out.push_back(static_cast<std::int32_t>(id));
  return out;
}

void FolderReader::read_ends() {
  std::vector<std::int32_t> ends;
  for (const char* const file : {"generation_config.json", "config.json"})
    for (const std::int32_t id : ids(file, "eos_token_id")) ends.push_back(id);
  if (!data_.eos && !ends.empty()) data_.eos = ends.front();
  gather_ends(data_, ends);
}

// chat_template.jinja, or in tokenizer_config.json a text or a list of named ones.
void FolderReader::read_template() {
  if (const auto file = folder_.open("chat_template.jinja")) {
    data_.chat_template = read_small_file(*file, longest_template);
    if (!invalid_utf8(data_.chat_template)) return;
    refuse({.what = "the chat template is not UTF-8", .where = file->name(), .next = "fetch the folder again"});
  }
  const auto found = config_.find("chat_template");
  if (found == config_.end() || !found->is_array()) {
    data_.chat_template = config().string("chat_template").value_or("");
    return;
  }
  for (const HfConfig& each : objects_of(config(), "chat_template"))
    if (each.string("name") == "default") data_.chat_template = each.string("template").value_or("");
}

}  // namespace

std::optional<TokenizerData> read_hf_tokenizer(const Folder& folder, std::vector<std::string>& notes) {
  return FolderReader(folder).read(notes);
}

std::optional<TokenizerData> read_hf_tokenizer(const std::filesystem::path& folder, std::vector<std::string>& notes) {
  return read_hf_tokenizer(*open_folder(folder.string()), notes);
}

}  // namespace tsrun
