// The library's platform inside an enclave: system calls of the enclave kernel.
#include "enclave/sdk/platform.h"

#include <coffer/enclave.h>
#include <sys/random.h>

#include <cerrno>
#include <cstring>

namespace coffer::sdk::platform {

Outcome<Key128> get_key(const sgx::KeyRequest& request) {
  Key128 key;
  const long result =
      detail::enclave_call(detail::kGetKey, detail::address(&request), detail::address(key.bytes().data()));
  if (result == 0) return key;
  if (result == -ENOSYS) return EnclaveError::kOutside;
  const auto refusal = static_cast<sgx::LeafError>(result);
  const bool too_high = refusal == sgx::LeafError::kInvalidIsvSvn || refusal == sgx::LeafError::kInvalidCpuSvn;
  return too_high ? EnclaveError::kDowngrade : EnclaveError::kInvalid;
}

Outcome<sgx::Report> make_report(const sgx::TargetInfo& target, const sgx::Bytes<64>& data) {
  sgx::Report made;
  const long result =
      detail::enclave_call(detail::kReport, detail::address(&data), detail::address(&target), detail::address(&made));
  if (result == 0) return made;
  return result == -ENOSYS ? EnclaveError::kOutside : EnclaveError::kInvalid;
}

bool check_report(const sgx::Report& given) {
  constexpr long kCheck = 1;
  return detail::enclave_call(detail::kReport, detail::address(&given), 0, 0, kCheck) == 0;
}

Outcome<sgx::ReportBody> own_identity() {
  static const Outcome<sgx::ReportBody> own = []() -> Outcome<sgx::ReportBody> {
    const auto made = make_report({}, {});
    if (!made) return made.error();
    return made->body;
  }();
  return own;
}

Outcome<std::uint64_t> counter(boundary::CounterOperation operation, std::uint64_t id) {
  std::uint64_t value = 0;
  const long result = detail::enclave_call(detail::kCounter, static_cast<long>(operation), static_cast<long>(id),
                                           detail::address(&value));
  switch (result) {
    case 0:
      return value;
    case -ENOSYS:
      return EnclaveError::kOutside;
    case -ENOENT:
      return EnclaveError::kNotFound;
    case -ENOSPC:
    case -EOVERFLOW:
      return EnclaveError::kExhausted;
    case -EBADMSG:
      return EnclaveError::kRefused;
    case -EUCLEAN:
      return EnclaveError::kDamaged;
    default:
      return EnclaveError::kSystem;
  }
}

bool random(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t got = ::getrandom(bytes.data(), bytes.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
  return true;
}

}  // namespace coffer::sdk::platform
