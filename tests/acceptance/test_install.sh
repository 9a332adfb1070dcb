# An installed tree works from wherever it stands: the command, its pages, and projects of others that find it by CMake.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cmake --install "$COFFER_BUILD" --prefix "$PWD/first" >install.txt 2>&1 || fail "$(tail -5 install.txt)"
mv first moved  # nothing may remember the prefix
COFFER=$PWD/moved/bin/coffer
expect_status 0 "$COFFER" --version
for page in coffer coffer-run coffer-sign; do
  MANPATH=$PWD/moved/share/man man -P cat "$page" >page.txt 2>page.err || fail "man $page: $(cat page.err)"
  grep -q 'Coffer' page.txt || fail "man $page is empty"
done
grep -q -- '--no-fast-paths' <(MANPATH=$PWD/moved/share/man man -P cat coffer-run) || fail 'the page of run lacks an option'
grep -q -- '--epc-per-user' <(MANPATH=$PWD/moved/share/man man -P cat 8 cofferd) || fail 'no page of the daemon'
expect_status 0 moved/sbin/cofferd --version
[[ -s moved/share/bash-completion/completions/coffer ]] || fail 'no completion for bash'
[[ -s moved/share/zsh/site-functions/_coffer ]] || fail 'no completion for zsh'
if command -v zsh >/dev/null; then
  for file in moved/share/zsh/site-functions/_*; do zsh -n "$file" || fail "zsh cannot read $file"; done
fi

# A project of somebody else's: an enclave and the program that calls into it.
cp -r "$COFFER_ROOT/samples/calls" outside
cmake -S outside -B build -DCMAKE_PREFIX_PATH="$PWD/moved" -DCMAKE_BUILD_TYPE=Release >cmake.txt 2>&1 ||
  fail "configuring: $(tail -20 cmake.txt)"
cmake --build build >build.txt 2>&1 || fail "building: $(tail -20 build.txt)"
grep -q -- "$COFFER_ROOT" build/CMakeCache.txt && fail 'it found the sources of Coffer instead of the installation'
expect_status 0 env -u COFFER_LIBEXEC build/vote build/tally.enclave
expect_output $'before the votes: no result\nchoice 0: 40\nchoice 1: 40\nchoice 2: 20'
# A changed program or setting is signed again, and only then.
before=$("$COFFER" inspect --json build/tally.enclave | grep -o '"mrenclave": *"[0-9a-f]*"')
cmake --build build >build.txt 2>&1
grep -q 'Signing' build.txt && fail 'signed again though nothing changed'
echo 'svn = 2' >>outside/coffer.toml
sed -i 's/kEnough = 10/kEnough = 11/' outside/votes.h
cmake --build build >build.txt 2>&1 || fail "building again: $(tail -20 build.txt)"
[[ $("$COFFER" inspect --json build/tally.enclave | grep -o '"mrenclave": *"[0-9a-f]*"') != "$before" ]] ||
  fail 'a changed program keeps its old image'

# The project that `coffer new` makes, by CMake and by make.
expect_status 0 "$COFFER" new hello
cmake -S hello -B hello/build -DCMAKE_PREFIX_PATH="$PWD/moved" >cmake.txt 2>&1 || fail "configuring: $(tail -20 cmake.txt)"
cmake --build hello/build >build.txt 2>&1 || fail "building: $(tail -20 build.txt)"
mkdir data
expect_status 0 "$COFFER" run --quiet hello/build/hello.enclave --mount data:/data -- you
expect_output $'Hello, you, from inside.\nVisit 1.'
expect_status 0 make -s -C hello COFFER="$COFFER" run ARGS=me
grep -q 'Visit 1' out.txt || fail "make run: $(cat out.txt err.txt)"
