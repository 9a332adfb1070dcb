# coffer up: the local services; their state survives kill -9, and an older state is refused.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
[[ -f $COFFER_BUILD/libexec/coffer/attestation-service.enclave ]] || skip 'this build has no attestation service'
port=$((20000 + RANDOM % 20000))
trap 'kill -9 ${service:-} 2>/dev/null || true' EXIT

expect_status 0 "$COFFER" up --port-base $port --check
grep -q 'no policy without a token *ok' out.txt || fail "$(cat out.txt)"

begin() {
  rm -f ready.json
  "$COFFER" up --port-base $port --ready-file ready.json >up.txt 2>up.err &
  service=$!
  wait_for 30 test -s ready.json || fail "it is not ready: $(cat up.err)"
  ca=$(python3 -c 'import json; print(json.load(open("ready.json"))["ca"])')
  token=$(python3 -c 'import json; print(json.load(open("ready.json"))["token"])')
  url=$(python3 -c 'import json; print(json.load(open("ready.json"))["attestation"]["url"])')
}
ask() {  # PATH CURL_OPTIONS...
  curl -sS --max-time 20 --cacert "$ca" -H "Authorization: Bearer $token" "${@:2}" "$url$1?api-version=2020-10-01"
}
policy_of() { python3 -c 'import base64, json, sys
def part(token, n): return json.loads(base64.urlsafe_b64decode(token.split(".")[n] + "=="))
jws = part(json.loads(sys.stdin.read())["token"], 1)["x-ms-policy"]
print(base64.urlsafe_b64decode(part(jws, 1)["AttestationPolicy"] + "==").decode())'; }
jws() { python3 -c 'import base64, json, sys
b = lambda x: base64.urlsafe_b64encode(x).rstrip(b"=").decode()
print(b(b"{\"alg\":\"none\"}") + "." + b(json.dumps({"AttestationPolicy": b(sys.argv[1].encode())}).encode()) + ".", end="")' "$1"; }

begin
keys=$(curl -sS --cacert "$ca" "$url/certs")
[[ $(ask /policies/SgxEnclave -X PUT --data-binary "$(jws 'version=1.0; authorizationrules{ => deny(); }; issuancerules{};')") == '{"token":'* ]] ||
  fail 'a policy was not set'
# Killed while policies are being set: what was acknowledged last is there, or the one that was on its way.
(for i in $(seq 1 200); do
  ask /policies/SgxEnclave -X PUT --data-binary "$(jws "version=1.0; authorizationrules{ => deny(); }; issuancerules{ => issue(type=\"number\", value=$i); };")" |
    grep -q '^{"token"' || exit 0
  echo "$i" >acknowledged
done) 2>/dev/null &
setting=$!
wait_for 30 test -s acknowledged || fail 'no policy was acknowledged'
kill -9 $service
wait $service $setting 2>/dev/null || true
last=$(cat acknowledged)

wait_for 10 gone "$service"
begin
[[ $(curl -sS --cacert "$ca" "$url/certs") == "$keys" ]] || fail 'the signing keys changed'
found=$(ask /policies/SgxEnclave | policy_of | sed -n 's/.*value=\([0-9]*\)).*/\1/p')
((found == last || found == last + 1)) || fail "policy $found is there, $last was acknowledged"
kill -INT $service
wait $service || fail "it ended with $? after Ctrl-C: $(cat up.err)"

cp "$COFFER_HOME/services/attestation/store" old
begin
ask /policies/TdxVm -X PUT --data-binary "$(jws 'version=1.0; authorizationrules{ => permit(); }; issuancerules{};')" >/dev/null
kill -TERM $service
wait $service || fail "it ended with $?"
cp old "$COFFER_HOME/services/attestation/store"
expect_status 1 "$COFFER" up --port-base $port --check
expect_error_line 'rolled back'

# Bad input.
expect_status 2 "$COFFER" up --port-base 0
expect_status 2 "$COFFER" up --collateral missing --port-base $port
expect_error_line 'missing: is no folder'
