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
sign program
leftovers() { find /dev/shm /tmp -maxdepth 1 -iname '*coffer*' -not -name 'coffer-acceptance.*' | sort; }
before=$(leftovers)

start() {  # WORD ARGUMENT: starts the program, waits for its word
  mkfifo in
  setsid env --default-signal=INT "$COFFER" run program.enclave -- "$2" <in >run.txt 2>run.err &
  pid=$!
  exec 9>in
  wait_for 20 grep -q "$1" run.txt || fail "did not start: $(cat run.err)"
  cell=$(cell_of "$pid")
  [[ -n $cell ]] || fail "no cell"
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
  finish
done

for ((i = 0; i < 50; ++i)); do
  status_of "$COFFER" run program.enclave
  ((status == 0)) || fail "launch $i: $(cat err.txt)"
done
[[ $(leftovers) == "$before" ]] || fail "files left behind: $(leftovers)"
