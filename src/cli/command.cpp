#include "tsrun/cli/command.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <iostream>

#include "commands.hpp"
#include "output_files.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/kernels/simd_level.hpp"

namespace tsrun {
namespace cli {
namespace {

const Command commands[] = {
    {"generate",
     "-m FILE.h5 -p TEXT [options]",
     "prompts in, text out",
     generate_options,
     {},
     {"model", "file", "chip"},
     {"output"},
     run_generate,
     nullptr},
    {"score",
     "-m FILE.h5 -f FILE [options]",
     "log-probabilities and perplexity of given text",
     score_options,
     {},
     {"model", "file", "tokens-file", "chip"},
     {"logits"},
     run_score,
     nullptr},
    {"bench",
     "-m FILE.h5|NAME [options]",
     "speed of prefill and decode, beside what the machine can do",
     bench_options,
     {},
     {"model", "chip"},
     {},
     run_bench,
     nullptr},
    {"convert",
     "IN OUT.h5 [options]",
     "a GGUF file or a Hugging Face folder in, a model file out",
     convert_options,
     {"in", "out"},
     {"in"},
     {"out"},
     nullptr,
     run_convert},
    {"inspect",
     "FILE.h5 [options]",
     "what is in a model file",
     inspect_options,
     {"file"},
     {"file"},
     {},
     nullptr,
     run_inspect},
    {"plan",
     "--model NAME --chip NAME --chips N [options]",
     "layouts priced and chosen, with the reasons",
     plan_options,
     {},
     {"model", "chip"},
     {"pareto"},
     nullptr,
     run_plan},
    {"validate",
     "[options]",
     "the cost model against published measurements",
     validate_options,
     {},
     {"data", "chip"},
     {},
     nullptr,
     run_validate},
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

// Where these words want the JSON, as far as they can be told before they are understood; nothing where it would be
// written over what is none, or where another word says that something else will be.
std::optional<std::string> json_of(const std::vector<std::string>& words) {
  std::optional<std::string> json;
  std::vector<std::string> others;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--json" && i + 1 < words.size()) json = words[++i];
    else if (words[i].starts_with("--json=")) json = words[i].substr(7);
    else others.push_back(words[i].substr(words[i].starts_with("--") ? words[i].find('=') + 1 : 0));
  }
  if (!json || json->empty() || (*json != "-" && json->front() == '-') || !may_hold_document(*json)) return {};
  const auto is_claimed = [&](const std::string& other) { return *json != "-" && is_same_file(*json, other); };
  return std::any_of(others.begin(), others.end(), is_claimed) ? std::nullopt : json;
}

// The files of the command line, before any work.
void look_at_files(const Command& command, const Arguments& arguments) {
  const auto given = [&](const std::vector<const char*>& names) {
    std::vector<NamedPath> paths;
    for (const char* const name : names)
      if (const auto path = arguments.text(name)) {
        const bool is_place = std::find(command.places.begin(), command.places.end(), name) != command.places.end();
        paths.push_back({text(is_place ? "" : "--", name), *path});
      }
    return paths;
  };
  std::vector<NamedPath> outputs = given(command.writes);
  if (const auto json = arguments.text("json")) outputs.push_back({"--json", *json});
  check_outputs(given(command.reads), outputs);
  if (const auto json = arguments.text("json"); json && !may_hold_document(*json))
    refuse({.what = "this file is not a JSON document of tsrun's, and would be lost",
            .where = text("--json ", *json),
            .next = "choose another name, or remove it"});
}

// Runs one command to its status.
int run_command(const std::vector<std::string>& words, const MpiSession* session, bool speaks) {
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
  if (session == nullptr) refuse_several_ranks(command);
  const auto look = [&] { look_at_files(command, arguments); };
  session != nullptr ? session->on_rank_0(look) : look();
  const Console console(arguments, speaks);
  return session != nullptr ? command.on_torus(arguments, console, *session) : command.alone(arguments, console);
}

// The same, with its errors told by one rank. Most are thrown by all ranks alike; one that fails alone, perhaps for a
// reason that was not foreseen, must not leave the others waiting for it.
int run(const std::vector<std::string>& words, const MpiSession* session) {
  constexpr double patience_s = 5;
  const bool speaks = session != nullptr ? session->speaks() : launch_of_environment().rank == 0;
  const auto told = [&](const Error& error) { return Console(json_of(words), speaks).fail(error); };
  // Any rank may have to end the job. Two that do so at a time leave one whole file, but would mix their words in a
  // stream.
  tell_aborts_by([words, speaks](const Error& error) {
    std::optional<std::string> json = json_of(words);
    if (!speaks && json && (names_stdout(*json) || is_stream(*json))) json.reset();
    Console(json, true).fail(error);
  });
  const auto of_this_rank = [&](const Error& error) {
    Complaint c = error.complaint();
    c.where = text("rank ", session->rank(), " on ", host_name(), c.where.empty() ? "" : ": ", c.where);
    return Error(error.exit(), std::move(c));
  };
  try {
    return run_command(words, session, speaks);
  } catch (const Error& error) {
    const int status = told(error);
    if (session == nullptr || session->all_come(patience_s)) return status;
    if (speaks) tell_aborts_by([](const Error&) {});  // it is told
    abort_job(of_this_rank(error));
  } catch (const std::exception& unforeseen) {
    const Error error(Exit::broke, {.what = unforeseen.what()});
    if (session == nullptr) return told(error);
    abort_job(of_this_rank(error));
  }
}

// Whether all that was printed has been taken.
bool is_stdout_whole() {
  std::cout.flush();
  return std::cout.good() && std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
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
  int status = cli::run(words, session ? &*session : nullptr);
  if (status == 0 && !cli::is_stdout_whole()) {
    std::fputs("tsrun: stdout: what was printed could not be written; make room, or keep its reader alive\n", stderr);
    status = static_cast<int>(Exit::broke);
  }
  // Without MPI the ranks of a launcher do not end together, and the first that ends with an error has the others
  // killed: those that are silent must not silence the one that speaks.
  return session || launch_of_environment().rank == 0 ? status : 0;
}

}  // namespace tsrun
