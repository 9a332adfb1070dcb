// Makes the second enclave another one. With the string functions that sources for Open Enclave have without asking.
#include <openenclave/enclave.h>

extern char coffer_test_second[8];
char coffer_test_second[8];

namespace {
__attribute__((constructor)) void fill() { memcpy(coffer_test_second, "second", strlen("second")); }
}  // namespace
