# A cell dies with its host, a host survives its cell, and nothing is left behind by either, however they end.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
compile program <<'SOURCE'
#include <cstdio>
#include <cstring>
#include <unistd.h>
int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "loop") == 0) {
    std::puts("looping");
    std::fflush(stdout);
    for (volatile bool go = true; go;) {}
  }
  if (argc > 1) {
    std::puts("waiting");
    std::fflush(stdout);
    std::getchar();
  }
}
SOURCE
sign program --debug
# Its own folders and its own children only: other enclaves of the machine come and go meanwhile.
mkdir temporary
export TMPDIR=$PWD/temporary
files() { find temporary "$COFFER_HOME" | sort; }
children() { family "$$" | sed 1d | while read -r pid; do [[ -e /proc/$pid/exe ]] && grep -aq coffer "/proc/$pid/comm" && echo "$pid"; done; }
expect_status 0 "$COFFER" run program.enclave  # the platform's keys are made once
before=$(files)

start() {  # WORD ARGUMENT [OPTION...]: starts the program, waits for its word
  local word=$1 argument=$2
  shift 2
  mkfifo in
  setsid env --default-signal=INT "$COFFER" run program.enclave "$@" -- "$argument" <in >run.txt 2>run.err &
  pid=$!
  exec 9>in
  wait_for 20 grep -q "$word" run.txt || fail "did not start: $(cat run.err)"
  cell=$(cell_of "$pid")
  [[ -n $cell || -n $* ]] || fail "no cell"
}
finish() {
  exec 9>&-
  rm in
}

for how in waiting loop; do
  word=$how
  [[ $how == loop ]] && word=looping
  start "$word" "$how"
  kill -KILL "$cell"
  status=0
  wait "$pid" || status=$?
  ((status != 0)) || fail "$how: a killed cell is a success"
  (($(wc -l <run.err) == 1)) || fail "$how: not one line about the lost cell: $(cat run.err)"
  finish

  start "$word" "$how"
  kill -KILL "$pid"
  wait_for 10 gone "$cell" || fail "$how: the cell outlives its host"
  wait "$pid" 2>/dev/null || true
  finish

  start "$word" "$how"
  kill -INT "$pid"
  wait_for 10 gone "$pid" || fail "$how: Ctrl-C does not end it"
  status=0
  wait "$pid" || status=$?
  ((status == 130)) || fail "$how: exit status $status after Ctrl-C"
  gone "$cell" || wait_for 5 gone "$cell" || fail "$how: the cell outlives Ctrl-C"
  grep -v '^coffer: note: ' run.err && fail "$how: words after Ctrl-C"
  finish

  start "$word" "$how" --rung inline
  kill -TERM "$pid"
  wait_for 10 gone "$pid" || fail "$how: SIGTERM does not end it on the rung inline"
  status=0
  wait "$pid" || status=$?
  ((status == 143)) || fail "$how: exit status $status after SIGTERM"
  finish
done
# What was killed could not leave the list; the next look takes it out.
sockets() { find "$COFFER_HOME" -name '*.socket' | wc -l; }
(($(sockets) == 2)) || fail "not the two sockets of killed hosts: $(find "$COFFER_HOME" -name '*.socket')"
[[ -z $("$COFFER" ps --quiet) ]] || fail "lists what was killed"

for ((i = 0; i < 50; ++i)); do
  status_of "$COFFER" run program.enclave
  ((status == 0)) || fail "launch $i: $(cat err.txt)"
done
[[ $(files) == "$before" ]] || fail "files left behind: $(diff <(echo "$before") <(files))"
[[ -z $(children) ]] || fail "processes left behind: $(ps -o pid,args -p "$(children)")"
