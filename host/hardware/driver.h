// One enclave of Linux's SGX driver (Documentation/arch/x86/sgx.rst): made by the ioctls of /dev/sgx_enclave, and
// mapped at addresses of this process.
//
// Thread-safety: building from one thread; what changes pages of a running enclave from any.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "sgx/arch.h"
#include "sgx/builder.h"

namespace coffer::host::hardware {

inline constexpr const char* kDevice = "/dev/sgx_enclave";

class Driver {
 public:
  // Error: one line that says what is missing and what to do.
  [[nodiscard]] static Result<Driver> open();
  Driver(Driver&& other) noexcept;
  Driver& operator=(Driver&&) = delete;
  // Nobody may be inside.
  ~Driver();

  // SGX_IOC_ENCLAVE_CREATE, at an address of the kernel's choice.
  [[nodiscard]] Result<void> create(const sgx::CreateParameters& parameters);
  // SGX_IOC_ENCLAVE_ADD_PAGES. The driver measures whole pages or nothing of them.
  [[nodiscard]] Result<void> add_pages(std::uint64_t offset, sgx::SecinfoFlags flags, ByteView content,
                                       sgx::ExtendMask extend);
  // Maps what was added as it allows, and the rest of ELRANGE for reading and writing: pages that are added there
  // later, by the kernel in the page fault, are of that kind. Then SGX_IOC_ENCLAVE_INIT.
  [[nodiscard]] Result<void> init(const sgx::Sigstruct& sigstruct);
  // After init(): an emulated device makes the CPUID instructions that the image's layout lists #UD, which they are on
  // hardware anyway.
  [[nodiscard]] Result<void> trap_cpuid(std::uint64_t layout_offset);
  // SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS: 0 or -errno.
  [[nodiscard]] std::int64_t restrict_pages(std::uint64_t address, std::uint64_t pages, std::uint64_t permissions);
  // SGX_IOC_ENCLAVE_MODIFY_TYPES to PT_TRIM: how many pages, from the first on, or -errno where it is none.
  [[nodiscard]] std::int64_t trim_pages(std::uint64_t address, std::uint64_t pages);
  // SGX_IOC_ENCLAVE_REMOVE_PAGES of pages that the enclave has accepted as trimmed: 0 or -errno.
  [[nodiscard]] std::int64_t remove_pages(std::uint64_t address, std::uint64_t pages);

  [[nodiscard]] std::uint64_t base() const { return base_; }
  // The device is no device of the kernel's: `coffer emulate` stands behind it, and protects nothing.
  [[nodiscard]] bool emulated() const { return emulated_; }

 private:
  struct Run {  // of pages that were added, as they are to be mapped
    std::uint64_t begin = 0, end = 0;
    int protection = 0;
  };
  explicit Driver(FileDescriptor device, bool emulated) : device_(std::move(device)), emulated_(emulated) {}
  [[nodiscard]] Result<void> reserve(std::uint64_t size, std::uint64_t wanted);
  [[nodiscard]] Result<void> add_piece(std::uint64_t offset, const sgx::Secinfo& secinfo, ByteView content,
                                       bool measure);
  // Whether these are pages of ELRANGE; one that is not is nobody's to ask for.
  [[nodiscard]] bool are_pages(std::uint64_t address, std::uint64_t pages) const;
  // Repeats an ioctl, which may stop on its way, from where it stopped: bytes that are done, and errno where not all.
  template <class Request>
  [[nodiscard]] std::uint64_t change(unsigned long number, Request request, int* error);
  [[nodiscard]] Result<void> map_all();
  [[nodiscard]] Result<void> map(std::uint64_t begin, std::uint64_t end, int protection);

  FileDescriptor device_;
  bool emulated_ = false;
  std::uint64_t base_ = 0, size_ = 0;
  std::byte* staging_ = nullptr;  // pages that the driver copies from
  std::vector<Run> runs_;         // ascending
  std::mutex lock_;               // one ioctl at a time: the driver refuses a second one
};

}  // namespace coffer::host::hardware
