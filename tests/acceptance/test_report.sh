# Reports: what an enclave vouches for can be checked on its platform, and nothing else passes for it.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
program=$COFFER_BUILD/samples/registry-analysis
json() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1" <out.txt; }
verify() { status_of "$COFFER" report verify "$@"; }
# refuses PATTERN ARGUMENTS...: status 1, and one line that says why.
refuses() {
  local pattern=$1
  shift
  expect_status 1 "$COFFER" report verify "$@"
  expect_error_line "$pattern"
}

# The target: the same every time, raw or in hex.
"$COFFER" report target -o target
(($(stat -c %s target) == 512)) || fail 'a TARGETINFO has 512 bytes'
expect_status 0 "$COFFER" report target
expect_output "$(od -An -v -tx1 target | tr -d ' \n')"

# A real analysis, its results and its report.
mkdir lists input out
cp /usr/share/ieee-data/iab.csv lists/
"$program" import lists input/plain.db >/dev/null
cp target out/
"$COFFER" key new signer.pem >/dev/null
sign_sample() {  # NAME [OPTIONS...]
  "$COFFER" sign "$program" --key signer.pem --config "$COFFER_ROOT/samples/registry-analysis/coffer.toml" \
    -o "$1.enclave" "${@:2}" >/dev/null
}
sign_sample production
sign_sample debugging --debug
sign_sample newer --svn 2
# analyse IMAGE ARGUMENTS...: over the plain database, which the enclave may only read.
analyse() {
  rm -rf encrypted
  mkdir encrypted
  "$COFFER" run "$1.enclave" --mount "$PWD/input:/input" --mount "$PWD/encrypted:/data" --mount "$PWD/out:/out" -- \
    analyse /input/plain.db --top 3 "${@:2}"
}
analyse production --results /out/results --target /out/target --report /out/report >printed.txt
(($(stat -c %s out/report) == 432)) || fail 'a REPORT has 432 bytes'
[[ $(sha256sum <out/results) == "$(sed -n 's/^SHA-256 of these results: //p' printed.txt)  -" ]] ||
  fail 'the results in the file are not the ones that were printed'

expect_status 0 "$COFFER" report verify out/report
grep -q 'genuine *yes' out.txt || fail "$(cat out.txt)"
expect_status 0 "$COFFER" report verify out/report --json --production --image production.enclave --data out/results
[[ $(json verified) == True && $(json authentic) == True && $(json debug) == False ]] || fail "$(cat out.txt)"
"$COFFER" inspect production.enclave --json >inspected.json
for field in mrenclave mrsigner isvprodid isvsvn; do
  [[ $(json $field) == "$(python3 -c 'import json, sys; print(json.load(open("inspected.json"))[sys.argv[1]])' $field)" ]] ||
    fail "$field is not the image's"
done
mrenclave=$(json mrenclave)
mrsigner=$(json mrsigner)
digest=$(sha256sum <out/results | cut -c 1-64)
expect_status 0 "$COFFER" report verify out/report --mrenclave "$mrenclave" --mrsigner "${mrsigner^^}" --data-hex "$digest"
expect_status 0 "$COFFER" report verify out/report --data-hex "$digest$(printf '%064d' 0)"

# Printed in hex, with the target in hex: the same claims.
analyse production --target "$("$COFFER" report target)" >printed.txt
sed '1,/^Report of the enclave/d' printed.txt >hex-report
expect_status 0 "$COFFER" report verify hex-report --image production.enclave --data out/results

# Other results, another enclave, another signer: refused, and the genuine claims are still shown.
flip_bit out/results changed-results 100
refuses 'genuine, but .*SHA-256 of changed-results' out/report --data changed-results
grep -q "$mrenclave" out.txt || fail 'the claims are hidden'
refuses 'genuine, but .*MRENCLAVE' out/report --mrenclave "$digest"
refuses 'genuine, but .*MRSIGNER' out/report --mrsigner "$digest"
refuses 'genuine, but .*report data' out/report --data-hex "$mrenclave"
refuses 'genuine, but .*security version' out/report --image newer.enclave
"$COFFER" key new other.pem >/dev/null
"$COFFER" sign "$program" --key other.pem --config "$COFFER_ROOT/samples/registry-analysis/coffer.toml" \
  -o other-signer.enclave >/dev/null
