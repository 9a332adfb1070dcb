# The sample sealed-notes: notes that the host stores and cannot read, change, or put back to an older state unnoticed.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
"$COFFER" key new signer.pem >/dev/null
sign_sample() {  # NAME [OPTIONS...]
  "$COFFER" sign "$COFFER_BUILD/samples/sealed-notes" --key "${KEY:-signer.pem}" \
    --config "$COFFER_ROOT/samples/sealed-notes/coffer.toml" -o "$1.enclave" "${@:2}" >/dev/null
}
sign_sample notes
mkdir folder
notes() { status_of "$COFFER" run "${IMAGE:-notes}.enclave" --mount "$PWD/folder:/notes" -- /notes/mine "$@"; }
# refuses PATTERN: nothing is listed
refuses() {
  notes list
  ((status == 1)) || fail "status $status: $(cat out.txt err.txt)"
  expect_error_line "$1"
  [[ ! -s out.txt ]] || fail 'something was listed'
}

for line in 'the first note' 'the second note'; do
  notes add "$line"
  ((status == 0)) || fail "$(cat err.txt)"
done
cp folder/mine two
notes add 'the third note'
notes list
expect_output $'the first note\nthe second note\nthe third note'
! grep -qa 'second note' folder/mine || fail 'the host can read the notes'
grep -qa 'sealed-notes 1' folder/mine || fail 'the label is not readable'

# An old version, a changed one, another signer's or a debug enclave: refused. The newest still opens.
cp folder/mine three
cp two folder/mine
refuses 'an old version has been put back'
flip_bit three folder/mine 200
refuses 'not authentic'
cp three folder/mine
"$COFFER" key new other.pem >/dev/null
KEY=other.pem sign_sample other
IMAGE=other refuses 'not authentic'
sign_sample debugging --debug
IMAGE=debugging refuses 'not authentic'
sign_sample older --svn 0
IMAGE=older refuses 'higher security version'
sign_sample newer --svn 2
IMAGE=newer notes add 'by a newer version'
((status == 0)) || fail "$(cat err.txt)"
IMAGE=newer notes list
grep -q 'third note' out.txt || fail 'the newer version lost the notes'
notes list  # what a newer version sealed is not for the older one
((status == 1)) || fail 'a downgrade was not refused'

# The counter is the platform's: without its file there are no notes, and a damaged one is not believed.
cp three folder/mine
cp -a home/counters kept
rm home/counters
refuses 'counter'
head -c 20 /dev/urandom | dd of=home/counters conv=notrunc status=none
refuses 'counter'
cp kept home/counters
status_of "$COFFER_BUILD/samples/sealed-notes" folder/mine list
((status == 1)) || fail 'the notes were read outside an enclave'
