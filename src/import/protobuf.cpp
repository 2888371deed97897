#include "protobuf.hpp"

#include <cstring>

#include "tsrun/core/text.hpp"
#include "words.hpp"

namespace tsrun {

bool Message::next() {
  if (at_ == bytes_.size()) return false;
  const std::uint64_t tag = varint();
  if (tag >> 32U != 0 || tag >> 3U == 0) damaged("a field has no number");
  field_ = static_cast<std::uint32_t>(tag >> 3U);
  wire_ = static_cast<Wire>(tag & 7U);
  switch (wire_) {
    case Wire::varint: number_ = varint(); return true;
    case Wire::fixed64: content_ = take(8); return true;
    case Wire::bytes: content_ = take(varint()); return true;
    case Wire::fixed32: content_ = take(4); return true;
  }
  damaged("a field is of an unknown wire type");
}

std::int64_t Message::integer() const {
  expect(Wire::varint);
  return static_cast<std::int64_t>(number_);
}

float Message::real() const {
  expect(Wire::fixed32);
  float value = 0;
  std::memcpy(&value, content_.data(), sizeof value);  // little-endian, as this machine
  return value;
}

std::string_view Message::bytes() const {
  expect(Wire::bytes);
  return content_;
}

std::uint64_t Message::varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    const auto byte = static_cast<unsigned char>(take(1)[0]);
    value |= shift < 64 ? static_cast<std::uint64_t>(byte & 0x7fU) << shift : 0;
    if (byte < 0x80) return value;
  }
  damaged("a number is longer than ten bytes");
}

std::string_view Message::take(std::uint64_t count) {
  if (count > bytes_.size() - at_) damaged("a field runs over the end of its message");
  const std::string_view taken = bytes_.substr(at_, static_cast<std::size_t>(count));
  at_ += taken.size();
  return taken;
}

void Message::expect(Wire wire) const {
  if (wire_ != wire) damaged(text("field ", field_, " is of another type"));
}

void Message::damaged(std::string what) const {
  refuse({.what = std::move(what), .where = where_, .numbers = {{"at byte of the message", number(at_)}},
          .next = "the file is damaged or no SentencePiece model; fetch it again"});
}

}  // namespace tsrun
