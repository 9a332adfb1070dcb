// What tests of the trusted library stand on in place of an enclave's address space.
#pragma once

namespace coffer::sgxsdk::testing {

// An address that counts as outside; NULL always does.
extern const void* outside;

}  // namespace coffer::sgxsdk::testing
