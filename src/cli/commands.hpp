// The commands. Each describes its options and runs; errors are thrown.
#pragma once

#include "arguments.hpp"
#include "console.hpp"
#include "tsrun/mesh/mesh.hpp"

namespace tsrun::cli {

struct Command {
  const char* name;
  const char* usage;  // after the name
  const char* summary;
  po::options_description (*options)();
  std::vector<std::string> places;          // names of positional arguments
  std::vector<const char*> reads, writes;  // arguments that name files; --json is written by all
  // One of the two: on the torus of an MPI job, or in one process without MPI.
  int (*on_torus)(const Arguments& arguments, const Console& console, const MpiSession& session);
  int (*alone)(const Arguments& arguments, const Console& console) = nullptr;
};

po::options_description generate_options();
int run_generate(const Arguments&, const Console&, const MpiSession&);
po::options_description score_options();
int run_score(const Arguments&, const Console&, const MpiSession&);
po::options_description bench_options();
int run_bench(const Arguments&, const Console&, const MpiSession&);
po::options_description convert_options();
int run_convert(const Arguments&, const Console&);
po::options_description inspect_options();
int run_inspect(const Arguments&, const Console&);
po::options_description plan_options();
int run_plan(const Arguments&, const Console&);
po::options_description validate_options();
int run_validate(const Arguments&, const Console&);

}  // namespace tsrun::cli
