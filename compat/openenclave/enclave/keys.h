#pragma once

#include <openenclave/bits/result.h>
#include <openenclave/bits/sgx/sgxtypes.h>

namespace coffer::openenclave {

// The request for this enclave's own sealing key, of its security versions as they are now.
[[nodiscard]] oe_result_t seal_key_request(oe_seal_policy_t policy, sgx_key_request_t& request);

}  // namespace coffer::openenclave
