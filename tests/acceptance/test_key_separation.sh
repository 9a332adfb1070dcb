# Key separation and sharing: family, extended product id and configuration of real images stand in their reports and
# decide who opens what was sealed.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
compile program -I "$COFFER_ROOT/include" "$COFFER_BUILD/enclave/sdk/libcoffer_enclave.a" -l:libcrypto.a <<'SOURCE'
#include <coffer/sealing.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace {
std::vector<std::byte> read_all(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
  return {bytes, bytes + text.size()};
}
void write_all(const std::string& path, std::span<const std::byte> bytes) {
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), static_cast<long>(bytes.size()));
}
int fail(coffer::EnclaveError error) {
  std::fprintf(stderr, "%s\n", std::string(coffer::describe(error)).c_str());
  return error == coffer::EnclaveError::kRefused ? 10 : error == coffer::EnclaveError::kDowngrade ? 11 : 12;
}
}  // namespace

// report TARGET FILE | seal FILE any|family|extended|config ... | open FILE
int main(int argc, char** argv) {
  const std::string what = argv[1], file = argv[2];
  if (what == "report") {
    coffer::TargetInfo target{};
    const auto bytes = read_all(argv[3]);
    std::memcpy(target.data(), bytes.data(), target.size());
    const std::array<std::byte, 64> data{};
    write_all(file, *coffer::report(data, target));
    return 0;
  }
  if (what == "open") {
    const auto opened = coffer::unseal(read_all(file));
    return !opened ? fail(opened.error()) : opened->secret.text() == "secret" ? 0 : 1;
  }
  coffer::SealTo to{.policy = coffer::SealPolicy::kMrSigner};
  for (int i = 3; i < argc; ++i) {
    const std::string word = argv[i];
    to.any_product |= word == "any";
    to.same_family |= word == "family";
    to.same_extended_product |= word == "extended";
    to.same_configuration |= word == "config";
  }
  const auto sealed = coffer::seal(std::as_bytes(std::span("secret", 6)), to);
  if (!sealed) return fail(sealed.error());
  write_all(file, *sealed);
}
SOURCE

family_a=a0a1a2a3a4a5a6a7a8a9aaabacadaeaf family_b=b0b1b2b3b4b5b6b7b8b9babbbcbdbebf
extended_a=0102030405060708090a0b0c0d0e0f10 extended_b=f1f2f3f4f5f6f7f8f9fafbfcfdfeff00
image() {  # NAME PRODUCT [FAMILY EXTENDED]
  printf 'product_id = %s\n' "$2" >"$1.toml"
  [[ -z ${3:-} ]] || printf 'family_id = "%s"\nextended_product_id = "%s"\n' "$3" "$4" >>"$1.toml"
  printf '[[mounts]]\npath = "/out"\nkind = "plain"\n' >>"$1.toml"
  cp program "$1"
  sign "$1" --config "$1.toml"
}
image first 1 $family_a $extended_a
image sibling 2 $family_a $extended_b   # another product of the family
image stranger 1 $family_b $extended_a  # the same product ids in another family
image plain 1                           # no key separation
mkdir out
run() {  # IMAGE [OPTION...] -- ARGUMENT...
  local image=$1
  shift
  status_of "$COFFER" run --quiet "$image.enclave" --mount "$PWD/out:/out" "$@"
}
must() {  # STATUS IMAGE ...
  local expected=$1
  shift
  run "$@"
  ((status == expected)) || fail "status $status instead of $expected: $*: $(cat out.txt err.txt)"
}
value() { python3 -c 'import json, sys; print(eval(sys.argv[1], {"j": json.load(sys.stdin)}))' "$1"; }

# The ids in the image and, with the configuration that whoever starts it gives, in the report.
expect_status 0 "$COFFER" inspect first.enclave
grep -q "family *$family_a" out.txt && grep -q "extended id *$extended_a" out.txt || fail "inspect: $(cat out.txt)"
[[ $("$COFFER" inspect --json sibling.enclave | value 'j["isv_family_id"], j["isv_ext_prod_id"], "KSS" in j["attributes"]["names"]') == "('$family_a', '$extended_b', True)" ]] ||
  fail "inspect: $("$COFFER" inspect --json sibling.enclave)"
[[ $("$COFFER" inspect --json plain.enclave | value '"KSS" in j["attributes"]["names"]') == False ]] || fail 'KSS without ids'
"$COFFER" report target -o out/target
configuration=c0ffee
must 0 first --config-id $configuration --config-svn 3 -- report /out/report /out/target
expect_status 0 "$COFFER" report verify out/report --json --config-id $configuration
[[ $(value 'j["authentic"], j["isv_family_id"], j["config_id"], j["config_svn"]' <out.txt) == "(True, '$family_a', 'c0ffee$(printf '0%.0s' {1..122})', 3)" ]] ||
  fail "the report: $(cat out.txt)"
expect_status 0 "$COFFER" report verify out/report
grep -q "extended id *$extended_a" out.txt || fail "the report: $(cat out.txt)"
expect_status 1 "$COFFER" report verify out/report --config-id c0ffef
expect_error_line 'another configuration'
cp program debug && sign debug --config first.toml --debug
must 0 debug --rung inline --config-id $configuration --config-svn 3 -- report /out/inline-report /out/target
expect_status 0 "$COFFER" report verify out/inline-report --config-id $configuration

# Each bit of the policy binds to what it names and to nothing else.
seals() {  # NAME WORD...: sealed by `first` in its configuration, version 3
  must 0 first --config-id $configuration --config-svn 3 -- seal "/out/$1" "${@:2}"
}
opens() {  # NAME FIRST SIBLING STRANGER: the statuses of opening it
  must "$2" first -- open "/out/$1"
  must "$3" sibling -- open "/out/$1"
  must "$4" stranger -- open "/out/$1"
}
seals product
opens product 0 10 0
seals everybody any
opens everybody 0 0 0
seals family any family
opens family 0 0 10
seals extended any extended
opens extended 0 10 0
seals both any family extended
opens both 0 10 10
seals config config
must 0 first --config-id $configuration --config-svn 3 -- open /out/config
must 0 first --config-id $configuration --config-svn 4 -- open /out/config
must 11 first --config-id $configuration --config-svn 2 -- open /out/config
must 10 first --config-id c0ffef --config-svn 3 -- open /out/config
must 10 first --config-svn 3 -- open /out/config
must 11 first -- open /out/config

# Without key separation there is none of it, and whoever asks for it is told.
for word in any family extended config; do must 12 plain -- seal /out/nothing $word; done
must 2 plain --config-id $configuration -- open /out/product
expect_error_line 'plain.enclave: a configuration .* key separation'
must 2 plain --config-svn 1 -- open /out/product
expect_error_line 'key separation'
for wrong in c0f xyz "$(printf '00%.0s' {1..65})"; do
  must 2 first --config-id "$wrong" -- open /out/product
  expect_error_line '--config-id'
done
must 2 first --config-svn 65536 -- open /out/product
expect_error_line 'config-svn'
