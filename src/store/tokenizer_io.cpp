// The tokenizer: group /tokenizer.
//
//   attributes kind, reason, add_bos, add_eos, ignore_merges; bos, eos, unknown, pad where there is one
//   tokens, merges        the bytes of all texts, one after the other; text i is bytes [offsets[i], offsets[i + 1])
//   tokens.offsets, merges.offsets        u64, one more than there are texts
//   types                 u8 per token, as TokenType
//   ends                  ids that end a text
//   chat_template         bytes
// and, of a tokenizer that is not of raw bytes,
//   attributes byte_fallback, fuse_unknown, drop_first_space
//   scores                f64 per token, or none
//   normalizer, pre_tokenizer             texts, three per step: "split isolated", its text, the other text
//   added, added.flags    ids, and u8 each: 1 normalized, 2 takes space before, 4 behind, 8 a whole word
// Texts of varying length would go to HDF5's global heap, which has no checksum and needs one read each.

#include <array>
#include <sstream>
#include <utility>

#include "attributes.hpp"
#include "facts.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun {
namespace {

const std::string place = "/tokenizer";

using Kind = TextStep::Kind;
constexpr std::array<std::pair<Kind, std::string_view>, 7> steps = {
    {{Kind::nfc, "nfc"}, {Kind::prepend, "prepend"}, {Kind::lead, "lead"}, {Kind::lead_first, "lead_first"},
     {Kind::replace, "replace"}, {Kind::split, "split"}, {Kind::letters, "letters"}}};

using Matches = TextStep::Matches;
constexpr std::array<std::pair<Matches, std::string_view>, 5> all_matches = {
    {{Matches::isolated, "isolated"}, {Matches::removed, "removed"}, {Matches::with_previous, "with_previous"},
     {Matches::with_next, "with_next"}, {Matches::together, "together"}}};

template <class Table, class Value>
std::string_view word_of(const Table& table, Value value) {
  for (const auto& [known, word] : table)
    if (known == value) return word;
  check(false, "every value has a word");
  return {};
}

using Ids = std::array<std::pair<const char*, std::optional<std::int32_t> TokenizerData::*>, 4>;
constexpr Ids single_ids = {{{"bos", &TokenizerData::bos},
                             {"eos", &TokenizerData::eos},
                             {"unknown", &TokenizerData::unknown},
                             {"pad", &TokenizerData::pad}}};

// A Container holds bytes, or the C++ type of the element.
template <class Container>
void put_list(hid_t group, const std::string& name, h5::Element element, const Container& values) {
  const h5::Id type = h5::type_of(element);
  const h5::Id dataset = h5::create_dataset(group, name, type, {values.size()});
  if (!values.empty())
    h5::done(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), text("cannot write ", name));
}

void put_texts(hid_t group, const std::string& name, const std::vector<std::string>& texts) {
  std::string bytes;
  std::vector<std::uint64_t> offsets = {0};
  for (const std::string& t : texts) {
    bytes += t;
    offsets.push_back(bytes.size());
  }
  put_list(group, name, h5::Element::u8, bytes);
  put_list(group, name + ".offsets", h5::Element::u64, offsets);
}

class TokenizerReader {
 public:
  // `body` bytes of the file are HDF5's.
  TokenizerReader(hid_t group, const std::string& path, std::uint64_t body) : group_(group), path_(path), body_(body) {}

