// Makes the second enclave another one.
extern const char* const coffer_test_second;
const char* const coffer_test_second = "second";
