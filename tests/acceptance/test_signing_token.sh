# The key in a PKCS#11 token: what docs/sdk/signing.md says, with a token in software.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
MODULE=/usr/lib/softhsm/libsofthsm2.so
[[ -e $MODULE ]] && command -v pkcs11-tool xxd >/dev/null || skip 'softhsm2, opensc or xxd is not installed (scripts/setup test)'
mkdir tokens
printf 'directories.tokendir = %s\nobjectstore.backend = file\n' "$PWD/tokens" >softhsm.conf
export SOFTHSM2_CONF=$PWD/softhsm.conf MODULE PIN=5678
softhsm2-util --init-token --free --label enclaves --so-pin 1234 --pin "$PIN" >/dev/null
"$COFFER" key new once.pem >/dev/null
openssl pkcs8 -topk8 -nocrypt -in once.pem -out once8.pem
softhsm2-util --import once8.pem --token enclaves --label signer --id 01 --pin "$PIN" >/dev/null

compile program <<'SOURCE'
#include <cstdio>
int main() { std::puts("signed by a token"); }
SOURCE
"$COFFER" sign program --key once.pem -o one.enclave >/dev/null
"$COFFER" inspect one.enclave --json >one.json
rm once.pem once8.pem
expect_status 0 "$COFFER" sign program --print-digest -o unsigned.enclave
cp out.txt digest.txt
python3 - "$COFFER_ROOT/docs/sdk/signing.md" >token.sh <<'PYTHON' || fail 'the page shows no commands'
import pathlib, re, sys
found = re.search(r"<!-- snippet: token.sh -->\n```sh\n(.*?)```", pathlib.Path(sys.argv[1]).read_text(), re.S)
print(found.group(1))
PYTHON
bash -euo pipefail token.sh >token.txt 2>&1 || fail "the page's commands: $(cat token.txt)"
expect_status 0 "$COFFER" sign unsigned.enclave --signature signature.bin --public-key public.pem -o two.enclave
expect_status 0 "$COFFER" run two.enclave
expect_output 'signed by a token'
"$COFFER" inspect two.enclave --json >two.json
python3 - <<'PYTHON' || fail "the two differ: $(cat one.json two.json)"
import json
one, two = (json.load(open(name)) for name in ("one.json", "two.json"))
assert two["signature_valid"] is True and one["mrsigner"] == two["mrsigner"] and one["mrenclave"] == two["mrenclave"]
PYTHON
