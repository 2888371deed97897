// The command line: one binary, one table of commands.
//
// Every rank parses the same words; one of them speaks. Whatever goes wrong ends here, as one message and one status:
// 2 the request or an input is wrong, 3 a stated goal cannot be met, 1 something broke.
#pragma once

namespace tsrun {

// The whole program; returns the exit status.
int run_command_line(int argc, char** argv);

}  // namespace tsrun
