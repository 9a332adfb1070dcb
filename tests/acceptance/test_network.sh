# Network programs inside: a web server in each of the usual ways, driven by curl; what is not declared is refused; a
# program that waits for standard input and a socket; a host that kills connections while the server is under load.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
web="$COFFER_BUILD/tests/programs/host_test_web"
[[ -x $web ]] || fail "host_test_web is not built"
cp "$web" web
port=$((20000 + RANDOM % 20000))
cat >coffer.toml <<SETTINGS
debug = true
threads = 12
[network]
bind = ["tcp:127.0.0.1:$port"]
SETTINGS
sign web --config coffer.toml

serving=
stop() { if [[ -n $serving ]]; then kill -9 "$serving" 2>/dev/null || true; fi; }
trap stop EXIT
is_ready() { grep -q ready server.txt; }
serve() {  # ARGUMENTS...
  : >server.txt
  "$COFFER" run web.enclave --quiet -- "$@" >server.txt 2>server_err.txt &
  serving=$!
  wait_for 30 is_ready || fail "the server does not start: $(cat server_err.txt)"
}
expect_end() {  # the server ends by itself with status 0
  local status=0
  wait "$serving" || status=$?
  serving=
  ((status == 0)) || fail "the server ended with $status: $(cat server_err.txt)"
}

for how in epoll edge poll select threads; do
  serve "$how" "$port" 5
  # Several requests of one connection, then connections of their own.
  url="http://127.0.0.1:$port/"
  curl -s --max-time 20 "$url" "$url" "$url" >three.txt || fail "$how: no answer to three requests of one connection"
  [[ $(cat three.txt) == $(printf 'x%.0s' $(seq 3072)) ]] || fail "$how: not 3072 times x: $(head -c 100 three.txt)"
  for _ in 1 2; do
    [[ $(curl -s --max-time 20 "$url" | wc -c) == 1024 ]] || fail "$how: not 1024 bytes"
  done
  expect_end
done

# Not declared, and declared but not permitted.
expect_status 1 timeout 60 "$COFFER" run web.enclave --quiet -- epoll $((port + 1))
grep -q "may not bind tcp:127.0.0.1:$((port + 1)): EACCES; declare it in \[network\]" err.txt || fail "no line says why: $(cat err.txt)"
grep -q 'bind: Permission denied' err.txt || fail "the program was not refused: $(cat err.txt)"
expect_status 1 timeout 60 "$COFFER" run web.enclave --quiet --no-network -- epoll "$port"
grep -q 'socket: Permission denied' err.txt || fail "--no-network permits sockets: $(cat err.txt)"
expect_status 1 timeout 60 "$COFFER" run web.enclave --quiet --bind "tcp:127.0.0.1:$((port + 1))" -- epoll "$port"
grep -q 'bind: Permission denied' err.txt || fail "--bind does not narrow: $(cat err.txt)"
expect_status 2 "$COFFER" run web.enclave --bind nonsense
expect_error_line '"nonsense" is no network pattern'
expect_status 2 "$COFFER" run web.enclave --no-network --bind 'tcp:*:*'
printf '[network]\nbind = ["tcp:localhost:80"]\n' >wrong.toml
expect_status 2 "$COFFER" sign web --key signer.pem --config wrong.toml -o wrong.enclave
expect_error_line '^coffer: .*wrong.toml:2: network.bind .*tcp:localhost:80'

# Under load while the host kills connections: every answer that comes is whole, and the server goes on.
serve edge "$port"
python3 - "$port" <<'CLIENTS' || fail "the server did not survive killed connections: $(cat server_err.txt)"
import random, socket, struct, sys, threading
port = int(sys.argv[1])
failures = []
def client(seed):
    dice = random.Random(seed)
    try:
        for _ in range(25):
            with socket.create_connection(("127.0.0.1", port), timeout=30) as s:
                for _ in range(dice.randrange(1, 6)):
                    s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                    what = dice.randrange(4)
                    if what == 0:  # a reset in the middle of the answer
                        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        break
                    if what == 1:  # gone without reading
                        break
                    answer = b""
                    while not answer.endswith(b"x" * 1024):
                        piece = s.recv(65536)
                        if not piece:
                            raise RuntimeError("cut short")
                        answer += piece
    except Exception as error:
        failures.append(f"{seed}: {error!r}")
threads = [threading.Thread(target=client, args=(seed,)) for seed in range(16)]
for t in threads: t.start()
for t in threads: t.join()
print("\n".join(failures))
sys.exit(bool(failures))
CLIENTS
[[ $(curl -s --max-time 20 "http://127.0.0.1:$port/" | wc -c) == 1024 ]] || fail "no answer afterwards"
# The enclave ends at once though its thread waits at the host.
kill -TERM "$serving"
wait_for 10 gone "$serving" || fail "the server does not end"
wait "$serving" 2>/dev/null || true
serving=

# Standard input among the descriptors that a program waits for: it is not ready before something is there.
compile waits <<'SOURCE'
#include <poll.h>
#include <unistd.h>
#include <cstdio>
int main() {
  pollfd in{0, POLLIN, 0};
  std::printf("%d ", ::poll(&in, 1, 0));
  std::puts("waiting");
  std::fflush(stdout);
  char word[16] = {};
  const int ready = ::poll(&in, 1, -1);
  const long got = ::read(0, word, sizeof(word) - 1);
  std::printf("%d %ld %s", ready, got, word);
}
SOURCE
sign waits
mkfifo input
"$COFFER" run waits.enclave --quiet <input >waits.txt 2>&1 &
waiting=$!
exec 9>input
is_waiting() { grep -q waiting waits.txt; }
wait_for 30 is_waiting || fail "does not wait: $(cat waits.txt)"
echo word >&9
exec 9>&-
wait "$waiting" || fail "ended with $?: $(cat waits.txt)"
[[ $(cat waits.txt) == "0 waiting"$'\n'"1 5 word" ]] || fail "standard input: $(cat waits.txt)"
