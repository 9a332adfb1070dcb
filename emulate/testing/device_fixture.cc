#include "emulate/testing/device_fixture.h"

#include <sys/mman.h>
#include <cstdlib>

#include "emulate/exit_sites.h"
#include "emulate/vdso_image.h"
#include "processor/entry.h"
#include "processor/raw_entry.h"

namespace coffer::emulate::testing {

namespace {

std::shared_ptr<const processor::KeySource> test_keys() {
  static const auto keys = [] {
    auto fuses = processor::Fuses::ephemeral();
    if (!fuses) std::abort();
    return std::make_shared<const processor::KeyVault>(std::move(*fuses));
  }();
  return keys;
}

}  // namespace

void prepare_process() {
  static const bool done = [] {
    processor::set_raw_hooks({.exit_trapped = &quicken_exit,
                              .enclu = reinterpret_cast<std::uint64_t>(coffer_vdso_enclu),
                              .landing = reinterpret_cast<std::uint64_t>(coffer_vdso_landing)});
    return processor::install_traps(processor::SyscallTrap::kNone).has_value();
  }();
  if (!done) std::abort();
}

OpenDevice::OpenDevice(std::uint64_t epc_size, std::uint64_t base)
    : base_(base),
      device_(std::make_shared<Device>(Platform{
          .epc_size = epc_size, .epc = std::make_shared<processor::PagerGroup>(epc_size), .keys = test_keys()})) {
  prepare_process();
}

OpenDevice::OpenDevice(std::uint64_t epc_size, std::shared_ptr<processor::PagerGroup> epc)
    : base_(reserve_elrange()),
      device_(std::make_shared<Device>(Platform{.epc_size = epc_size, .epc = std::move(epc), .keys = test_keys()})) {
  prepare_process();
}

long OpenDevice::build() {
  return testing::build(
      [this](unsigned long request, void* argument) {
        return device_->control(request, reinterpret_cast<std::uint64_t>(argument), *this);
      },
      base_);
}

int OpenDevice::map(std::uint64_t offset, std::uint64_t length, int protection) {
  const std::uint64_t begin = base_ + offset;
  if (const int refused = device_->may_map(begin, begin + length, protection); refused != 0) return refused;
  map_.assign({begin, begin + length, protection, device_});
  device_->show(begin, begin + length, protection);
  return 0;
}

void OpenDevice::unmap(std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t begin = base_ + offset;
  map_.erase(begin, begin + length);
  device_->show(begin, begin + length, std::nullopt);
  (void)::mmap(reinterpret_cast<void*>(begin), length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

long OpenDevice::build_and_map() {
  if (const long answer = build(); answer != 0) return answer;
  for (const Segment& segment : segments()) {
    const bool tcs = segment.flags.type() == sgx::PageType::kTcs;
    const int protection = tcs ? PROT_READ | PROT_WRITE : static_cast<int>(segment.flags.permissions());
    if (const int answer = map(segment.offset, segment.content.size(), protection); answer != 0) return answer;
  }
  return 0;
}

sgx_enclave_run OpenDevice::run(std::uint64_t tcs) const {
  sgx_enclave_run run{};
  run.tcs = base_ + SE_TCS + tcs * sgx::kPageSize;
  return run;
}

int OpenDevice::enter(Call& call, sgx_enclave_run& run) const {
  return testing::enter(reinterpret_cast<EnterFunction>(&coffer_vdso_enter), call, run);
}

std::vector<Mapping> OpenDevice::mappings(const Device&) const { return map_.within(0, ~std::uint64_t{0}); }

}  // namespace coffer::emulate::testing
