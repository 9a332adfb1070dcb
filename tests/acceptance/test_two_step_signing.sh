# Signing where the private key lives elsewhere gives the same enclave as signing in one step.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
compile program <<'SOURCE'
#include <cstdio>
int main() { std::puts("signed"); }
SOURCE
sign program
"$COFFER" inspect program.enclave --json >one.json
expect_status 0 "$COFFER" sign program --print-digest -o unsigned.enclave
digest=$(tr -d '[:space:]' <out.txt)
[[ $digest =~ ^[0-9a-f]{64}$ ]] || fail "not a SHA-256: $digest"
# Without a signature it is refused.
expect_status 1 "$COFFER" inspect unsigned.enclave
expect_status 1 "$COFFER" run unsigned.enclave
# The other machine: has the key and the digest, knows nothing of Coffer.
printf '%s' "$digest" | python3 -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))' >digest.bin
openssl pkeyutl -sign -inkey signer.pem -in digest.bin -out signature.bin -pkeyopt digest:sha256
openssl pkey -in signer.pem -pubout -out public.pem
expect_status 0 "$COFFER" sign unsigned.enclave --signature signature.bin --public-key public.pem -o two.enclave
"$COFFER" inspect two.enclave --json >two.json
python3 - <<'PYTHON' || fail "the two differ: $(cat one.json two.json)"
import json
one, two = (json.load(open(name)) for name in ("one.json", "two.json"))
assert two["signature_valid"] is True and two["mrenclave_matches"] is True
assert all(one[key] == two[key] for key in ("mrenclave", "mrsigner", "isvprodid", "isvsvn", "attributes"))
PYTHON
expect_status 0 "$COFFER" run two.enclave
expect_output signed
# Somebody else's signature does not do.
"$COFFER" key new other.pem >/dev/null
openssl pkeyutl -sign -inkey other.pem -in digest.bin -out wrong.bin -pkeyopt digest:sha256
expect_status 1 "$COFFER" sign unsigned.enclave --signature wrong.bin --public-key public.pem -o wrong.enclave
expect_error_line '^coffer: '
[[ ! -e wrong.enclave ]] || fail 'a wrong signature makes an image'
