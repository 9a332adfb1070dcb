# What an operator does with running enclaves: ps, top, metrics, stop, logs, wait.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
compile server <<'SOURCE'
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>
// server calls: system calls until its input ends or for ever. server exit N: says something on both streams and ends.
int main(int argc, char** argv) {
  if (argc > 2 && std::strcmp(argv[1], "exit") == 0) {
    std::puts("to the world");
    std::fprintf(stderr, "about trouble\n");
    return std::atoi(argv[2]);
  }
  if (argc > 1 && std::strcmp(argv[1], "abort") == 0) std::abort();
  std::puts("running");
  std::fflush(stdout);
  for (char byte; argc < 2 && read(0, &byte, 1) == 1;) {}
  for (int null = open("/dev/null", O_WRONLY); argc > 1;) {
    if (write(null, "x", 1) != 1) return 1;
  }
}
SOURCE
sign server
# Whatever fails below, nothing goes on running.
trap '"$COFFER" stop --time 0 $("$COFFER" ps --quiet) >/dev/null 2>&1 || true' EXIT
value() { python3 -c 'import json, sys; print(eval(sys.argv[1], {"j": json.load(sys.stdin)}))' "$1"; }
listed() { "$COFFER" ps --json | value "len(j)"; }
listed_is() { [[ $(listed) == "$1" ]]; }

expect_status 0 "$COFFER" ps
(($(wc -l <out.txt) == 1)) || fail "lists something: $(cat out.txt)"
expect_status 2 "$COFFER" stop nobody
expect_error_line 'no enclave nobody'

# A run in the foreground is listed, with what it is and does.
mkfifo in
"$COFFER" run --quiet --name web server.enclave <in >run.txt 2>run.err &
pid=$!
exec 9>in
wait_for 20 grep -q running run.txt || fail "did not start: $(cat run.err)"
"$COFFER" ps | grep -q 'web .*running' || fail "ps does not show it: $("$COFFER" ps)"
"$COFFER" ps --json >ps.json
[[ $(value 'j[0]["name"], j[0]["pid"], j[0]["rung"], j[0]["debug"], j[0]["threads"]' <ps.json) == "('web', $pid, 'process', False, 1)" ]] ||
  fail "ps --json: $(cat ps.json)"
[[ $(value 'j[0]["mrenclave"]' <ps.json) == "$("$COFFER" inspect --json server.enclave | value 'j["mrenclave"]')" ]] ||
  fail 'another measurement than the image'
(($(value 'j[0]["epc"]["used_pages"]' <ps.json) > 10)) || fail 'no protected memory'
socket=$(value 'j[0]["socket"]' <ps.json)
[[ $(stat -c %a "$(dirname "$socket")") == 700 ]] || fail 'others can reach the socket'
python3 - "$socket" <<'PYTHON' || fail 'no metrics'
import http.client, socket, sys
class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(sys.argv[1])
connection = Unix("coffer")
connection.request("GET", "/metrics")
answer = connection.getresponse()
text = answer.read().decode()
assert answer.status == 200 and 'coffer_ocalls_total{enclave="' in text and 'name="web"} ' in text, text
PYTHON
for verb in logs wait; do
  expect_status 2 "$COFFER" $verb web
  expect_error_line "web runs in the foreground of process $pid: .*--detach"
done
expect_status 2 "$COFFER" run --name web server.enclave
expect_error_line 'web'
# In another state directory nobody sees it.
[[ $(COFFER_HOME=$PWD/other "$COFFER" ps --json | value 'len(j)') == 0 ]] || fail 'listed in another state directory'

# Its process is killed: the next look finds nothing, and removes the socket.
kill -KILL "$pid"
wait "$pid" 2>/dev/null || true
exec 9>&-
listed_is 0 || fail 'a dead process is listed'
[[ ! -e $socket ]] || fail 'the socket of a dead process stays'

# In the background: the id is printed, the output kept, stop ends it.
expect_status 0 "$COFFER" run --quiet --detach --name busy server.enclave -- calls
id=$(cat out.txt)
[[ $id =~ ^[0-9a-f]{12}$ ]] || fail "no id: $id"
listed_is 1 || fail 'a detached run is not listed'
says() { "$COFFER" logs busy | grep -q "$1"; }
wait_for 20 says running || fail 'the log lacks what it said'
# The share of patched system calls: all of them here, and none where they are to trap.
expect_status 0 "$COFFER" top --once --json --interval 300
value 'j[0]["rates"]["system_calls"] > 10000 and j[0]["patched_share"] > 0.99' <out.txt | grep -q True ||
  fail "top: $(cat out.txt)"
