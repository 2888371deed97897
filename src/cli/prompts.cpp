#include "prompts.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>
#include <set>

#include "prompt_lines.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun::cli {
namespace {

// What has no end, such as /dev/zero, must not take all memory.
constexpr std::size_t most_file_bytes = std::size_t{1} << 30;

void require_consistent_options(const Arguments& a) {
  if (a.has("system") && !a.flag("chat"))
    refuse({.what = "a system message needs a conversation",
            .where = "--system",
            .next = "add --chat, or write the message into the prompt"});
  if (a.flag("chat") && a.has("tokens"))
    refuse({.what = "ids cannot be put into a chat template",
            .where = "--tokens",
            .next = "give the words with -p or -f, or leave --chat out"});
}

// Makes prompts of texts and conversations, as --chat and --system say.
class Reader {
 public:
  Reader(const Arguments& a, const Job& job) : chat_(a.flag("chat")), system_(a.text("system")), job_(job) {}

  Prompt ids(const std::string& list) const { return {"", {}, "", parse_ids(list, "--tokens"), "--tokens"}; }
  Prompt words(const std::string& text, const std::string& where) const {
    if (chat_) return conversation({{"user", text}}, where);
    return {"", {}, text, job_.encode(text, where), where};
  }
  Prompt line(const PromptLine& line) const {
    Prompt prompt = line.messages.empty() ? words(line.prompt, line.where) : conversation(line.messages, line.where);
    prompt.id = id_text(line.id);
    prompt.written_id = line.id;
    return prompt;
  }

 private:
  Prompt conversation(std::vector<ChatMessage> messages, const std::string& where) const {
    if (system_ && messages.front().role != "system") messages.insert(messages.begin(), {"system", *system_});
    return {"", {}, "", job_.encode(messages, where), where};
  }

  bool chat_;
  std::optional<std::string> system_;
  const Job& job_;
};

// Prompts without an id have their place as one.
void number(std::vector<Prompt>& prompts) {
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    if (!prompts[i].id.empty()) continue;
    prompts[i].written_id = prompts[i].id = std::to_string(i);
    prompts[i].where += ", prompt " + prompts[i].id;
  }
  std::set<std::string> seen;
  for (const Prompt& p : prompts)
    if (!seen.insert(p.id).second)
      refuse({.what = text("another prompt has the id \"", p.id, "\" too"),
              .where = p.where,
              .next = "give every line an id of its own; prompts of --tokens and -p have their places, from 0 on"});
}

}  // namespace

std::string read_file(const std::string& path) {
  const auto refused = [&path](const std::string& what, const char* next) {
    refuse({.what = what, .where = path, .next = next});
  };
  const auto unread = [&refused](int why) {
    refused(text("the file cannot be read: ", std::strerror(why)), "check its name, its rights and its disk");
  };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"), std::fclose);
  if (!file) unread(errno);
  struct stat found {};
  if (fstat(fileno(file.get()), &found) == 0 && S_ISDIR(found.st_mode))
    refused("this is a folder, not a file of text", "name the file in it");
  std::string all, block(std::size_t{1} << 16, '\0');
  while (const std::size_t n = std::fread(block.data(), 1, block.size(), file.get())) {
    if (all.size() + n > most_file_bytes)
      refused(text("the file is longer than ", human_bytes(static_cast<double>(most_file_bytes))),
              "cut it into several, and run one after the other");
    all.append(block, 0, n);
  }
  if (std::ferror(file.get()) != 0) unread(errno);
  return all;
}

Ids parse_ids(const std::string& list, const std::string& where) {
  Ids ids;
  if (list.empty()) return ids;
  for (const std::string& word : words_of(list)) {
    std::int32_t id = 0;
    const char* const end = word.data() + word.size();
    const auto [next, error] = std::from_chars(word.data(), end, id);
    if (error != std::errc() || next != end)
      refuse({.what = text("\"", list, "\" is not a list of ids"),
              .where = where,
              .next = "write whole numbers with commas: 1,2,3"});
    ids.push_back(id);
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

std::vector<Prompt> read_prompts(const Arguments& arguments, const Job& job, std::int64_t grow) {
  require_consistent_options(arguments);
  const Reader reader(arguments, job);
  std::vector<Prompt> prompts;
  for (const std::string& list : arguments.list("tokens")) prompts.push_back(reader.ids(list));
  for (const std::string& words : arguments.list("prompt")) prompts.push_back(reader.words(words, "-p"));
  if (const auto path = arguments.text("file")) {
    const std::string all = read_file(*path);
    if (!path->ends_with(".jsonl")) prompts.push_back(reader.words(all, *path));
    else for (const PromptLine& line : parse_prompt_lines(all, *path)) prompts.push_back(reader.line(line));
  }
  if (prompts.empty())
    refuse({.what = "there is no prompt", .where = "generate", .next = "give -p TEXT, -f FILE or --tokens 1,2,3"});
  number(prompts);
  for (const Prompt& p : prompts) {
    job.validate_ids(p.ids, p.where);
    job.validate_length(arguments, {.longest = std::ssize(p.ids), .grow = grow}, p.where);
  }
  return prompts;
}

}  // namespace tsrun::cli
