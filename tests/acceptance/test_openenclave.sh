# Programs written for Open Enclave, built with an installed Coffer by CMake and by pkg-config, signed by oesign.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cmake --install "$COFFER_BUILD" --prefix "$PWD/first" >install.txt 2>&1 || fail "$(tail -5 install.txt)"
mv first moved  # nothing may remember the prefix
unset COFFER_LIBEXEC
cp -r "$COFFER_ROOT/tests/acceptance/openenclave" sources

# The commands of docs/sdk/openenclave.md.
export PREFIX=$PWD/moved
snippet docs/sdk/openenclave.md cmake.sh >cmake.sh
(cd sources && bash -e ../cmake.sh) >build.txt 2>&1 || fail "building: $(grep -E 'rror|undefined' -A3 build.txt | head -30)"
mv sources/build build
grep -q -- "$COFFER_ROOT" build/CMakeCache.txt && fail 'it found the sources of Coffer instead of the installation'
openssl genrsa -out key.pem -3 3072 2>/dev/null
. moved/share/openenclave/openenclaverc
[[ $(command -v oesign) == "$PWD/moved/bin/oesign" ]] || fail 'openenclaverc does not lead to oesign'
for enclave in locker locker2 broken; do
  expect_status 0 oesign sign -e build/$enclave -c sources/locker.conf -k key.pem
done
signed=(build/locker.signed build/locker2.signed build/broken.signed)
expect_status 0 build/host "${signed[@]}"
expect_output 'everything holds'
[[ $(openssl pkey -in private.pem -pubout) == "$(cat public.pem)" ]] || fail 'the derived keys are not a pair'
expect_status 0 build/host "${signed[@]}" production
expect_output 'everything holds'

# Signing: where the key is elsewhere, the same identity; what is wrong is said in one line.
openssl req -x509 -key key.pem -subj /CN=signer -out certificate.pem 2>/dev/null
expect_status 0 oesign digest -e build/locker -c sources/locker.conf -d digest
openssl pkeyutl -sign -pkeyopt digest:sha256 -in digest -inkey key.pem -out signature
expect_status 0 oesign sign -e build/locker -c sources/locker.conf -x certificate.pem -d signature -o elsewhere.signed
expect_status 0 oesign dump -e elsewhere.signed
cp out.txt elsewhere.txt
expect_status 0 oesign dump -e build/locker.signed
diff <(tail -n +2 out.txt) <(tail -n +2 elsewhere.txt) || fail 'the two ways of signing differ'
for line in num_tcs=2 num_heap_pages=1024 product_id=7 security_version=3 debug=1 signature=valid; do
  grep -qx "$line" out.txt || fail "dump lacks $line: $(cat out.txt)"
done
expect_status 1 oesign sign -e build/locker2 -c sources/locker.conf -x certificate.pem -d signature
expect_error_line 'not the signature of this enclave'
sed 's/NumTCS=2/NumTCS=lots/' sources/locker.conf >wrong.conf
expect_status 2 oesign sign -e build/locker -c wrong.conf -k key.pem
expect_error_line 'wrong.conf:5: NumTCS must be a number'
sed 's/NumTCS/NumTcs/' sources/locker.conf >wrong.conf
expect_status 2 oesign sign -e build/locker -c wrong.conf -k key.pem
expect_error_line 'wrong.conf:5: NumTcs: no such setting'
expect_status 2 oesign sign -e build/locker -k key.pem  # its sources say nothing
expect_error_line 'NumHeapPages must be'
expect_status 2 oesign sign -e build/locker -c sources/locker.conf
expect_error_line '-k FILE is missing'
sed 's/Debug=1/Debug=0/' sources/locker.conf >production.conf
expect_status 0 oesign sign -e build/locker -c production.conf -k key.pem -o production.signed
status_of build/host production.signed "${signed[@]:1}"
grep -q OE_DEBUG_DOWNGRADE err.txt || fail "a production enclave was launched for debugging: $(cat err.txt)"
# A flipped bit in what is measured.
flip_bit build/locker.signed flipped.signed $(($(stat -c %s build/locker.signed) / 2))
status_of build/host flipped.signed "${signed[@]:1}" production
((status == 1)) || fail 'an image with a flipped bit was launched'

# In C, by pkg-config; not signed, so signed while it is loaded. By every compiler that is there.
cd sources
oeedger8r greeting.edl --search-path "$(pkg-config oehost-gcc --variable=includedir)" \
  --search-path "$(pkg-config oehost-gcc --variable=includedir)/openenclave/edl/sgx" >../edl.txt || fail "$(cat ../edl.txt)"
cat >Makefile <<'MAKEFILE'
all: greeting greeting_host
greeting: greeting_enclave.c greeting_t.c
	$(CC) $$(pkg-config oeenclave-gcc --cflags) $^ -o $@ $$(pkg-config oeenclave-gcc --libs)
greeting_host: greeting_host.c greeting_u.c
	$(CC) $$(pkg-config oehost-gcc --cflags) $^ -o $@ $$(pkg-config oehost-gcc --libs)
MAKEFILE
snippet docs/sdk/openenclave.md make.sh >../make.sh
bash -e ../make.sh >../make.txt 2>&1 || fail "make: $(tail -20 ../make.txt)"
expect_status 0 ./greeting_host greeting
for compiler in gcc clang; do
  command -v $compiler >/dev/null || continue
  $compiler -Wall -g -c $(pkg-config oeenclave-$compiler --cflags) greeting_enclave.c greeting_t.c || fail "$compiler: the enclave"
  $compiler -o greeting greeting_enclave.o greeting_t.o $(pkg-config oeenclave-$compiler --libs) 2>../ld.txt || fail "$(cat ../ld.txt)"
  $compiler -Wall -g -c $(pkg-config oehost-$compiler --cflags) greeting_host.c greeting_u.c || fail "$compiler: the host"
  $compiler -o greeting_host greeting_host.o greeting_u.o $(pkg-config oehost-$compiler --libs) || fail "$compiler: linking the host"
  expect_status 0 ./greeting_host greeting
  expect_output $'from inside: Hello, world.\nheard: Hello, world.\nOE_OK 13'
done
[[ $(stat -c %a "$COFFER_HOME/openenclave-debug.pem") == 600 ]] || fail 'the debug key is not for its user alone'
[[ $(find ../moved/lib/openenclave/enclave/objects-*/oeseal_gcmaes -name '*.o' | wc -l) == 1 ]] || fail 'no sealing plug-in'
