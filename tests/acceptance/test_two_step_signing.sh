# Signing where the private key lives elsewhere gives the same enclave as signing in one step.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
compile program <<'SOURCE'
#include <cstdio>
int main() { std::puts("signed"); }
SOURCE
echo 'name = "program"' >coffer.toml
sign program --config coffer.toml
"$COFFER" inspect program.enclave --json >one.json
# The commands that docs/sdk/signing.md shows, before and after what happens elsewhere.
PATH=$(dirname "$COFFER"):$PATH
snippet docs/sdk/signing.md two-steps.sh >two-steps.sh
grep -q '^# ... elsewhere: signature.bin' two-steps.sh || fail 'the page does not say what happens elsewhere'
sed '/^# ... elsewhere/,$d' two-steps.sh >before.sh
sed '1,/^# ... elsewhere/d' two-steps.sh >after.sh
expect_status 0 bash -e before.sh
digest=$(tr -d '[:space:]' <digest.txt)
[[ $digest =~ ^[0-9a-f]{64}$ ]] || fail "not a SHA-256: $digest"
# Without a signature it is refused.
expect_status 1 "$COFFER" inspect unsigned.enclave
expect_status 1 "$COFFER" run unsigned.enclave
# The other machine: has the key and the digest, knows nothing of Coffer.
printf '%s' "$digest" | python3 -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))' >digest.bin
openssl pkeyutl -sign -inkey signer.pem -in digest.bin -out signature.bin -pkeyopt digest:sha256
openssl pkey -in signer.pem -pubout -out public.pem
mv program.enclave one.enclave
expect_status 0 bash -e after.sh
mv program.enclave two.enclave
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
