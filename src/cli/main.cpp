// tsrun COMMAND [options]
#include "tsrun/cli/command.hpp"

int main(int argc, char** argv) { return tsrun::run_command_line(argc, argv); }
