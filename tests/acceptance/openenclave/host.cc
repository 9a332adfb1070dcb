// host ENCLAVE SECOND BROKEN [production]: checks what the enclaves do; says what was wrong and exits with 1.
#include <openenclave/host.h>
#include <openenclave/trace.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <utility>

#include "locker_u.h"

namespace {

int constructions = 0, farewells = 0;
oe_enclave_t* reentered = nullptr;
oe_result_t reentry = OE_OK;
std::string logged, kept;

void check(bool holds, const char* what, int line) {
  if (holds) return;
  std::fprintf(stderr, "host.cc:%d: %s\n", line, what);
  std::exit(1);
}
#define CHECK(condition) check(condition, #condition, __LINE__)

oe_enclave_t* create(const char* path, uint32_t flags) {
  oe_enclave_t* enclave = nullptr;
  const oe_result_t result = oe_create_locker_enclave(path, OE_ENCLAVE_TYPE_AUTO, flags, nullptr, 0, &enclave);
  if (result != OE_OK) std::fprintf(stderr, "%s: %s\n", path, oe_result_str(result));
  CHECK(result == OE_OK);
  return enclave;
}

void calls(oe_enclave_t* enclave) {
  int length = 0;
  char result[32];
  CHECK(reverse(enclave, &length, "enclave", result, sizeof(result)) == OE_OK);
  CHECK(length == 7 && std::string(result) == "evalcne");
  CHECK(reverse(enclave, &length, "a text that is longer than the room", result, 4) == OE_OK && length == -1);
  uint64_t told = 1;
  CHECK(constructed(enclave, &told) == OE_OK && told == OE_OK);
  int got = 0;
  CHECK(ask_host(enclave, &got, 20) == OE_OK && got == 40);
  for (const size_t size : {size_t{1}, size_t{1000}, size_t{100000}}) {
    CHECK(read_host_blob(enclave, &got, size) == OE_OK && got == 0);
  }
  reentered = enclave;
  CHECK(ask_host(enclave, &got, 1) == OE_OK && got == 2 && reentry == OE_REENTRANT_ECALL);
  reentered = nullptr;
  CHECK(divide_by_zero(enclave, &got) == OE_OK && got == 42);
  CHECK(cpuid_traps(enclave, &got) == OE_OK && got == 1);
  CHECK(handles_on_its_own_stack(enclave, &got) == OE_OK && got == 1);
  int apart = 0;
  CHECK(host_pointers_are_told_apart(enclave, &apart, nullptr) == OE_OK && apart == 1);
  size_t largest = 0;
  CHECK(largest_block(enclave, &largest) == OE_OK && largest == (1u << 21));  // of 4 MiB, some are in use
  uint8_t* block = nullptr;
  oe_result_t shared = OE_FAILURE;
  CHECK(shared_block(enclave, &shared, &block, 100) == OE_OK && shared == OE_OK);
  CHECK(block[0] == 0x5a && block[99] == 0x5a);
}

void seals(oe_enclave_t* first, oe_enclave_t* second) {
  oe_result_t inside = OE_FAILURE;
  for (const int policy : {OE_SEAL_POLICY_UNIQUE, OE_SEAL_POLICY_PRODUCT}) {
    blob_t blob = {};
    char text[32] = {};
    CHECK(seal_text(first, &inside, policy, "a secret", &blob) == OE_OK && inside == OE_OK);
    CHECK(unseal_text(first, &inside, &blob, text, sizeof(text)) == OE_OK && inside == OE_OK);
    CHECK(std::string(text) == "a secret");
    CHECK(unseal_text(second, &inside, &blob, text, sizeof(text)) == OE_OK);
    CHECK((inside == OE_OK) == (policy == OE_SEAL_POLICY_PRODUCT));
    for (const size_t place : {size_t{0}, size_t{20}, size_t{40}, size_t{550}, size_t{570}, blob.size - 1}) {
      blob.data[place] ^= 1;
      CHECK(unseal_text(first, &inside, &blob, text, sizeof(text)) == OE_OK && inside != OE_OK);
      blob.data[place] ^= 1;
    }
    std::free(blob.data);
  }
}

std::string public_key_of(oe_enclave_t* enclave, oe_seal_policy_t policy, const char* data) {
  const oe_asymmetric_key_params_t params = {OE_ASYMMETRIC_KEY_EC_SECP256P1, OE_ASYMMETRIC_KEY_PEM,
                                             const_cast<char*>(data), std::strlen(data) + 1};
  uint8_t *key = nullptr, *info = nullptr, *again = nullptr;
  size_t size = 0, info_size = 0, again_size = 0;
  CHECK(oe_get_public_key_by_policy(enclave, policy, &params, &key, &size, &info, &info_size) == OE_OK);
  CHECK(oe_get_public_key(enclave, &params, info, info_size, &again, &again_size) == OE_OK);
  const std::string text(reinterpret_cast<const char*>(key));
  CHECK(size == text.size() + 1 && text == reinterpret_cast<const char*>(again));
  oe_free_key(key, size, info, info_size);
  oe_free_key(again, again_size, nullptr, 0);
  return text;
}

// Leaves the pair in two files, for openssl to look at.
void derives(oe_enclave_t* first, oe_enclave_t* second) {
  char private_key[1024], public_key[1024];
  oe_result_t inside = OE_FAILURE;
  CHECK(derived_keys(first, &inside, private_key, public_key) == OE_OK && inside == OE_OK);
  CHECK(public_key_of(first, OE_SEAL_POLICY_PRODUCT, "for the test") == public_key);
  CHECK(public_key_of(second, OE_SEAL_POLICY_PRODUCT, "for the test") == public_key);
  CHECK(public_key_of(first, OE_SEAL_POLICY_PRODUCT, "for another") != public_key);
  CHECK(public_key_of(first, OE_SEAL_POLICY_UNIQUE, "for the test") !=
        public_key_of(second, OE_SEAL_POLICY_UNIQUE, "for the test"));
  for (const auto& [name, text] : {std::pair("private.pem", private_key), std::pair("public.pem", public_key)}) {
    FILE* file = std::fopen(name, "w");
    CHECK(file != nullptr && std::fputs(text, file) >= 0 && std::fclose(file) == 0);
  }
}

void attests(oe_enclave_t* first, oe_enclave_t* second) {
  uint8_t info[512], data[64] = "bound to the report", report[448];
  oe_result_t inside = OE_FAILURE;
  CHECK(target(second, &inside, info) == OE_OK && inside == OE_OK);
  CHECK(report_for(first, &inside, info, data, report) == OE_OK && inside == OE_OK);
  CHECK(check_report(second, &inside, report, data) == OE_OK && inside == OE_OK);
  CHECK(oe_verify_report(second, report, sizeof(report), nullptr) == OE_OK);
  CHECK(check_report(first, &inside, report, data) == OE_OK && inside == OE_VERIFY_FAILED_AES_CMAC_MISMATCH);
  report[100] ^= 1;
  CHECK(oe_verify_report(second, report, sizeof(report), nullptr) == OE_VERIFY_FAILED_AES_CMAC_MISMATCH);
  uint8_t* of_host = nullptr;
  size_t size = 0;
  CHECK(oe_get_report(first, 0, info, sizeof(info), &of_host, &size) == OE_OK);
  CHECK(oe_verify_report(second, of_host, size, nullptr) == OE_OK);
  oe_report_t parsed;
  CHECK(oe_parse_report(of_host, size, &parsed) == OE_OK && parsed.identity.product_id[0] == 7);
  oe_free_report(of_host);
  CHECK(oe_get_report(first, OE_REPORT_FLAGS_REMOTE_ATTESTATION, nullptr, 0, &of_host, &size) == OE_UNSUPPORTED);

  blob_t evidence = {};
  char claim[64] = {};
  CHECK(evidence_for(first, &inside, info, sizeof(info), &evidence) == OE_OK && inside == OE_OK);
  CHECK(check_evidence(second, &inside, &evidence, claim) == OE_OK && inside == OE_OK);
  CHECK(std::string(claim) == "hello");
  evidence.data[evidence.size - 1] ^= 1;
  CHECK(check_evidence(second, &inside, &evidence, claim) == OE_OK && inside != OE_OK);
  std::free(evidence.data);
}

void threads(oe_enclave_t* enclave) {
  int flags[2] = {0, 0};  // how many are inside; whether they may go
  int results[3] = {-1, -1, -1};
  std::thread first([&] { CHECK(wait_for(enclave, &results[0], flags) == OE_OK); });
  std::thread second([&] { CHECK(wait_for(enclave, &results[1], flags) == OE_OK); });
  while (__atomic_load_n(&flags[0], __ATOMIC_SEQ_CST) < 2) std::this_thread::yield();
  CHECK(wait_for(enclave, &results[2], flags) == OE_OUT_OF_THREADS);
  __atomic_store_n(&flags[1], 1, __ATOMIC_SEQ_CST);
  first.join();
  second.join();
  CHECK(results[0] == 0 && results[1] == 0);
}

void logs(oe_enclave_t* enclave) {
  oe_result_t inside = OE_FAILURE;
  oe_log_set_callback(&logged, [](void* context, bool is_enclave, const struct tm*, long, oe_log_level_t, uint64_t,
                                  const char* message) {
    if (is_enclave) *static_cast<std::string*>(context) += message;
  });
  CHECK(log_line(enclave, &inside, "for the host") == OE_OK && inside == OE_OK && logged == "for the host\n");
  CHECK(keep_logs(enclave, &inside) == OE_OK && inside == OE_OK);
  CHECK(log_line(enclave, &inside, "for the callback") == OE_OK && kept == "for the callback\n");
  CHECK(logged == "for the host\n");
  CHECK(oe_set_enclave_log_level(enclave, OE_LOG_LEVEL_NONE) == OE_OK);
  CHECK(log_line(enclave, &inside, "for nobody") == OE_OK && kept == "for the callback\n");
}

}  // namespace

