#include <fcntl.h>

#include <cstdlib>

#include "cli/command_line.h"

namespace {

// A standard stream that is closed would otherwise be the number of the next file that is opened, and the program
// inside would read and write that. In its place stands a file that answers EBADF to what the stream is for, as a
// closed one does.
void occupy_closed_streams() {
  for (int stream = 0; stream < 3; ++stream) {
    if (::fcntl(stream, F_GETFD) >= 0) continue;
    if (::open("/dev/null", stream == 0 ? O_WRONLY : O_RDONLY) != stream) std::abort();  // nobody could be told
  }
}

}  // namespace

int main(int argc, char** argv) {
  occupy_closed_streams();
  return coffer::cli::run_command(argc, argv);
}
