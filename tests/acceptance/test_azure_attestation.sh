# The attestation service answers the unmodified client of Azure Attestation (@azure/attestation from npm): evidence of real
# machines with every form of runtime data, draft policies, policies and policy certificates of shared and isolated instances.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
client=$COFFER_ROOT/tests/clients/attestation
command -v node >/dev/null || skip 'node is not installed (scripts/setup test)'
[[ -d $client/node_modules/@azure/attestation ]] || skip 'the client is not installed (scripts/setup test)'
[[ -f $COFFER_BUILD/libexec/coffer/attestation-service.enclave ]] || skip 'this build has no attestation service'
vectors=$COFFER_ROOT/tests/vectors/attestation

# The evidence is of 2021, and its collateral was recorded in 2025. A DEBUG image takes the time of then; no other does.
program=$(find "$COFFER_BUILD/services/attestation/program" -name attestation-service -type f 2>/dev/null || true)
[[ -n $program ]] || skip 'this build has no program of the attestation service'
cp "$program" attestation-service
sign attestation-service --debug --config "$COFFER_ROOT/services/attestation/program/coffer.toml"
at=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["at"])' "$vectors/dcap/sgx3-azsdk-oldroot/expect.json")
mkdir collateral
cp "$vectors/dcap/sgx3-azsdk-oldroot/collateral.json" collateral/recorded.json
cp "$vectors/dcap/tdx4-phala/collateral.json" collateral/another.json

for name in one two; do
  openssl req -x509 -newkey rsa:2048 -nodes -keyout $name.key -out $name.pem -subj "/CN=policy $name" -days 30 2>/dev/null
done
port=$((20000 + RANDOM % 20000))
expect_status 2 env COFFER_HOME="$PWD/other" "$COFFER" up --port-base $port --evidence-time "$at"
expect_error_line 'DEBUG'

"$COFFER" up --port-base $port --image attestation-service.enclave --evidence-time "$at" --collateral collateral \
  --policy-certificate one.pem --ready-file ready.json --log log.txt >up.txt 2>up.err &
service=$!
trap 'kill -9 $service 2>/dev/null || true' EXIT
wait_for 30 test -s ready.json || fail "it is not ready: $(cat up.err up.txt)"
NODE_EXTRA_CA_CERTS=$(python3 -c 'import json; print(json.load(open("ready.json"))["ca"])')
export NODE_EXTRA_CA_CERTS
cp "$client/drive.mjs" drive.mjs
ln -s "$client/node_modules" node_modules
timeout 100 node drive.mjs ready.json "$vectors" one.pem one.key two.pem >node.txt 2>node.err ||
  fail "the client: $(tail -n 3 node.txt) $(head -n 30 node.err)"
tail -n 1 node.txt
grep -q '"route":"/attest/{type}"' log.txt || fail 'the log has no requests'
! grep -q "$(python3 -c 'import json; print(json.load(open("ready.json"))["token"])')" log.txt || fail 'the log holds the token'
kill -TERM $service
wait $service || fail "it ended with $?: $(cat up.err)"
