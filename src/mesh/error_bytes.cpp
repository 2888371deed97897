// Texts one after the other, each behind its length: the exit status, what, where and the next step, then for each number
// its name, its kind (the place in `Number`) and its value.
#include "error_bytes.hpp"

#include <cstdint>
#include <cstring>
#include <variant>

namespace tsrun {
namespace {

void put(std::string& bytes, const std::string& text) {
  const auto size = static_cast<std::uint64_t>(text.size());
  bytes.append(reinterpret_cast<const char*>(&size), sizeof size);
  bytes += text;
}
template <class T>
std::string bytes_of_number(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}
std::string bytes_of_number(const std::string& value) { return value; }

class Reader {
 public:
  explicit Reader(const std::string& bytes) : bytes_(bytes) {}
  bool is_at_end() const { return at_ == bytes_.size(); }
  std::string next() {
    std::uint64_t size = 0;
    std::memcpy(&size, bytes_.data() + at_, sizeof size);
    at_ += sizeof size + size;
    return bytes_.substr(at_ - size, size);
  }

 private:
  const std::string& bytes_;
  std::size_t at_ = 0;
};

template <class T>
T number_of(const std::string& bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

}  // namespace

std::string to_bytes(const Error& error) {
  const Complaint& c = error.complaint();
  std::string bytes;
  put(bytes, std::to_string(static_cast<int>(error.exit())));
  for (const std::string& text : {c.what, c.where, c.next}) put(bytes, text);
  for (const auto& [name, number] : c.numbers) {
    put(bytes, name);
    put(bytes, std::to_string(number.index()));
    put(bytes, std::visit([](const auto& value) { return bytes_of_number(value); }, number));
  }
  return bytes;
}

Error error_of(const std::string& bytes) {
  Reader reader(bytes);
  const auto exit = static_cast<Exit>(std::stoi(reader.next()));
  Complaint c{.what = reader.next(), .where = reader.next(), .next = reader.next()};
  while (!reader.is_at_end()) {
    const std::string name = reader.next(), kind = reader.next(), value = reader.next();
    c.numbers.emplace_back(name, kind == "0"   ? Number(number_of<std::int64_t>(value))
                                 : kind == "1" ? Number(number_of<double>(value))
                                               : Number(value));
  }
  return Error(exit, std::move(c));
}

}  // namespace tsrun
