#include "cli/detach.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <optional>

#include "base/file.h"
#include "cli/verbs.h"
#include "host/operate/detached.h"
#include "host/operate/log_file.h"
#include "host/operate/places.h"

namespace coffer::cli {
namespace {

struct Pipe {
  FileDescriptor read, write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return system_error("cannot make a pipe", errno);
  return Pipe{FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

// What goes over the pipe to the command that waits: the run has begun, or ended before with this status.
struct Word {
  char begun;
  unsigned char status;
};

void tell(int pipe, Word word) { [[maybe_unused]] const ssize_t sent = ::write(pipe, &word, sizeof(word)); }

void point_at_nothing(std::initializer_list<int> descriptors) {
  const FileDescriptor nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (const int descriptor : descriptors) {
    if (!nothing || ::dup2(nothing.get(), descriptor) < 0) ::close(descriptor);
  }
}

// The run itself. Does not return.
[[noreturn]] void be_the_run(const Pipe& word, const Pipe& output, const Pipe& error,
                             const std::function<int(const DetachedStreams&)>& body) {
  point_at_nothing({0});
  ::dup2(output.write.get(), 1);
  const DetachedStreams streams{.input = 0, .output = 1, .error = error.write.get(), .begun = [&word, &error] {
                                  ::dup2(error.write.get(), 2);
                                  tell(word.write.get(), {.begun = 1, .status = 0});
                                }};
  const int status = body(streams);
  std::fflush(nullptr);
  ::_exit(status);
}

// Copies both streams into the log until nobody can write to them any more. `begun` is called once where the run says
// that it has begun.
void keep_output(const Pipe& output, const Pipe& error, const Pipe& word, operate::LogWriter* log,
                 const std::function<void()>& begun) {
  std::array<pollfd, 3> events{
      {{output.read.get(), POLLIN, 0}, {error.read.get(), POLLIN, 0}, {word.read.get(), POLLIN, 0}}};
  std::array<char, 65536> piece{};
  while (events[0].fd >= 0 || events[1].fd >= 0 || events[2].fd >= 0) {
    if (::poll(events.data(), events.size(), -1) < 0) {
      if (errno != EINTR) return;
      continue;
    }
    for (pollfd& event : events) {
      if (event.fd < 0 || event.revents == 0) continue;
      const ssize_t got = ::read(event.fd, piece.data(), piece.size());
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) {
        event.fd = -1;
      } else if (&event == &events[2]) {
        begun();
      } else if (log != nullptr) {
        log->append(&event == &events[0] ? 'o' : 'e', {piece.data(), static_cast<std::size_t>(got)});
      }
    }
  }
  if (log != nullptr) log->finish();
}

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

// Beside the run: keeps its output and its end, and tells the command whether it began.
[[noreturn]] void be_the_keeper(pid_t run, int command, const Pipe& word, const Pipe& output, const Pipe& error,
                                std::optional<operate::DetachedRecord>& record) {
  point_at_nothing({0, 1, 2});
  // What ends the run is not for its keeper, and neither is a command that did not wait.
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE}) ::signal(signal, SIG_IGN);
  [[maybe_unused]] const int changed = ::chdir("/");
  std::optional<operate::LogWriter> log;
  if (record) log.emplace(record->folder());
  bool begun = false;
  keep_output(output, error, word, log ? &*log : nullptr, [&begun, command] {
    begun = true;
    tell(command, {.begun = 1, .status = 0});
  });
  const int status = wait_for(run);
  const bool killed = WIFSIGNALED(status);
  const int value = killed ? WTERMSIG(status) : WEXITSTATUS(status);
  using State = operate::DetachedRun::State;
  if (record && begun) {
    [[maybe_unused]] const auto kept = record->ended(killed ? State::kKilled : State::kExited, value);
  } else if (record) {
    record->discard();  // the terminal has been told why
  }
  if (!begun) tell(command, {.begun = 0, .status = static_cast<unsigned char>(killed ? 128 + value : value)});
  ::_exit(0);
}

// What the command prints and returns.
int wait_for_word(int pipe, const std::string& id) {
  Word word{};
  ssize_t got = 0;
  while ((got = ::read(pipe, &word, sizeof(word))) < 0 && errno == EINTR) {
  }
  if (got == sizeof(word) && word.begun != 0) {
    std::puts(id.c_str());
    return 0;
  }
  return got == sizeof(word) ? word.status
                             : report({ErrorKind::kSystem, "the run ended before it could say that it began"});
}

}  // namespace

int run_detached(const std::string& id, const std::string& name, const std::string& image,
                 const std::function<int(const DetachedStreams&)>& body) {
  auto command = make_pipe();
  auto word = make_pipe();
  auto output = make_pipe();
  auto error = make_pipe();
  for (const auto* pipe : {&command, &word, &output, &error}) {
    if (!*pipe) return report(pipe->error());
  }
  std::optional<operate::DetachedRecord> record;
  std::error_code ignored;
  auto made = operate::DetachedRecord::create({.id = id,
                                               .name = name,
                                               .image = std::filesystem::absolute(image, ignored).string(),
                                               .started_ms = operate::now_ms(),
                                               .folder = {}});
  if (made) {
    record = std::move(*made);
  } else {
    std::fprintf(stderr, "coffer: note: neither output nor exit status of this run is kept: %s\n",
                 made.error().message.c_str());
  }
  std::fflush(nullptr);
  const pid_t keeper = ::fork();
  if (keeper < 0) return report(system_error("cannot start a process", errno).error());
  if (keeper > 0) {
    // Whoever keeps a pipe's end keeps the keeper waiting.
    for (auto* pipe : {&command, &word, &output, &error}) (*pipe)->write.reset();
    return wait_for_word(command->read.get(), id);
  }
  ::setsid();
  command->read.reset();
  const pid_t run = ::fork();
  if (run < 0) ::_exit(report(system_error("cannot start a process", errno).error()));
  if (run == 0) {
    command->write.reset();
    word->read.reset();
    output->read.reset();
    error->read.reset();
    be_the_run(*word, *output, *error, body);
  }
  word->write.reset();
  output->write.reset();
  error->write.reset();
  be_the_keeper(run, command->write.get(), *word, *output, *error, record);
}

}  // namespace coffer::cli
