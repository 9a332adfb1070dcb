# coffer doctor speaks about this machine, for people and for machines.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
expect_status 0 "$COFFER" doctor
grep -q '^Enclaves run on this machine: .*process' out.txt || fail "$(cat out.txt)"
expect_status 0 "$COFFER" doctor --json
python3 - <<'PYTHON' || fail "$(cat out.txt)"
import json
told = json.load(open("out.txt"))
assert told["enclaves_can_run"] is True
rungs = {rung["name"]: rung["verdict"] for rung in told["rungs"]}
assert rungs["process"] == "yes", rungs
cpu = {feature["name"]: feature["verdict"] for feature in told["cpu"]}
flags = next(line for line in open("/proc/cpuinfo") if line.startswith("flags")).split()
for name, flag in (("RDRAND", "rdrand"), ("SHA", "sha_ni"), ("AVX2", "avx2"), ("AVX-512", "avx512f")):
    assert (cpu[name] == "yes") == (flag in flags), name
PYTHON
# A smaller allowance of locked memory shows where the capability that lifts it is not held.
if ((EUID == 0)); then
  status_of setpriv --reuid=65534 --regid=65534 --clear-groups bash -c 'ulimit -l 64; "$0" doctor' "$COFFER"
  grep -Eq 'partial +secret memory +.* 64 KiB|no +secret memory' out.txt || fail "$(cat out.txt)"
fi
