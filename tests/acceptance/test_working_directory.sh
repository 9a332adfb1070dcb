# A program starts in the folder that coffer.toml names, on any kind of mount, and says clearly why it cannot.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
compile program <<'SOURCE'
#include <filesystem>
#include <fstream>
#include <iostream>
int main(int argc, char** argv) {
  std::cout << std::filesystem::current_path().string() << '\n';
  if (argc > 1) std::ofstream("notes.txt", std::ios::app) << argv[1] << '\n';
  std::cout << std::ifstream("notes.txt").rdbuf();
}
SOURCE
settings() {
  cat >coffer.toml
  sign program --config coffer.toml
}
settings <<'TOML'
working_directory = "/data"
[[mounts]]
path = "/data"
kind = "encrypted"
key = "mrsigner"
TOML
mkdir sealed plain
expect_status 0 "$COFFER" run program.enclave --mount "$PWD/sealed:/data" -- first
expect_output $'/data\nfirst'
expect_status 0 "$COFFER" run program.enclave --mount "$PWD/sealed:/data" -- second
expect_output $'/data\nfirst\nsecond'

settings <<'TOML'
working_directory = "/place/inner"
[[mounts]]
path = "/place"
kind = "plain"
TOML
expect_status 134 "$COFFER" run program.enclave --mount "$PWD/plain:/place"
grep -q 'working directory /place/inner .*cannot be entered (errno 2)' err.txt || fail "$(cat err.txt)"
mkdir plain/inner
expect_status 0 "$COFFER" run program.enclave --mount "$PWD/plain:/place" -- word
expect_output $'/place/inner\nword'
[[ $(cat plain/inner/notes.txt) == word ]] || fail 'the file is not in the folder'

settings <<<'working_directory = "/tmp"'
expect_status 0 "$COFFER" run program.enclave -- word
expect_output $'/tmp\nword'
echo 'working_directory = "tmp"' >coffer.toml
expect_status 2 "$COFFER" sign program --key signer.pem --config coffer.toml -o program.enclave
expect_error_line 'coffer.toml:1: working_directory must be an absolute path'
