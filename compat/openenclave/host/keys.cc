// Public keys that an enclave derives from its sealing keys.
#include <openenclave/host.h>

#include <cstring>
#include <vector>

#include "compat/openenclave/host/enclave.h"
#include "compat/openenclave/protocol.h"

using namespace coffer::openenclave;

namespace {

struct Place {
  uint8_t** key;
  size_t* key_size;
  uint8_t** info;  // NULL: not asked for
  size_t* info_size;
};

uint8_t* copy_of(const std::byte* bytes, std::size_t size) {
  auto* copy = static_cast<uint8_t*>(std::malloc(size == 0 ? 1 : size));
  if (copy != nullptr && size != 0) std::memcpy(copy, bytes, size);
  return copy;
}

oe_result_t ask(oe_enclave_t* enclave, std::uint32_t policy, const oe_asymmetric_key_params_t* parameters,
                std::span<const uint8_t> info, const Place& place) {
  if (enclave == nullptr || parameters == nullptr || place.key == nullptr || place.key_size == nullptr ||
      (place.info == nullptr) != (place.info_size == nullptr) || parameters->user_data_size > kMostUserData ||
      (parameters->user_data == nullptr && parameters->user_data_size != 0)) {
    return OE_INVALID_PARAMETER;
  }
  const PublicKeyQuestion question = {policy,
                                      static_cast<std::uint32_t>(parameters->type),
                                      static_cast<std::uint32_t>(parameters->format),
                                      0,
                                      parameters->user_data_size,
                                      info.size()};
  const auto head = std::as_bytes(std::span(&question, 1));
  std::vector<std::byte> input(head.begin(), head.end());
  const auto* user_data = static_cast<const std::byte*>(parameters->user_data);
  if (user_data != nullptr) input.insert(input.end(), user_data, user_data + parameters->user_data_size);
  input.insert(input.end(), std::as_bytes(info).begin(), std::as_bytes(info).end());
  std::vector<std::byte> output(kMostKeyBytes);
  std::size_t written = 0;
  const oe_result_t result = call(*enclave, kGetPublicKey, input, output, written);
  if (result != OE_OK) return result;
  PublicKeyAnswer answer;
  if (written < sizeof(answer)) return OE_UNEXPECTED;
  std::memcpy(&answer, output.data(), sizeof(answer));
  const std::size_t left = written - sizeof(answer);
  if (answer.key_size > left || answer.key_info_size != left - answer.key_size) return OE_UNEXPECTED;
  uint8_t* key = copy_of(output.data() + sizeof(answer), answer.key_size);
  uint8_t* key_info = copy_of(output.data() + sizeof(answer) + answer.key_size, answer.key_info_size);
  if (key == nullptr || key_info == nullptr || place.info == nullptr) {
    std::free(key_info);
    key_info = nullptr;
  }
  if (key == nullptr || (place.info != nullptr && key_info == nullptr)) {
    std::free(key);
    return OE_OUT_OF_MEMORY;
  }
  *place.key = key;
  *place.key_size = answer.key_size;
  if (place.info != nullptr) {
    *place.info = key_info;
    *place.info_size = answer.key_info_size;
  }
  return OE_OK;
}

}  // namespace

extern "C" {

oe_result_t oe_get_public_key_by_policy(oe_enclave_t* enclave, oe_seal_policy_t seal_policy,
                                        const oe_asymmetric_key_params_t* key_params, uint8_t** key_buffer,
                                        size_t* key_buffer_size, uint8_t** key_info, size_t* key_info_size) {
  if (seal_policy != OE_SEAL_POLICY_UNIQUE && seal_policy != OE_SEAL_POLICY_PRODUCT) return OE_INVALID_PARAMETER;
  return ask(enclave, static_cast<std::uint32_t>(seal_policy), key_params, {},
             {key_buffer, key_buffer_size, key_info, key_info_size});
}

oe_result_t oe_get_public_key(oe_enclave_t* enclave, const oe_asymmetric_key_params_t* key_params,
                              const uint8_t* key_info, size_t key_info_size, uint8_t** key_buffer,
                              size_t* key_buffer_size) {
  if (key_info == nullptr) return OE_INVALID_PARAMETER;
  return ask(enclave, 0, key_params, {key_info, key_info_size}, {key_buffer, key_buffer_size, nullptr, nullptr});
}

void oe_free_key(uint8_t* key_buffer, size_t key_buffer_size, uint8_t* key_info, size_t key_info_size) {
  if (key_buffer != nullptr) ::explicit_bzero(key_buffer, key_buffer_size);
  if (key_info != nullptr) ::explicit_bzero(key_info, key_info_size);
  std::free(key_buffer);
  std::free(key_info);
}

}  // extern "C"
