#include <openenclave/enclave.h>
#include <stdio.h>

#include "greeting_t.h"

int greet(const char* name) {
  char text[64];
  const int length = snprintf(text, sizeof(text), "Hello, %s.", name);
  printf("from inside: %s\n", text);
  return heard(text) == OE_OK ? length : -1;
}

OE_SET_ENCLAVE_SGX(1, 2, true, 256, 64, 1);
