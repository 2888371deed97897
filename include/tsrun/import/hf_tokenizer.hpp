// The tokenizer of a Hugging Face folder: tokenizer.json or tokenizer.model, with what tokenizer_config.json,
// special_tokens_map.json, generation_config.json and chat_template.jinja say about it.
//
// Format: the JSON of Hugging Face's `tokenizers` (1.0), and SentencePiece's sentencepiece_model.proto.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tsrun/import/folder.hpp"
#include "tsrun/model/tokenizer_data.hpp"

namespace tsrun {

// Nothing, with a note, where the folder has no tokenizer or one of a kind that tsrun does not build (WordPiece, a
// normalizer it does not know): such a model serves ids. Damaged files and ids that contradict each other are refused.
// There may be more tokens than the model has embeddings, or fewer.
std::optional<TokenizerData> read_hf_tokenizer(const Folder& folder, std::vector<std::string>& notes);
std::optional<TokenizerData> read_hf_tokenizer(const std::filesystem::path& folder, std::vector<std::string>& notes);

}  // namespace tsrun
