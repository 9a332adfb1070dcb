# Damaged settings, programs and images through the command: one clear line, an exit status that says no, nothing runs.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
compile program <<'SOURCE'
#include <cstdio>
int main() { std::puts("this ran"); }
SOURCE
"$COFFER" key new signer.pem >/dev/null

# mutate FROM TO SEED REACH: changes one to four bytes among the first REACH (0: of all), the same for the same seed.
mutate() {
  python3 -c 'import pathlib, random, sys
content = bytearray(pathlib.Path(sys.argv[1]).read_bytes())
generator = random.Random(int(sys.argv[3]))
reach = int(sys.argv[4]) or len(content)
for _ in range(1 + generator.randrange(4)):
    content[generator.randrange(reach)] = generator.randrange(256)
pathlib.Path(sys.argv[2]).write_bytes(content)' "$@"
}
refused=0
expect_refusal_or_success() {  # WHAT COMMAND...
  local what=$1
  shift
  status_of timeout 30 "$@"
  ((status == 0)) && return
  ((status == 1 || status == 2)) || fail "$what: exit status $status: $(cat err.txt)"
  expect_error_line '^coffer: '
  refused=$((refused + 1))
}

cat >coffer.toml <<'TOML'
product_id = 3
debug = true
threads = 4
heap_max = "64M"

[environment]
allow = ["TZ"]
TOML
expect_status 0 "$COFFER" sign program --key signer.pem --config coffer.toml -o good.enclave
for ((seed = 1; seed <= 25; ++seed)); do
  mutate coffer.toml damaged.toml "$seed" 0
  expect_refusal_or_success "settings $seed" "$COFFER" sign program --key signer.pem --config damaged.toml -o x.enclave
  mutate program damaged "$seed" 1024
  expect_refusal_or_success "program $seed" "$COFFER" sign damaged --key signer.pem -o x.enclave
done
((refused >= 10)) || fail "only $refused of the damaged inputs were refused"

for ((seed = 1; seed <= 25; ++seed)); do
  mutate good.enclave damaged.enclave "$seed" $((seed % 2 * 4096))
  cmp -s good.enclave damaged.enclave && continue
  status_of timeout 30 "$COFFER" run damaged.enclave
  ((status == 1 || status == 2)) || fail "image $seed: exit status $status"
  [[ ! -s out.txt ]] || fail "image $seed: it ran"
  expect_error_line '^coffer: '
done
