#include "enclave/kernel/core/enclu.h"

#include <cstring>

#include "base/secret.h"
#include "boundary/calls.h"
#include "enclave/kernel/core/kernel.h"

namespace coffer::kernel {

namespace {
// A leaf that faulted on the patched path; the trapping path never returns in that case.
constexpr std::uint64_t kFaulted = ~std::uint64_t{0};

template <class T>
std::uint64_t address_of(const T& object) {
  return reinterpret_cast<std::uint64_t>(&object);
}
// True where the pages are this enclave's, accepted, readable and writable: EACCEPT with PR and without PENDING, which
// changes nothing of such a page, refuses every other.
bool pages_are_there(std::uint64_t address, std::uint64_t count) {
  alignas(64) sgx::Secinfo secinfo{};
  secinfo.flags = sgx::SecinfoFlags::make(
      sgx::PageType::kReg, sgx::SecinfoFlags::kR | sgx::SecinfoFlags::kW | sgx::SecinfoFlags::kPermRestricted);
  return count == 0 || coffer_accept_range(&secinfo, address, count) == 0;
}

}  // namespace

bool make_report(const sgx::TargetInfo& target, const sgx::Bytes<64>& data, sgx::Report* report) {
  struct alignas(512) Operands {
    sgx::TargetInfo target;
    alignas(512) sgx::Report report;
    alignas(128) sgx::Bytes<64> data;
  } operands{target, {}, data};
  if (coffer_enclu(SGX_ENCLU_EREPORT, address_of(operands.target), address_of(operands.data),
                   address_of(operands.report)) != 0) {
    return false;
  }
  *report = operands.report;
  return true;
}

sgx::LeafError get_key(const sgx::KeyRequest& request, sgx::Bytes<16>* key) {
  struct alignas(512) Operands {
    sgx::KeyRequest request;
    alignas(16) sgx::Bytes<16> key;
  } operands{request, {}};
  const std::uint64_t result =
      coffer_enclu(SGX_ENCLU_EGETKEY, address_of(operands.request), address_of(operands.key), 0);
  if (result == kFaulted) return sgx::LeafError::kInvalidKeyName;
  *key = operands.key;
  wipe(&operands.key, sizeof(operands.key));
  return static_cast<sgx::LeafError>(result);
}

bool restrict_pages(std::uint64_t address, std::uint64_t size, std::uint64_t permissions) {
  const std::uint64_t count = size / sgx::kPageSize;
  if (count == 0) return true;
  const Answer answer = call_host(boundary::Request::kRestrictPages, address, count, permissions);
  if (answer.result != 0) return false;
  alignas(64) sgx::Secinfo secinfo{};
  secinfo.flags = sgx::SecinfoFlags::make(sgx::PageType::kReg, permissions | sgx::SecinfoFlags::kPermRestricted);
  return coffer_accept_range(&secinfo, address, count) == 0;
}

void extend_pages(std::uint64_t address, std::uint64_t size, std::uint64_t permissions) {
  alignas(64) sgx::Secinfo secinfo{};
  secinfo.flags = sgx::SecinfoFlags::make(sgx::PageType::kReg, permissions);
  if (size != 0) coffer_extend_range(&secinfo, address, size / sgx::kPageSize);
}

std::uint64_t release_pages(std::uint64_t address, std::uint64_t size) {
  const std::uint64_t count = size / sgx::kPageSize;
  if (count == 0) return 0;
  const Answer answer = call_host(boundary::Request::kTrimPages, address, count);
  const std::uint64_t trimmed = answer.result <= 0 ? 0 : static_cast<std::uint64_t>(answer.result);
  alignas(64) sgx::Secinfo secinfo{};
  secinfo.flags = sgx::SecinfoFlags::make(sgx::PageType::kTrim, sgx::SecinfoFlags::kModified);
  // A host that says what is not so would leave the enclave not knowing which memory it has.
  const bool true_so_far = trimmed <= count && (trimmed == 0 || coffer_accept_range(&secinfo, address, trimmed) == 0);
  if (!true_so_far || !pages_are_there(address + trimmed * sgx::kPageSize, count - trimmed)) {
    panic("the host did not do with pages what it said");
  }
  if (trimmed == 0) return 0;
  // For the enclave they are gone. Where the host keeps them after all, committing the place again fails.
  call_host(boundary::Request::kRemovePages, address, trimmed);
  return trimmed * sgx::kPageSize;
}

bool accept_pages(std::uint64_t address, std::uint64_t size) {
  alignas(64) sgx::Secinfo secinfo{};
  secinfo.flags = sgx::SecinfoFlags::make(sgx::PageType::kReg,
                                          sgx::SecinfoFlags::kR | sgx::SecinfoFlags::kW | sgx::SecinfoFlags::kPending);
  if (size == 0) return true;
  const std::uint64_t result = coffer_accept_range(&secinfo, address, size / sgx::kPageSize);
  if (result == 0) return true;
  // A single page that a longer run accepted before it failed is there: PageSource::commit counts it as done. One that
  // was trimmed and never removed is not.
  const bool mismatch = result == static_cast<std::uint64_t>(sgx::LeafError::kPageAttributesMismatch);
  return mismatch && size == sgx::kPageSize && pages_are_there(address, 1);
}

}  // namespace coffer::kernel
