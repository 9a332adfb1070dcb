#include <openenclave/attestation/attester.h>
#include <openenclave/attestation/custom_claims.h>
#include <openenclave/attestation/sgx/evidence.h>
#include <openenclave/attestation/verifier.h>
#include <openenclave/corelibc/stdlib.h>
#include <openenclave/enclave.h>
#include <openenclave/internal/sgx/td.h>
#include <openenclave/internal/trace.h>
#include <openenclave/seal.h>
#include <openenclave/tracee.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "locker_t.h"

namespace {

struct Constructed {
  oe_result_t told_host = note_construction();
} constructed_first;

uint64_t skip_division(oe_exception_record_t* record) {
  if (record->code != OE_EXCEPTION_DIVIDE_BY_ZERO) return OE_EXCEPTION_CONTINUE_SEARCH;
  record->context->rip += 2;  // idiv %ecx
  record->context->rax = 42;
  return OE_EXCEPTION_CONTINUE_EXECUTION;
}

unsigned int refused_leaf = 0;

uint64_t skip_cpuid(oe_exception_record_t* record) {
  const auto* instruction = reinterpret_cast<const uint8_t*>(record->context->rip);
  if (record->code != OE_EXCEPTION_ILLEGAL_INSTRUCTION || instruction[0] != 0x0f || instruction[1] != 0xa2) {
    return OE_EXCEPTION_CONTINUE_SEARCH;
  }
  refused_leaf = static_cast<unsigned int>(record->context->rax);
  record->context->rax = 0xabcd;
  record->context->rip += 2;
  return OE_EXCEPTION_CONTINUE_EXECUTION;
}

unsigned int cpuid(unsigned int leaf) {
  unsigned int eax = leaf, ebx = 0, ecx = 0, edx = 0;
  asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
  return eax;
}
const unsigned int asked_by_a_constructor = cpuid(0);

uint64_t handler_stack_pointer = 0;
uint64_t note_stack(oe_exception_record_t* record) {
  handler_stack_pointer = reinterpret_cast<uint64_t>(__builtin_frame_address(0));
  return skip_division(record);
}

oe_result_t give(const uint8_t* bytes, size_t size, blob_t* blob) {
  blob->data = static_cast<uint8_t*>(std::malloc(size));
  if (blob->data == nullptr) return OE_OUT_OF_MEMORY;
  std::memcpy(blob->data, bytes, size);
  blob->size = size;
  return OE_OK;
}

const oe_uuid_t kLocal = {OE_FORMAT_UUID_SGX_LOCAL_ATTESTATION};

}  // namespace

int reverse(const char* text, char* result, size_t room) {
  std::string turned(text);
  std::reverse(turned.begin(), turned.end());
  if (turned.size() >= room) return -1;
  std::memcpy(result, turned.c_str(), turned.size() + 1);
  return static_cast<int>(turned.size());
}

int ask_host(int number) {
  int got = 0;
  return answer(&got, number) == OE_OK ? got : -1;
}

// A structure with a buffer, which the host makes.
int read_host_blob(size_t size) {
  blob_t blob{};
  if (fill_blob(&blob, size) != OE_OK) return 1;
  if (blob.size != size || (size != 0 && !oe_is_within_enclave(blob.data, size))) return 2;
  for (size_t i = 0; i < size; ++i) {
    if (blob.data[i] != static_cast<uint8_t>(i * 3)) return 3;
  }
  free(blob.data);
  return 0;
}

uint64_t constructed() { return constructed_first.told_host; }
void promise_farewell() {
  std::atexit([] { farewell(); });
}

oe_result_t seal_text(int policy, const char* text, blob_t* sealed) {
  const oe_seal_setting_t settings[] = {OE_SEAL_SET_POLICY(policy)};
  uint8_t* blob = nullptr;
  size_t size = 0;
  const oe_result_t result =
      oe_seal(nullptr, settings, 1, reinterpret_cast<const uint8_t*>(text), std::strlen(text) + 1,
              reinterpret_cast<const uint8_t*>("locker"), 6, &blob, &size);
  if (result != OE_OK) return result;
  sealed->data = blob;
  sealed->size = size;
  return OE_OK;
}

oe_result_t unseal_text(const blob_t* sealed, char* text, size_t room) {
  uint8_t* opened = nullptr;
  size_t size = 0;
  const oe_result_t result =
      oe_unseal(sealed->data, sealed->size, reinterpret_cast<const uint8_t*>("locker"), 6, &opened, &size);
  if (result != OE_OK) return result;
  std::memcpy(text, opened, std::min(size, room));
  oe_free(opened);
  return OE_OK;
}

