# A server that others wrote, unchanged from its Debian package: libevent's evhttp, linked statically, over epoll; driven by
# curl and, where it is installed, wrk.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
[[ -e /usr/lib/x86_64-linux-gnu/libevent.a ]] || skip "libevent-dev is not installed"
compile server -levent 2>/dev/null <<'SOURCE'
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <cstdio>
#include <cstdlib>
#include <string>
static void answer(evhttp_request* request, void*) {
  const std::string body = std::string(evhttp_request_get_uri(request)) + std::string(1024, 'x');
  evbuffer_add(evhttp_request_get_output_buffer(request), body.data(), body.size());
  evhttp_send_reply(request, 200, "OK", nullptr);
}
int main(int, char** argv) {
  event_base* base = event_base_new();
  evhttp* http = evhttp_new(base);
  evhttp_set_gencb(http, answer, nullptr);
  if (evhttp_bind_socket(http, "127.0.0.1", static_cast<unsigned short>(std::atoi(argv[1]))) != 0) return 1;
  std::printf("ready by %s\n", event_base_get_method(base));
  std::fflush(stdout);
  return event_base_dispatch(base);
}
SOURCE
port=$((20000 + RANDOM % 20000))
printf '[network]\nbind = ["tcp:127.0.0.1:%s"]\n' "$port" >coffer.toml
sign server --config coffer.toml
"$COFFER" run server.enclave --quiet -- "$port" >server.txt 2>server_err.txt &
serving=$!
trap 'kill -9 "$serving" 2>/dev/null || true' EXIT
is_ready() { grep -q 'ready by epoll' server.txt; }
wait_for 30 is_ready || fail "the server does not start: $(cat server.txt server_err.txt)"
url="http://127.0.0.1:$port"
want=$(printf 'x%.0s' $(seq 1024))
for path in / /one /two; do
  [[ $(curl -s --max-time 20 "$url$path") == "$path$want" ]] || fail "a wrong answer to $path"
done
pids=()
for worker in 1 2 3 4; do
  (for i in 1 2 3 4 5; do [[ $(curl -s --max-time 30 "$url/$worker.$i" "$url/again") == "/$worker.$i$want/again$want" ]] || exit 1; done) &
  pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid" || fail "a wrong answer among many"; done
if command -v wrk >/dev/null; then
  timeout 60 wrk -t1 -c32 -d2s "$url/" >wrk.txt || fail "wrk failed: $(cat wrk.txt)"
  ! grep -Eq 'Socket errors|Non-2xx' wrk.txt || fail "errors under load: $(cat wrk.txt)"
fi
[[ $(curl -s --max-time 20 "$url/end") == "/end$want" ]] || fail "no answer after the load"
"$COFFER" ps --json >counters.json
expect_past_the_trap counters.json
