#include "text_steps.hpp"

#include <algorithm>

#include "letters.hpp"
#include "nfc.hpp"
#include "tsrun/core/error.hpp"

namespace tsrun {
namespace {

using Kind = TextStep::Kind;
using Matches = TextStep::Matches;

// Far beyond what tokenizers do to a text; each step works on what the one before it made.
constexpr std::size_t most_steps = 64, longest_pattern = 16 * 1024, longest_text = 1024;
constexpr double most_growth = 64;

struct Part {
  std::string_view text;
  bool matched;
};

std::string replaced(std::string_view text, const std::string& from, const std::string& to) {
  std::string out;
  std::size_t at = 0;
  for (std::size_t found; (found = text.find(from, at)) != std::string_view::npos; at = found + from.size()) {
    out += text.substr(at, found - at);
    out += to;
  }
  out += text.substr(at);
  return out;
}

std::string in_letters(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out += letter_of_byte(static_cast<unsigned char>(c));
  return out;
}

std::string bytes_of_letters(std::string_view text) {
  std::string bytes;
  check(bytes_of_token(text, bytes), "letters stand for bytes");
  return bytes;
}

// What a step makes of a whole text.
std::string rewritten(const TextStep& step, std::string_view text, bool at_beginning) {
  switch (step.kind) {
    case Kind::nfc: return nfc(text);
    case Kind::replace: return replaced(text, step.text, step.other);
    case Kind::letters: return in_letters(text);
    case Kind::prepend: return step.text + std::string(text);
    case Kind::lead:
    case Kind::lead_first:
    case Kind::split: break;
  }
  const bool lacks = (at_beginning || step.kind == Kind::lead) && !text.starts_with(step.text);
  return (lacks ? step.text : "") + std::string(text);
}

// Neighbouring parts are one piece where `joins` says so of the second.
template <class Joins>
std::vector<Part> joined_where(const std::vector<Part>& parts, const Joins& joins) {
  std::vector<Part> out;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0 && joins(parts[i - 1].matched, parts[i].matched))
      out.back().text = {out.back().text.data(), out.back().text.size() + parts[i].text.size()};
    else out.push_back(parts[i]);
  }
  return out;
}

std::vector<Part> pieces_of(const std::vector<Part>& parts, Matches matches) {
  switch (matches) {
    case Matches::with_previous: return joined_where(parts, [](bool left, bool right) { return !left && right; });
    case Matches::with_next: return joined_where(parts, [](bool left, bool right) { return left && !right; });
    case Matches::together: return joined_where(parts, [](bool left, bool right) { return left == right; });
    case Matches::isolated: return parts;
    case Matches::removed: break;
  }
  std::vector<Part> kept;
  std::copy_if(parts.begin(), parts.end(), std::back_inserter(kept), [](const Part& part) { return !part.matched; });
  return kept;
}

void require_bounded(const std::vector<TextStep>& steps, const std::string& where) {
  const auto absurd = [&where](const char* what, std::size_t found, std::size_t most) {
    refuse({.what = what, .where = where,
            .numbers = {{"found", static_cast<std::int64_t>(found)}, {"most", static_cast<std::int64_t>(most)}},
            .next = "convert the model again from an undamaged file"});
  };
  if (steps.size() > most_steps)
    absurd("the tokenizer rewrites and cuts texts in absurdly many steps", steps.size(), most_steps);
  double growth = 1;
  for (const TextStep& step : steps) {
    const std::size_t most = step.kind == Kind::split ? longest_pattern : longest_text;
    const std::size_t longer = std::max(step.text.size(), step.other.size());
    if (longer > most) absurd("a step of the tokenizer is absurdly long", longer, most);
    if (step.kind != Kind::replace || step.text.empty()) continue;
    growth *= std::max(1.0, static_cast<double>(step.other.size()) / static_cast<double>(step.text.size()));
    if (growth > most_growth)
      absurd("the tokenizer makes texts absurdly many times as long", static_cast<std::size_t>(growth),
             static_cast<std::size_t>(most_growth));
  }
}

}  // namespace

TextSteps::TextSteps(const std::vector<TextStep>& steps, const std::string& where) {
  require_bounded(steps, where);
  for (const TextStep& step : steps) {
    if (has_letters_ && step.kind != Kind::split)
      refuse({.what = "the tokenizer rewrites letters that stand for bytes", .where = where,
              .next = "convert the model again from an undamaged file"});
    steps_.push_back({step, {}});
    has_letters_ = has_letters_ || step.kind == Kind::letters;
    if (step.kind == Kind::split) steps_.back().pattern.emplace_back(step.text, where);
    else if (step.kind == Kind::replace && step.text.empty())
      refuse({.what = "the tokenizer replaces nothing by something", .where = where,
              .next = "convert the model again from an undamaged file"});
  }
}

void TextSteps::run(std::string_view text, bool at_beginning, const Piece& piece) const {
  if (!text.empty()) run_from(0, text, at_beginning, piece);
}

std::string TextSteps::joined(std::string_view text, bool at_beginning) const {
  std::string out;
  run(text, at_beginning, [&out](std::string_view piece) { out += piece; });
  return out;
}

void TextSteps::run_from(std::size_t i, std::string_view text, bool at_beginning, const Piece& piece) const {
  if (i == steps_.size()) return has_letters_ ? piece(bytes_of_letters(text)) : piece(text);
  if (steps_[i].step.kind == Kind::split) return split(i, text, at_beginning, piece);
  const std::string other = rewritten(steps_[i].step, text, at_beginning);
  if (!other.empty()) run_from(i + 1, other, at_beginning, piece);
}

void TextSteps::split(std::size_t i, std::string_view text, bool at_beginning, const Piece& piece) const {
  const Built& built = steps_[i];
  const auto next = [&](std::string_view part) {
    run_from(i + 1, part, at_beginning && part.data() == text.data(), piece);
  };
  if (built.step.matches == Matches::isolated)
    return built.pattern[0].walk(text, [&next](std::string_view part, bool) { next(part); });
  std::vector<Part> parts;
  built.pattern[0].walk(text, [&](std::string_view part, bool matched) {
    parts.push_back({part, matched != built.step.inverted});
  });
  for (const Part& part : pieces_of(parts, built.step.matches)) next(part.text);
}

}  // namespace tsrun
