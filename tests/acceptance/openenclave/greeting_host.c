#include <openenclave/host.h>

#include "greeting_u.h"

void heard(const char* text) { printf("heard: %s\n", text); }

int main(int argc, char** argv) {
  oe_enclave_t* enclave = NULL;
  int length = 0;
  oe_result_t result;
  if (argc != 2) return 2;
  result = oe_create_greeting_enclave(argv[1], OE_ENCLAVE_TYPE_SGX, OE_ENCLAVE_FLAG_DEBUG | OE_ENCLAVE_FLAG_SIMULATE,
                                      NULL, 0, &enclave);
  if (result == OE_OK) result = greet(enclave, &length, "world");
  if (enclave) oe_terminate_enclave(enclave);
  printf("%s %d\n", oe_result_str(result), length);
  return result == OE_OK ? 0 : 1;
}
