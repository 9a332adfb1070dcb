# A known 4 KiB secret in a production enclave is found by nobody: not by a debugger, not through /proc/PID/mem, not by
# process_vm_readv, not in a core dump, neither as this user nor as another one. The same look finds it outside.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
view=$COFFER_ROOT/scripts/outside-view
# The secret is computed inside, from a seed that looks like nothing; 'needle' is how 64 of its 4,096 bytes read.
compile program <<'SOURCE'
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>
std::string secret(std::size_t size) {
  std::uint64_t state = 0x9e3779b97f4a7c15;
  std::string text;
  while (text.size() < size) {
    state = state * 6364136223846793005 + 1442695040888963407;
    text += static_cast<char>('a' + (state >> 33) % 26);
  }
  return text;
}
int main(int argc, char**) {
  if (argc > 1) return std::puts(secret(4096).substr(1000, 64).c_str()) < 0;
  static std::string in_bss = secret(4096);
  std::string on_heap = secret(4096);
  char on_stack[4096];
  on_heap.copy(on_stack, sizeof on_stack);
  asm volatile("" ::"r"(on_stack), "r"(in_bss.data()) : "memory");
  std::puts("pausing");
  std::fflush(stdout);
  const int answer = std::getchar();
  asm volatile("" ::"r"(on_stack) : "memory");
  return answer == 'q' ? 0 : 1;
}
SOURCE
needle=$(./program show)
((${#needle} == 64)) || fail "no needle"
sign program

start() {  # COMMAND...: pid in $pid, its input on descriptor 9
  rm -f in
  mkfifo in
  "$@" <in >paused.txt 2>paused.err &
  pid=$!
  exec 9>in
  wait_for 20 grep -q pausing paused.txt || fail "did not get to its pause: $(cat paused.err)"
}
finish() {
  echo q >&9
  exec 9>&-
  local status=0
  wait "$pid" || status=$?
  ((status == 0)) || fail "exit status $status after it was looked into"
}

start ./program
"$view" --expect found "$needle" "$pid" || fail "the look finds nothing in an ordinary program: it proves nothing"
finish

start "$COFFER" run program.enclave
mapfile -t processes < <(family "$pid")
((${#processes[@]} >= 2)) || fail "the enclave has no process of its own"
"$view" --expect nothing "$needle" "${processes[@]}" || fail "found from outside"
if ((EUID == 0)); then
  setpriv --reuid=65534 --regid=65534 --clear-groups "$view" --expect nothing "$needle" "${processes[@]}" ||
    fail "found by another user"
  # Another user's attach is refused, not merely without result.
  setpriv --reuid=65534 --regid=65534 --clear-groups "$view" --way gdb "$needle" "${processes[1]}" >view.txt
  grep -q 'refused' view.txt || fail "another user could attach: $(cat view.txt)"
fi
finish

# A core dump: the cell dies of a signal with an unlimited core size, and nothing holds the secret.
ulimit -c unlimited 2>/dev/null || true
start "$COFFER" run program.enclave
cell=$(cell_of "$pid")
kill -SEGV "$cell"
wait_for 10 gone "$cell" || kill -QUIT "$cell"
wait_for 10 gone "$cell" || fail "the cell outlives its signals"
exec 9>&-
wait "$pid" || true
if grep -rlaF "$needle" . >hits.txt; then fail "found in a core dump: $(cat hits.txt)"; fi
