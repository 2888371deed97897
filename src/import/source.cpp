// A file of another format as a model: its configuration, and its tensors in the model's order and types.
#include "tsrun/import/source.hpp"

#include <filesystem>
#include <utility>

#include "gguf_facts.hpp"
#include "gguf_family.hpp"
#include "gguf_tokenizer.hpp"
#include "hf_family.hpp"
#include "hf_match.hpp"
#include "json.hpp"
#include "match.hpp"
#include "rowless_tokens.hpp"
#include "shards.hpp"
#include "stored_rows.hpp"
#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/import/gguf.hpp"
#include "tsrun/import/hf_tokenizer.hpp"
#include "words.hpp"

namespace tsrun {
namespace {

// What all formats come to once their headers are read.
class MatchedSource : public ModelSource {
 public:
  const ModelConfig& config() const override { return config_; }
  const TokenizerData& tokenizer() const override { return tokenizer_; }
  const std::vector<std::string>& notes() const override { return notes_; }
  const std::vector<SourceTensor>& tensors() const override { return tensors_; }

  TensorRows read(std::size_t i, std::int64_t first, std::int64_t count) const override {
    return read_stored(match_of(i), first, count);
  }
  void read_f32(std::size_t i, std::int64_t first, std::int64_t count, float* out) const override {
    read_stored_f32(match_of(i), first, count, out);
  }

 protected:
  void set(ModelConfig config, TokenizerData tokenizer, std::vector<Match> matches, const std::string& where) {
    drop_rowless_tokens(tokenizer, config.V, where, notes_);
    config_ = std::move(config);
    tokenizer_ = std::move(tokenizer);
    matches_ = std::move(matches);
    for (const Match& m : matches_) tensors_.push_back(m.tensor);
  }

  std::vector<std::string> notes_;

 private:
  const Match& match_of(std::size_t i) const {
    check(i < matches_.size(), "the source has this tensor");
    return matches_[i];
  }

  ModelConfig config_;
  TokenizerData tokenizer_;
  std::vector<Match> matches_;
  std::vector<SourceTensor> tensors_;
};

class GgufSource final : public MatchedSource {
 public:
  explicit GgufSource(std::unique_ptr<const Bytes> bytes) : file_(std::move(bytes)) {
    const Architecture& a = architecture_of(file_);
    check_keys(file_, a);
    ModelConfig config = read_config(file_, a);
    TokenizerData tokenizer = read_vocabulary(file_, config.V);
    const Family family{a.name, a.tensors, a.qk_rows == QkRows::neighbours,
                        [](std::string_view name) { return name == rope_divisors; }};
    std::vector<Match> matches = match_tensors(TensorTable(file_.stored(), file_.where()), family, config);
    set(std::move(config), std::move(tokenizer), std::move(matches), file_.where());
  }

 private:
  Gguf file_;
};

// "smollm" of "models/smollm/"
std::string last_part(const std::string& path) {
  std::error_code ignored;
  std::filesystem::path whole = std::filesystem::weakly_canonical(path, ignored);
  if (whole.filename().empty()) whole = whole.parent_path();
  const std::string name = whole.filename().string();
  return name.empty() ? "model" : is_plain(name) ? name : printable(name);
}

struct HfModel {
  ModelConfig config;
  const HfFamily* family;
};
HfModel read_facts(const Bytes& bytes) {
  const Json json = read_object(bytes);
  const HfConfig file(json, bytes.name());
  const HfFamily& family = hf_family_of(file);
  check_fields(file);
  return {read_config(file, family), &family};
}

class HfSource final : public MatchedSource {
 public:
  explicit HfSource(const Folder& folder) {
    const std::unique_ptr<const Bytes> bytes = folder.open("config.json");
    if (!bytes)
      refuse({.what = "the folder has no config.json", .where = folder.name(),
              .next = "give a GGUF file or a Hugging Face folder"});
    auto [config, family] = read_facts(*bytes);
    config.name = last_part(folder.name());
    shards_ = open_shards(folder);
    std::vector<Match> matches = match_hf_tensors(shards_, folder.name(), *family, config);
    set(std::move(config), read_tokenizer(folder), std::move(matches), folder.name());
  }

 private:
  // A folder without one serves ids, and the note is the reason.
  TokenizerData read_tokenizer(const Folder& folder) {
    TokenizerData none;
    if (auto tokenizer = read_hf_tokenizer(folder, notes_)) return std::move(*tokenizer);
    none.reason = join(std::exchange(notes_, {}), "; ");
    return none;
  }

  std::vector<Safetensors> shards_;
};

}  // namespace

std::unique_ptr<ModelSource> open_source(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return open_source(*open_folder(path));
  return open_source(open_bytes(path));
}

std::unique_ptr<ModelSource> open_source(const Folder& folder) { return std::make_unique<HfSource>(folder); }

std::unique_ptr<ModelSource> open_source(std::unique_ptr<const Bytes> bytes) {
  return std::make_unique<GgufSource>(std::move(bytes));
}

ModelConfig read_hf_config(const std::string& path) {
  ModelConfig config = read_facts(*open_bytes(path)).config;
  const std::filesystem::path file(path);
  config.name = last_part(file.filename() == "config.json" ? std::filesystem::absolute(file).parent_path().string()
                                                           : file.stem().string());
  return config;
}

}  // namespace tsrun
