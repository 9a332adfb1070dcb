# A state directory and files that earlier versions left behind go on working, and what is new comes to them.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
old=$COFFER_ROOT/tests/acceptance/fixtures/state-0.1
install -d -m 700 home
install -m 600 "$old/fuses" home/fuses
cp -r "$old/names" names
cp "$old/signer.pem" signer.pem

# The first version's encrypted mount.
"$COFFER" sign "$COFFER_BUILD/samples/hello" --key signer.pem --config "$COFFER_ROOT/samples/hello/coffer.toml" \
  -o hello.enclave >/dev/null
expect_status 0 "$COFFER" run hello.enclave --mount names:/data -- /data/names.txt Ada
expect_output 'Hello again, Ada.'
expect_status 0 "$COFFER" run hello.enclave --mount names:/data -- /data/names.txt Bob
expect_output 'Hello, Bob. You are number 2.'

# Version 1 of the sealed format.
expect_status 0 "$COFFER" unseal "$old/sealed-1" -o opened --signer signer.pem --product-id 3 --svn 2 --aad 'of old'
[[ $(cat opened) == 'sealed by version 1 of the format' ]] || fail "$(cat opened)"
expect_status 1 "$COFFER" unseal "$old/sealed-1" -o opened --signer signer.pem --product-id 3 --svn 1 --aad 'of old'

# Counters come to an old state directory without being asked.
"$COFFER" sign "$COFFER_BUILD/samples/sealed-notes" --key signer.pem \
  --config "$COFFER_ROOT/samples/sealed-notes/coffer.toml" -o notes.enclave >/dev/null
mkdir folder
for note in one two; do
  expect_status 0 "$COFFER" run notes.enclave --mount folder:/notes -- /notes/mine add $note
done
expect_status 0 "$COFFER" run notes.enclave --mount folder:/notes -- /notes/mine list
expect_output $'one\ntwo'
(($(stat -c %a home/counters) == 600)) || fail 'others can read the counters'

# An encrypted mount is under the key of the version that made it: newer ones open it, older ones are refused, and what
# the host says of the key changes nothing for the better.
hello() { "$COFFER" sign "$COFFER_BUILD/samples/hello" --key signer.pem --svn "$1" \
  --config "$COFFER_ROOT/samples/hello/coffer.toml" -o "hello-$1.enclave" >/dev/null; }
for svn in 0 3 4; do hello $svn; done
mkdir by3
expect_status 0 "$COFFER" run hello-3.enclave --mount by3:/data -- /data/names.txt Ada
expect_status 0 "$COFFER" run hello-4.enclave --mount by3:/data -- /data/names.txt Ada
expect_output 'Hello again, Ada.'
expect_status 0 "$COFFER" run hello-3.enclave --mount by3:/data -- /data/names.txt Ada
expect_output 'Hello again, Ada.'
expect_status 1 "$COFFER" run hello-0.enclave --mount by3:/data -- /data/names.txt Ada
expect_error_line 'mount /data was made by version 3 \(svn\) of this enclave, and this is 0'
# The header stands behind the four slots of 8 KiB: its SVN made 0, then the header taken away.
cp -r by3 lowered
printf '\0\0' | dd of=lowered/coffer.root bs=1 seek=32776 conv=notrunc status=none
expect_status 1 "$COFFER" run hello-0.enclave --mount lowered:/data -- /data/names.txt Ada
expect_error_line 'mount /data was changed outside'
cp -r by3 taken
truncate -s 32768 taken/coffer.root
for svn in 0 3; do
  expect_status 1 "$COFFER" run hello-$svn.enclave --mount taken:/data -- /data/names.txt Ada
  expect_error_line 'mount /data was changed outside'
done
# What is mounted of the first version stays open to every later one.
expect_status 0 "$COFFER" run hello-4.enclave --mount names:/data -- /data/names.txt Ada
expect_output 'Hello again, Ada.'
