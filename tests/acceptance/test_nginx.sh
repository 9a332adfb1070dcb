# nginx, built from Debian's sources, as one process: files, ranges, listings, a reverse proxy to itself and errors over
# HTTP give the same answers inside as outside, and load by wrk leaves it whole.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
debian_program nginx
port=$((20000 + RANDOM % 20000))
mkdir -p srv/conf srv/logs srv/html/folder
python3 - <<'PYTHON'
import random
pick = random.Random(7)
for name, size in (("small.txt", 1024), ("large.bin", 3_000_001), ("empty", 0), ("folder/index.html", 200)):
    with open("srv/html/" + name, "wb") as file: file.write(pick.randbytes(size))
PYTHON
find srv/html -exec touch -d "2026-01-02 03:04:05 UTC" {} +
cat >srv/conf/nginx.conf <<CONF
daemon off;
master_process off;
error_log stderr notice;
pid /tmp/nginx.pid;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi; uwsgi_temp_path /tmp/uwsgi; scgi_temp_path /tmp/scgi;
  sendfile on;
  keepalive_requests 1000000;
  types { text/plain txt; text/html html; }
  limit_req_zone \$binary_remote_addr zone=few:1m rate=1r/m;
  proxy_cache_path /tmp/cache keys_zone=kept:1m;
  upstream itself { server 127.0.0.1:$port; keepalive 4; }
  server {
    listen 127.0.0.1:$port;
    root /srv/html;
    location / { }
    location /list/ { alias /srv/html/; autoindex on; autoindex_format json; }
    location /words/ { alias /srv/html/; add_header X-Words "\$request_method \$args \$http_user_agent"; }
    location /packed/ { alias /srv/html/; gzip on; gzip_types *; gzip_min_length 1; }
    location /closed/ { deny all; }
    location /proxied/ { proxy_pass http://itself/; proxy_http_version 1.1; proxy_set_header Connection ""; }
    location /cached/ { proxy_pass http://itself/; proxy_cache kept; proxy_cache_valid 1h;
      add_header X-Cache \$upstream_cache_status; }
    location /seldom { limit_req zone=few; limit_req_status 429; alias /srv/html/small.txt; }
  }
}
CONF
cat >coffer.toml <<TOML
name = "nginx"
heap_max = "128M"
[[mounts]]
path = "/srv"
kind = "plain"
read_only = true
[network]
bind = ["tcp:127.0.0.1:$port"]
connect = ["tcp:127.0.0.1:$port"]
TOML
sign nginx --config coffer.toml

serving=
trap '[[ -z $serving ]] || kill -9 "$serving" 2>/dev/null || true' EXIT
url="http://127.0.0.1:$port"
answers() { curl -s -o /dev/null --max-time 5 "$url/empty"; }
# What curl sees, without what differs by nature.
get() { curl -s -i --max-time 30 "$@" | sed '/^Date: /d'; }
questions() {
  local path
  for path in / /small.txt /folder/ /folder /empty /nowhere /list/ '/words/small.txt?a=1&b=%20' /closed/any /proxied/small.txt \
    /cached/small.txt /cached/small.txt /seldom /seldom /../../etc/passwd; do
    echo "== $path"
    get --path-as-is -A tester "$url$path" | sha256sum
    get --path-as-is -A tester "$url$path" | sed -n '/^\r$/q; p'
  done
  echo '== methods, ranges, conditions'
  get -I "$url/large.bin"
  get -X DELETE "$url/small.txt"
  get -X POST --data-binary @srv/html/large.bin "$url/proxied/small.txt"
  get -r 1000-2000 "$url/large.bin" | sha256sum
  get -r -500 "$url/large.bin" | sha256sum
  get -r 10-20,30-40 "$url/large.bin" | sed 's/0000[0-9]*/boundary/' | sha256sum
  get -H 'If-Modified-Since: Fri, 02 Jan 2026 03:04:05 GMT' "$url/small.txt"
  get -H 'Host:' "$url/small.txt"
  get -H 'Accept-Encoding: gzip' "$url/packed/folder/index.html" | sha256sum
  for path in large.bin proxied/large.bin; do curl -s --max-time 60 "$url/$path" | sha256sum; done
}
# load NAME: many small answers on connections that are kept, then the rate.
load() {
  timeout 60 wrk -t1 -c32 -d2s "$url/small.txt" >"$1.wrk" || fail "wrk failed: $(cat "$1.wrk")"
  ! grep -Eq 'Socket errors|Non-2xx' "$1.wrk" || fail "errors under load: $(cat "$1.wrk")"
  awk '/Requests\/sec/ { print $2 }' "$1.wrk"
}

# Outside the same paths are found by another prefix.
sed "s#/tmp/#$PWD/#g; s#/srv/html#$PWD/srv/html#g" srv/conf/nginx.conf >outside.conf
./nginx -p "$PWD/srv" -c "$PWD/outside.conf" 2>outside.err &
serving=$!
wait_for 30 answers || fail "the server does not start outside: $(cat outside.err)"
questions >outside.txt
outside_rate=$(load outside)
kill -TERM "$serving"
wait "$serving" || true

"$COFFER" run --quiet --counters counters.json nginx.enclave --mount "$PWD/srv:/srv" -- 2>inside.err &
serving=$!
wait_for 30 answers || fail "the server does not start: $(cat inside.err)"
questions >inside.txt
cmp outside.txt inside.txt || fail "$(diff outside.txt inside.txt)"
(($(grep -c '^HTTP/1.1 [2345]' inside.txt) >= 20)) || fail "few answers: $(cat inside.txt)"
inside_rate=$(load inside)
[[ $(curl -s --max-time 30 "$url/large.bin" | sha256sum) == "$(sha256sum <srv/html/large.bin)" ]] || fail 'no answer after the load'
# The end that its own signal handler makes of it.
kill -TERM "$serving"
status=0
wait "$serving" || status=$?
serving=
((status == 0)) || fail "it ended with status $status: $(tail -n 5 inside.err)"
expect_past_the_trap counters.json
echo "requests a second: outside $outside_rate, inside $inside_rate"
