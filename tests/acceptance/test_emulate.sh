# coffer emulate: a program for SGX hardware runs on this machine, and what cannot be run is refused in one line.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
program=$COFFER_BUILD/tests/programs/sgx-program
[[ -x $program ]] || skip "this build has no program for SGX (sanitizers)"

expect_status 1 "$program" run  # without emulation there is no device
expect_status 0 "$COFFER" emulate -- "$program" run
expect_output 'function 4, value 4711'
expect_status 0 "$COFFER" emulate --epc 48M -- "$program" cpuid
expect_output "sgx 1, epc $((48 << 20))"
expect_status 0 "$COFFER" emulate -- "$program" signals
expect_output 'function 4, ticks enough, own 1'

# What the program starts is emulated too; its exit status and streams are its own.
expect_status 0 "$COFFER" emulate --epc 48M -- bash -c "'$program' cpuid; grep -c -w sgx /proc/cpuinfo"
head -1 out.txt | grep -qx "sgx 1, epc $((48 << 20))" || fail "$(cat out.txt)"
expect_status 7 "$COFFER" emulate -- bash -c 'exit 7'
expect_status 0 "$COFFER" emulate -- python3 -c 'import os, stat
told = os.stat("/dev/sgx_enclave")
print(stat.S_ISCHR(told.st_mode), os.access("/dev/sgx_enclave", os.R_OK), open("/sys/devices/system/node/node0/x86/sgx_total_bytes").read().strip())'
expect_output "True True $((128 << 20))"

# The emulated keys are no other rung's.
[[ -f $COFFER_HOME/emulate/fuses ]] || fail "the emulated processor has no fuses of its own"
! cmp -s "$COFFER_HOME/emulate/fuses" "$COFFER_HOME/fuses" || fail "the fuses are those of the other rungs"

g++ -static -x c++ -o static - <<<"int main() {}"
expect_status 2 "$COFFER" emulate -- ./static
expect_error_line 'statically linked.*link it without -static'
expect_status 2 "$COFFER" emulate -- ./no-such-program
expect_error_line 'no-such-program'
expect_status 2 "$COFFER" emulate -- no-such-program
expect_error_line 'no such program in PATH'
expect_status 2 "$COFFER" emulate --epc many -- "$program" run
expect_error_line '--epc many: write a size'
expect_status 2 "$COFFER" emulate
expect_error_line 'see `coffer emulate --help`'
