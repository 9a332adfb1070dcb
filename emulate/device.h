// One open /dev/sgx_enclave: an enclave in the making or made, and the rules of Linux's driver about it
// (Documentation/arch/x86/sgx.rst). Answers are the kernel's: 0, or a negative errno.
//
// Thread-safety: every method from any thread; one ioctl at a time, a second one is -EBUSY as in the kernel.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "emulate/address_map.h"
#include "processor/enclave.h"
#include "processor/host_pages.h"
#include "processor/pager/pager.h"

namespace coffer::emulate {

// What the devices of this process share.
struct Platform {
  std::uint64_t epc_size = 0;                  // bytes
  std::shared_ptr<processor::PagerGroup> epc;  // of that size, for all of them
  std::shared_ptr<const processor::KeySource> keys;
};

class Device final : public processor::HostPages {
 public:
  explicit Device(const Platform& platform) : platform_(platform) {}
  ~Device() override;

  // ioctl(). `mappings` tells CREATE what the process has mapped already; `provisioning` tells PROVISION which
  // descriptors are /dev/sgx_provision.
  struct Surroundings {
    virtual ~Surroundings() = default;
    [[nodiscard]] virtual std::vector<Mapping> mappings(const Device& device) const = 0;
    [[nodiscard]] virtual bool is_provisioning(int descriptor) const = 0;
  };
  [[nodiscard]] long control(unsigned long request, std::uint64_t argument, const Surroundings& surroundings);

  // Whether the driver lets [begin, end) be mapped so: 0 or -EACCES.
  [[nodiscard]] int may_map(std::uint64_t begin, std::uint64_t end, int protection) const;
  // The process has mapped or protected [begin, end), over addresses that are reserved; or (nothing) it is about to
  // unmap them.
  void show(std::uint64_t begin, std::uint64_t end, std::optional<int> protection);

  [[nodiscard]] std::optional<int> protection(std::uint64_t offset) const override;
  // Null before CREATE.
  [[nodiscard]] processor::SoftEnclave* enclave() { return enclave_.get(); }
  [[nodiscard]] processor::Pager* pager() { return pager_.get(); }

 private:
  [[nodiscard]] long dispatch(unsigned long request, std::uint64_t argument, const Surroundings& surroundings);
  [[nodiscard]] long create(std::uint64_t argument, const Surroundings& surroundings);
  [[nodiscard]] long create_enclave(const sgx::Secs& secs, const Surroundings& surroundings);
  [[nodiscard]] long add_pages(std::uint64_t argument);
  [[nodiscard]] long add_page(std::uint64_t offset, const sgx::Secinfo& secinfo, ByteView content, bool measure);
  [[nodiscard]] long init(std::uint64_t argument);
  [[nodiscard]] long provision(std::uint64_t argument, const Surroundings& surroundings);
  [[nodiscard]] long restrict_permissions(std::uint64_t argument);
  [[nodiscard]] long modify_types(std::uint64_t argument);
  [[nodiscard]] long restrict_page(std::uint64_t offset, sgx::SecinfoFlags flags, std::uint64_t* result);
  [[nodiscard]] long remove_page(std::uint64_t offset);
  [[nodiscard]] bool track();
  [[nodiscard]] long modify_type(std::uint64_t offset, sgx::PageType type, std::uint64_t* result);
  [[nodiscard]] long remove_pages(std::uint64_t argument);
  [[nodiscard]] long trap_cpuid(std::uint64_t layout_offset);
  [[nodiscard]] bool range_valid(std::uint64_t offset, std::uint64_t length) const;
  [[nodiscard]] bool initialised() const { return enclave_ != nullptr && enclave_->initialised(); }

  Platform platform_;
  std::unique_ptr<processor::SoftEnclave> enclave_;
  std::unique_ptr<processor::Pager> pager_;  // there where enclave_ is
  std::atomic<bool> controlled_{false};      // an ioctl is on its way
  std::uint64_t allowed_attributes_ = 0;
  mutable std::mutex lock_;  // pages_
  // By page number of ELRANGE: addresses that cost memory only where they are touched.
  class PageBytes {
   public:
    PageBytes() = default;
    PageBytes(const PageBytes&) = delete;
    PageBytes& operator=(const PageBytes&) = delete;
    ~PageBytes();
    [[nodiscard]] bool reserve(std::uint64_t count);
    [[nodiscard]] std::uint8_t get(std::uint64_t page) const {
      return page < count_ ? __atomic_load_n(bytes_ + page, __ATOMIC_RELAXED) : std::uint8_t{0};
    }
    void set(std::uint64_t page, std::uint8_t value) { __atomic_store_n(bytes_ + page, value, __ATOMIC_RELAXED); }

   private:
    std::uint8_t* bytes_ = nullptr;
    std::uint64_t count_ = 0;
  };
  PageBytes mapped_;   // 0: not mapped; else kKnown and PROT_*
  PageBytes largest_;  // what a page that was added may be mapped as; 0: anything, it was never added
};

}  // namespace coffer::emulate
