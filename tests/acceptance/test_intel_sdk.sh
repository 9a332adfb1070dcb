# An application written for the Intel SGX SDK, with the Makefile of such a one, is built against an installed Coffer and
# runs: in this process (launched with debug), in a process of its own, and signed by a key that lives elsewhere.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cmake --install "$COFFER_BUILD" --prefix "$PWD/first" >install.txt 2>&1 || fail "$(tail -5 install.txt)"
mv first moved  # nothing may remember the prefix
SGX_SDK=$(bash -c '. moved/lib/coffer/sgxsdk/environment && echo "$SGX_SDK"')
[[ $SGX_SDK == "$PWD/moved/lib/coffer/sgxsdk" ]] || fail "environment says SGX_SDK=$SGX_SDK"
cp -r "$COFFER_ROOT/tests/acceptance/fixtures/sgxsdk_project" project
cd project
# The commands of docs/sdk/intel-sgx-sdk.md.
snippet docs/sdk/intel-sgx-sdk.md make.sh >make.sh
env -u SGX_SDK PREFIX="${SGX_SDK%/lib/coffer/sgxsdk}" bash -e make.sh >build.txt 2>&1 || fail "building: $(tail -20 build.txt)"
expected=$'inside: two threads met\ninside: destroyed\ninside: destroyed\nall is well'

# Launched with debug: [user_check] reaches all memory of the process.
expect_status 0 env -u COFFER_LIBEXEC ./app vault.signed.so debug
expect_output "$expected"
# In a process of its own, with debug or without, it reaches shared memory, and says so of other.
expect_status 0 env -u COFFER_LIBEXEC COFFER_RUNG=process ./app vault.signed.so debug
expect_output "$expected"
expect_status 0 env -u COFFER_LIBEXEC ./app vault.signed.so release
expect_output "$expected"
grep -q 'sum_where_it_stands.*numbers.*user_check' err.txt || fail "no word of the pointer: $(cat err.txt)"
grep -q 'the enclave crashed: at enclave offset' err.txt || fail "no word of the crash: $(cat err.txt)"

# A signature made elsewhere gives the same enclave.
signer=$SGX_SDK/bin/x64/sgx_sign
export SOURCE_DATE_EPOCH=1763800000
expect_status 0 "$signer" gendata -enclave vault.so -config Vault.config.xml -out to_sign
[[ $(stat -c %s to_sign) == 256 ]] || fail 'what is to be signed has not 256 bytes'
openssl dgst -sha256 -sign key.pem -out signature to_sign
openssl rsa -in key.pem -pubout -out public.pem 2>/dev/null
export SOURCE_DATE_EPOCH=1763900000  # another day: the date of the first step counts
expect_status 0 "$signer" catsig -enclave vault.so -config Vault.config.xml -key public.pem -sig signature \
  -unsigned to_sign -out elsewhere.so -dumpfile dump.txt -cssfile css
[[ $(stat -c %s css) == 1808 ]] || fail 'the SIGSTRUCT has not 1808 bytes'
grep -q '^metadata->enclave_css.body.isv_prod_id: 0x3$' dump.txt || fail "dump: $(head -40 dump.txt)"
grep -q '^mrsigner->value:$' dump.txt || fail 'the dump does not say who signed'
expect_status 0 "$signer" dump -enclave elsewhere.so -dumpfile again.txt
cmp -s dump.txt again.txt || fail 'dump says something else than catsig'
expect_status 0 ./app elsewhere.so debug
expect_output "$expected"
sed -i 's/<ISVSVN>2/<ISVSVN>3/' Vault.config.xml
expect_status 1 "$signer" catsig -enclave vault.so -config Vault.config.xml -key public.pem -sig signature \
  -unsigned to_sign -out no.so
expect_error_line 'to_sign was made of another enclave or configuration'

# What is forbidden or wrong is refused with one line.
sed -i 's/<DisableDebug>0/<DisableDebug>1/' Vault.config.xml
expect_status 0 "$signer" sign -enclave vault.so -config Vault.config.xml -key key.pem -out production.so
expect_status 1 ./app production.so debug
expect_output 'creation: 0x2004'
expect_error_line 'signed with DisableDebug'
expect_status 0 ./app production.so release
expect_status 1 ./app absent.so debug
expect_output 'creation: 0x200f'
flip_bit elsewhere.so bent.so 8000
expect_status 1 ./app bent.so debug
grep -Eq '^creation: 0x200[13]$' out.txt || fail "a changed image: $(cat out.txt)"
expect_status 2 "$signer" sign -enclave app -config Vault.config.xml -key key.pem -out no.so
expect_error_line 'needs the shared library'
expect_status 2 "$signer" sign -enclave vault.so -key key.pem
expect_error_line '`sign` needs -out FILE'
[[ ! -e no.so ]] || fail 'a refused image was written'
