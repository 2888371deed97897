// The commands. Each describes its options and runs; errors are thrown.
#pragma once

#include "arguments.hpp"
#include "console.hpp"
#include "tsrun/mesh/mesh.hpp"

namespace tsrun::cli {

struct Command {
  const char* name;
  const char* usage;    // after the name
  const char* summary;
  po::options_description (*options)();
  std::vector<std::string> places;  // names of positional arguments
  int (*run)(const Arguments& arguments, const Console& console, const MpiSession& session);
};

po::options_description generate_options();
int run_generate(const Arguments&, const Console&, const MpiSession&);
po::options_description score_options();
int run_score(const Arguments&, const Console&, const MpiSession&);
po::options_description convert_options();
int run_convert(const Arguments&, const Console&, const MpiSession&);
po::options_description inspect_options();
int run_inspect(const Arguments&, const Console&, const MpiSession&);

}  // namespace tsrun::cli
