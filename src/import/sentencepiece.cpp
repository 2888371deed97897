#include "sentencepiece.hpp"

#include <cmath>

#include "protobuf.hpp"
#include "small_file.hpp"
#include "tsrun/core/text.hpp"
#include "words.hpp"

namespace tsrun {
namespace {

using Kind = TextStep::Kind;

constexpr std::uint64_t longest_file = std::uint64_t{64} << 20U;
constexpr std::size_t most_pieces = std::size_t{1} << 22U;

// Numbers of sentencepiece_model.proto.
namespace field {
constexpr std::uint32_t pieces = 1, trainer = 2, normalizer = 3;
namespace piece {
constexpr std::uint32_t text = 1, score = 2, type = 3;
}
namespace trainer_spec {
constexpr std::uint32_t model_type = 3, space_as_suffix = 24, byte_fallback = 35;
constexpr std::uint32_t unknown = 40, bos = 41, eos = 42, pad = 43;
}
namespace normalizer_spec {
constexpr std::uint32_t name = 1, map = 2, leads_with_space = 3, removes_spaces = 4, escapes_spaces = 5;
}
}  // namespace field

struct NormalizerSpec {
  std::string name;
  bool has_map = false, leads_with_space = true, removes_spaces = true, escapes_spaces = true;
};

class Reader {
 public:
  explicit Reader(const Bytes& file) : where_(file.name()), bytes_(read_small_file(file, longest_file)) {}

  TokenizerData read() {
    Message model(bytes_, where_);
    while (model.next()) {
      if (model.field() == field::pieces) read_piece(model.message());
      else if (model.field() == field::trainer) read_trainer(model.message());
      else if (model.field() == field::normalizer) read_normalizer(model.message());
    }
    if (data_.tokens.empty()) damaged("the model has no pieces", {{"bytes", number(bytes_.size())}});
    read_special();
    read_steps();
    return std::move(data_);
  }

 private:
  void read_piece(Message piece);
  void read_trainer(Message spec);
  void read_normalizer(Message spec);
  void read_special();
  void read_steps();
  [[noreturn]] void damaged(std::string what, Numbers numbers) const {
    refuse({.what = std::move(what), .where = where_, .numbers = std::move(numbers),
            .next = "the file is damaged or no SentencePiece model; fetch it again"});
  }

  std::string where_, bytes_;
  TokenizerData data_;
  NormalizerSpec normalizer_;
  std::int64_t model_type_ = 1, unknown_ = 0, bos_ = 1, eos_ = 2, pad_ = -1;  // as the format has them by default
  bool space_as_suffix_ = false;
};

void Reader::read_piece(Message piece) {
  std::string text;
  float score = 0;
  std::int64_t type = 1;
  while (piece.next()) {
    if (piece.field() == field::piece::text) text = piece.bytes();
    else if (piece.field() == field::piece::score) score = piece.real();
    else if (piece.field() == field::piece::type) type = piece.integer();
  }
  const Numbers place = {{"id", number(data_.tokens.size())}};
  if (data_.tokens.size() == most_pieces) damaged("the model has absurdly many pieces", place);
  if (type < 1 || type > 6) damaged("a piece is of an unknown type", {place[0], {"type", type}});
  if (!std::isfinite(score)) damaged("the score of a piece is not a number", place);
  if (invalid_utf8(text)) damaged("a piece is not UTF-8", place);
  data_.tokens.push_back(std::move(text));
  data_.types.push_back(static_cast<TokenType>(type - 1));
  data_.scores.push_back(score);
}

void Reader::read_trainer(Message spec) {
  while (spec.next()) {
    switch (spec.field()) {
      case field::trainer_spec::model_type: model_type_ = spec.integer(); break;
      case field::trainer_spec::space_as_suffix: space_as_suffix_ = spec.boolean(); break;
      case field::trainer_spec::byte_fallback: data_.byte_fallback = spec.boolean(); break;
      case field::trainer_spec::unknown: unknown_ = spec.integer(); break;
      case field::trainer_spec::bos: bos_ = spec.integer(); break;
      case field::trainer_spec::eos: eos_ = spec.integer(); break;
      case field::trainer_spec::pad: pad_ = spec.integer(); break;
      default: break;
    }
  }
}

void Reader::read_normalizer(Message spec) {
  while (spec.next()) {
    switch (spec.field()) {
      case field::normalizer_spec::name: normalizer_.name = spec.bytes(); break;
      case field::normalizer_spec::map: normalizer_.has_map = !spec.bytes().empty(); break;
      case field::normalizer_spec::leads_with_space: normalizer_.leads_with_space = spec.boolean(); break;
      case field::normalizer_spec::removes_spaces: normalizer_.removes_spaces = spec.boolean(); break;
      case field::normalizer_spec::escapes_spaces: normalizer_.escapes_spaces = spec.boolean(); break;
      default: break;
    }
  }
}

void Reader::read_special() {
  constexpr std::int64_t unigram = 1, bpe = 2;
  if (model_type_ != unigram && model_type_ != bpe) unread("SentencePiece model", "of words or characters");
  data_.kind = model_type_ == unigram ? TokenizerKind::unigram : TokenizerKind::sentencepiece;
  data_.fuse_unknown = true;
  const auto set = [this](std::optional<std::int32_t>& id, std::int64_t value, const char* what) {
    if (value < 0) return;  // the model has none
    if (value >= std::ssize(data_.tokens))
      damaged(text(what, " is outside the vocabulary"), {{"id", value}, {"tokens", number(data_.tokens.size())}});
    id = static_cast<std::int32_t>(value);
  };
  set(data_.unknown, unknown_, "the unknown token");
  set(data_.bos, bos_, "the beginning of a text");
  set(data_.eos, eos_, "the end of a text");
  set(data_.pad, pad_, "the padding");
}

void Reader::read_steps() {
  if (normalizer_.has_map) unread("normalizer", normalizer_.name.empty() ? "without a name" : normalizer_.name);
  if (normalizer_.removes_spaces) unread("normalizer", "that removes spaces");
  if (space_as_suffix_ || !normalizer_.escapes_spaces) unread("SentencePiece model", "with another place for spaces");
  data_.normalizer = sentencepiece_steps(normalizer_.leads_with_space);
  data_.drop_first_space = normalizer_.leads_with_space;
  // The symbols of a user are found where spaces are U+2581 already.
  if (normalizer_.leads_with_space) return;
  for (std::size_t i = 0; i < data_.types.size(); ++i)
    if (data_.types[i] == TokenType::user_defined)
      data_.added.push_back({.id = static_cast<std::int32_t>(i), .normalized = true});
}

}  // namespace

std::vector<TextStep> sentencepiece_steps(bool leads_with_space) {
  const std::string sign(space_sign);
  std::vector<TextStep> steps;
  if (leads_with_space) steps.push_back({.kind = Kind::prepend, .text = sign});
  steps.push_back({.kind = Kind::replace, .text = " ", .other = sign});
  return steps;
}

TokenizerData read_sentencepiece(const Bytes& file) { return Reader(file).read(); }

}  // namespace tsrun
