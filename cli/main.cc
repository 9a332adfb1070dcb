#include "cli/command_line.h"

int main(int argc, char** argv) { return coffer::cli::run_command(argc, argv); }
