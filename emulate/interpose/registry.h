// The devices that this process has open and mapped, and the platform behind them: one object for the whole process.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "emulate/address_map.h"
#include "emulate/device.h"

namespace coffer::emulate {

class Registry final : public Device::Surroundings {
 public:
  // Never destroyed: threads may still be inside when the process ends.
  static Registry& instance();

  [[nodiscard]] std::uint64_t epc_size() const { return epc_size_; }
  void set_epc_size(std::uint64_t size) { epc_size_ = size; }

  // Opens the device: a descriptor, or -1 and errno.
  [[nodiscard]] int open_enclave_device(int flags);
  [[nodiscard]] int open_provision_device(int flags);
  // The device behind a descriptor, however it was copied; null for any other descriptor.
  [[nodiscard]] std::shared_ptr<Device> find(int descriptor);
  // The program closes this descriptor (still open). The device goes when its last descriptor and mapping have gone.
  void closing(int descriptor);

  // The system calls on memory, with the kernel's answers (-1 and errno). `ours` tells the caller whether anything of
  // the range is a device's; where not, the call is not made.
  [[nodiscard]] void* map(const std::shared_ptr<Device>& device, void* address, std::size_t length, int protection,
                          int flags);
  [[nodiscard]] bool touches(std::uint64_t begin, std::uint64_t length) const;
  // Other memory is about to stand at these addresses, or none.
  void forget(std::uint64_t begin, std::uint64_t length);
  [[nodiscard]] int protect(std::uint64_t begin, std::uint64_t length, int protection);

  // Device::Surroundings
  [[nodiscard]] std::vector<Mapping> mappings(const Device& device) const override;
  [[nodiscard]] bool is_provisioning(int descriptor) const override;

 private:
  using Identity = std::pair<std::uint64_t, std::uint64_t>;  // of the file that stands for a device
  [[nodiscard]] static std::optional<Identity> identity_of(int descriptor);
  [[nodiscard]] int open_stand_in(const char* name, int flags);
  [[nodiscard]] std::shared_ptr<const processor::KeySource> keys();
  [[nodiscard]] static bool open_elsewhere(int descriptor, const Identity& identity);

  std::uint64_t epc_size_ = 0;
  std::atomic<bool> used_{false};  // a device was opened: until then nothing is looked up
  mutable std::mutex lock_;
  std::shared_ptr<const processor::KeySource> keys_;
  std::shared_ptr<processor::PagerGroup> epc_;
  std::map<Identity, std::shared_ptr<Device>> devices_;
  std::map<Identity, bool> provisioning_;
  AddressMap map_;
};

}  // namespace coffer::emulate
