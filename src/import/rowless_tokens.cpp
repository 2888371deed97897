#include "rowless_tokens.hpp"

#include <optional>

#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"
#include "words.hpp"

namespace tsrun {
namespace {

bool is_added(TokenType type) {
  return type == TokenType::control || type == TokenType::user_defined || type == TokenType::unused;
}

void require_added(const TokenizerData& data, std::size_t id, std::int64_t rows, const std::string& where) {
  if (is_added(data.types[id])) return;
  refuse({.what = text("the tokenizer has more tokens than the embedding has rows, and not only added ones: \"",
                       printable(data.tokens[id]), "\""),
          .where = where, .numbers = {{"id", number(id)}, {"tokens", number(data.tokens.size())}, {"rows", rows}},
          .next = "the tokenizer is not this model's; fetch the model again"});
}

void require_row(std::optional<std::int32_t> id, std::string_view what, std::int64_t rows, const std::string& where) {
  if (!id || *id < rows) return;
  refuse({.what = text("the embedding has no row for the token of ", what), .where = where,
          .numbers = {{"id", std::int64_t{*id}}, {"rows", rows}},
          .next = "the tokenizer is not this model's; fetch the model again"});
}

}  // namespace

void drop_rowless_tokens(TokenizerData& data, std::int64_t rows, const std::string& where,
                         std::vector<std::string>& notes) {
  const auto kept = static_cast<std::size_t>(rows);
  if (data.tokens.size() <= kept) return;
  for (std::size_t id = kept; id < data.tokens.size(); ++id) require_added(data, id, rows, where);
  require_row(data.bos, "the beginning of a text (BOS)", rows, where);
  require_row(data.eos, "the end of a text (EOS)", rows, where);
  require_row(data.unknown, "what is unknown", rows, where);
  notes.push_back(text("the embedding has no row for ", data.tokens.size() - kept, " added tokens from id ", kept,
                       " (", printable(data.tokens[kept]), ") on, which are left out"));
  data.tokens.resize(kept);
  data.types.resize(kept);
  if (!data.scores.empty()) data.scores.resize(kept);
  const auto is_rowless = [rows](std::int32_t id) { return id >= rows; };
  if (data.pad && is_rowless(*data.pad)) data.pad.reset();
  std::erase_if(data.ends, is_rowless);
  std::erase_if(data.added, [&](const AddedToken& token) { return is_rowless(token.id); });
}

}  // namespace tsrun
