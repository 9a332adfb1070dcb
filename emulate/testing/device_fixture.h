// A device with an address range of its own and the process's mappings, without the interposer.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <vector>

#include "emulate/device.h"
#include "emulate/testing/small_enclave.h"

namespace coffer::emulate::testing {

inline constexpr std::uint64_t kTestEpc = std::uint64_t{2} << 20;

// Handlers and landing as the interposer sets them up; once for the process.
void prepare_process();

class OpenDevice final : public Device::Surroundings {
 public:
  // `base`: where ELRANGE is to be, already reserved.
  explicit OpenDevice(std::uint64_t epc_size = kTestEpc, std::uint64_t base = reserve_elrange());
  // One that takes its pages from an EPC of this size, which others use too.
  OpenDevice(std::uint64_t epc_size, std::shared_ptr<processor::PagerGroup> epc);

  [[nodiscard]] std::uint64_t base() const { return base_; }
  [[nodiscard]] Device& device() { return *device_; }
  // A request with its argument where it stands: 0 or a negative errno.
  template <class Argument>
  [[nodiscard]] long control(unsigned long request, Argument& argument) {
    return device_->control(request, reinterpret_cast<std::uint64_t>(&argument), *this);
  }
  [[nodiscard]] long build();
  // mmap() and mprotect(): 0 or a negative errno. munmap().
  [[nodiscard]] int map(std::uint64_t offset, std::uint64_t length, int protection);
  void unmap(std::uint64_t offset, std::uint64_t length);
  // Builds, and maps every segment as its pages allow.
  [[nodiscard]] long build_and_map();

  [[nodiscard]] sgx_enclave_run run(std::uint64_t tcs = 0) const;
  // EENTER (or `function`) with a command; the vDSO function's answer.
  [[nodiscard]] int enter(Call& call, sgx_enclave_run& run) const;

  std::set<int> provisioning;

  [[nodiscard]] std::vector<Mapping> mappings(const Device& device) const override;
  [[nodiscard]] bool is_provisioning(int descriptor) const override { return provisioning.contains(descriptor); }

 private:
  std::uint64_t base_;
  std::shared_ptr<Device> device_;
  AddressMap map_;
};

}  // namespace coffer::emulate::testing
