# A copy of an image with one bit flipped anywhere is refused: it never runs.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
compile program <<'SOURCE'
#include <cstdio>
int main() { std::puts("this ran"); }
SOURCE
sign program
expect_status 0 "$COFFER" run program.enclave
expect_output 'this ran'
expect_status 0 "$COFFER" inspect program.enclave
size=$(stat -c %s program.enclave)
# Everywhere in the headers and the SIGSTRUCT in steps, then all over the pages; a prime step visits every bit position.
offsets=()
for ((at = 0; at < 4096; at += 97)); do offsets+=("$at"); done
for ((i = 1; i <= 30; ++i)); do offsets+=($((size * i / 31))); done
offsets+=($((size - 1)))
for at in "${offsets[@]}"; do
  flip_bit program.enclave flipped.enclave "$at"
  status_of "$COFFER" run flipped.enclave
  ((status == 1 || status == 2)) || fail "byte $at: exit status $status"
  [[ ! -s out.txt ]] || fail "byte $at: it ran"
  expect_error_line '^coffer: '
done
# Cut off anywhere, too.
for part in 0 100 2000 $((size / 2)) $((size - 1)); do
  head -c "$part" program.enclave >short.enclave
  status_of "$COFFER" run short.enclave
  ((status == 1 || status == 2)) || fail "cut to $part bytes: exit status $status"
  [[ ! -s out.txt ]] || fail "cut to $part bytes: it ran"
  expect_error_line '^coffer: '
done
