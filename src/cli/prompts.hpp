// What the user asks: prompts from -p, -f and --tokens, bare or as conversations, with their ids as sequences.
#pragma once

#include <string>
#include <vector>

#include "job.hpp"

namespace tsrun::cli {

struct Prompt {
  std::string id;     // id_text of a .jsonl line's; else its place among all prompts. No other prompt has it
  Json written_id;    // the same as results show it: a number stays one
  std::string text;   // empty where it came as ids, or is a conversation
  Ids ids;            // at least one
  std::string where;  // it came from: a file and its line, or an option and the prompt's id
};

// Reads a whole file or pipe. Refuses (exit 2) a folder, what cannot be read to its end, and more than 1 GiB.
std::string read_file(const std::string& path);
// "1,2,3"
Ids parse_ids(const std::string& list, const std::string& where);
// An array of arrays of ids.
std::vector<Ids> parse_ids_file(const std::string& path);
// On rank 0: reads, checks and encodes all prompts, with --chat as the model's template puts them. Refuses (exit 2) an
// id that comes twice, and a prompt that is empty or with `grow` new tokens longer than the context, naming where it is.
std::vector<Prompt> read_prompts(const Arguments& arguments, const Job& job, std::int64_t grow);

}  // namespace tsrun::cli
