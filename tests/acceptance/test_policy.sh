# Attestation policies and tokens with the installed command: what users of the policy language see.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
captures=$COFFER_ROOT/tests/vectors/attestation/maa

# Published policies are read, and formatting them changes what they look like, not what they say.
for policy in "$captures"/policies/*.txt; do
  expect_status 0 "$COFFER" policy check --strict "$policy"
  grep -q ': version 1.0, ' out.txt || fail "$(cat out.txt)"
  expect_status 0 "$COFFER" policy format "$policy"
  cp out.txt formatted.policy
  expect_status 0 "$COFFER" policy format --check formatted.policy
  expect_output ''
done
custom=$captures/policies/add.custom.claim.txt
expect_status 1 "$COFFER" policy format --check "$custom"
expect_error_line 'is not formatted: `coffer policy format --write` does it'
cp "$custom" mine.policy
expect_status 0 "$COFFER" policy format --write mine.policy
expect_status 0 "$COFFER" policy format --check mine.policy
cmp -s "$custom" mine.policy && fail 'format --write wrote nothing'

# Permitted, denied, bad input.
expect_status 0 "$COFFER" policy eval "$custom" --claims '{"secureBootEnabled": true}'
grep -q '^permitted$' out.txt || fail "$(cat out.txt)"
grep -q '  issued SecurityLevelValue = 100' out.txt || fail "$(cat out.txt)"
grep -q 'secureBootEnabled = true (AttestationService)' out.txt || fail "no matches: $(cat out.txt)"
expect_status 1 "$COFFER" policy eval "$custom" --claims '{"secureBootEnabled": false}'
expect_error_line 'No Permit claim was issued in the authorizationrules section'
grep -q 'does not hold, no claim matches' out.txt || fail "$(cat out.txt)"
expect_status 1 "$COFFER" policy eval "$captures/policies/deny.all.txt" --claims '{}'
expect_error_line 'Deny claim'
echo '{"secureBootEnabled": true}' >claims.json
expect_status 0 "$COFFER" policy eval --json "$custom" --claims claims.json
python3 -c 'import json, sys
outcome = json.load(open("out.txt"))
assert outcome["permitted"] and outcome["issued"] == {"SecurityLevelValue": 100}, outcome
assert outcome["rules"][0]["fired"] and outcome["rules"][0]["conditions"][0]["matches"] == [0], outcome["rules"]' || fail "$(cat out.txt)"
"$COFFER" policy eval - --claims claims.json <"$custom" >out.txt || fail 'a policy on standard input'
"$COFFER" policy eval "$custom" --claims - <claims.json >out.txt || fail 'claims on standard input'
expect_status 2 "$COFFER" policy eval - --claims -
expect_error_line 'cannot both be standard input'
expect_status 2 "$COFFER" policy eval "$custom" --claims '{"a":1,"a":2}'
expect_error_line '--claims: an object has the name "a" twice'
expect_status 2 "$COFFER" policy eval "$custom" --claims nowhere.json
expect_error_line 'nowhere.json'
expect_status 2 "$COFFER" policy eval nowhere.policy --claims '{}'
expect_error_line 'nowhere.policy'
expect_status 2 "$COFFER" policy eval "$custom"
expect_error_line 'claims is required'

# Errors have a place, a caret and advice; what other implementations may not read is a warning.
printf 'version=1.0;\nauthorizationrules\n{\n  [type=“a”] => permit();\n};\n' >curly.policy
expect_status 2 "$COFFER" policy check curly.policy
head -n 6 err.txt | grep -q '^curly.policy:4:9: error: a typographic quotation mark; write "$' || fail "$(cat err.txt)"
grep -q '^          ^$' err.txt || fail "no caret: $(cat err.txt)"
expect_status 2 "$COFFER" policy eval curly.policy --claims '{}'
expect_error_line '^coffer: curly.policy:4:9: a typographic'
printf 'Version=1.0;\nauthorizationrules { c:[type="a"] => permit() };\n' >sloppy.policy
expect_status 0 "$COFFER" policy check sloppy.policy
(($(grep -c warning: err.txt) == 3)) || fail "$(cat err.txt)"
expect_status 2 "$COFFER" policy check --strict --json sloppy.policy
grep -q '"severity": "warning"' out.txt || fail "$(cat out.txt)"

# A policy that would run for ever, or fill the memory, is refused in time.
python3 - >hostile.policy <<'PYTHON'
rules = '=> add(type="x", value="ab");' + 'c:[type=="x"] => add(type="x", value=AppendString(c.value, c.value));' * 200
print('version=1.2; authorizationrules { => permit(); }; issuancerules {' + rules + '};')
PYTHON
expect_status 1 timeout 20 "$COFFER" policy eval hostile.policy --claims '{}'
expect_error_line 'hostile.policy: the rule at line 1, column [0-9]+ cannot be evaluated: .*more than'

# What the reference shows is what happens.
python3 - "$COFFER" "$COFFER_ROOT/docs/attestation/policy-language.md" <<'PYTHON' || fail 'an example of docs/attestation/policy-language.md does not do what stands below it'
import json, pathlib, re, subprocess, sys
command, page = sys.argv[1], pathlib.Path(sys.argv[2]).read_text()
examples = re.findall(r"^```policy\n(.*?)^```\n```json claims\n(.*?)^```\n```json result\n(.*?)^```$", page, re.M | re.S)
assert len(examples) >= 6 and len(examples) == page.count("```policy\n"), len(examples)
for policy, claims, expected in examples:
    pathlib.Path("example.policy").write_text(policy)
    checked = subprocess.run([command, "policy", "check", "--strict", "example.policy"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    done = subprocess.run([command, "policy", "eval", "--json", "example.policy", "--claims", claims], capture_output=True, text=True)
    outcome, expected = json.loads(done.stdout), json.loads(expected)
    assert done.returncode == (0 if expected["permitted"] else 1), done
    for name, value in expected.items():
        assert outcome[name] == value, (policy, name, outcome[name], value)
print(len(examples), "examples")
PYTHON

# Tokens: one of the captures, shown and verified with the keys that the service had then.
python3 - "$captures/recordings/Attestation-AttestationTests.SimpleAttest-SgxEnclave_Isolated.json" <<'PYTHON'
import json, pathlib, sys
for exchange in json.load(open(sys.argv[1])):
    answer = exchange["response_body"]
    if "keys" in answer: pathlib.Path("certs.json").write_text(json.dumps(answer))
    if "token" in answer:
        pathlib.Path("answer.json").write_text(json.dumps(answer))
        pathlib.Path("token.jwt").write_text(answer["token"] + "\n")
PYTHON
expect_status 0 "$COFFER" token show token.jwt
head -n 1 err.txt | grep -q '^NOT VERIFIED' || fail "it does not say that nothing was verified: $(cat err.txt)"
grep -q '"x-ms-sgx-mrenclave"' out.txt || fail "$(cat out.txt)"
expect_status 0 "$COFFER" token show --json answer.json
grep -q '"verified": false' out.txt || fail "$(cat out.txt)"
issuer=$(python3 -c 'import json; print(json.load(open("out.txt"))["payload"]["iss"])')
at=$(python3 -c 'import datetime, json; print(datetime.datetime.utcfromtimestamp(json.load(open("out.txt"))["payload"]["iat"] + 60).isoformat() + "Z")' 2>/dev/null)
expect_status 0 "$COFFER" token verify token.jwt --certs certs.json --issuer "$issuer" --at "$at"
grep -q '^accepted$' out.txt || fail "$(cat out.txt)"
expect_status 0 "$COFFER" token verify "$(cat token.jwt)" --certs certs.json --at "$at"
"$COFFER" token verify --certs certs.json --at "$at" - <token.jwt >out.txt || fail 'a token on standard input'
expect_status 0 "$COFFER" token verify --json token.jwt --certs certs.json --at "$at"
grep -q '"verdict": "accept"' out.txt || fail "$(cat out.txt)"
expect_status 1 "$COFFER" token verify token.jwt --certs certs.json
expect_error_line 'the token is refused: token.expiry'
expect_status 1 "$COFFER" token verify token.jwt --certs certs.json --at "$at" --issuer https://somebody.else
expect_error_line 'token.issuer: expected "https://somebody.else"'
expect_status 1 "$COFFER" token verify token.jwt --certs certs.json --at "$at" --audience me
expect_error_line 'token.audience'
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 2>/dev/null | openssl pkey -pubout -out other.pem
expect_status 1 "$COFFER" token verify token.jwt --certs other.pem --at "$at"
expect_error_line 'token.signature'
python3 - <<'PYTHON'
import base64, json, pathlib
token = pathlib.Path("token.jwt").read_text().strip()
header, payload, signature = token.split(".")
none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
pathlib.Path("none.jwt").write_text(f"{none}.{payload}.")
claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
claims["x-ms-sgx-is-debuggable"] = not claims["x-ms-sgx-is-debuggable"]
forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
pathlib.Path("forged.jwt").write_text(f"{header}.{forged}.{signature}")
PYTHON
expect_status 1 "$COFFER" token verify forged.jwt --certs certs.json --at "$at"
expect_error_line 'token.signature: .*an altered token'
expect_status 1 "$COFFER" token verify none.jwt --certs certs.json --at "$at"
expect_error_line 'token.algorithm'
expect_status 0 "$COFFER" token verify none.jwt --accept-unsigned --at "$at"
grep -q 'UNSIGNED' out.txt || fail "$(cat out.txt)"
expect_status 2 "$COFFER" token verify token.jwt
expect_error_line '--certs is missing'
expect_status 2 "$COFFER" token verify claims.json --certs certs.json
expect_error_line 'without a member "token"'
expect_status 2 "$COFFER" token verify token.jwt --certs token.jwt
expect_error_line 'token.jwt: no certificate and no public key in PEM'
expect_status 2 "$COFFER" token verify token.jwt --certs certs.json --at yesterday
expect_error_line 'is no time: write it as'
expect_status 2 "$COFFER" token show nowhere.jwt
expect_error_line 'nowhere.jwt'