int answer(int number) {
  int length = 0;
  char result[8];
  if (reentered != nullptr) reentry = reverse(reentered, &length, "x", result, sizeof(result));
  return 2 * number;
}
void fill_blob(blob_t* blob, size_t size) {
  blob->data = static_cast<uint8_t*>(malloc(size));
  blob->size = size;
  for (size_t i = 0; i < size; ++i) blob->data[i] = static_cast<uint8_t>(i * 3);
}
void note_construction() { ++constructions; }
void farewell() { ++farewells; }
void kept_log(const char* line) { kept += line; }

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  const bool production = argc > 4;
  const uint32_t flags = production ? 0 : OE_ENCLAVE_FLAG_DEBUG;
  oe_enclave_t* first = create(argv[1], flags);
  CHECK(constructions == 1);
  oe_enclave_t* second = create(argv[2], flags);
  calls(first);
  seals(first, second);
  derives(first, second);
  attests(first, second);
  if (!production) threads(first);  // flags on this program's stack
  logs(first);

  int got = 0;
  int on_stack[2] = {0, 1};
  if (production) CHECK(wait_for(first, &got, on_stack) == OE_INVALID_PARAMETER);  // out of the enclave's reach
  CHECK(promise_farewell(first) == OE_OK && farewells == 0);
  CHECK(oe_terminate_enclave(first) == OE_OK && farewells == 1);
  CHECK(throw_something(second) == OE_ENCLAVE_ABORTING);
  CHECK(ask_host(second, &got, 1) == OE_ENCLAVE_ABORTING);
  oe_terminate_enclave(second);

  oe_enclave_t* none = nullptr;
  CHECK(oe_create_locker_enclave(argv[3], OE_ENCLAVE_TYPE_SGX, flags, nullptr, 0, &none) == OE_ENCLAVE_ABORTING);
  CHECK(none == nullptr);
  CHECK(oe_create_locker_enclave("nothing", OE_ENCLAVE_TYPE_SGX, flags, nullptr, 0, &none) == OE_NOT_FOUND);
  CHECK(oe_create_locker_enclave(argv[1], OE_ENCLAVE_TYPE_OPTEE, flags, nullptr, 0, &none) == OE_INVALID_PARAMETER);
  std::puts("everything holds");
  return 0;
}
