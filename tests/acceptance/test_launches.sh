# A hundred launches in a row and eight at a time leave no process and no file, and every one of them gives its answer.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
compile program -pthread <<'SOURCE'
#include <cstdlib>
#include <thread>
int main(int, char** argv) {
  int code = 0;
  std::thread([&] { code = std::atoi(argv[1]); }).join();
  return code;
}
SOURCE
sign program --debug --threads 3 --heap-max 32M
files() { find "$PWD" "$COFFER_HOME" -not -name out.txt -not -name err.txt 2>/dev/null | sort; }
expect_status 3 "$COFFER" run program.enclave -- 3
before=$(files)
for ((i = 0; i < 100; ++i)); do
  rung=process
  ((i % 2 == 0)) || rung=inline
  expect_status "$i" "$COFFER" run program.enclave --rung "$rung" -- "$i"
done
for ((round = 0; round < 3; ++round)); do
  pids=()
  for ((i = 0; i < 8; ++i)); do
    "$COFFER" run program.enclave -- "$((i + 10))" 2>err.txt &
    pids+=("$!")
  done
  for ((i = 0; i < 8; ++i)); do
    status=0
    wait "${pids[i]}" || status=$?
    ((status == i + 10)) || fail "eight at a time: exit status $status instead of $((i + 10))"
  done
done
[[ $(files) == "$before" ]] || fail "files left behind: $(diff <(files) <(echo "$before"))"
[[ -z $(pgrep -P $$ -x 'coffer.*') ]] || fail "processes left behind: $(pgrep -P $$ -a)"
