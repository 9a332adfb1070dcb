// Which device file is mapped where in this process, and with what protection: the process's VMAs of /dev/sgx_enclave.
// Not thread-safe: the registry's lock covers it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace coffer::emulate {

class Device;

struct Mapping {
  std::uint64_t begin = 0, end = 0;
  int protection = 0;  // PROT_*
  std::shared_ptr<Device> device;
};

class AddressMap {
 public:
  // Replaces whatever is known about [begin, end).
  void assign(const Mapping& mapping);
  // [begin, end) belongs to no device any more. What was there is returned, cut to the range.
  std::vector<Mapping> erase(std::uint64_t begin, std::uint64_t end);
  // The pieces of mappings inside [begin, end), cut to it.
  [[nodiscard]] std::vector<Mapping> within(std::uint64_t begin, std::uint64_t end) const;
  [[nodiscard]] bool touches(std::uint64_t begin, std::uint64_t end) const;

 private:
  std::map<std::uint64_t, Mapping> mappings_;  // by begin; they do not overlap
};

}  // namespace coffer::emulate