oe_result_t derived_keys(char* private_key, char* public_key) {
  char user_data[] = "for the test";
  const oe_asymmetric_key_params_t params = {OE_ASYMMETRIC_KEY_EC_SECP256P1, OE_ASYMMETRIC_KEY_PEM, user_data,
                                             sizeof(user_data)};
  uint8_t *key = nullptr, *info = nullptr, *again = nullptr;
  size_t size = 0, info_size = 0, again_size = 0;
  oe_result_t result = oe_get_private_key_by_policy(OE_SEAL_POLICY_PRODUCT, &params, &key, &size, &info, &info_size);
  if (result != OE_OK) return result;
  std::memcpy(private_key, key, std::min<size_t>(size, 1024));
  result = oe_get_private_key(&params, info, info_size, &again, &again_size);
  if (result != OE_OK || again_size != size || std::memcmp(key, again, size) != 0) return OE_CONSTRAINT_FAILED;
  oe_free_key(key, size, nullptr, 0);
  oe_free_key(again, again_size, nullptr, 0);
  result = oe_get_public_key(&params, info, info_size, &key, &size);
  if (result == OE_OK) std::memcpy(public_key, key, std::min<size_t>(size, 1024));
  oe_free_key(key, size, info, info_size);
  return result;
}

oe_result_t target(uint8_t* info) {
  uint8_t* report = nullptr;
  void* own = nullptr;
  size_t size = 0;
  oe_result_t result = oe_get_report(0, nullptr, 0, nullptr, 0, &report, &size);
  if (result != OE_OK) return result;
  size_t info_size = 0;
  result = oe_get_target_info(report, size, &own, &info_size);
  oe_free_report(report);
  if (result != OE_OK) return result;
  std::memcpy(info, own, 512);
  oe_free_target_info(own);
  return info_size == 512 ? OE_OK : OE_UNEXPECTED;
}

oe_result_t report_for(const uint8_t* info, const uint8_t* data, uint8_t* report) {
  uint8_t* made = nullptr;
  size_t size = 0;
  const oe_result_t result = oe_get_report(0, data, 64, info, 512, &made, &size);
  if (result != OE_OK) return result;
  if (size == 448) std::memcpy(report, made, size);
  oe_free_report(made);
  return size == 448 ? OE_OK : OE_UNEXPECTED;
}

oe_result_t check_report(const uint8_t* report, const uint8_t* data) {
  oe_report_t parsed;
  const oe_result_t result = oe_verify_report(report, 448, &parsed);
  if (result != OE_OK) return result;
  if (parsed.identity.product_id[0] != 7 || parsed.identity.security_version != 3) return OE_CONSTRAINT_FAILED;
  return std::memcmp(parsed.report_data, data, 64) == 0 ? OE_OK : OE_CONSTRAINT_FAILED;
}

oe_result_t evidence_for(const uint8_t* settings, size_t size, blob_t* evidence) {
  uint8_t *made = nullptr, *claims = nullptr;
  size_t made_size = 0, claims_size = 0;
  char name[] = "greeting";
  uint8_t value[] = "hello";
  const oe_claim_t claim = {name, value, sizeof(value)};
  if (oe_attester_initialize() != OE_OK || oe_serialize_custom_claims(&claim, 1, &claims, &claims_size) != OE_OK) {
    return OE_FAILURE;
  }
  const oe_result_t result = oe_get_evidence(&kLocal, OE_EVIDENCE_FLAGS_EMBED_FORMAT_ID, claims, claims_size, settings,
                                             size, &made, &made_size, nullptr, nullptr);
  oe_free_serialized_custom_claims(claims);
  if (result != OE_OK) return result;
  const oe_result_t given = give(made, made_size, evidence);
  oe_free_evidence(made);
  return given;
}

oe_result_t check_evidence(const blob_t* evidence, char* claim) {
  oe_claim_t* claims = nullptr;
  size_t count = 0;
  if (oe_verifier_initialize() != OE_OK) return OE_FAILURE;
  oe_result_t result =
      oe_verify_evidence(nullptr, evidence->data, evidence->size, nullptr, 0, nullptr, 0, &claims, &count);
  if (result != OE_OK) return result;
  result = OE_NOT_FOUND;
  for (size_t i = 0; i < count; ++i) {
    if (std::strcmp(claims[i].name, OE_CLAIM_CUSTOM_CLAIMS_BUFFER) != 0) continue;
    oe_claim_t* custom = nullptr;
    size_t custom_count = 0;
    if (oe_deserialize_custom_claims(claims[i].value, claims[i].value_size, &custom, &custom_count) != OE_OK) break;
    if (custom_count == 1 && custom[0].value_size <= 64) {
      std::memcpy(claim, custom[0].value, custom[0].value_size);
      result = OE_OK;
    }
    oe_free_custom_claims(custom, custom_count);
  }
  oe_free_claims(claims, count);
  return result;
}

