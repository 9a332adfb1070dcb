# cofferd: cells of another user, who keep out the user that started them; limits; an end that leaves nothing behind.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
compile program <<'SOURCE'
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <unistd.h>
int main(int, char** argv) {
  const std::string what = argv[1];
  if (what == "loop") {
    std::puts("looping");
    std::fflush(stdout);
    for (volatile int i = 0;;) {
      i = i + 1;
    }
  }
  if (what == "abort") std::abort();
  return std::atoi(argv[1]);
}
SOURCE
sign program --threads 2 --heap-max 32M

cofferd=$(dirname "$COFFER")/cofferd
options=()
user=$(id -un)
if ((EUID == 0)); then
  user=nobody
  options=(--user nobody)
  chmod 755 .
fi
"$cofferd" --socket "$PWD/run/cofferd.sock" --state "$PWD/platform" --epc-per-user 20G "${options[@]}" >daemon.out 2>daemon.err &
daemon=$!
trap 'kill $daemon 2>/dev/null || true' EXIT
wait_for 10 grep -qs listening daemon.out || fail "cofferd does not listen: $(cat daemon.err)"
export COFFER_DAEMON=$PWD/run/cofferd.sock
# It has made its socket's folder, which every user may go through.
[[ $(stat -c '%a %U' run) == "755 $user" && $(stat -c %a run/cofferd.sock) == 666 ]] || fail "the folder: $(ls -la run)"

# Programs run as they do without it, and as often.
expect_status 7 "$COFFER" run program.enclave -- 7
expect_status 134 bash -c '"$0" run program.enclave -- abort; exit $?' "$COFFER"
for ((i = 0; i < 60; ++i)); do expect_status "$i" "$COFFER" run program.enclave -- "$i"; done
cells() { pgrep -P "$daemon" || true; }
nothing_left() { [[ -z $(cells) ]]; }
wait_for 10 nothing_left || fail "the daemon has cells of programs that have ended: $(ps -o pid,args -p "$(cells)")"

# The cell is the daemon's child and user's; closing the host ends it.
"$COFFER" run program.enclave -- loop >loop.out 2>loop.err &
host=$!
wait_for 20 grep -q looping loop.out || fail "the program does not run: $(cat loop.err)"
cell=$(cells | head -n 1)
[[ $(stat -c %U "/proc/$cell") == "$user" || $(ps -o user= -p "$cell") == "$user" ]] || fail "the cell is not $user's"
if ((EUID == 0)) && command -v setpriv >/dev/null; then
  # The user games stands for anybody who is neither root nor the daemon.
  as_games() { setpriv --reuid games --regid games --clear-groups "$@"; }
  as_games "$COFFER" --version >/dev/null || skip "the build folder is closed to other users"
  as_games kill -9 "$cell" 2>/dev/null && fail "another user killed the cell"
  as_games dd if="/proc/$cell/mem" of=/dev/null bs=1 count=1 2>/dev/null && fail "another user read the cell's memory"
  as_games cat platform/fuses >/dev/null 2>&1 && fail "another user read the platform's keys"
  if command -v gdb >/dev/null; then
    as_games gdb -q -batch -p "$cell" -ex 'info registers' >gdb.out 2>&1 || true
    grep -q '^rip' gdb.out && fail "another user's debugger attached to the cell"
  fi
  # Such a user runs enclaves of its own all the same, on keys that it cannot read.
  mkdir games && chown games games
  COFFER_HOME=$PWD/games expect_status 9 as_games "$COFFER" run program.enclave -- 9
  [[ ! -e games/fuses ]] || fail "the program of another user made keys of its own"
fi
kill -9 "$host"
wait_for 10 nothing_left || fail "the cell outlives its host"

# Limits, and what does not reach the daemon.
expect_status 1 "$COFFER" run program.enclave --epc 21G -- 1
expect_error_line '^coffer: cofferd: user [0-9]+ has 0 MiB of protected memory and asks for 21504 MiB; epc_per_user is 20480 MiB'
COFFER_DAEMON=$PWD/nowhere.sock expect_status 2 "$COFFER" run program.enclave -- 1
expect_error_line "cannot reach cofferd at .*nowhere.sock .*COFFER_DAEMON=none"
COFFER_DAEMON=none expect_status 3 "$COFFER" run program.enclave -- 3
expect_status 2 "$cofferd" --socket "$COFFER_DAEMON"
expect_error_line 'a daemon listens there already'
expect_status 2 "$cofferd" --socket "$PWD/missing/folder/cofferd.sock"
expect_error_line '^cofferd: cannot make .*/missing/folder: '
expect_status 2 "$cofferd" --socket "$PWD/other/cofferd.sock" --user nobody-of-that-name
expect_error_line '^cofferd: --user nobody-of-that-name: there is no such user'
[[ ! -e other ]] || fail 'a folder for a daemon that cannot start'
expect_status 2 "$cofferd" --epcs 1G
expect_error_line '^cofferd: .*--epcs.*; see `cofferd --help`'
# A supervisor is told when it listens.
python3 - "$cofferd" <<'PYTHON' || fail 'the supervisor is not told'
import os, signal, socket, subprocess, sys
notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notices.bind("notices")
notices.settimeout(30)
daemon = subprocess.Popen([sys.argv[1], "--socket", "second/cofferd.sock", "--state", "second-platform", "--warm", "0"],
                          env=dict(os.environ, NOTIFY_SOCKET=os.path.abspath("notices")), stdout=subprocess.DEVNULL)
assert notices.recv(100) == b"READY=1"
socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).connect("second/cofferd.sock")
daemon.send_signal(signal.SIGTERM)
assert daemon.wait(30) == 0 and not os.path.exists("second/cofferd.sock")
PYTHON
echo 'epcs = "1G"' >wrong.toml
expect_status 2 "$cofferd" --config wrong.toml
expect_error_line '^cofferd: wrong.toml:1: unknown key epcs; known: '

# Garbage on its socket, and connections that say nothing, keep nobody from anything.
python3 - "$COFFER_DAEMON" <<'PYTHON'
import socket, sys
def connect():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(20)
    s.connect(sys.argv[1])
    return s
for garbage in (b"x", bytes(32), b"\xff" * 32, bytes(4000)):
    s = connect()
    s.send(garbage)
    answer = s.recv(4096)
    assert answer[4:8] == b"\x02\0\0\0", answer[:8]
silent = [connect() for _ in range(20)]
s = connect()
s.close()
PYTHON
expect_status 5 "$COFFER" run program.enclave -- 5

# Its end is the end of its cells, and of its socket where it may remove it.
rm loop.out
"$COFFER" run program.enclave -- loop >loop.out 2>loop.err &
host=$!
wait_for 20 grep -q looping loop.out || fail "the program does not run: $(cat loop.err)"
kill "$daemon"
wait "$daemon" || fail "cofferd ended with status $?"
status=0
wait "$host" || status=$?
[[ ! -e $COFFER_DAEMON ]] || fail 'the socket outlives the daemon'
((status == 137)) || fail "a program whose cell was ended by the daemon has exit status $status: $(cat loop.err)"
