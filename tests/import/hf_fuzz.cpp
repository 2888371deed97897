// Any configuration and any safetensors header, given to the reader as a folder: refused or opened, and once opened,
// readable to the end.
//
// An input is config.json, a zero byte, and the header of model.safetensors; its data are zeros, as many as the header
// asks for. What follows a second zero byte are the data themselves, so that lies about them are found too.
// Built with clang and -DTSRUN_FUZZ=ON (AddressSanitizer and UndefinedBehaviorSanitizer with it):
//   hf_seeds corpus && hf_fuzz -jobs=2 -workers=2 -max_total_time=600 corpus
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>

#include "tsrun/core/error.hpp"
#include "tsrun/import/source.hpp"

namespace {

using namespace tsrun;

constexpr std::size_t most_data = std::size_t{1} << 20;

void require(bool holds) {
  if (!holds) std::abort();
}

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto* const begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

// Where the last tensor of a header ends, if that can be told.
std::size_t data_end(std::string_view header) {
  std::size_t end = 0;
  const auto json = nlohmann::json::parse(header.begin(), header.end(), nullptr, false);
  if (!json.is_object()) return 0;
  for (const auto& tensor : json) {
    if (!tensor.is_object() || !tensor.contains("data_offsets")) continue;
    const auto& place = tensor["data_offsets"];
    if (place.is_array() && place.size() == 2 && place[1].is_number_unsigned())
      end = std::max(end, static_cast<std::size_t>(std::min<std::uint64_t>(place[1].get<std::uint64_t>(), most_data)));
  }
  return end;
}

std::vector<std::byte> weights_of(std::string_view rest) {
  const std::size_t zero = rest.find('\0');
  const std::string_view header = rest.substr(0, zero);
  const std::uint64_t length = header.size();
  std::vector<std::byte> out(sizeof length);
  std::memcpy(out.data(), &length, sizeof length);
  const std::vector<std::byte> text = bytes_of(header);
  out.insert(out.end(), text.begin(), text.end());
  if (zero == std::string_view::npos) {
    out.resize(out.size() + data_end(header));
  } else {
    const std::vector<std::byte> data = bytes_of(rest.substr(zero + 1));
    out.insert(out.end(), data.begin(), data.end());
  }
  return out;
}

void use_all(const ModelSource& source) {
  for (std::size_t i = 0; i < source.tensors().size(); ++i) {
    const TensorSpec& spec = source.tensors()[i].spec;
    std::vector<float> read(static_cast<std::size_t>(spec.elements())), kept(read.size());
    source.read_f32(i, 0, spec.rows, read.data());
    decode_rows(source.read(i, 0, spec.rows), 0, spec.rows, kept.data());
    std::vector<float> one(static_cast<std::size_t>(spec.columns));
    source.read_f32(i, spec.rows / 2, 1, one.data());
    require(std::memcmp(one.data(), read.data() + spec.rows / 2 * spec.columns, one.size() * sizeof(float)) == 0);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t zero = std::min(input.find('\0'), size);
  std::map<std::string, std::vector<std::byte>> files;
  files["config.json"] = bytes_of(input.substr(0, zero));
  if (zero < size) files["model.safetensors"] = weights_of(input.substr(zero + 1));
  std::unique_ptr<ModelSource> source;
  try {
    source = open_source(*folder_in_memory(std::move(files), "fuzz"));
  } catch (const Error& error) {
    require(error.exit() == Exit::request);
    for (const char* c = error.what(); *c != '\0'; ++c) require(*c >= 0x20 && *c < 0x7f);  // safe on any terminal
    return 0;
  }
  use_all(*source);
  return 0;
}
