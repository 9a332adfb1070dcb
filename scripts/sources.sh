# The project's own C++ files. Sourced, not run. Works in a checkout and in an unpacked archive of one.
cpp_sources() {
  find attest base boundary service services sgx processor emulate enclave edl host node cli compat include samples bench fuzz tests \
    \( -name '*.cc' -o -name '*.h' \) -type f | LC_ALL=C sort
}
