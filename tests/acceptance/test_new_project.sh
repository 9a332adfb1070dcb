# What coffer new makes builds with the ordinary compiler, signs and runs.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
expect_status 0 "$COFFER" new project
[[ -f project/coffer.toml && -f project/main.cc ]] || fail "not a project: $(ls project)"
g++ -std=c++20 -O2 -static-pie -o project/program project/main.cc -pthread
"$COFFER" key new signer.pem >/dev/null
[[ $(stat -c %a signer.pem) == 600 ]] || fail 'the key is readable by others'
expect_status 0 "$COFFER" sign project/program --key signer.pem --config project/coffer.toml -o project/program.enclave
expect_status 0 "$COFFER" run project/program.enclave
[[ -s out.txt ]] || fail 'it says nothing'
# Neither a project nor a key is ever overwritten.
expect_status 2 "$COFFER" new project
expect_status 2 "$COFFER" key new signer.pem
expect_error_line 'signer.pem'
