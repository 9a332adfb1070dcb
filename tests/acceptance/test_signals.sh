# Signals of the host reach the program's handlers through coffer run; without a handler everything is as outside.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
compile program <<'SOURCE'
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <unistd.h>
namespace {
volatile sig_atomic_t last = 0;
volatile sig_atomic_t reloads = 0;
void note(int signal) { last = signal; }
void reload(int) { reloads = reloads + 1; }
void say(const char* word) {
  std::puts(word);
  std::fflush(stdout);
}
}  // namespace
int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  if (std::strcmp(what, "default") != 0) {
    std::signal(SIGTERM, note);
    std::signal(SIGHUP, reload);
    std::signal(SIGUSR1, SIG_IGN);
  }
  if (std::strcmp(what, "lines") == 0) {
    std::signal(SIGTERM, SIG_DFL);
    while (true) say("line");
  }
  say("ready");
  int seen = 0;
  while (last == 0) {
    if (std::strcmp(what, "compute") != 0) {
      const timespec nap{0, 20'000'000};
      nanosleep(&nap, nullptr);
    }
    if (reloads != seen) {
      seen = reloads;
      std::printf("reloaded %d\n", seen);
      std::fflush(stdout);
    }
  }
  std::printf("signal %d\n", static_cast<int>(last));
  return 40;
}
SOURCE
sign program --debug

start() {  # ARGUMENTS: starts the program; its words are in run.txt
  rm -f run.txt
  setsid env --default-signal=INT,HUP,TERM "$COFFER" run --quiet --rung "$rung" program.enclave -- "$@" >run.txt 2>run.err &
  pid=$!
  wait_for 20 grep -q ready run.txt || fail "did not start: $(cat run.err)"
}
ends_with() {  # STATUS
  wait_for 20 gone "$pid" || fail "does not end: $(cat run.txt)"
  status=0
  wait "$pid" || status=$?
  ((status == $1)) || fail "exit status $status instead of $1: $(cat run.txt run.err)"
}

for rung in process inline; do
  # A handler, whether the program sleeps or computes.
  for how in sleep compute; do
    start "$how"
    kill -USR1 "$pid"  # ignored inside
    kill -HUP "$pid"
    wait_for 10 grep -qx 'reloaded 1' run.txt || fail "$how: SIGHUP comes to nothing: $(cat run.txt)"
    kill -HUP "$pid"
    wait_for 10 grep -qx 'reloaded 2' run.txt || fail "$how: the second SIGHUP comes to nothing: $(cat run.txt)"
    kill -TERM "$pid"
    ends_with 40
    grep -qx 'signal 15' run.txt || fail "$how: $(cat run.txt)"
    # Where a handler is for others, the default is the program's, not ours.
    start "$how"
    kill -INT "$pid"
    ends_with 130
    [[ ! -s run.err ]] || fail "words about a wish: $(cat run.err)"
  done
  # No handler at all.
  for signal in TERM INT HUP USR1; do
    start default
    kill -"$signal" "$pid"
    ends_with $((128 + $(kill -l "$signal")))
  done
  start default
  kill -WINCH "$pid"
  kill -TERM "$pid"
  ends_with 143
done

# A reader that goes away ends the program as outside: quietly, by SIGPIPE.
set +o pipefail
"$COFFER" run --quiet program.enclave -- lines 2>pipe.err | head -n 2 >pipe.txt
status=${PIPESTATUS[0]}
set -o pipefail
((status == 141)) || fail "exit status $status instead of SIGPIPE's: $(cat pipe.err)"
[[ $(cat pipe.txt) == $'line\nline' && ! -s pipe.err ]] || fail "$(cat pipe.txt pipe.err)"

# nohup: what is ignored here goes on being ignored.
rung=process
rm -f run.txt
(trap '' HUP; exec setsid "$COFFER" run --quiet program.enclave -- sleep >run.txt 2>run.err) &
pid=$!
wait_for 20 grep -q ready run.txt || fail "did not start: $(cat run.err)"
kill -HUP "$pid"
kill -TERM "$pid"
ends_with 40
if grep -q reloaded run.txt; then fail 'an ignored SIGHUP came through'; fi

# A read of standard input that waits is interrupted by a signal's handler: EINTR without SA_RESTART, and with it the read
# goes on and gets what comes later.
compile reader <<'SOURCE'
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <unistd.h>
namespace {
void note(int) { (void)!write(1, "signal\n", 7); }
}  // namespace
int main(int, char** argv) {
  struct sigaction action {};
  action.sa_handler = note;
  action.sa_flags = std::strcmp(argv[1], "restart") == 0 ? SA_RESTART : 0;
  sigaction(SIGUSR1, &action, nullptr);
  (void)!write(1, "ready\n", 6);
  char line[32] = {};
  const ssize_t got = read(0, line, sizeof(line) - 1);
  if (got < 0) std::printf("errno %s\n", errno == EINTR ? "EINTR" : std::strerror(errno));
  else std::printf("read %s", line);
}
SOURCE
sign reader
for how in once restart; do
  rm -f reader.in
  mkfifo reader.in
  "$COFFER" run --quiet reader.enclave -- $how <reader.in >run.txt 2>run.err &
  pid=$!
  exec 8>reader.in
  wait_for 20 grep -q ready run.txt || fail "reader did not start: $(cat run.err)"
  # Once is enough wherever the program is; it is sent again where it came before the read.
  signalled() { kill -USR1 "$pid" 2>/dev/null; grep -q "$1" run.txt; }
  if [[ $how == once ]]; then
    wait_for 20 signalled EINTR || fail "not interrupted: $(cat run.txt run.err)"
  else
    wait_for 20 signalled signal || fail "no handler: $(cat run.txt run.err)"
    echo later >&8
  fi
  exec 8>&-
  wait "$pid" || fail "reader ends with $?: $(cat run.err)"
  if [[ $how == restart ]]; then grep -qx 'read later' run.txt || fail "not restarted: $(cat run.txt)"; fi
done
