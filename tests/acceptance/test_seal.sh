# coffer seal, coffer unseal: files that only the right enclaves on this platform can read; whatever else is refused.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# refuses PATTERN ARGUMENTS...: status 1, one line that says why, and no trace of an output.
refuses() {
  local pattern=$1
  shift
  echo before >kept
  expect_status 1 "$COFFER" unseal "$@" -o kept
  expect_error_line "$pattern"
  [[ $(cat kept) == before ]] || fail "a refused file replaced another: $*"
  ! compgen -G 'kept.*' >/dev/null || fail "a refused file left something behind: $*"
}
unseals() {  # EXPECTED ARGUMENTS...
  expect_status 0 "$COFFER" unseal "${@:2}" -o opened
  cmp -s "$1" opened || fail "unsealed something else: ${*:2}"
}

# Every length around the borders of blocks, and a file far larger than the sealer's memory (16 MB).
python3 -c 'import random
random.seed(5)
for size in (0, 1, 65535, 65536, 65537, 200000):
    open(f"file-{size}", "wb").write(random.randbytes(size))'
for size in 0 1 65535 65536 65537 200000; do
  expect_status 0 "$COFFER" seal file-$size -o sealed
  (($(stat -c %s sealed) == 112 + size + 16 * (size / 65536 + 1))) || fail "size $size: $(stat -c %s sealed)"
  unseals file-$size sealed
done
[[ $(stat -c %a opened) == 600 ]] || fail 'what was unsealed can be read by others'
head -c 100000000 /dev/zero >large
expect_status 0 "$COFFER" seal large -o large.sealed
unseals large large.sealed
rm large large.sealed
expect_status 0 "$COFFER" seal - -o from-pipe <file-200000
unseals file-200000 from-pipe

# The same file is never sealed alike, and the content is not in it.
printf 'a line that nobody else may read\n%.0s' {1..10} >secret
"$COFFER" seal secret -o one
"$COFFER" seal secret -o two
! cmp -s one two || fail 'the same twice'
! grep -qa 'nobody else' one || fail 'the content can be read'

# Changed, cut, longer: refused. A bit of each part of the file.
for offset in 0 9 11 13 20 40 70 97 105 112 200 $(($(stat -c %s one) - 1)); do
  flip_bit one changed $offset
  echo before >kept
  status_of "$COFFER" unseal changed -o kept
  ((status != 0)) || fail "byte $offset changed and nobody noticed"
  expect_error_line 'changed'
  [[ $(cat kept) == before ]] || fail 'a refused file replaced another'
done
flip_bit one changed 150
refuses 'not authentic here' changed
"$COFFER" seal file-200000 -o sealed
for size in 112 128 $((112 + 65552)) $((112 + 2 * 65552)) $(($(stat -c %s sealed) - 1)); do
  head -c "$size" sealed >short
  refuses 'not authentic|its end is missing' short
done
{ cat sealed; echo; } >long
refuses 'not authentic' long

# Additional data: bound, or readable by everybody.
"$COFFER" seal secret -o bound --aad 'backup 7' --label 'of Monday'
unseals secret bound --aad 'backup 7'
refuses 'other data' bound
refuses 'other data' bound --aad 'backup 8'
expect_status 0 "$COFFER" unseal bound --info --json
[[ $(python3 -c 'import json, sys; info = json.load(sys.stdin); print(info["label"], info["policy"], info["svn"])' <out.txt) == 'of Monday mrsigner 0' ]] ||
  fail "$(cat out.txt)"
flip_bit bound changed 115
refuses 'not authentic' changed --aad 'backup 7'

# Signers, products, versions.
"$COFFER" key new signer.pem >/dev/null
"$COFFER" key new other.pem >/dev/null
"$COFFER" seal secret -o signed --signer signer.pem --product-id 3 --svn 2
unseals secret signed --signer signer.pem --product-id 3 --svn 2
unseals secret signed --signer signer.pem --product-id 3 --svn 7
refuses 'higher security version' signed --signer signer.pem --product-id 3 --svn 1
refuses 'not authentic' signed --signer signer.pem --product-id 4 --svn 2
refuses 'not authentic' signed --signer other.pem --product-id 3 --svn 2
refuses 'not authentic' signed --product-id 3 --svn 2
"$COFFER" seal secret -o enclave-only --policy mrenclave --signer signer.pem
unseals secret enclave-only --signer other.pem  # the same sealer, whoever signed it

# Another platform: refused there; the first still opens its own.
COFFER_HOME=$PWD/elsewhere refuses 'another platform' one
unseals secret one

# A program of the user's own opens what was sealed for its signer, and the reverse.
grep -q 'const SealTo& to' "$COFFER_ROOT/include/coffer/sealing.h" || fail 'the header has moved'
compile reader -I"$COFFER_ROOT/include" "$COFFER_BUILD/enclave/sdk/libcoffer_enclave.a" -Wl,--no-warnings -lcrypto <<'END'
#include <coffer/sealing.h>
#include <unistd.h>
#include <cstdio>
#include <string_view>

coffer::Outcome<std::size_t> source(std::span<std::byte> room) {
  return static_cast<std::size_t>(::read(0, room.data(), room.size()));
}
coffer::Outcome<void> sink(std::span<const std::byte> bytes) {
  if (::write(1, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) return coffer::EnclaveError::kSystem;
  return {};
}
int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "seal") {
    return coffer::seal_stream(source, sink, {.policy = coffer::SealPolicy::kMrSigner}) ? 0 : 1;
  }
  const auto opened = coffer::unseal_stream(source, sink);
  if (!opened) std::fprintf(stderr, "%s\n", std::string(coffer::describe(opened.error())).c_str());
  return opened ? 0 : 1;
}
END
sign reader --product-id 3 --svn 2 --heap-max 32M
"$COFFER" run reader.enclave <signed >opened 2>err.txt || fail "$(cat err.txt)"
cmp -s secret opened || fail 'the program unsealed something else'
"$COFFER" run reader.enclave -- seal <secret >by-program
unseals secret by-program --signer signer.pem --product-id 3 --svn 2
sign reader --product-id 3 --svn 2 --heap-max 32M --debug
! "$COFFER" run reader.enclave <signed >opened 2>/dev/null || fail 'a debug enclave unsealed what production sealed'
status_of ./reader <signed
((status == 1)) || fail 'unsealed outside an enclave'

# Unusable input: status 2 and one line.
: >empty
for arguments in 'seal missing -o x' 'seal / -o x' 'seal secret -o /nowhere/x' 'seal secret -o x --signer secret' \
  'unseal missing -o x' 'unseal empty -o x' 'unseal secret -o x' 'unseal one' 'unseal one --svn 70000 -o x'; do
  # shellcheck disable=SC2086
  expect_status 2 "$COFFER" $arguments
  expect_error_line '^coffer: '
  [[ ! -e x ]] || fail "$arguments left a file"
done
