// Any configuration and any safetensors header, given to the reader as a folder: refused or opened, and once opened,
// readable to the end.
//
// An input is config.json, a zero byte, and the header of model.safetensors; its data are zeros, as many as the header
// asks for. What follows a second zero byte are the data themselves, so that lies about them are found too. An input
// that begins with a zero byte has none of these, but an index and the headers of its files a and b.
// Built with clang and -DTSRUN_FUZZ=ON; its words are the strings of the reader's source:
//   hf_seeds corpus tests/golden && grep -ohE '"[A-Za-z0-9_.]{3,60}"' src/import/*.cpp | sort -u > words
//   hf_fuzz -dict=words -jobs=2 -workers=2 -max_total_time=600 corpus
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>

#include "../../src/import/shards.hpp"
#include "fuzzed.hpp"
#include "tsrun/import/source.hpp"

namespace {

using namespace tsrun;
using namespace tsrun::test;

constexpr std::size_t most_data = std::size_t{1} << 20;

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

// A whole file; data that are not given are as many zeros as the header asks for.
std::vector<std::byte> weights_of(std::string_view header, std::optional<std::string_view> data = std::nullopt) {
  const std::uint64_t length = header.size();
  std::vector<std::byte> out(sizeof length);
  std::memcpy(out.data(), &length, sizeof length);
  const auto append = [&out](std::string_view text) {
    for (const char c : text) out.push_back(static_cast<std::byte>(c));
  };
  append(header);
  if (data) append(*data);
  else out.resize(out.size() + data_end(header));
  return out;
}

void read_shards(std::string_view input) {
  const std::vector<std::string_view> parts = parts_of(input, 3);
  std::map<std::string, std::vector<std::byte>> files;
  files["model.safetensors.index.json"] = bytes_of(parts[0]);
  if (parts.size() > 1) files["a"] = weights_of(parts[1]);
  if (parts.size() > 2) files["b"] = weights_of(parts[2]);
  open_shards(*folder_in_memory(std::move(files), "fuzz"));
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
  std::unique_ptr<ModelSource> source;
  try {
    if (input.starts_with('\0')) {
      read_shards(input.substr(1));
      return 0;
    }
    const std::vector<std::string_view> parts = parts_of(input, 3);
    std::map<std::string, std::vector<std::byte>> files;
    files["config.json"] = bytes_of(parts[0]);
    if (parts.size() == 2) files["model.safetensors"] = weights_of(parts[1]);
    if (parts.size() == 3) files["model.safetensors"] = weights_of(parts[1], parts[2]);
    source = open_source(*folder_in_memory(std::move(files), "fuzz"));
  } catch (const Error& error) {
    require_refusal(error);
    return 0;
  }
  use_all(*source);
  return 0;
}
