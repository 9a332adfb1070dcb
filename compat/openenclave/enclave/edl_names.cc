// The ECALLs that <openenclave/edl/*.edl> names. Generated code refers to them; nothing calls them, since the enclave's
// own kernel does what they did. A host that calls one all the same hears so.
#include <openenclave/bits/result.h>

extern "C" {
oe_result_t oe_get_public_key_by_policy_ecall();
oe_result_t oe_get_public_key_ecall();
oe_result_t oe_get_report_v2_ecall();
oe_result_t oe_get_sgx_report_ecall();
oe_result_t oe_log_init_ecall();
oe_result_t oe_sgx_init_context_switchless_ecall();
oe_result_t oe_sgx_switchless_enclave_worker_thread_ecall();
oe_result_t oe_verify_local_report_ecall();
oe_result_t oe_verify_report_ecall();

oe_result_t oe_get_public_key_by_policy_ecall() { return OE_UNSUPPORTED; }
oe_result_t oe_get_public_key_ecall() { return OE_UNSUPPORTED; }
oe_result_t oe_get_report_v2_ecall() { return OE_UNSUPPORTED; }
oe_result_t oe_get_sgx_report_ecall() { return OE_UNSUPPORTED; }
oe_result_t oe_log_init_ecall() { return OE_UNSUPPORTED; }
oe_result_t oe_sgx_init_context_switchless_ecall() { return OE_UNSUPPORTED; }
oe_result_t oe_sgx_switchless_enclave_worker_thread_ecall() { return OE_UNSUPPORTED; }
oe_result_t oe_verify_local_report_ecall() { return OE_UNSUPPORTED; }
oe_result_t oe_verify_report_ecall() { return OE_UNSUPPORTED; }
}  // extern "C"
