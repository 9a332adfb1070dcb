// The inner half of <sgx_edger8r.h>: serves the program's ECALLs by the tables of the generated code.
#pragma once

#include <coffer/calls.h>

#include <cstdint>

namespace coffer::sgxsdk {

// For coffer::calls::serve(). The status is a sgx_status_t. An exception that leaves the program's function ends the
// enclave.
std::int64_t serve_call(void* context, calls::IncomingCall& call);

}  // namespace coffer::sgxsdk
