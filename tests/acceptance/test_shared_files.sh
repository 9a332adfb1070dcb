# Reads and writes of host files do not each go through the host program; handles that come and go never mix files up.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
compile program <<'SOURCE'
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

[[noreturn]] void wrong(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::_Exit(3);
}

// Blocks of a file are its name and their number.
void churn(const std::string& folder, int thread, int rounds) {
  std::vector<char> block(4096), got(4096);
  for (int round = 0; round < rounds; ++round) {
    const std::string name = folder + "/" + std::to_string(thread) + "-" + std::to_string(round % 5);
    const int file = open(name.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (file < 0) wrong("open " + name);
    for (int i = 0; i < 12; ++i) {
      std::snprintf(block.data(), block.size(), "%s round %d block %d", name.c_str(), round, i);
      if (pwrite(file, block.data(), block.size(), i * 4096) != 4096) wrong("write " + name);
    }
    for (int i = 11; i >= 0; --i) {
      std::snprintf(block.data(), block.size(), "%s round %d block %d", name.c_str(), round, i);
      if (pread(file, got.data(), got.size(), i * 4096) != 4096 || got != block) wrong("other content in " + name);
    }
    if (ftruncate(file, 4096) != 0 || pread(file, got.data(), 4096, 4096) != 0) wrong("truncate " + name);
    if (close(file) != 0) wrong("close " + name);
    if (pread(file, got.data(), 1, 0) >= 0 && thread == 0 && rounds == 1) wrong("a closed file was read");
  }
}

int main(int argc, char** argv) {
  const std::string how = argv[1], folder = argv[2];
  if (how == "churn") {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back(churn, folder, i, 60);
    for (std::thread& thread : threads) thread.join();
    std::puts("done");
    return 0;
  }
  if (how == "read-only") {
    const int file = open((folder + "/given").c_str(), O_RDONLY);
    char byte = 0;
    for (int i = 0; i < 20; ++i) {
      if (pread(file, &byte, 1, i) != 1 || byte != "0123456789"[i % 10]) wrong("read");
    }
    if (pwrite(file, "x", 1, 0) >= 0 || open((folder + "/given").c_str(), O_RDWR) >= 0) wrong("written");
    std::puts("done");
    return 0;
  }
  const int file = open((folder + "/busy").c_str(), O_RDWR | O_CREAT, 0600);
  std::vector<char> block(4096, 'b');
  for (int i = 0; i < 1024; ++i) pwrite(file, block.data(), block.size(), i * 4096);
  std::puts("busy");
  std::fflush(stdout);
  for (unsigned i = 0;; i += 7) {
    if (pread(file, block.data(), block.size(), i % 1024 * 4096) != 4096) wrong("read");
  }
  (void)argc;
}
SOURCE
cat >settings.toml <<'SETTINGS'
threads = 8
[[mounts]]
path = "/sealed"
kind = "encrypted"
key = "mrenclave"
[[mounts]]
path = "/plain"
kind = "plain"
[[mounts]]
path = "/fixed"
kind = "plain"
read_only = true
SETTINGS
sign program --config settings.toml
mkdir sealed plain fixed
echo -n 01234567890123456789 >fixed/given
start() { exec "$COFFER" run program.enclave --mount "$PWD/sealed:/sealed" --mount "$PWD/plain:/plain" --mount "$PWD/fixed:/fixed" -- "$@"; }

for folder in /plain /sealed; do
  expect_status 0 timeout 120 "$COFFER" run program.enclave --mount "$PWD/sealed:/sealed" --mount "$PWD/plain:/plain" \
    --mount "$PWD/fixed:/fixed" -- churn $folder
  expect_output done
done
expect_status 0 timeout 60 "$COFFER" run program.enclave --mount "$PWD/sealed:/sealed" --mount "$PWD/plain:/plain" \
  --mount "$PWD/fixed:/fixed" -- read-only /fixed
expect_output done
[[ $(cat fixed/given) == 01234567890123456789 ]] || fail 'a read-only mount was written'

# One that reads all the time: requests of the host are few, and every signal ends it at once.
ocalls() {
  "$COFFER" top --once --json --interval 300 |
    python3 -c 'import json, sys; print(sum(int(e["rates"]["ocalls"]) for e in json.load(sys.stdin)))'
}
calls() {
  "$COFFER" top --once --json --interval 300 |
    python3 -c 'import json, sys; print(sum(int(e["rates"]["system_calls"]) for e in json.load(sys.stdin)))'
}
is_busy() { grep -q busy busy.txt; }
makes_calls() { (($(calls) > 1000)); }
for signal in TERM KILL; do
  start busy /plain >busy.txt 2>&1 &
  host=$!
  trap 'kill -9 $host 2>/dev/null || true' EXIT
  wait_for 30 is_busy || fail "the reader does not start: $(cat busy.txt)"
  if [[ $signal == TERM ]]; then
    wait_for 20 makes_calls || fail 'the reader does not read'
    (($(ocalls) < 200)) || fail "each read goes to the host: $(ocalls) requests a second"
  fi
  cell=$(cell_of $host)
  kill -$signal $host
  wait_for 20 gone $host || fail "the host program lives on after SIG$signal"
  wait_for 20 gone "$cell" || fail "the cell lives on after SIG$signal"
  wait $host 2>/dev/null || true
done