int divide_by_zero() {
  if (oe_add_vectored_exception_handler(true, skip_division) != OE_OK) return -1;
  int result = 1, zero = 0;
  asm volatile("cltd; idiv %%ecx" : "+a"(result) : "c"(zero) : "edx", "cc");
  oe_remove_vectored_exception_handler(skip_division);
  return result;
}

int cpuid_traps() {
  const bool emulated = asked_by_a_constructor == 7 && cpuid(0) == 7 && cpuid(0x80000000) == 0x80000001;
  if (oe_add_vectored_exception_handler(false, skip_cpuid) != OE_OK) return -1;
  const bool asked = cpuid(0x14) == 0xabcd && refused_leaf == 0x14;
  oe_remove_vectored_exception_handler(skip_cpuid);
  refused_leaf = 0;
  const bool answered = cpuid(0x80000008) != 0xabcd && refused_leaf == 0;  // by nobody's handler
  return emulated && asked && answered;
}

int handles_on_its_own_stack() {
  constexpr size_t kSize = 65536;
  std::vector<uint8_t> memory(kSize + 16);
  const auto place = (reinterpret_cast<uint64_t>(memory.data()) + 15) & ~uint64_t{15};
  oe_sgx_td_t* td = oe_sgx_get_td();
  const auto divide = [] {
    int result = 1, zero = 0;
    asm volatile("cltd; idiv %%ecx" : "+a"(result) : "c"(zero) : "edx", "cc");
    return handler_stack_pointer;
  };
  if (!oe_sgx_td_set_exception_handler_stack(td, reinterpret_cast<void*>(place), kSize) ||
      oe_add_vectored_exception_handler(true, note_stack) != OE_OK) {
    return -1;
  }
  const bool before = divide() - place >= kSize;
  const bool registered = oe_sgx_td_register_exception_handler_stack(td, OE_EXCEPTION_DIVIDE_BY_ZERO);
  const bool there = divide() - place < kSize;
  // Another exception is registered: delivered there, and moved back.
  const bool other = oe_sgx_td_register_exception_handler_stack(td, OE_EXCEPTION_BREAKPOINT) &&
                     oe_sgx_td_unregister_exception_handler_stack(td, OE_EXCEPTION_DIVIDE_BY_ZERO);
  const bool back = divide() - place >= kSize;
  oe_sgx_td_set_exception_handler_stack(td, nullptr, 0);
  oe_remove_vectored_exception_handler(note_stack);
  return before && registered && there && other && back;
}

void throw_something() { throw std::runtime_error("nobody catches this"); }

size_t largest_block() {
  size_t size = 1;
  while (void* block = std::malloc(size * 2)) {
    std::free(block);
    size *= 2;
  }
  return size;
}

int wait_for(int* flags) {
  if (!oe_is_outside_enclave(flags, 2 * sizeof(*flags))) return -1;
  __atomic_fetch_add(&flags[0], 1, __ATOMIC_SEQ_CST);
  while (__atomic_load_n(&flags[1], __ATOMIC_SEQ_CST) == 0) {
  }
  return 0;
}

oe_result_t shared_block(uint8_t** block, size_t size) {
  *block = static_cast<uint8_t*>(oe_host_malloc(size));
  if (*block == nullptr) return OE_OUT_OF_MEMORY;
  if (!oe_is_outside_enclave(*block, size) || oe_is_within_enclave(*block, size)) return OE_UNEXPECTED;
  std::memset(*block, 0x5a, size);
  return OE_OK;
}

int host_pointers_are_told_apart(void* outside) {
  std::vector<char> own(100);
  return oe_is_within_enclave(own.data(), own.size()) && !oe_is_outside_enclave(own.data(), own.size()) &&
         !oe_is_within_enclave(outside, 1) && !oe_is_outside_enclave(own.data(), SIZE_MAX) &&
         !oe_is_within_enclave(own.data(), SIZE_MAX) && !oe_is_within_enclave(nullptr, 1);
}

oe_result_t log_line(const char* line) { return oe_log(OE_LOG_LEVEL_ERROR, "%s\n", line); }

oe_result_t keep_logs() {
  return oe_enclave_log_set_callback(nullptr,
                                     [](void*, oe_log_level_t, uint64_t, const char* message) { kept_log(message); });
}