expect_status 0 "$COFFER" run --quiet --detach --name trapping --no-fast-paths server.enclave -- calls
busy_trapping() { "$COFFER" top --once --json --interval 200 | value '[e["rates"]["system_calls"] > 0 for e in j if e["name"] == "trapping"]' | grep -q True; }
wait_for 20 busy_trapping || fail 'the trapping one makes no calls'
"$COFFER" top --once --json --interval 500 >top.json
value '[e["patched_share"] < 0.5 for e in j if e["name"] == "trapping"][0]' <top.json | grep -q True ||
  fail "trapped calls count as patched: $(cat top.json)"
"$COFFER" top --once | grep -q 'trapping' || fail 'top does not list it'
# On a terminal: it draws, q ends it, and the terminal is as before.
python3 - "$COFFER" <<'PYTHON' || fail 'top on a terminal'
import os, pty, select, sys, termios, time
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], [sys.argv[1], "top", "--interval", "100"])
before = None
seen, quit_at = b"", time.time() + 30
while b"PATCHED" not in seen or "█".encode() not in seen:
    assert time.time() < quit_at, seen[-2000:]
    if select.select([terminal], [], [], 1)[0]: seen += os.read(terminal, 65536)
assert not termios.tcgetattr(terminal)[3] & termios.ICANON
os.write(terminal, b"q")
while True:
    try:
        piece = os.read(terminal, 65536)
    except OSError:
        break
    if not piece: break
    seen += piece
assert os.waitpid(pid, 0)[1] == 0
assert seen.rstrip().endswith(b"\x1b[?1049l"), seen[-100:]
PYTHON
expect_status 2 "$COFFER" top </dev/null
expect_error_line 'terminal'

expect_status 0 "$COFFER" stop busy trapping
listed_is 0 || fail 'a stopped enclave is listed'
expect_status 0 "$COFFER" ps --all
grep -q "^$id.*killed (SIGTERM)" out.txt || fail "ps --all: $(cat out.txt)"

# Its exit status and both streams, after the end.
expect_status 0 "$COFFER" run --quiet --detach --name job server.enclave -- exit 7
expect_status 7 "$COFFER" wait job
expect_output 'exited (7)'
"$COFFER" logs job >job.out 2>job.err
[[ $(cat job.out) == 'to the world' && $(cat job.err) == 'about trouble' ]] || fail "the log: $(cat job.out job.err)"
"$COFFER" logs --times job 2>/dev/null | grep -Eq '^20[0-9-]+T[0-9:.]+Z to the world$' || fail 'no times'
[[ $("$COFFER" ps --all --json | value '[e["code"] for e in j if e["name"] == "job"]') == '[7]' ]] || fail 'no exit status'
expect_status 0 "$COFFER" run --quiet --detach --name bad server.enclave -- abort
expect_status 134 "$COFFER" wait bad
# Following ends with the run.
expect_status 0 "$COFFER" run --quiet --detach --name again server.enclave -- exit 0
timeout 20 "$COFFER" logs --follow again 2>/dev/null | grep -q 'to the world' || fail 'following shows nothing'
# What cannot start says so where it was started, and leaves nothing.
count=$("$COFFER" ps --all --quiet | wc -l)
flip_bit server.enclave damaged.enclave $(($(stat -c %s server.enclave) / 2))
expect_status 1 "$COFFER" run --quiet --detach damaged.enclave
[[ -s err.txt ]] || fail 'a refused image says nothing'
[[ $("$COFFER" ps --all --quiet | wc -l) == "$count" ]] || fail 'a run that never began is kept'

# A state directory that cannot be written: one note, and the program runs.
if ((EUID == 0)) && command -v unshare >/dev/null; then
  status_of unshare -m bash -c 'mount --bind "$COFFER_HOME" "$COFFER_HOME" && mount -o remount,ro,bind "$COFFER_HOME" &&
    "$0" run server.enclave -- exit 3 2>&1 >/dev/null | grep -v "about trouble" | grep -c "coffer ps. does not list" ; exit ${PIPESTATUS[0]}' "$COFFER"
  if ((status == 3)); then
    [[ $(cat out.txt) == 1 ]] || fail "not one note: $(cat out.txt err.txt)"
  elif ! grep -q 'mount:\|unshare:' err.txt; then
    fail "read-only state directory: $status $(cat out.txt err.txt)"
  fi
fi
[[ -z $(find "$COFFER_HOME/run" -name '*.socket') ]] || fail 'sockets are left behind'
