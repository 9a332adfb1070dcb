# Memory that a program frees goes back to the platform: `coffer ps` shows it, the contents stay right, and an enclave at
# its limit lives on what it has freed.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
compile giver -pthread <<'SOURCE'
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <sys/mman.h>
#include <unistd.h>
// Says what it has done and waits for a line.
static void say(const char* word) {
  std::puts(word);
  std::fflush(stdout);
  char line[16];
  if (std::fgets(line, sizeof line, stdin) == nullptr) std::exit(3);
}
static unsigned char* map(std::size_t size) {
  void* made = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (made == MAP_FAILED) std::exit(4);
  return static_cast<unsigned char*>(made);
}
static void expect(const unsigned char* memory, std::size_t size, int value) {
  for (std::size_t i = 0; i < size; i += 64) {
    if (memory[i] != value) std::exit(5);
  }
}
int main(int argc, char** argv) {
  constexpr std::size_t kSize = std::size_t{32} << 20;
  if (argc > 1 && std::strcmp(argv[1], "limit") == 0) {
    // Each time at another place: below the page that stays mapped there is no room for the next.
    for (int i = 0; i < 12; ++i) {
      unsigned char* memory = map(kSize);
      std::memset(memory, i + 1, kSize);
      expect(memory, kSize, i + 1);
      munmap(memory, kSize - 4096);
      expect(memory + kSize - 4096, 4096, i + 1);
    }
    std::puts("lived");
    return 0;
  }
  std::atomic<bool> stop{false};
  std::thread other([&] {  // interrupted again and again, and never wrong
    unsigned char* mine = map(1 << 20);
    for (unsigned char value = 1; !stop; ++value) {
      std::memset(mine, value, 1 << 20);
      expect(mine, 1 << 20, value);
      usleep(1000);
    }
  });
  say("small");
  unsigned char* memory = map(kSize);
  std::memset(memory, 1, kSize);
  say("mapped");
  munmap(memory, kSize);
  say("unmapped");
  memory = map(kSize);
  std::memset(memory, 2, kSize);
  say("mapped again");
  madvise(memory + 4096, kSize - 8192, MADV_DONTNEED);
  say("discarded");
  expect(memory, 4096, 2);
  expect(memory + 4096, kSize - 8192, 0);
  expect(memory + kSize - 4096, 4096, 2);
  std::memset(memory, 3, kSize);
  expect(memory, kSize, 3);
  stop = true;
  other.join();
  std::puts("right");
}
SOURCE
sign giver --heap-max 96M --threads 4
trap '"$COFFER" stop --time 0 $("$COFFER" ps --quiet) >/dev/null 2>&1 || true' EXIT
used_mib() { "$COFFER" ps --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["epc"]["used_pages"] // 256)'; }
at_least() { (($(used_mib) >= $1)); }
at_most() { (($(used_mib) <= $1)); }

for rung in process inline; do
  image=giver.enclave
  if [[ $rung == inline ]]; then
    sign giver --heap-max 96M --threads 4 --debug
  fi
  rm -f in
  mkfifo in
  "$COFFER" run --quiet --rung $rung $image <in >run.txt 2>run.err &
  pid=$!
  exec 9>in
  said() { wait_for 60 grep -qx "$1" run.txt || fail "$rung: does not say '$1': $(cat run.txt run.err)"; }
  said small
  before=$(used_mib)
  echo >&9
  said mapped
  at_least $((before + 32)) || fail "$rung: $(used_mib) MiB with 32 MiB more than $before"
  echo >&9
  said unmapped
  wait_for 30 at_most $((before + 3)) || fail "$rung: $(used_mib) MiB after munmap, $before before"
  echo >&9
  said 'mapped again'
  at_least $((before + 32)) || fail "$rung: $(used_mib) MiB in the second mapping"
  echo >&9
  said discarded
  wait_for 30 at_most $((before + 5)) || fail "$rung: $(used_mib) MiB after MADV_DONTNEED, $before before"
  echo >&9
  said right
  exec 9>&-
  wait $pid || fail "$rung: exit status $?: $(cat run.err)"
done

# More than the limit in all, never more than the limit at once.
expect_status 0 "$COFFER" run --quiet giver.enclave limit
expect_output lived
# The same with paging.
expect_status 0 "$COFFER" run --quiet --epc 24M giver.enclave limit
expect_output lived
