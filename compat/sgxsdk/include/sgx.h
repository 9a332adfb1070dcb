/* Everything that most of an enclave needs. */
#ifndef COFFER_SGXSDK_SGX_H
#define COFFER_SGXSDK_SGX_H

#include "sgx_attributes.h"
#include "sgx_error.h"
#include "sgx_key.h"
#include "sgx_report.h"

#endif
