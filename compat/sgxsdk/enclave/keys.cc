// <sgx_utils.h>: reports and keys of the processor.
#include <bit>
#include <cstring>

#include "compat/sgxsdk/include/sgx_trts.h"
#include "compat/sgxsdk/include/sgx_utils.h"
#include "enclave/sdk/platform.h"

namespace coffer::sgxsdk {
namespace {

namespace platform = sdk::platform;

static_assert(sizeof(sgx_report_t) == sizeof(sgx::Report) && sizeof(sgx_target_info_t) == sizeof(sgx::TargetInfo) &&
              sizeof(sgx_key_request_t) == sizeof(sgx::KeyRequest) && sizeof(sgx_report_data_t) == 64);

template <class T>
bool inside(const T* object) {
  return object != nullptr && sgx_is_within_enclave(object, sizeof(T)) != 0;
}

bool all_zero(const std::uint8_t* bytes, std::size_t size) {
  std::uint8_t any = 0;
  for (std::size_t i = 0; i < size; ++i) any |= bytes[i];
  return any == 0;
}

// What the processor's refusal is in the SDK's words: found by looking at the request, as the leaf does.
sgx_status_t refusal(const sgx_key_request_t& request, EnclaveError error) {
  const auto own = platform::own_identity();
  if (!own) return SGX_ERROR_UNEXPECTED;
  if (error == EnclaveError::kDowngrade) {
    return request.isv_svn > own->isv_svn ? SGX_ERROR_INVALID_ISVSVN : SGX_ERROR_INVALID_CPUSVN;
  }
  if (request.key_name > SGX_KEYSELECT_SEAL) return SGX_ERROR_INVALID_KEYNAME;
  const bool others = request.key_name != SGX_KEYSELECT_REPORT && request.key_name != SGX_KEYSELECT_SEAL;
  return others ? SGX_ERROR_INVALID_ATTRIBUTE : SGX_ERROR_INVALID_PARAMETER;
}

}  // namespace
}  // namespace coffer::sgxsdk

using namespace coffer;
using namespace coffer::sgxsdk;

extern "C" {

sgx_status_t sgx_create_report(const sgx_target_info_t* target_info, const sgx_report_data_t* report_data,
                               sgx_report_t* report) {
  if (!inside(report) || (target_info != nullptr && !inside(target_info)) ||
      (report_data != nullptr && !inside(report_data))) {
    return SGX_ERROR_INVALID_PARAMETER;
  }
  sgx::TargetInfo target{};
  sgx::Bytes<64> data{};
  if (target_info != nullptr) target = std::bit_cast<sgx::TargetInfo>(*target_info);
  if (report_data != nullptr) std::memcpy(data.data(), report_data, data.size());
  const auto made = platform::make_report(target, data);
  if (!made) return made.error() == EnclaveError::kInvalid ? SGX_ERROR_INVALID_PARAMETER : SGX_ERROR_UNEXPECTED;
  std::memcpy(report, &*made, sizeof(*report));
  return SGX_SUCCESS;
}

const sgx_report_t* sgx_self_report(void) {
  static const sgx_report_t own = [] {
    sgx_report_t made{};
    const auto report = platform::make_report({}, {});
    if (report) std::memcpy(&made, &*report, sizeof(made));
    return made;
  }();
  return &own;
}

sgx_status_t sgx_self_target(sgx_target_info_t* target_info) {
  if (!inside(target_info)) return SGX_ERROR_INVALID_PARAMETER;
  const auto own = platform::own_identity();
  if (!own) return SGX_ERROR_UNEXPECTED;
  const sgx::TargetInfo target = platform::target_of(*own);
  std::memcpy(target_info, &target, sizeof(target));
  return SGX_SUCCESS;
}

sgx_status_t sgx_verify_report(const sgx_report_t* report) {
  if (!inside(report)) return SGX_ERROR_INVALID_PARAMETER;
  return platform::check_report(std::bit_cast<sgx::Report>(*report)) ? SGX_SUCCESS : SGX_ERROR_MAC_MISMATCH;
}

sgx_status_t sgx_get_key(const sgx_key_request_t* key_request, sgx_key_128bit_t* key) {
  if (!inside(key_request) || !inside(key)) return SGX_ERROR_INVALID_PARAMETER;
  if (key_request->reserved1 != 0 || !all_zero(key_request->reserved2, sizeof(key_request->reserved2))) {
    return SGX_ERROR_INVALID_PARAMETER;
  }
  const auto made = platform::get_key(std::bit_cast<sgx::KeyRequest>(*key_request));
  if (!made) return refusal(*key_request, made.error());
  std::memcpy(*key, made->bytes().data(), sizeof(*key));
  return SGX_SUCCESS;
}

}  // extern "C"