  template <class Container>
  Container list(const std::string& name, h5::Element element) const {
    if (!h5::exists(group_, name)) misfit_at(name, "the dataset is missing");
    const h5::Id dataset = h5::open_dataset(group_, name);
    const h5::Id type{H5Dget_type(dataset), H5Tclose, "cannot read a type"};
    const h5::Id space{H5Dget_space(dataset), H5Sclose, "cannot read a shape"};
    const std::int64_t count = H5Sget_simple_extent_npoints(space);
    if (H5Tequal(type, h5::type_of(element)) <= 0) misfit_at(name, "the dataset is of another type");
    const std::int64_t most = longest_list / h5::size_of(element);
    if (H5Sget_simple_extent_ndims(space) != 1 || count < 0 || count > most)
      misfit_at(name, "the dataset is not a list", {{"values", count}, {"most", most}});
    // A list that nobody wrote would be read as so many zeros.
    const haddr_t offset = H5Dget_offset(dataset);
    const auto bytes = static_cast<std::uint64_t>(count * h5::size_of(element));
    if (count > 0 && (offset == HADDR_UNDEF || offset > body_ || bytes > body_ - offset))
      misfit_at(name, "the list's bytes are not all in the file", {{"values", count}});
    Container out;
    out.resize(static_cast<std::size_t>(count));
    if (count > 0)
      h5::done(H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out.data()), text("cannot read ", name));
    return out;
  }

  std::vector<std::string> texts(const std::string& name) const {
    const auto bytes = list<std::string>(name, h5::Element::u8);
    const auto offsets = list<std::vector<std::uint64_t>>(name + ".offsets", h5::Element::u64);
    if (offsets.empty() || offsets.front() != 0 || offsets.back() != bytes.size())
      misfit_at(name, "the offsets do not cover the texts", {{"bytes", static_cast<std::int64_t>(bytes.size())}});
    std::vector<std::string> out;
    out.reserve(offsets.size() - 1);
    for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
      if (offsets[i + 1] < offsets[i] || offsets[i + 1] > bytes.size())
        misfit_at(name, "the offsets do not ascend", {{"text", static_cast<std::int64_t>(i)}});
      out.push_back(bytes.substr(offsets[i], offsets[i + 1] - offsets[i]));
    }
    return out;
  }

  [[noreturn]] void misfit_at(const std::string& name, const char* what, Numbers numbers = {}) const {
    misfit(path_, text(place, "/", name), what, std::move(numbers));
  }
  [[noreturn]] void misfit_word(const std::string& name, const std::string& word) const {
    misfit_at(name, "there is a word that this tsrun does not know", {{"word", word}});
  }

 private:
  static constexpr std::int64_t longest_list = std::int64_t{1} << 30;  // bytes
  hid_t group_;
  const std::string& path_;
  std::uint64_t body_;
};

template <class Table>
auto value_of(const Table& table, const std::string& word, const std::string& name, const TokenizerReader& reader) {
  for (const auto& [value, known] : table)
    if (word == known) return value;
  reader.misfit_word(name, word);
}

void put_steps(hid_t group, const std::string& name, const std::vector<TextStep>& list) {
  std::vector<std::string> texts;
  for (const TextStep& step : list) {
    std::string word(word_of(steps, step.kind));
    if (step.kind == Kind::split)
      word += text(" ", word_of(all_matches, step.matches), step.inverted ? " inverted" : "");
    texts.insert(texts.end(), {word, step.text, step.other});
  }
  put_texts(group, name, texts);
}

std::vector<TextStep> read_steps(const TokenizerReader& reader, const std::string& name) {
  const std::vector<std::string> texts = reader.texts(name);
  if (texts.size() % 3 != 0)
    reader.misfit_at(name, "there are not three texts per step", {{"texts", static_cast<std::int64_t>(texts.size())}});
  std::vector<TextStep> list;
  for (std::size_t i = 0; i < texts.size(); i += 3) {
    std::istringstream words(texts[i]);
    std::string kind, matches, inverted;
    words >> kind >> matches >> inverted;
    TextStep step{value_of(steps, kind, name, reader), texts[i + 1], texts[i + 2]};
    step.inverted = inverted == "inverted";
    if (step.kind == Kind::split) step.matches = value_of(all_matches, matches, name, reader);
    list.push_back(std::move(step));
  }
  return list;
}

constexpr std::array<std::pair<bool AddedToken::*, std::uint8_t>, 4> flags = {
    {{&AddedToken::normalized, 1}, {&AddedToken::takes_space_before, 2}, {&AddedToken::takes_space_behind, 4},
     {&AddedToken::whole_word, 8}}};

void put_added(hid_t group, const std::vector<AddedToken>& added) {
  std::vector<std::int32_t> ids;
  std::string bits;
  for (const AddedToken& token : added) {
    ids.push_back(token.id);
    unsigned all = 0;
    for (const auto& [flag, bit] : flags) all |= token.*flag ? bit : 0U;
    bits += static_cast<char>(all);
  }
  put_list(group, "added", h5::Element::i32, ids);
  put_list(group, "added.flags", h5::Element::u8, bits);
}

std::vector<AddedToken> read_added(const TokenizerReader& reader) {
  const auto ids = reader.list<std::vector<std::int32_t>>("added", h5::Element::i32);
  const auto bits = reader.list<std::string>("added.flags", h5::Element::u8);
  if (ids.size() != bits.size())
    reader.misfit_at("added.flags", "there are not flags for each added token",
                     {{"added", static_cast<std::int64_t>(ids.size())},
                      {"flags", static_cast<std::int64_t>(bits.size())}});
  std::vector<AddedToken> added(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    added[i].id = ids[i];
    for (const auto& [flag, bit] : flags) added[i].*flag = (static_cast<unsigned char>(bits[i]) & bit) != 0;
  }
  return added;
}

