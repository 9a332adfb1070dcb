# Quotes on a software platform: made, verified, refused where anything is wrong, and their collateral served and fetched.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
member() { python3 -c 'import functools, json, sys
print(functools.reduce(lambda value, key: value[int(key)] if key.isdigit() else value[key], sys.argv[2].split("."), json.load(open(sys.argv[1]))))' "$@"; }
digest=$(printf results | sha256sum | cut -c -64)
# refuses PATTERN QUOTE [OPTIONS...]: status 1, and the JSON has a failed check that matches.
refuses() {
  local pattern=$1
  shift
  expect_status 1 "$COFFER" verify "$@" --json
  python3 - "$pattern" <<'PYTHON' || fail "no failed check matches '$pattern': $(head -c 3000 out.txt)"
import json, re, sys
checks = json.load(open("out.txt"))["checks"]
sys.exit(not any(check["outcome"] == "failed" and re.search(sys.argv[1], check["id"]) for check in checks))
PYTHON
}

compile hello <<'EOF'
#include <cstdio>
int main(int argc, char**) {
  std::puts("first line");
  std::puts(argc > 1 ? "second line" : "");
  return argc > 1 ? 3 : 0;
}
EOF
sign hello --product-id 5 --svn 2

# No platform before somebody needs one; then one, whoever comes first.
expect_status 1 "$COFFER" platform show
expect_error_line 'coffer platform init'
pids=()
for n in 1 2 3; do
  "$COFFER" platform export-root -o "root$n.pem" &
  pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid" || fail 'a first use failed'; done
cmp root1.pem root2.pem && cmp root1.pem root3.pem || fail 'several first uses made several platforms'
[[ $(stat -c %a "$COFFER_HOME/platform") == 700 ]] || fail 'the platform is open to others'
[[ -z $(find "$COFFER_HOME/platform" -name '*.key' ! -perm 600) ]] || fail 'a key is open to others'

# The chain is X.509 to OpenSSL too, and the root is its own.
openssl verify -CAfile root1.pem -untrusted "$COFFER_HOME/platform/platform-ca.pem" "$COFFER_HOME/platform/pck.pem" >/dev/null ||
  fail 'OpenSSL does not accept the PCK certificate'
openssl x509 -in root1.pem -noout -subject | grep -q 'Coffer Software SGX Root CA' || fail "$(openssl x509 -in root1.pem -noout -subject)"

# A quote says what the image is, with the data that were asked for; both formats; accepted as software's.
for format in 3 4; do
  expect_status 0 "$COFFER" quote hello.enclave --report-data "$digest" -o quote.bin --format $format --json
  [[ $(member out.txt report_data) == "$digest$(printf '%064d' 0)" ]] || fail "$(cat out.txt)"
  expect_status 0 "$COFFER" verify quote.bin --json
  [[ $(member out.txt verdict) == accept && $(member out.txt root) == software && $(member out.txt tee) == sgx &&
    $(member out.txt tcb_status) == UpToDate ]] || fail "$(head -c 2000 out.txt)"
  [[ $(od -An -tu2 -N2 quote.bin | tr -d ' ') == "$format" ]] || fail 'the header has another version'
  cp quote.bin "quote$format.bin"
done
cp out.txt verified.json
"$COFFER" inspect hello.enclave --json >inspected.json
python3 - "$digest" <<'PYTHON' || fail "the claims are not the image's: $(head -c 2000 verified.json)"
import json, sys
text = json.dumps(json.load(open("verified.json"))["claims"])
image = json.load(open("inspected.json"))
sys.exit(not (image["mrenclave"] in text and image["mrsigner"] in text and sys.argv[1] in text))
PYTHON
printf 1234 >data.bin
expect_status 0 "$COFFER" quote hello.enclave --report-data @data.bin -o data-quote.bin --json
[[ $(member out.txt report_data) == 31323334000000* ]] || fail "$(cat out.txt)"

# Usage and input: one line.
expect_status 2 "$COFFER" quote hello.enclave --report-data xyz -o q
expect_error_line 'not hexadecimal'
expect_status 2 "$COFFER" quote hello.enclave --report-data "$digest$digest$digest" -o q
expect_error_line '64'
expect_status 2 "$COFFER" quote hello.enclave --report-data "$digest" -o q --format 5
expect_status 2 "$COFFER" quote missing.enclave --report-data "$digest" -o q
[[ ! -e q ]] || fail 'a quote was written'

# Any bit: refused, or no quote any more.
for offset in 0 2 30 60 112 180 370 440 500 600 900 1000 1100 2000; do
  flip_bit quote3.bin changed.bin $offset
  status_of "$COFFER" verify changed.bin
  ((status == 1 || status == 2)) || fail "status $status with a bit flipped at $offset"
done

# A program that makes reports of its own answers for its report data alone, unless its author leaves them to the host.
compile reporter -I "$COFFER_ROOT/include" <<'EOF'
#include <coffer/enclave.h>
int main() { return coffer::report(std::array<std::byte, 64>{}) ? 0 : 1; }
EOF
sign reporter
expect_status 1 "$COFFER" quote reporter.enclave --report-data "$digest" -o q
expect_error_line 'report_data'
printf 'report_data = "host"\n' >host.toml
sign reporter --config host.toml
expect_status 0 "$COFFER" quote reporter.enclave --report-data "$digest" -o q
printf 'report_data = "program"\n' >program.toml
cp hello closed
sign closed --config program.toml
expect_status 1 "$COFFER" quote closed.enclave --report-data "$digest" -o q
printf 'report_data = "nobody"\n' >nobody.toml
expect_status 2 "$COFFER" sign hello --key signer.pem --config nobody.toml -o x.enclave
expect_error_line 'nobody.toml:1: .*"host" or "program"'

# What a program printed, bound to it: the digest, the mark, the exit status.
status=0
"$COFFER" run --attest-output output.bin hello.enclave -- more >printed.txt || status=$?
((status == 3)) || fail "exit status $status instead of the program's"
printf 'first line\nsecond line\n' | cmp - printed.txt || fail "$(cat printed.txt)"
expect_status 0 "$COFFER" verify output.bin --json
marked=$(sha256sum <printed.txt | cut -c -64)$(printf 'coffer standard output 1' | od -An -v -tx1 | tr -d ' \n')0300000000000000
grep -q "$marked" out.txt || fail "the quote does not bind the output: $(head -c 2000 out.txt)"
# The host cannot ask for a quote that looks like one.
expect_status 1 "$COFFER" quote hello.enclave --report-data "$marked" -o q
# More than one write at a time, from threads: whatever the order, it is the order of the bytes that came out.
compile threads -pthread <<'EOF'
#include <unistd.h>
#include <string>
#include <thread>
#include <vector>
int main() {
  std::vector<std::thread> threads;
  for (char name = 'a'; name < 'e'; ++name) {
    threads.emplace_back([name] {
      const std::string text(5000, name);
      for (int round = 0; round < 20; ++round) {
        for (std::size_t at = 0; at < text.size();) at += static_cast<std::size_t>(write(1, text.data() + at, text.size() - at));
      }
    });
  }
  for (auto& thread : threads) thread.join();
}
EOF
sign threads
"$COFFER" run --attest-output threads.bin threads.enclave >threads.txt
(($(stat -c %s threads.txt) == 400000)) || fail 'output is missing'
expect_status 0 "$COFFER" verify threads.bin --json
grep -q "$(sha256sum <threads.txt | cut -c -64)" out.txt || fail 'the digest is not that of the output'
# Without a program that ends by itself there is no quote.
compile dies <<'EOF'
int main() { __builtin_trap(); }
EOF
sign dies
status_of "$COFFER" run --attest-output died.bin dies.enclave
[[ ! -e died.bin ]] || fail 'a program that died was quoted'

# Another platform does not trust this one, until it is told to.
export COFFER_HOME_HERE=$COFFER_HOME
"$COFFER" collateral fetch quote3.bin --from http://127.0.0.1:1/ 2>err.txt && fail 'fetched from nowhere'
"$COFFER" platform serve-collateral --listen 127.0.0.1:0 >service.txt &
service=$!
trap 'kill $service 2>/dev/null || true' EXIT
wait_for 20 grep -q http service.txt || fail 'the service does not come up'
url=$(cat service.txt)
for path in 'pckcrl?ca=platform' 'tcb?fmspc=434F46460001' qe/identity rootcacrl 'pckcert?qeid=00&pceid=0000&cpusvn=01010101010101010101010101010101'; do
  [[ $(curl -s -o answer.txt -w '%{http_code}' "$url/$path") == 200 ]] || fail "$path: $(cat answer.txt)"
done
for path in 'tcb?fmspc=00606A000000' 'pckcrl?ca=processor' nothing; do
  [[ $(curl -s -o answer.txt -w '%{http_code}' "$url/$path") == 404 ]] || fail "$path is there: $(cat answer.txt)"
done
curl -s -D headers.txt -o answer.txt "$url/tcb?fmspc=434f46460001"
grep -qi '^SGX-TCB-Info-Issuer-Chain: -----BEGIN%20CERTIFICATE' headers.txt || fail "$(cat headers.txt)"
curl -s "$url/qe/identity" | cmp - "$COFFER_HOME/platform/qe-identity.json" || fail 'the identity changed on its way'

elsewhere() { COFFER_HOME=$PWD/elsewhere "$@"; }
elsewhere expect_status 0 "$COFFER" collateral fetch quote3.bin --from "$url" --json
folder=$(member out.txt 0.folder)
[[ $(member out.txt 0.valid) == True ]] || fail "$(cat out.txt)"
# Without a network from here on: the cache has it.
kill $service
wait $service || fail 'the service did not end well'
elsewhere refuses 'chain' quote3.bin
elsewhere expect_status 0 "$COFFER" verify quote3.bin --root root1.pem --json
[[ $(member out.txt root) == given ]] || fail "$(head -c 500 out.txt)"
elsewhere expect_status 0 "$COFFER" verify quote3.bin --root root1.pem --collateral "$folder"
elsewhere expect_status 0 "$COFFER" collateral show quote3.bin
grep -q 'days left' out.txt || fail "$(cat out.txt)"
elsewhere expect_status 0 "$COFFER" collateral refresh --from http://127.0.0.1:1/
elsewhere expect_status 0 "$COFFER" collateral refresh --within 365 --from http://127.0.0.1:1/
grep -q 'good until' err.txt || grep -q 'days left' out.txt || fail "$(cat out.txt err.txt)"
elsewhere "$COFFER" platform init >/dev/null
elsewhere refuses 'chain' quote3.bin

# Out of date: said, with the advisory; and collateral that has ended.
"$COFFER" platform set-tcb --status OutOfDate --advisory COFFER-SA-00001 >/dev/null
status_of "$COFFER" verify quote3.bin --json
[[ $(member out.txt tcb_status) == OutOfDate && $(member out.txt advisory_ids.0) == COFFER-SA-00001 ]] || fail "$(head -c 500 out.txt)"
"$COFFER" platform set-tcb --reset --issue-date 2026-01-01 --next-update 2026-01-31 >/dev/null
refuses 'validity' quote3.bin
"$COFFER" platform set-tcb --status Revoked --issue-date 2026-01-01 >/dev/null
expect_status 2 "$COFFER" platform set-tcb --status Fine
expect_error_line 'UpToDate'
expect_status 2 "$COFFER" platform set-tcb
"$COFFER" platform set-tcb --reset >/dev/null
expect_status 0 "$COFFER" verify quote3.bin

# New keys: what the old ones signed is refused, what the new ones sign is accepted; the root stays.
expect_status 0 "$COFFER" platform rotate --json
[[ $(member out.txt generation) == 2 ]] || fail "$(cat out.txt)"
refuses 'revoked' quote3.bin
expect_status 0 "$COFFER" quote hello.enclave --report-data "$digest" -o new.bin
expect_status 0 "$COFFER" verify new.bin
"$COFFER" platform export-root | cmp - root1.pem || fail 'the root changed'

# Other fuses: the attestation key cannot be opened, and that is said.
rm "$COFFER_HOME/fuses"
status_of "$COFFER" quote hello.enclave --report-data "$digest" -o q2
((status == 2)) || fail "status $status"
expect_error_line 'platform rotate'
expect_status 0 "$COFFER" platform rotate
expect_status 0 "$COFFER" quote hello.enclave --report-data "$digest" -o q2
expect_status 0 "$COFFER" verify q2

# The page's own commands.
mkdir page
cp hello.enclave page/
python3 - "$COFFER_ROOT/docs/attestation/quotes.md" >page/commands <<'PYTHON'
import pathlib, re, sys
blocks = re.findall(r"^```sh\n(.*?)^```$", pathlib.Path(sys.argv[1]).read_text(), re.M | re.S)
assert len(blocks) >= 4, len(blocks)
print("set -e\n" + "\n".join(blocks))
PYTHON
(cd page && PATH=$(dirname "$COFFER"):$PATH COFFER_HOME=$PWD/home timeout 120 bash commands >out.txt 2>err.txt) ||
  fail "docs/attestation/quotes.md: $(tail -n 5 page/out.txt page/err.txt)"
