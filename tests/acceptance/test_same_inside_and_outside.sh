# The analysis sample, unchanged, prints the same inside and outside, over an encrypted mount and over an ordinary folder.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
program=$COFFER_BUILD/samples/registry-analysis
data=/usr/share/ieee-data
mkdir encrypted out
"$program" import "$data" plain.db >outside-import.txt
"$program" analyse plain.db >outside.txt
"$COFFER" key new signer.pem >/dev/null
"$COFFER" sign "$program" --key signer.pem --config "$COFFER_ROOT/samples/registry-analysis/coffer.toml" -o a.enclave \
  >/dev/null
run=("$COFFER" run a.enclave --mount "$data:/input" --mount "$PWD/encrypted:/data" --mount "$PWD/out:/out" --)
"${run[@]}" import /input /data/registry.db >inside-import.txt
cmp outside-import.txt inside-import.txt
"${run[@]}" analyse /data/registry.db >inside.txt
cmp outside.txt inside.txt
cmp <("$program" analyse plain.db --top 3) <("${run[@]}" analyse /data/registry.db --top 3)
if grep -rqaF 'American Micro-Fuel Device' encrypted; then fail 'the encrypted mount holds plain text'; fi
if find encrypted | grep -q registry; then fail 'the encrypted mount shows a file name'; fi
(($(du -sk encrypted | cut -f1) > 3000)) || fail 'the encrypted mount holds too little to be the database'
# Errors look the same, too.
expect_status 2 "${run[@]}" analyse /data/none.db
grep -q '^registry-analysis: /data/none.db: ' err.txt || fail "$(cat err.txt)"
