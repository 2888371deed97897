// The words of a command line, checked: known options only, each value of its type and in its range.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <vector>
#include <boost/program_options.hpp>

#include "tsrun/core/dtype.hpp"
#include "tsrun/core/error.hpp"

namespace tsrun::cli {

namespace po = boost::program_options;

// Options of every command: --json, --quiet, --verbose, --timeout, --help.
po::options_description common_options();
// Options that generate, score and bench share: model, mesh, layout, types, threads, context. `limited`: what it is that
// --max-latency-ms limits, "decode a step".
po::options_description model_options(const std::string& limited);

// One of the types by its name, as the value of an option. `others`: what else the option takes, for the message.
DType type_named(const std::string& word, const char* option, std::initializer_list<DType> types,
                 const std::vector<std::string>& others = {});

// "a", "b" of "a,b": what stands between commas, with nothing between two as an empty word.
std::vector<std::string> words_of(const std::string& list);

class Arguments;
// Seconds that --timeout lets a rank wait for another.
double timeout_option(const Arguments& arguments);
// What --dtype wants weights to be; nothing where it is auto, or not given. Of its value alone: weights_named.
std::optional<DType> weights_option(const Arguments& arguments);
std::optional<DType> weights_named(const std::string& word);
// What --kv-dtype wants the cache to be.
DType cache_option(const Arguments& arguments);
DType cache_named(const std::string& word);

class Arguments {
 public:
  // Refuses (exit 2) an option that is unknown, by name. `places` names the positional arguments in order.
  Arguments(const std::string& command, const std::vector<std::string>& words, const po::options_description& options,
            const std::vector<std::string>& places = {});

  bool has(const char* name) const { return values_.count(name) > 0; }
  bool flag(const char* name) const { return has(name) && values_[name].as<bool>(); }
  std::optional<std::string> text(const char* name) const;
  std::string text(const char* name, const std::string& otherwise) const { return text(name).value_or(otherwise); }
  // Refuses where it is missing, with the next step.
  std::string required(const char* name, const char* next) const;
  std::vector<std::string> list(const char* name) const;
  // Refuse a number that is not one, or out of range.
  std::int64_t integer(const char* name, std::int64_t otherwise, std::int64_t least,
                       std::int64_t most = std::numeric_limits<std::int64_t>::max()) const;
  double real(const char* name, double otherwise, double least, double most) const;

 private:
  po::variables_map values_;
  std::vector<std::string> places_;
};

}  // namespace tsrun::cli
