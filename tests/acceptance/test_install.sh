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

# A verifier of quotes, inside and outside, from one source.
mkdir verifier evidence
cp "$COFFER_ROOT"/tests/vectors/attestation/dcap/tdx4-phala/{quote.bin,collateral.json} evidence/
cat >verifier/CMakeLists.txt <<'CMAKE'
cmake_minimum_required(VERSION 3.25)
project(verifier LANGUAGES CXX)
find_package(Coffer REQUIRED COMPONENTS attest)
add_executable(outside main.cc)
target_link_libraries(outside PRIVATE Coffer::attest)
add_executable(inside main.cc)
target_link_libraries(inside PRIVATE Coffer::attest Coffer::enclave)
coffer_add_enclave(inside KEY key.pem NEW_KEY CONFIG coffer.toml)
CMAKE
printf 'name = "verifier"\nheap_max = "64M"\n[[mounts]]\npath = "/evidence"\nkind = "plain"\n' >verifier/coffer.toml
cat >verifier/main.cc <<'SOURCE'
#include <coffer/attest.h>

#include <cstdio>
#include <fstream>
#include <iterator>

static std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}
int main(int, char** argv) {
  using namespace coffer::attest;
  const std::string folder = argv[1];
  const auto collateral = dcap::Collateral::parse(read(folder + "/collateral.json"));
  if (!collateral) return std::puts(collateral.error().message.c_str()), 2;
  const std::string quote = read(folder + "/quote.bin");
  const auto answer = dcap::verify(std::as_bytes(std::span(quote)), *collateral, *parse_iso8601(argv[2]));
  if (!answer) return std::puts(answer.error().message.c_str()), 2;
  std::printf("%s %s\n", answer->authentic() ? "accepted" : "refused", std::string(name_of(*answer->tcb_status)).c_str());
  return answer->authentic() ? 0 : 1;
}
SOURCE
cmake -S verifier -B verifier/build -DCMAKE_PREFIX_PATH="$PWD/moved" >cmake.txt 2>&1 || fail "configuring: $(tail -20 cmake.txt)"
cmake --build verifier/build >build.txt 2>&1 || fail "building: $(tail -20 build.txt)"
expect_status 0 verifier/build/outside evidence 2025-07-04T10:16:31Z
expect_output 'accepted UpToDate'
expect_status 0 "$COFFER" run --quiet verifier/build/inside.enclave --mount evidence:/evidence -- /evidence 2025-07-04T10:16:31Z
expect_output 'accepted UpToDate'
expect_status 1 "$COFFER" run --quiet verifier/build/inside.enclave --mount evidence:/evidence -- /evidence 2026-07-04T10:16:31Z
expect_output 'refused UpToDate'
