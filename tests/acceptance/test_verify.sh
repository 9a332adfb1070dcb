# Evidence of real machines: `coffer verify` says of each what is expected of it, and one clear line of what it cannot read.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
vectors=$COFFER_ROOT/tests/vectors/attestation
member() { python3 -c 'import json, sys
value = json.load(sys.stdin)
for name in sys.argv[1].split("."): value = value[int(name)] if isinstance(value, list) else value[name]
print(value)' "$1" <out.txt; }
verify() { expect_status "$1" "$COFFER" verify "${@:2}"; }
unreadable() {  # PATTERN ARGUMENTS...
  local pattern=$1
  shift
  expect_status 2 "$COFFER" verify "$@"
  expect_error_line "$pattern"
  [[ ! -s out.txt ]] || fail "printed something about unreadable evidence: $(head -c 300 out.txt)"
}

# Every case of the tree, by one command, and a case that is told wrong.
verify 0 --cases "$vectors"
tail -n 1 out.txt | grep -Eq '^1[0-9][0-9] cases, 1[0-9][0-9] as expected, 0 not$' || fail "$(tail -n 3 out.txt)"
grep -q '^ok   snp/neg/milan2-virtee.flip-policy: expected reject signature, got reject (report.signature)$' out.txt ||
  fail "$(grep flip-policy out.txt)"
mkdir -p tree/good tree/bad
cp "$vectors"/snp/milan2-virtee/* tree/good/
cp "$vectors"/snp/milan2-virtee/* tree/bad/
sed -i 's/"vmpl": 0/"vmpl": 1/' tree/bad/expect.json
verify 1 --cases tree
grep -q '^FAIL bad: expected accept, got accept, but vmpl is 0 instead of 1$' out.txt || fail "$(cat out.txt)"
grep -q '^2 cases, 1 as expected, 1 not$' out.txt || fail "$(cat out.txt)"
verify 1 --cases tree --json
[[ $(member failed) == 1 && $(member outcomes.1.agrees) == True ]] || fail "$(cat out.txt)"
sed -i 's/"accept"/"reject"/' tree/bad/expect.json
verify 1 --cases tree
mkdir none
unreadable 'none: no directory below it has an expect.json' --cases none
unreadable 'nowhere: No such file' --cases nowhere

# SEV-SNP: accepted, refused for the right reason, and what is missing is said.
snp=$vectors/snp/milan2-virtee
at=(--at 2025-06-15T00:00:00Z)
verify 0 "$snp/report.bin" --vek "$snp/vek.der" --chain "$snp/ca_chain.pem" "${at[@]}"
head -n 1 out.txt | grep -q "^ACCEPTED: SEV-SNP report, under AMD's root key$" || fail "$(head -n 1 out.txt)"
verify 0 "$snp/report.bin" --vek "$snp/vek.der" --chain "$snp/ca_chain.pem" "${at[@]}" --json
[[ $(member verdict) == accept && $(member tee) == sevsnp && $(member root) == amd ]] || fail "$(cat out.txt)"
[[ $(member claims.measurement) == 7a1e5c266c0108dbc9bb94fa926951320940915d0aafb42464bd88b579ea158d3e1a0dc39b2c60bd95b9c480cd81841f ]] ||
  fail "$(member claims.measurement)"
[[ $(member claims.reported_tcb.microcode) == 115 && $(member checks.0.outcome) == passed ]] || fail "$(cat out.txt)"
verify 1 "$snp/report.bin" --json
[[ $(member verdict) == reject && $(member reason) == vek.given && $(member claims.vmpl) == 0 ]] || fail "$(cat out.txt)"
verify 1 "$snp/report.bin" --vek "$snp/vek.der" "${at[@]}" --json
[[ $(member reason) == vek.chain ]] || fail "$(cat out.txt)"
verify 1 "$snp/report.bin" --vek "$snp/vek.der" --chain "$snp/ca_chain.pem" --at 2035-01-01T00:00:00Z
grep -q 'because vek.validity' out.txt || fail "$(cat out.txt)"
flip_bit "$snp/report.bin" flipped.bin 100
verify 1 flipped.bin --vek "$snp/vek.der" --chain "$snp/ca_chain.pem" "${at[@]}"
head -n 2 out.txt | tail -n 1 | grep -q '^  because report.signature' || fail "$(head -n 4 out.txt)"
verify 0 "$snp/vek.der" --chain "$snp/ca_chain.pem" "${at[@]}"
data=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["fields"]["report_data"])' "$snp/expect.json")
verify 0 "$snp/report.bin" --vek "$snp/vek.der" --chain "$snp/ca_chain.pem" "${at[@]}" --nonce "$data"
verify 1 "$snp/report.bin" --vek "$snp/vek.der" --chain "$snp/ca_chain.pem" "${at[@]}" --nonce c0ffee
grep -q 'because report.nonce' out.txt || fail "$(cat out.txt)"

# A policy beside it: authentic evidence that says what the policy does not permit is refused.
cat >no-debugging.txt <<'POLICY'
version=1.0;
authorizationrules { [type=="x-ms-sevsnpvm-is-debuggable", value==false] => permit(); };
issuancerules { };
POLICY
verify 0 "$snp/report.bin" --vek "$snp/vek.der" --chain "$snp/ca_chain.pem" "${at[@]}" --policy no-debugging.txt
debug=$vectors/snp/milan2-gosev-debug
verify 0 "$debug/report.bin" --vek "$debug/vek.der" --chain "$debug/ca_chain.pem" "${at[@]}"
verify 1 "$debug/report.bin" --vek "$debug/vek.der" --chain "$debug/ca_chain.pem" "${at[@]}" --policy no-debugging.txt
grep -q '^  because of the policy: ' out.txt || fail "$(head -n 3 out.txt)"
verify 1 "$debug/report.bin" --vek "$debug/vek.der" --chain "$debug/ca_chain.pem" "${at[@]}" --policy no-debugging.txt --json
[[ $(member verdict) == reject && $(member reason) == policy.permit ]] || fail "$(cat out.txt)"
verify 1 flipped.bin --vek "$snp/vek.der" --chain "$snp/ca_chain.pem" "${at[@]}" --policy no-debugging.txt
echo 'version=9;' >bad-policy.txt
unreadable 'bad-policy.txt:1' "$snp/report.bin" --policy bad-policy.txt

# The same bytes in the forms in which they travel.
od -An -v -tx1 "$snp/report.bin" >report.hex
base64 "$snp/report.bin" >report.b64
python3 - "$snp" <<'PYTHON'
import base64, json, sys
url = lambda data: base64.urlsafe_b64encode(data).decode().rstrip("=")
read = lambda name: open(f"{sys.argv[1]}/{name}", "rb").read()
import ssl
vek = ssl.DER_cert_to_PEM_cert(read("vek.der")).encode()
inner = {"SnpReport": url(read("report.bin")), "VcekCertChain": url(vek + read("ca_chain.pem"))}
json.dump({"report": url(json.dumps(inner).encode())}, open("request.json", "w"))
PYTHON
for form in report.hex report.b64; do
  verify 0 "$form" --vek "$snp/vek.der" --chain "$snp/ca_chain.pem" "${at[@]}"
done
verify 0 request.json "${at[@]}"
verify 0 - --vek "$snp/vek.der" --chain "$snp/ca_chain.pem" "${at[@]}" <report.hex

# TPM: a quote with its key, nonce and PCR values; on Azure the SNP report vouches for the key.
tpm=$vectors/tpm/az-snp-v1
azure=$vectors/snp/milan3-azure-v1
python3 -c 'import json, sys; json.dump({"sha256": json.load(open(sys.argv[1]))["pcrs"]}, open("pcrs.json", "w"))' "$tpm/expect.json"
quote=("$tpm/quote.msg" --signature "$tpm/quote.sig")
verify 0 "${quote[@]}" --ak "$tpm/ak_pub.pem" --nonce 6368616c6c656e6765 --pcrs pcrs.json --json
[[ $(member root) == given && $(member claims.pcr_digest_matches) == True ]] || fail "$(cat out.txt)"
verify 0 "${quote[@]}" --hcl "$tpm/hcl_report.bin" --vek "$azure/vek.der" --chain "$azure/ca_chain.pem" "${at[@]}" --json
[[ $(member root) == amd && $(member claims.aikValidated) == True ]] || fail "$(cat out.txt)"
[[ $(member claims.hcl.vm-configuration.secure-boot) == True && $(member claims.snp.version) == 3 ]] || fail "$(cat out.txt)"
verify 1 "${quote[@]}" --hcl "$tpm/hcl_report.bin" --json
[[ $(member reason) == vek.given ]] || fail "$(cat out.txt)"
verify 1 "${quote[@]}" --ak "$vectors/tpm/trustee-swtpm/ak_pub.pem" --json
[[ $(member reason) == quote.signature ]] || fail "$(cat out.txt)"
verify 1 "${quote[@]}" --ak "$tpm/ak_pub.pem" --nonce 00 --json
[[ $(member reason) == quote.nonce ]] || fail "$(cat out.txt)"
sed -i 's/e15c44796beabf46/015c44796beabf46/' pcrs.json
verify 1 "${quote[@]}" --ak "$tpm/ak_pub.pem" --pcrs pcrs.json --json
[[ $(member reason) == quote.pcr_digest ]] || fail "$(cat out.txt)"
verify 0 "$tpm/hcl_report.bin" --vek "$azure/vek.der" --chain "$azure/ca_chain.pem" "${at[@]}"

# A quote of a TD, and the firmware's log that leads to its registers.
td=$vectors/dcap/tdx4-cos113
verify 0 "$td/quote.bin" --collateral "$td/collateral.json" --at 2025-06-11T19:23:55Z \
  --event-log "$vectors/tpm/ccel-cos113/ccel.bin" --json
[[ $(member tcb_status) == UpToDate && $(member claims.secureBootEnabled) == False ]] || fail "$(cat out.txt)"
verify 1 "$td/quote.bin" --collateral "$td/collateral.json" --at 2025-06-11T19:23:55Z \
  --event-log "$vectors/tpm/log/CCEL_data_ovmf/event_log.bin" --json
[[ $(member reason) == event_log.replay ]] || fail "$(cat out.txt)"
python3 -c 'import json; claims = json.load(open("out.txt"))["claims"]; assert "secureBootEnabled" not in claims, claims' ||
  fail 'claims of a log that does not lead to the quote'
verify 1 "$td/quote.bin" --json
[[ $(member reason) == collateral.given ]] || fail "$(cat out.txt)"

# Open Enclave's evidence with the endorsements that came with it.
oe=$vectors/misc/oe-plugin
verify 0 "$oe/evidence" --collateral "$oe/endorsements" --at 2022-05-11T23:03:47Z --json
[[ $(member tee) == sgx && $(member tcb_status) == SWHardeningNeeded ]] ||
  fail "$(cat out.txt)"
verify 1 "$oe/evidence"
head -n 1 out.txt | grep -q '^REFUSED: SGX quote' || fail "$(head -n 1 out.txt)"

python3 - "$vectors/dcap/sgx3-phala/quote.bin" <<'PYTHON'
import pathlib, struct, sys
quote = pathlib.Path(sys.argv[1]).read_bytes()
pathlib.Path("oe_report.bin").write_bytes(struct.pack("<IIQ", 1, 2, len(quote)) + quote)
PYTHON
verify 0 oe_report.bin --collateral "$vectors/dcap/sgx3-phala/collateral.json" --at 2024-09-10T00:25:19Z --json
[[ $(member claims.oe_form) == report && $(member root) == intel ]] || fail "$(cat out.txt)"

# A log by itself is nobody's.
verify 0 "$vectors/tpm/log/debian-10/event_log.bin" --json
[[ $(member root) == none && $(member claims.secureBootEnabled) == True ]] || fail "$(cat out.txt)"

# What cannot be read is one line, and status 2.
head -c 700 "$snp/report.bin" >short.bin
: >empty.bin
echo '{"hello": 1}' >other.json
printf 'no evidence at all' >words.txt
head -c 100 "$tpm/quote.msg" >short.msg
unreadable 'short.bin: SNP report: 700 bytes instead of 1184' short.bin
unreadable 'empty.bin: it is empty' empty.bin
unreadable 'other.json: evidence: a JSON object without a member' other.json
unreadable 'words.txt: evidence: not a kind that is known' words.txt
unreadable 'nothing.bin' nothing.bin
unreadable 'short.msg: TPM quote: ' short.msg --signature "$tpm/quote.sig" --ak "$tpm/ak_pub.pem"
unreadable 'evidence is missing' --json
unreadable '\-\-at yesterday: not a time' "$snp/report.bin" --at yesterday
unreadable '\-\-nonce xyz: not hexadecimal' "$snp/report.bin" --nonce xyz
unreadable 'words.txt: ' "$snp/report.bin" --root words.txt
unreadable 'VEK: ' "$snp/report.bin" --vek words.txt
unreadable 'other.json: PCR values: ' "${quote[@]}" --ak "$tpm/ak_pub.pem" --pcrs other.json

# The page about verifying by hand: every command of it, with the answer that it says.
mkdir -p on_path
ln -sf "$COFFER" on_path/coffer
python3 - "$COFFER_ROOT/docs/attestation/verifying.md" >commands.txt <<'PYTHON'
import re, sys
blocks = re.findall(r"```sh\n(.*?)```", open(sys.argv[1]).read(), re.S)
print("".join(blocks), end="")
PYTHON
(($(wc -l <commands.txt) >= 12)) || fail 'the page has lost its commands'
here=$PWD
while IFS= read -r line; do
  case ${line##*# } in
    accepted) expected=0 ;;
    refused) expected=1 ;;
    *) fail "the page does not say what to expect of: $line" ;;
  esac
  expect_status "$expected" env PATH="$here/on_path:$PATH" sh -c "cd '$vectors' && ${line%  #*}"
done <commands.txt
