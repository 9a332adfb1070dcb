# The project in two parts that `coffer new --two-part` makes: it builds against an installation, its tests pass on both
# rungs, its host says what goes wrong, and the same sources make the same enclave in another folder and on another day.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cmake --install "$COFFER_BUILD" --prefix "$PWD/prefix" >install.txt 2>&1 || fail "$(tail -5 install.txt)"
COFFER=$PWD/prefix/bin/coffer
unset COFFER_LIBEXEC COFFER_RUNG
expect_status 0 "$COFFER" new --two-part words

build_in() {  # FOLDER: the project there
  cmake -S "$1" -B "$1/build" -DCMAKE_PREFIX_PATH="$PWD/prefix" >cmake.txt 2>&1 || fail "configuring: $(tail -20 cmake.txt)"
  cmake --build "$1/build" >build.txt 2>&1 || fail "building: $(tail -20 build.txt)"
}
build_in words
(cd words/build && ctest --output-on-failure) >ctest.txt 2>&1 || fail "its tests: $(tail -20 ctest.txt)"
grep -q '100% tests passed' ctest.txt || fail "its tests: $(cat ctest.txt)"

expected=$'enclave: a longer word than all before\nenclave: a longer word than all before\nthe longest word is remember'
for rung in inline process; do
  expect_status 0 env COFFER_RUNG=$rung words/build/words words/build/words.enclave some remember too
  expect_output "$expected"
done
expect_status 0 words/build/words words/build/words.enclave some remember
expect_output "$expected"
expect_status 2 env COFFER_RUNG=moon words/build/words words/build/words.enclave word
expect_error_line 'COFFER_RUNG'
expect_status 2 words/build/words nowhere.enclave word

# Elsewhere, with other debug information and another date: the same measurement.
measurement() { "$COFFER" inspect --json "$1" | grep -o '"mrenclave": *"[0-9a-f]*"'; }
mkdir -p far/away/from
cp -r words far/away/from/here && rm -rf far/away/from/here/build
build_in far/away/from/here
[[ $(measurement words/build/words.enclave) == $(measurement far/away/from/here/build/words.enclave) ]] ||
  fail 'another folder makes another enclave'
expect_status 0 "$COFFER" sign words/build/words_inside --key words/build/signer.pem --config words/coffer.toml \
  --date 2031-01-02 -o later.enclave
[[ $(measurement words/build/words.enclave) == $(measurement later.enclave) ]] || fail 'another day makes another enclave'
# And what is another program is another enclave.
sed -i 's/a longer word than all before/a longer word than all the others/' far/away/from/here/enclave/words.cc
build_in far/away/from/here
[[ $(measurement words/build/words.enclave) != $(measurement far/away/from/here/build/words.enclave) ]] ||
  fail 'another program has the same measurement'

# A changed EDL file changes both halves.
sed -i 's/void say(\[in, string\] const char\* text)/void say([in, string] const char* text, int how)/' words/words.edl
if cmake --build words/build >build.txt 2>&1; then fail 'the old halves were used again'; fi
