# Bad input gets one clear line and exit status 2.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
compile program <<'SOURCE'
int main() {}
SOURCE
g++ -o dynamic program.cc
sign program

expect_status 2 "$COFFER" run missing.enclave
expect_error_line 'missing\.enclave'
expect_status 2 "$COFFER" run program.cc
expect_error_line 'program\.cc'
expect_status 2 "$COFFER" inspect program.cc
expect_error_line 'program\.cc'
expect_status 2 "$COFFER" sign dynamic --key signer.pem -o x.enclave
expect_error_line 'static-pie'
expect_status 2 "$COFFER" sign program --key program.cc -o x.enclave
expect_error_line 'program\.cc'
printf 'svn = 1\nsnv = 2\n' >coffer.toml
expect_status 2 "$COFFER" sign program --key signer.pem --config coffer.toml -o x.enclave
expect_error_line 'coffer\.toml:2.*snv'
expect_status 2 "$COFFER" sign program --key signer.pem --heap-max lots -o x.enclave
expect_error_line 'lots'
expect_status 2 "$COFFER" run program.enclave --mount "$PWD:/data" --
expect_error_line '/data'
expect_status 2 "$COFFER" frobnicate
expect_error_line 'frobnicate'
[[ ! -e x.enclave ]] || fail 'an image was made of bad input'
