#include "emulate/device.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

#include "processor/raw_entry.h"

namespace coffer::emulate {

using sgx::kPageSize;

namespace {

constexpr std::uint8_t kKnown = 0x80;
constexpr int kAccess = PROT_READ | PROT_WRITE | PROT_EXEC;

}  // namespace

Device::PageBytes::~PageBytes() {
  if (bytes_ != nullptr) ::munmap(bytes_, count_);
}

bool Device::PageBytes::reserve(std::uint64_t count) {
  void* bytes = ::mmap(nullptr, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (bytes == MAP_FAILED) return false;
  if (bytes_ != nullptr) ::munmap(bytes_, count_);  // of a CREATE that failed
  bytes_ = static_cast<std::uint8_t*>(bytes);
  count_ = count;
  return true;
}

Device::~Device() {
  if (enclave_ != nullptr) processor::withdraw_enclave(*enclave_);
}

std::optional<int> Device::protection(std::uint64_t offset) const {
  const std::uint8_t known = mapped_.get(offset / kPageSize);
  if (known == 0) return std::nullopt;
  return known & kAccess;
}

int Device::may_map(std::uint64_t begin, std::uint64_t end, int protection) const {
  if (enclave_ == nullptr) return 0;
  const std::uint64_t base = enclave_->base();
  const std::uint64_t limit = base + enclave_->size();
  if (initialised() && (begin < base || end > limit)) return -EACCES;
  const std::scoped_lock guard(lock_);
  for (std::uint64_t at = std::max(begin, base); at < std::min(end, limit); at += kPageSize) {
    const std::uint8_t largest = largest_.get((at - base) / kPageSize);
    if (largest != 0 && (protection & kAccess & ~largest) != 0) return -EACCES;
  }
  return 0;
}

void Device::show(std::uint64_t begin, std::uint64_t end, std::optional<int> protection) {
  if (enclave_ == nullptr) return;
  const std::uint64_t base = enclave_->base();
  begin = std::max(begin, base);
  end = std::min(end, base + enclave_->size());
  if (begin >= end) return;
  const auto value = static_cast<std::uint8_t>(protection ? kKnown | (*protection & kAccess) : 0);
  for (std::uint64_t at = begin; at < end; at += kPageSize) mapped_.set((at - base) / kPageSize, value);
  enclave_->host_pages_changed(begin - base, end - begin);
}

long Device::control(unsigned long request, std::uint64_t argument, const Surroundings& surroundings) {
  if (controlled_.exchange(true, std::memory_order_acquire)) return -EBUSY;
  const processor::SignalsHeld held;
  const long answer = dispatch(request, argument, surroundings);
  controlled_.store(false, std::memory_order_release);
  return answer;
}

bool Device::range_valid(std::uint64_t offset, std::uint64_t length) const {
  return offset % kPageSize == 0 && length != 0 && length % kPageSize == 0 &&
         range_fits(offset, length, enclave_->size());
}

}  // namespace coffer::emulate
