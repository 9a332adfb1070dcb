// The ioctls that change the pages of an enclave that runs: RESTRICT_PERMISSIONS, MODIFY_TYPES, REMOVE_PAGES.
#include <asm/sgx.h>
#include <sys/mman.h>

#include <cerrno>
#include <optional>

#include "emulate/device.h"
#include "emulate/user_memory.h"

namespace coffer::emulate {

using processor::EpcmEntry;
using processor::LeafOutcome;
using sgx::kPageSize;
using sgx::PageType;
using sgx::SecinfoFlags;

namespace {

constexpr std::uint8_t kKnown = 0x80;

// 0, or -EFAULT with the leaf's error code in *result.
long answer_of(const LeafOutcome& outcome, std::uint64_t* result) {
  if (outcome.ok()) return 0;
  if (outcome.fault == LeafOutcome::Fault::kNone) *result = static_cast<std::uint64_t>(outcome.error);
  return -EFAULT;
}

}  // namespace

// ETRACK, and the interrupts by which Linux makes every thread that is inside leave once: here nobody holds an old
// translation when the leaf before returns.
bool Device::track() {
  enclave_->translations_flushed();
  const bool tracked = enclave_->etrack().ok();
  enclave_->translations_flushed();
  return tracked;
}

long Device::restrict_page(std::uint64_t offset, SecinfoFlags flags, std::uint64_t* result) {
  const std::optional<EpcmEntry> page = enclave_->page_at(offset);
  if (!page) return -EFAULT;
  if (page->type != PageType::kReg) return -EINVAL;
  if (const long answer = answer_of(enclave_->emodpr(offset, {.flags = flags}), result); answer != 0) return answer;
  return track() ? 0 : -EFAULT;
}

long Device::restrict_permissions(std::uint64_t argument) {
  if (!initialised()) return -EINVAL;
  sgx_enclave_restrict_permissions parameters;
  if (!read_user(argument, parameters)) return -EFAULT;
  if (!range_valid(parameters.offset, parameters.length)) return -EINVAL;
  const SecinfoFlags flags{parameters.permissions};
  if ((flags.value & ~7ull) != 0 || (flags.writable() && !flags.readable())) return -EINVAL;
  if (parameters.result != 0 || parameters.count != 0) return -EINVAL;
  long answer = 0;
  std::uint64_t result = 0;
  while (answer == 0 && parameters.count < parameters.length) {
    const std::uint64_t offset = parameters.offset + parameters.count;
    answer = pager_->with_page(offset, [&] { return restrict_page(offset, flags, &result); });
    if (answer == 0) parameters.count += kPageSize;
  }
  parameters.result = result;
  return write_user(argument, parameters) ? answer : -EFAULT;
}

long Device::modify_type(std::uint64_t offset, PageType type, std::uint64_t* result) {
  const std::optional<EpcmEntry> page = enclave_->page_at(offset);
  if (!page) return -EFAULT;
  const bool trims = page->type == PageType::kTcs && type == PageType::kTrim;
  if (page->type != PageType::kReg && !trims) return -EINVAL;
  const std::uint8_t before = largest_.get(offset / kPageSize);
  if (page->type == PageType::kReg && type == PageType::kTcs) {
    // From here on it is mapped as a TCS is; what it was vetted for must have allowed that.
    if (before != 0 && (before & (PROT_READ | PROT_WRITE)) != (PROT_READ | PROT_WRITE)) return -EPERM;
    const std::scoped_lock guard(lock_);
    largest_.set(offset / kPageSize, kKnown | PROT_READ | PROT_WRITE);
  }
  const SecinfoFlags flags = SecinfoFlags::make(type, 0);
  long answer = answer_of(enclave_->emodt(offset, {.flags = flags}), result);
  if (answer != 0) {
    const std::scoped_lock guard(lock_);
    largest_.set(offset / kPageSize, before);
    return answer;
  }
  return track() ? 0 : -EFAULT;
}

long Device::modify_types(std::uint64_t argument) {
  if (!initialised()) return -EINVAL;
  sgx_enclave_modify_types parameters;
  if (!read_user(argument, parameters)) return -EFAULT;
  if (!range_valid(parameters.offset, parameters.length) || (parameters.page_type & ~0xffull) != 0 ||
      parameters.result != 0 || parameters.count != 0) {
    return -EINVAL;
  }
  const auto type = static_cast<PageType>(parameters.page_type);
  long answer = type == PageType::kTcs || type == PageType::kTrim ? 0 : -EINVAL;
  std::uint64_t result = 0;
  while (answer == 0 && parameters.count < parameters.length) {
    const std::uint64_t offset = parameters.offset + parameters.count;
    answer = pager_->with_page(offset, [&] { return modify_type(offset, type, &result); });
    if (answer == 0) parameters.count += kPageSize;
  }
  parameters.result = result;
  return write_user(argument, parameters) ? answer : -EFAULT;
}

long Device::remove_page(std::uint64_t offset) {
  const std::optional<EpcmEntry> page = enclave_->page_at(offset);
  if (!page) return -EFAULT;
  // Only what the enclave has agreed to lose: the type is TRIM and EACCEPT has taken note.
  if (page->type != PageType::kTrim || page->modified || page->pending) return -EPERM;
  if (!enclave_->eremove(offset).ok()) return -EBUSY;
  const std::scoped_lock guard(lock_);
  largest_.set(offset / kPageSize, 0);
  return 0;
}

long Device::remove_pages(std::uint64_t argument) {
  if (!initialised()) return -EINVAL;
  sgx_enclave_remove_pages parameters;
  if (!read_user(argument, parameters)) return -EFAULT;
  if (!range_valid(parameters.offset, parameters.length) || parameters.count != 0) return -EINVAL;
  long answer = 0;
  while (answer == 0 && parameters.count < parameters.length) {
    const std::uint64_t offset = parameters.offset + parameters.count;
    answer = pager_->with_page(offset, [&] { return remove_page(offset); });
    if (answer == 0) parameters.count += kPageSize;
  }
  return write_user(argument, parameters) ? answer : -EFAULT;
}

}  // namespace coffer::emulate
