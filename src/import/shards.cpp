#include "shards.hpp"

#include <map>
#include <set>

#include "json.hpp"
#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"
#include "words.hpp"

namespace tsrun {
namespace {

constexpr const char* single_name = "model.safetensors";
constexpr const char* index_name = "model.safetensors.index.json";

// Which file holds which tensor.
std::map<std::string, std::string> read_index(const Bytes& bytes) {
  const auto damaged = [&bytes](std::string what) {
    refuse({.what = std::move(what), .where = bytes.name(), .next = "the file is damaged; fetch it again"});
  };
  const Json index = read_object(bytes);
  const auto map = index.find("weight_map");
  if (map == index.end() || !map->is_object() || map->empty()) damaged("the index names no tensors (weight_map)");
  std::map<std::string, std::string> out;
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string()) damaged(text("the index names no file for the tensor ", printable(tensor)));
    out.emplace(tensor, file.get<std::string>());
  }
  return out;
}

Safetensors open_shard(const Folder& folder, const std::string& name) {
  std::unique_ptr<const Bytes> bytes = folder.open(name);
  if (!bytes)
    refuse({.what = text("the file ", printable(name), " of the model is missing"), .where = folder.name(),
            .next = "the folder is not complete; fetch the file"});
  return Safetensors(std::move(bytes));
}

std::string file_name(const Safetensors& shard) { return shard.where().substr(shard.where().find_last_of('/') + 1); }

// Every tensor of the files is where the index says, and the other way round.
void hold_against(const std::map<std::string, std::string>& index, const Folder& folder,
                  const std::vector<Safetensors>& shards) {
  const auto contradicts = [&folder](std::string what, Numbers numbers) {
    refuse({.what = std::move(what), .where = folder.name(), .numbers = std::move(numbers),
            .next = "a file is missing, repeated or of another model; fetch the folder again"});
  };
  std::set<std::string> found;
  for (const Safetensors& shard : shards)
    for (const FileTensor& tensor : shard.tensors()) {
      const auto said = index.find(tensor.name);
      if (said == index.end())
        contradicts(text("the tensor ", printable(tensor.name), " of ", file_name(shard), " is not in the index"), {});
      if (said->second != file_name(shard))
        contradicts(text("the tensor ", printable(tensor.name), " stands in another file than the index says"),
                    {{"found in", file_name(shard)}, {"the index says", printable(said->second)}});
      found.insert(tensor.name);
    }
  for (const auto& [tensor, file] : index)
    if (!found.contains(tensor))
      contradicts(text("the file ", printable(file), " lacks the tensor ", printable(tensor), " of the index"), {});
}

}  // namespace

std::vector<Safetensors> open_shards(const Folder& folder) {
  std::vector<Safetensors> shards;
  if (std::unique_ptr<const Bytes> single = folder.open(single_name)) {
    shards.emplace_back(std::move(single));
    return shards;
  }
  const std::unique_ptr<const Bytes> index_file = folder.open(index_name);
  if (!index_file)
    refuse({.what = text("the folder has neither ", single_name, " nor ", index_name), .where = folder.name(),
            .next = "give a folder whose weights are safetensors files"});
  const std::map<std::string, std::string> index = read_index(*index_file);
  std::set<std::string> names;
  for (const auto& [tensor, file] : index) names.insert(file);
  for (const std::string& name : names) shards.push_back(open_shard(folder, name));
  hold_against(index, folder, shards);
  return shards;
}

}  // namespace tsrun
