// The first line of a results file: all that a result depends on. A run that goes on with the file takes its plan and
// types from there, and is refused where it asks for something else.
//
//   {"schema":1,"version":"..","model":"..","parameters":N,"identity":"16 hex digits",
//    "plan":{"mesh":"2x2x1","prefill":"ws2d/head","decode":"ws2d/batch","dtype":"auto|bf16|..","kv_dtype":"bf16"},
//    "types":{"weights":{"bf16":210,"f32":61},"kv":"bf16"},"sampling":{..},"stop":[..],"ignore_eos":false,
//    "chat":null|{..}}
// Files of earlier versions lack identity and types, which then are not compared, and stop and ignore_eos, which then
// were [] and false.
#pragma once

#include <string>
#include <string_view>

#include "job.hpp"

namespace tsrun::cli {

// How each of them begins, of every version.
inline constexpr std::string_view header_begins = R"({"schema":1,"version":")";

// `end_rules`: {"stop": [..], "ignore_eos": ..}; `chat`: what is put around the prompts, null where nothing is.
Json results_header(const Job& job, const Plan& plan, const Json& sampling, const Json& end_rules, const Json& chat);

// Refuses (exit 2) a first line that tsrun did not write, or that lacks a field or has one of another type or without a
// meaning, naming it and `where`.
void validate_header(const Json& header, const std::string& where);

// Refuses (exit 2) to go on at `path` with results that depend on something else than is `wanted` now.
void refuse_other_run(const Json& recorded, const Json& wanted, const std::string& path);

}  // namespace tsrun::cli
