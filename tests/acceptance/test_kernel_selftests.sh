# The Linux kernel's own SGX selftests, unmodified, under `coffer emulate`: every one of them passes.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

archive=/usr/src/linux-source-6.1.tar.xz
[[ -f $archive ]] || skip "linux-source-6.1 is not installed (scripts/setup test)"
[[ -f $COFFER_BUILD/libexec/coffer/libcoffer-emulate.so ]] || skip "this build has no coffer emulate (sanitizers)"

# Unpacking reads the whole archive, so what the tests need is kept beside the build, under the archive's date.
tree=$COFFER_BUILD/kernel-selftests/$(stat -c %Y "$archive")
if [[ ! -d $tree ]]; then
  rm -rf "$COFFER_BUILD/kernel-selftests"
  mkdir -p "$tree.new"
  tar -C "$tree.new" --strip-components=1 --wildcards -xJf "$archive" \
    '*/tools/testing/selftests/sgx/*' '*/tools/testing/selftests/kselftest*' '*/tools/testing/selftests/lib.mk' \
    '*/tools/testing/selftests/x86/*' '*/tools/include/*' '*/arch/x86/include/asm/sgx.h' \
    '*/arch/x86/include/asm/enclu.h' '*/arch/x86/include/uapi/asm/sgx.h'
  mv "$tree.new" "$tree"
fi
cp -r "$tree" linux
make -s -C linux/tools/testing/selftests/sgx CC=gcc >make.txt 2>&1 || fail "the kernel's Makefile: $(tail -5 make.txt)"

cd linux/tools/testing/selftests/sgx
status_of "$COFFER" emulate --epc 16M -- ./test_sgx
planned=$(sed -n 's/^1\.\.//p' out.txt)
((planned >= 16)) || fail "only $planned tests: $(cat out.txt err.txt)"
failed=$(sed -n 's/^not ok [0-9]* enclave\.//p' out.txt)
[[ -z $failed ]] || fail "these do not pass: $failed"$'\n'"$(cat out.txt)"
((status == 0)) || fail "exit status $status: $(cat out.txt err.txt)"
(($(grep -c '^ok ' out.txt) == planned)) || fail "$(cat out.txt)"
! grep -q SKIP out.txt || fail "some were skipped: $(grep SKIP out.txt)"
