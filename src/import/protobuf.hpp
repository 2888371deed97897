// A walk through a message of Protocol Buffers that cannot leave it (the encoding: protobuf.dev, "Encoding").
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tsrun {

class Message {
 public:
  // `bytes` must outlive this; `where` names the file.
  Message(std::string_view bytes, const std::string& where) : bytes_(bytes), where_(where) {}

  // Goes to the next field; false at the end. Refuses what runs over the end of the message.
  bool next();
  std::uint32_t field() const { return field_; }
  // The value of the field, refused where it is of another wire type.
  std::int64_t integer() const;
  bool boolean() const { return integer() != 0; }
  float real() const;
  std::string_view bytes() const;
  Message message() const { return {bytes(), where_}; }

 private:
  enum class Wire : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };
  std::uint64_t varint();
  std::string_view take(std::uint64_t count);
  void expect(Wire wire) const;
  [[noreturn]] void damaged(std::string what) const;

  std::string_view bytes_;
  const std::string& where_;
  std::size_t at_ = 0;
  std::uint32_t field_ = 0;
  Wire wire_ = Wire::varint;
  std::uint64_t number_ = 0;  // of a varint
  std::string_view content_;  // of any other
};

}  // namespace tsrun