refuses 'another signer than other-signer.enclave' out/report --image other-signer.enclave
"$COFFER" sign "$COFFER_BUILD/samples/hello" --key signer.pem --product-id 1 --svn 1 -o hello.enclave >/dev/null
refuses 'another enclave than hello.enclave' out/report --image hello.enclave
refuses 'MRENCLAVE.*; .*SHA-256' out/report --mrenclave "$digest" --data changed-results

# Any changed byte: refused, and it says that nothing is proven.
for offset in 0 64 128 256 320 383 384 416 431; do
  flip_bit out/report changed-report $offset
  refuses 'not genuine' changed-report
  grep -q 'nothing below is proven' out.txt || fail "$(cat out.txt)"
done
verify changed-report --json || true
[[ $(json authentic) == False && $(json verified) == False ]] || fail "$(cat out.txt)"

# A debug enclave says so, and does not pass for the production image of the same program and signer.
analyse debugging --target /out/target --report /out/debug-report >/dev/null
expect_status 0 "$COFFER" report verify out/debug-report --json
[[ $(json debug) == True ]] || fail "$(cat out.txt)"
expect_status 0 "$COFFER" report verify out/debug-report --image debugging.enclave
refuses 'debug enclave' out/debug-report --image production.enclave
refuses 'debug enclave' out/debug-report --production

# Ids of key separation are in the report, where an image has them.
sed 's/^svn = 1$/svn = 1\nfamily_id = "00112233445566778899aabbccddeeff"/' \
  "$COFFER_ROOT/samples/registry-analysis/coffer.toml" >family.toml
"$COFFER" sign "$program" --key signer.pem --config family.toml -o family.enclave >/dev/null
analyse family --target /out/target --report /out/family-report >/dev/null
expect_status 0 "$COFFER" report verify out/family-report --image family.enclave
grep -q 'family *00112233445566778899aabbccddeeff' out.txt || fail "$(cat out.txt)"

# For another target: nobody in particular, or the verifier's code in another enclave.
head -c 512 /dev/zero >out/nobody
analyse production --target /out/nobody --report /out/nobody-report >/dev/null
refuses 'not genuine' out/nobody-report
flip_bit out/target out/other-target 3
analyse production --target /out/other-target --report /out/other-report >/dev/null
refuses 'not genuine' out/other-report

# On another platform: each refuses the other's, though the target is the same.
COFFER_HOME=$PWD/elsewhere expect_status 1 "$COFFER" report verify out/report
expect_error_line 'not genuine'
[[ $(COFFER_HOME=$PWD/elsewhere "$COFFER" report target) == "$("$COFFER" report target)" ]] ||
  fail 'the target depends on the platform'
COFFER_HOME=$PWD/elsewhere analyse production --target /out/target --report /out/foreign-report >/dev/null
refuses 'not genuine' out/foreign-report
COFFER_HOME=$PWD/elsewhere expect_status 0 "$COFFER" report verify out/foreign-report --data out/results

# Unusable input: status 2 and one line.
head -c 431 out/report >short
: >empty
{ cat hex-report; echo 0g; } >no-hex
for wrong in short empty no-hex missing /; do
  expect_status 2 "$COFFER" report verify "$wrong"
  expect_error_line "$wrong"
done
for options in '--mrenclave 12' '--mrsigner xyz' '--data-hex 00' '--data missing' '--image missing' '--image out/report' \
  '--data out/results --data-hex 00'; do
  # shellcheck disable=SC2086
  expect_status 2 "$COFFER" report verify out/report $options
  expect_error_line '^coffer: '
done
expect_status 2 "$COFFER" report
expect_status 2 "$COFFER" report target -o /nowhere/target
expect_error_line '/nowhere/target'
flip_bit production.enclave flipped.enclave $(($(stat -c %s production.enclave) / 2))
expect_status 1 "$COFFER" report verify out/report --image flipped.enclave
expect_error_line 'flipped.enclave'

# Outside an enclave there is no report, and the sample says so.
expect_status 0 "$program" analyse input/plain.db --target target
grep -q '^There is no report' out.txt || fail "$(tail -n 2 out.txt)"
expect_status 2 "$program" analyse input/plain.db --target target --report report
[[ ! -e report ]] || fail 'a report from nowhere'
expect_status 2 "$program" analyse input/plain.db --target short
expect_status 2 "$program" analyse input/plain.db --report report
