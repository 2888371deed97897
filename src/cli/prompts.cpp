#include "prompts.hpp"

#include <charconv>
#include <fstream>
#include <set>
#include <sstream>

#include "tsrun/core/text.hpp"

namespace tsrun::cli {
namespace {

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

Prompt parse_line(const std::string& line, const std::string& where) {
  const Json parsed = Json::parse(line, nullptr, false);
  const auto bad = [&where](const std::string& what) {
    refuse({.what = what, .where = where, .next = "write {\"id\": .., \"prompt\": \"..\"} on every line"});
  };
  if (!parsed.is_object()) bad("the line is not a JSON object");
  if (parsed.contains("messages"))
    refuse({.what = "\"messages\" is not built yet", .where = where, .next = "write the whole text as \"prompt\""});
  if (!parsed.contains("prompt") || !parsed["prompt"].is_string()) bad("the line has no \"prompt\" text");
  if (!parsed.contains("id") || !(parsed["id"].is_string() || parsed["id"].is_number_integer()))
    bad("the line has no \"id\"");
  return {parsed["id"].is_string() ? parsed["id"].get<std::string>() : parsed["id"].dump(),
          parsed["prompt"].get<std::string>(),
          {}};
}

std::vector<Prompt> parse_lines(const std::string& all, const std::string& path) {
  std::vector<Prompt> prompts;
  std::set<std::string> seen;
  std::istringstream in(all);
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string where = text(path, ", line ", number);
    prompts.push_back(parse_line(line, where));
    if (!seen.insert(prompts.back().id).second)
      refuse({.what = text("the id \"", prompts.back().id, "\" comes twice"),
              .where = where,
              .next = "give every prompt an id of its own"});
  }
  return prompts;
}

}  // namespace

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream all;
  if (in) all << in.rdbuf();
  if (!in || (all.str().empty() && in.bad()))
    refuse({.what = "the file cannot be read", .where = path, .next = "check its name and rights"});
  return all.str();
}

Ids parse_ids(const std::string& list, const std::string& where) {
  Ids ids;
  const char* at = list.data();
  const char* const end = list.data() + list.size();
  while (at != end) {
    std::int32_t id = 0;
    const auto [next, error] = std::from_chars(at, end, id);
    if (error != std::errc() || (next != end && *next != ',') || (next != end && next + 1 == end))
      refuse({.what = text("\"", list, "\" is not a list of ids"),
              .where = where,
              .next = "write whole numbers with commas: 1,2,3"});
    ids.push_back(id);
    at = next == end ? end : next + 1;
  }
  return ids;
}

std::vector<Ids> parse_ids_file(const std::string& path) {
  const Json parsed = Json::parse(read_file(path), nullptr, false);
  std::vector<Ids> all;
  const auto bad = [&path] {
    refuse({.what = "the file is not an array of arrays of ids", .where = path, .next = "write [[1,2,3],[4,5]]"});
  };
  if (!parsed.is_array()) bad();
  for (const Json& list : parsed) {
    if (!list.is_array()) bad();
    Ids ids;
    for (const Json& id : list) {
      if (!id.is_number_integer() || id.get<std::int64_t>() < 0 || id.get<std::int64_t>() > INT32_MAX) bad();
      ids.push_back(id.get<std::int32_t>());
    }
    all.push_back(std::move(ids));
  }
  return all;
}

std::vector<Prompt> read_prompts(const Arguments& arguments, const Job& job) {
  std::vector<Prompt> prompts;
  for (const std::string& list : arguments.list("tokens")) prompts.push_back({"", "", parse_ids(list, "--tokens")});
  for (const std::string& words : arguments.list("prompt")) prompts.push_back({"", words, job.encode(words, "-p")});
  if (const auto path = arguments.text("file")) {
    const std::string all = read_file(*path);
    if (!ends_with(*path, ".jsonl")) {
      prompts.push_back({"", all, job.encode(all, *path)});
    } else {
      for (Prompt& p : parse_lines(all, *path)) {
        p.ids = job.encode(p.text, text(*path, ", id ", p.id));
        prompts.push_back(std::move(p));
      }
    }
  }
  if (prompts.empty())
    refuse({.what = "there is no prompt", .where = "generate", .next = "give -p TEXT, -f FILE or --tokens 1,2,3"});
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    if (prompts[i].id.empty()) prompts[i].id = std::to_string(i);
    job.validate_ids(prompts[i].ids, text("prompt ", prompts[i].id));
  }
  return prompts;
}

}  // namespace tsrun::cli