// What only a tokenizer of texts has.
void write_preparation(hid_t group, const TokenizerData& t) {
  put(group, "byte_fallback", t.byte_fallback);
  put(group, "fuse_unknown", t.fuse_unknown);
  put(group, "drop_first_space", t.drop_first_space);
  put_list(group, "scores", h5::Element::f64, t.scores);
  put_steps(group, "normalizer", t.normalizer);
  put_steps(group, "pre_tokenizer", t.pre_tokenizer);
  put_added(group, t.added);
}

void read_preparation(const Attributes& attributes, const TokenizerReader& reader, TokenizerData& t) {
  attributes.get("byte_fallback", t.byte_fallback);
  attributes.get("fuse_unknown", t.fuse_unknown);
  attributes.get("drop_first_space", t.drop_first_space);
  t.scores = reader.list<std::vector<double>>("scores", h5::Element::f64);
  t.normalizer = read_steps(reader, "normalizer");
  t.pre_tokenizer = read_steps(reader, "pre_tokenizer");
  t.added = read_added(reader);
}

bool prepares_text(const TokenizerData& t) {
  return t.kind != TokenizerKind::none && t.kind != TokenizerKind::bytes;
}

}  // namespace

void write_tokenizer(hid_t file, const TokenizerData& t) {
  check(t.types.size() == t.tokens.size(), "each token has a type");
  const h5::Id group = h5::create_group(file, place);
  put(group, "kind", word(t.kind));
  put(group, "reason", std::string_view(t.reason));
  put(group, "add_bos", t.add_bos);
  put(group, "add_eos", t.add_eos);
  put(group, "ignore_merges", t.ignore_merges);
  for (const auto& [name, id] : single_ids)
    if (const std::optional<std::int32_t>& value = t.*id) put(group, name, std::int64_t{*value});
  put_texts(group, "tokens", t.tokens);
  static_assert(sizeof(TokenType) == 1);
  put_list(group, "types", h5::Element::u8, t.types);
  put_texts(group, "merges", t.merges);
  put_list(group, "ends", h5::Element::i32, t.ends);
  put_list(group, "chat_template", h5::Element::u8, t.chat_template);
  if (prepares_text(t)) write_preparation(group, t);
}

TokenizerData read_tokenizer(hid_t file, const std::string& path, std::uint64_t body) {
  if (!h5::exists(file, place)) misfit(path, place, "the tokenizer is missing");
  const h5::Id group = h5::open_group(file, place);
  const Attributes attributes(group, path, place);
  const TokenizerReader reader(group, path, body);
  TokenizerData t;
  std::string kind;
  attributes.get("kind", kind);
  if (!from_word(kind, t.kind)) reader.misfit_word("kind", kind);
  attributes.get("reason", t.reason);
  attributes.get("add_bos", t.add_bos);
  attributes.get("add_eos", t.add_eos);
  attributes.get("ignore_merges", t.ignore_merges);
  for (const auto& [name, id] : single_ids) {
    if (!attributes.has(name)) continue;
    std::int64_t value = 0;
    attributes.get(name, value);
    if (value != static_cast<std::int32_t>(value)) reader.misfit_at(name, "the id is absurd", {{"id", value}});
    t.*id = static_cast<std::int32_t>(value);
  }
  t.tokens = reader.texts("tokens");
  t.types = reader.list<std::vector<TokenType>>("types", h5::Element::u8);
  if (t.types.size() != t.tokens.size())
    reader.misfit_at("types", "there is not one type per token",
                     {{"types", static_cast<std::int64_t>(t.types.size())},
                      {"tokens", static_cast<std::int64_t>(t.tokens.size())}});
  for (const TokenType type : t.types)
    if (type > TokenType::byte)
      reader.misfit_at("types", "a type is not known", {{"type", static_cast<std::int64_t>(type)}});
  t.merges = reader.texts("merges");
  t.ends = reader.list<std::vector<std::int32_t>>("ends", h5::Element::i32);
  t.chat_template = reader.list<std::string>("chat_template", h5::Element::u8);
  if (prepares_text(t)) read_preparation(attributes, reader, t);
  return t;
}

}  // namespace tsrun
