# The openssl command, built from Debian's sources: its TLS server inside is spoken to by openssl and curl outside, its
# client inside speaks to openssl outside, both with certificates that are checked, and what it computes is the same.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
[[ -f /usr/lib/x86_64-linux-gnu/libssl.a ]] || skip 'libssl-dev is not installed'
debian_program openssl
mv openssl own
port=$((20000 + RANDOM % 20000))
cat >coffer.toml <<TOML
name = "openssl"
heap_max = "256M"
[[mounts]]
path = "/work"
kind = "plain"
[environment.set]
OPENSSL_CONF = "/work/openssl.cnf"
[network]
bind = ["tcp:127.0.0.1:$port"]
connect = ["tcp:127.0.0.1:$((port + 1))"]
TOML
sign own --config coffer.toml
mkdir work
printf '[req]\ndistinguished_name = name\n[name]\n' >work/openssl.cnf
inside() { "$COFFER" run --quiet --counters "counters.$((++runs)).json" own.enclave --mount "$PWD/work:/work" -- "$@"; }
runs=0

# Keys and certificates made inside, checked outside.
inside req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout /work/ca.key -out /work/ca.pem -subj /CN=authority \
  -days 30 2>req.err || fail "$(cat req.err)"
for name in rsa ec; do
  key=(rsa:2048)
  [[ $name == rsa ]] || key=(ec -pkeyopt ec_paramgen_curve:P-384)
  inside req -newkey "${key[@]}" -noenc -keyout "/work/$name.key" -out "/work/$name.req" -subj /CN=localhost 2>req.err ||
    fail "$(cat req.err)"
  printf 'subjectAltName = DNS:localhost, IP:127.0.0.1\n' >work/names
  inside x509 -req -in "/work/$name.req" -CA /work/ca.pem -CAkey /work/ca.key -extfile /work/names -days 30 \
    -out "/work/$name.pem" 2>x509.err || fail "$(cat x509.err)"
  openssl verify -CAfile work/ca.pem "work/$name.pem" >verify.txt
done

# Computations with one right answer.
head -c 1000000 "$COFFER" >work/data
key=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
while read -r -a words; do
  inside "${words[@]//@/\/work}" >inside.txt 2>&1 </dev/null || fail "inside: ${words[*]}: $(tail -n 3 inside.txt)"
  OPENSSL_CONF=work/openssl.cnf ./own "${words[@]//@/work}" >outside.txt 2>&1 </dev/null ||
    fail "outside: ${words[*]}: $(tail -n 3 outside.txt)"
  cmp <(sed 's#/work#work#' inside.txt) outside.txt || fail "${words[*]}: another answer inside"
done <<COMMANDS
dgst -sha256 @/data
dgst -sha3-512 @/data
dgst -blake2b512 @/data
dgst -sha1 -hmac secret @/data
enc -aes-256-ctr -K $key -iv 0102030405060708090a0b0c0d0e0f10 -in @/data
enc -camellia-128-cbc -pbkdf2 -S 0102030405060708 -pass pass:word -in @/data
enc -base64 -in @/data
kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt pass:word -kdfopt salt:salt -kdfopt iter:5000 PBKDF2
prime 2305843009213693951
x509 -in @/rsa.pem -noout -text
verify -CAfile @/ca.pem @/ec.pem
asn1parse -in @/ec.pem
ciphers -v ALL
list -digest-algorithms
COMMANDS

serving=
trap '[[ -z $serving ]] || kill -9 "$serving" 2>/dev/null || true' EXIT
# end_server: what it still has to say is said.
end_server() {
  kill -TERM "$serving" 2>/dev/null || true
  wait "$serving" 2>/dev/null || true
  serving=
}

# The server inside. Both certificates, and both versions of the protocol that are in use.
for name in rsa ec; do
  "$COFFER" run --quiet --name "tls-$name-$$" own.enclave --mount "$PWD/work:/work" -- \
    s_server -accept "127.0.0.1:$port" -cert "/work/$name.pem" -key "/work/$name.key" -WWW </dev/null >server.txt 2>&1 &
  serving=$!
  accepts() { grep -qs '^ACCEPT' server.txt; }
  wait_for 30 accepts || fail "the server does not start: $(cat server.txt)"
  for version in tls1_2 tls1_3; do
    printf 'GET /work/openssl.cnf HTTP/1.0\r\n\r\n' |
      timeout 30 openssl s_client -connect "127.0.0.1:$port" -CAfile work/ca.pem -verify_return_error \
        -verify_hostname localhost "-$version" -ign_eof >client.txt 2>client.err || fail "s_client: $(cat client.err)"
    grep -q 'Verify return code: 0 (ok)' client.txt || fail "not verified: $(cat client.txt)"
    grep -q "New, TLSv1.${version#tls1_}" client.txt || fail "another version: $(cat client.txt)"
    grep -q 'distinguished_name' client.txt || fail "no content: $(cat client.txt)"
  done
  for round in 1 2 3; do
    curl -s --max-time 30 --cacert work/ca.pem "https://localhost:$port/work/data" | cmp - work/data ||
      fail "curl got something else in round $round"
  done
  status=0
  curl -s --max-time 30 "https://localhost:$port/work/data" >/dev/null || status=$?
  ((status == 60)) || fail "curl believes a certificate of an unknown authority (status $status)"
  "$COFFER" ps --json | python3 -c 'import json, sys
json.dump([e for e in json.load(sys.stdin) if e["name"] == sys.argv[1]], open(sys.argv[2], "w"))' \
    "tls-$name-$$" "counters.server-$name.json"
  end_server
done

# The client inside, at a server of openssl's own outside.
(cd work && exec openssl s_server -accept "127.0.0.1:$((port + 1))" -cert ec.pem -key ec.key -WWW </dev/null >../server.txt 2>&1) &
serving=$!
wait_for 30 accepts || fail "the server outside does not start: $(cat server.txt)"
talk() { printf 'GET /data HTTP/1.0\r\n\r\n' | inside s_client -quiet -verify_return_error -ign_eof "$@"; }
for version in tls1_2 tls1_3; do
  talk -connect "127.0.0.1:$((port + 1))" -CAfile /work/ca.pem "-$version" >client.bin 2>client.err ||
    fail "the client inside: $(cat client.err)"
  cmp <(tail -c 1000000 client.bin) work/data || fail "the client inside got something else: $(cat client.err)"
done
status=0
talk -connect "127.0.0.1:$((port + 1))" -CAfile /work/rsa.pem >client.bin 2>client.err || status=$?
((status != 0)) && grep -q 'certificate verify failed' client.err || fail "the client inside believes anybody: $(cat client.err)"
end_server
expect_past_the_trap counters.*.json
