#include "tsrun/cli/command.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <iostream>

#include "commands.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/kernels/simd_level.hpp"

namespace tsrun {
namespace cli {
namespace {

const Command commands[] = {
    {"generate", "-m FILE.h5 -p TEXT [options]", "prompts in, text out", generate_options, {}, run_generate, nullptr},
    {"score",
     "-m FILE.h5 -f FILE [options]",
     "log-probabilities and perplexity of given text",
     score_options,
     {},
     run_score,
     nullptr},
    {"bench",
     "-m FILE.h5|NAME [options]",
     "speed of prefill and decode, beside what the machine can do",
     bench_options,
     {},
     run_bench,
     nullptr},
    {"convert",
     "IN OUT.h5 [options]",
     "a GGUF file or a Hugging Face folder in, a model file out",
     convert_options,
     {"in", "out"},
     nullptr,
     run_convert},
    {"inspect", "FILE.h5 [options]", "what is in a model file", inspect_options, {"file"}, nullptr, run_inspect},
    {"plan",
     "--model NAME --chip NAME --chips N [options]",
     "layouts priced and chosen, with the reasons",
     plan_options,
     {},
     nullptr,
     run_plan},
    {"validate", "[options]", "the cost model against published measurements", validate_options, {}, nullptr, run_validate},
};
// Commands of the contract whose part of tsrun does not exist yet.
constexpr const char* not_built[] = {"simulate", "calibrate", "scaling"};

void print_help() {
  std::cout << "tsrun COMMAND [options]: Transformers on a 3D torus of MPI ranks\n\n";
  for (const Command& c : commands)
    std::cout << "  tsrun " << c.name << " " << c.usage << "\n      " << c.summary << "\n";
  std::cout << "\n  tsrun COMMAND --help lists its options; tsrun --version says what this binary is made of.\n";
}

void print_version() {
  std::cout << "tsrun " << TSRUN_VERSION << "\nMPI   " << mpi_library()
            << "\nBLAS  none: products are tsrun's own kernels\nHDF5  " << TSRUN_HDF5_VERSION << "\nSIMD  "
            << name(simd_level()) << "\n";
}

const Command* find_command(const std::vector<std::string>& words) {
  for (const Command& c : commands)
    if (!words.empty() && words[0] == c.name) return &c;
  return nullptr;
}

const Command& command_of(const std::vector<std::string>& words) {
  if (const Command* const found = find_command(words)) return *found;
  const std::string& name = words[0];
  const bool later = std::find(std::begin(not_built), std::end(not_built), name) != std::end(not_built);
  std::vector<std::string> known;
  for (const Command& c : commands) known.emplace_back(c.name);
  refuse({.what = text("\"", name, "\" is ", later ? "not built yet" : "not a command"),
          .next = "choose one of: " + join(known, " ")});
}

void refuse_several_ranks(const Command& command) {
  const long ranks = launch_of_environment().ranks;
  if (ranks > 1)
    refuse({.what = text(command.name, " runs on one rank"),
            .where = "launch",
            .numbers = {{"ranks", std::int64_t{ranks}}},
            .next = "start it without mpirun"});
}

// Runs one command to its status. An error that every rank throws alike ends here on every rank.
int run(const std::vector<std::string>& words, const MpiSession* session) {
  std::optional<std::string> json;  // known before anything can go wrong with it
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--json" && i + 1 < words.size()) json = words[i + 1];
    if (words[i].rfind("--json=", 0) == 0) json = words[i].substr(7);
  }
  const bool speaks = session != nullptr ? session->speaks() : launch_of_environment().rank == 0;
  try {
    if (session != nullptr) {
      session->refuse_threadless();
      session->refuse_other_words(words);
    }
    if (words.empty() || words[0] == "--help" || words[0] == "-h" || words[0] == "help") {
      if (speaks) print_help();
      return 0;
    }
    if (words[0] == "--version") {
      if (speaks) print_version();
      return 0;
    }
    const Command& command = command_of(words);
    if (session != nullptr) session->refuse_singletons();
    po::options_description options = command.options();
    const Arguments arguments(command.name, {words.begin() + 1, words.end()}, options, command.places);
    if (arguments.flag("help")) {
      if (speaks)
        std::cout << "tsrun " << command.name << " " << command.usage << "\n" << command.summary << "\n\n" << options;
      return 0;
    }
    timeout_option(arguments);  // refused where it is none, also by commands that wait for nobody
    const Console console(arguments, speaks);
    if (session != nullptr) return command.on_torus(arguments, console, *session);
    refuse_several_ranks(command);
    return command.alone(arguments, console);
  } catch (const Error& error) {
    if (speaks) {
      std::fflush(stdout);
      std::fprintf(stderr, "tsrun: %s\n", error.what());
      if (json) {
        const po::options_description common = common_options();
        const Arguments only_json("", {"--json", *json}, common);
        try {
          Console(only_json, true).write(error_document(error));
        } catch (const Error&) {  // the first error is the one to tell
        }
      }
    }
    return static_cast<int>(error.exit());
  }
}

}  // namespace
}  // namespace cli

int run_command_line(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is a failed write, not a death
  std::signal(SIGXFSZ, SIG_IGN);  // so is a file that may not grow
  const std::vector<std::string> words(argv + 1, argv + argc);
  const cli::Command* const command = cli::find_command(words);
  std::optional<MpiSession> session;
  if (command != nullptr && command->on_torus != nullptr) session.emplace(&argc, &argv);
  try {
    const int status = cli::run(words, session ? &*session : nullptr);
    // Without MPI the ranks of a launcher do not end together, and the first that ends with an error has the others
    // killed: those that are silent must not silence the one that speaks.
    return session || launch_of_environment().rank == 0 ? status : 0;
  } catch (const std::exception& error) {
    if (!session) {
      std::fprintf(stderr, "tsrun: %s\n", error.what());
      return static_cast<int>(Exit::broke);
    }
    // Not foreseen, perhaps on this rank alone: the others must not wait for it.
    abort_job(static_cast<int>(Exit::broke), text("rank ", session->rank(), " on ", host_name(), ": ", error.what()));
  }
}

}  // namespace tsrun
