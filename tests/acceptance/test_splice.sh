# A program that moves a file through pipes with splice, tee and vmsplice says the same inside and outside, over plain and
# encrypted mounts and to standard output.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
compile mover <<'SOURCE'
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>
#include <cstdio>
#include <string>
static bool all(int from, int to, size_t count) {  // out of a pipe
  while (count > 0) {
    const ssize_t moved = splice(from, nullptr, to, nullptr, count, SPLICE_F_MOVE);
    if (moved <= 0) return false;
    count -= static_cast<size_t>(moved);
  }
  return true;
}
int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const int in = open(argv[1], O_RDONLY);
  const int first = open(argv[2], O_CREAT | O_TRUNC | O_WRONLY, 0644);
  const int second = open(argv[3], O_CREAT | O_TRUNC | O_WRONLY, 0644);
  int one[2], two[2];
  if (in < 0 || first < 0 || second < 0 || pipe(one) != 0 || pipe(two) != 0) return 3;
  ssize_t got;
  long total = 0;
  while ((got = splice(in, nullptr, one[1], nullptr, 60000, 0)) > 0) {
    if (tee(one[0], two[1], static_cast<size_t>(got), 0) != got) return 4;
    if (!all(one[0], first, static_cast<size_t>(got)) || !all(two[0], second, static_cast<size_t>(got))) return 5;
    total += got;
  }
  if (got < 0) return 6;
  std::string words = "moved " + std::to_string(total) + "\n";
  const iovec piece{words.data(), words.size()};
  if (vmsplice(one[1], &piece, 1, 0) != static_cast<ssize_t>(words.size())) return 7;
  return all(one[0], 1, words.size()) ? 0 : 8;
}
SOURCE
cat >settings.toml <<'SETTINGS'
[[mounts]]
path = "/data"
kind = "plain"
[[mounts]]
path = "/sealed"
kind = "encrypted"
key = "mrenclave"
SETTINGS
sign mover --config settings.toml
mkdir data sealed
head -c 1000003 /dev/urandom >data/in
status_of ./mover data/in data/outside1 data/outside2
((status == 0)) || skip "this kernel does not splice here: $status"
expected=$(cat out.txt)
run() { expect_status 0 "$COFFER" run mover.enclave --mount "$PWD/data:/data" --mount "$PWD/sealed:/sealed" -- "$@"; }
run /data/in /data/first /sealed/second
expect_output "$expected"
cmp data/in data/first || fail 'not the same through the first pipe'
run /sealed/second /tmp/third /data/fourth
expect_output "$expected"
cmp data/in data/fourth || fail 'not the same through the second pipe'
