#include "results_header.hpp"

#include <map>

#include "tsrun/core/text.hpp"
#include "tsrun/engine/weights.hpp"

namespace tsrun::cli {
namespace {

std::string hexadecimal(std::uint64_t v) {
  std::string digits;
  for (int shift = 60; shift >= 0; shift -= 4) digits += "0123456789abcdef"[v >> shift & 15U];
  return digits;
}

// How many tensors are held as which type, and the cache.
Json types_json(const ModelFile& file, const Plan& plan) {
  std::map<std::string, std::int64_t> weights;
  for (const StoredTensor& t : file.tensors()) ++weights[std::string(name(held_type(t, plan.weights)))];
  return {{"weights", weights}, {"kv", name(plan.kv)}};
}

std::string words_of_json(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

// The fields of one object of the header.
class Fields {
 public:
  Fields(const Json& of, std::string where, std::string in = {})
      : of_(of), where_(std::move(where)), in_(std::move(in)) {
    if (!of_.is_object()) bad(in_.empty() ? "it is no JSON object" : text("its \"", in_, "\" is no object"));
  }

  const Json& one(const char* field, bool (Json::*is)() const noexcept, const char* kind) const {
    if (!of_.contains(field)) bad(text("it has no \"", path(field), "\""));
    if (!(of_[field].*is)()) bad(text("its \"", path(field), "\" is no ", kind));
    return of_[field];
  }
  void optional(const char* field, bool (Json::*is)() const noexcept, const char* kind) const {
    if (of_.contains(field)) one(field, is, kind);
  }
  // A word that `parse` takes; what it refuses is refused here.
  template <class Parse>
  void word(const char* field, Parse parse) const {
    const std::string value = one(field, &Json::is_string, "text").template get<std::string>();
    try {
      parse(value);
    } catch (const Error& error) {
      bad(text("its \"", path(field), "\": ", error.complaint().what));
    }
  }
  [[noreturn]] void bad(const std::string& why) const {
    refuse({.what = "this is not the first line of a results file: " + why,
            .where = where_,
            .next = "choose another results file"});
  }

 private:
  std::string path(const char* field) const { return in_.empty() ? field : text(in_, ".", field); }

  const Json& of_;
  std::string where_, in_;
};

}  // namespace

Json results_header(const Job& job, const Plan& plan, const Json& sampling, const Json& end_rules, const Json& chat) {
  Json header = {{"schema", 1},
                 {"version", TSRUN_VERSION},
                 {"model", job.config().name},
                 {"parameters", job.config().parameters()},
                 {"identity", hexadecimal(job.file().identity())},
                 {"plan",
                  {{"mesh", to_text(plan.torus)},
                   {"prefill", to_text(plan.prefill)},
                   {"decode", to_text(plan.decode)},
                   {"dtype", plan.weights ? std::string(name(*plan.weights)) : "auto"},
                   {"kv_dtype", name(plan.kv)}}},
                 {"types", types_json(job.file(), plan)},
                 {"sampling", sampling}};
  header.update(end_rules);
  header["chat"] = chat;
  return header;
}

void validate_header(const Json& header, const std::string& where) {
  const Fields fields(header, where);
  if (const Json& schema = fields.one("schema", &Json::is_number_integer, "number"); schema != 1)
    refuse({.what = text("the results file has schema ", words_of_json(schema), ", and this tsrun knows schema 1"),
            .where = where,
            .next = "go on with the tsrun that began it, or choose another results file"});
  fields.one("model", &Json::is_string, "text");
  fields.one("parameters", &Json::is_number_integer, "whole number");
  fields.optional("identity", &Json::is_string, "text");
  const Fields plan(fields.one("plan", &Json::is_object, "object"), where, "plan");
  plan.word("mesh", [](const std::string& word) { parse_torus(word); });
  plan.word("prefill", [](const std::string& word) { parse_layout(word); });
  plan.word("decode", [](const std::string& word) { parse_layout(word); });
  plan.word("dtype", [](const std::string& word) { weights_named(word); });
  plan.word("kv_dtype", [](const std::string& word) { cache_named(word); });
  fields.optional("types", &Json::is_object, "object");
  fields.one("sampling", &Json::is_object, "object");
  fields.optional("stop", &Json::is_array, "list");
  fields.optional("ignore_eos", &Json::is_boolean, "true or false");
}

void refuse_other_run(const Json& recorded, const Json& wanted, const std::string& path) {
  struct Part {
    const char* field;
    const char* words;
    const char* before;  // what a file without it was written with; nullptr: nobody knows
  };
  constexpr Part parts[] = {{"model", "model", nullptr},
                            {"parameters", "number of parameters", nullptr},
                            {"identity", "model file of that name", nullptr},
                            {"plan", "plan", nullptr},
                            {"types", "types", nullptr},
                            {"sampling", "sampling", nullptr},
                            {"stop", "--stop", "[]"},
                            {"ignore_eos", "--ignore-eos", "false"},
                            {"chat", "chat", "null"}};
  // As it would have been read: what is no UTF-8 is written as something else.
  const Json now = Json::parse(words_of_json(wanted));
  for (const auto& [field, words, before] : parts) {
    if (!recorded.contains(field) && before == nullptr) continue;
    const Json there = recorded.contains(field) ? recorded[field] : Json::parse(before);
    if (nlohmann::json(there) != nlohmann::json(now[field]))  // in whatever order their fields stand
      refuse({.what = text("the results file was begun with another ", words),
              .where = path,
              .numbers = {{"there", words_of_json(there)}, {"now", words_of_json(now[field])}},
              .next = "resume with the same model, ranks and options, or choose another file"});
  }
}

}  // namespace tsrun::cli
