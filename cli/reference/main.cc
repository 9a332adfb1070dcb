// Writes the manual pages and the completion scripts into the folder that the build names.
#include <cstdio>

#include "base/file.h"
#include "cli/command_line.h"
#include "cli/reference/reference.h"
#include "node/command_line.h"

int main(int argc, char** argv) {
  using namespace coffer;
  if (argc != 2) {
    std::fputs("usage: coffer_reference FOLDER\n", stderr);
    return 2;
  }
  int status = 0;
  const auto command = cli::make_command(status);
  auto files = cli::manual_pages(*command, COFFER_VERSION);
  files.push_back({"coffer", cli::bash_completion(*command)});
  files.push_back({"_coffer", cli::zsh_completion(*command)});
  node::Options ignored;
  const auto daemon = node::make_command(ignored);
  files.push_back(cli::daemon_page(*daemon, COFFER_VERSION));
  files.push_back({"cofferd", cli::bash_completion(*daemon)});
  files.push_back({"_cofferd", cli::zsh_completion(*daemon)});
  for (const cli::ReferenceFile& file : files) {
    const std::filesystem::path path = std::filesystem::path(argv[1]) / file.name;
    std::error_code error;
    std::filesystem::create_directories(path.parent_path(), error);
    const auto written = write_file_atomically(path, std::as_bytes(std::span(file.text)));
    if (!written) {
      std::fprintf(stderr, "coffer_reference: %s\n", written.error().message.c_str());
      return 2;
    }
  }
  return 0;
}
