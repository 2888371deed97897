// What the user asks: prompts from -p, -f and --tokens, bare or as conversations, with their ids as sequences.
#pragma once

#include <string>
#include <vector>

#include "job.hpp"

namespace tsrun::cli {

struct Prompt {
  std::string id;    // of a .jsonl line; else its number
  std::string text;  // empty where it came as ids, or is a conversation
  Ids ids;
};

// Reads a whole file, refusing (exit 2) what cannot be read.
std::string read_file(const std::string& path);
// "1,2,3"
Ids parse_ids(const std::string& list, const std::string& where);
// An array of arrays of ids.
std::vector<Ids> parse_ids_file(const std::string& path);
// On rank 0: reads, checks and encodes all prompts, with --chat as the model's template puts them.
std::vector<Prompt> read_prompts(const Arguments& arguments, const Job& job);

}  // namespace tsrun::cli
