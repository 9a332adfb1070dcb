#include "host/hardware/driver.h"

#include <asm/sgx.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "boundary/emulated_device.h"
#include "sgx/sigstruct.h"

namespace coffer::host::hardware {

using sgx::kPageSize;

namespace {

constexpr std::size_t kStagingSize = std::size_t{1} << 20;

std::string without_device(int error) {
  const std::string device = kDevice;
  if (error == EACCES || error == EPERM) return device + ": no permission; join the group that owns it (usually sgx)";
  return device + ": not on this machine (" + std::strerror(error) +
         "); use --rung process, or try the rung under `coffer emulate`";
}

int protection_of(sgx::SecinfoFlags flags) {
  if (flags.type() == sgx::PageType::kTcs) return PROT_READ | PROT_WRITE;
  return (flags.readable() ? PROT_READ : 0) | (flags.writable() ? PROT_WRITE : 0) |
         (flags.executable() ? PROT_EXEC : 0);
}

bool passes(int error) { return error == EINTR || error == EAGAIN; }

Error explain_init(int error, const sgx::Sigstruct& sigstruct) {
  if (error == EPERM) {
    if (sgx::verify(sigstruct) != sgx::LeafError::kSuccess) {
      return {ErrorKind::kRefused, "EINIT: the image's signature is wrong"};
    }
    return {ErrorKind::kRefused,
            "EINIT: the processor refuses the image: its contents or its attributes are not what was signed"};
  }
  if (error == EACCES) return {ErrorKind::kRefused, "EINIT: the image asks for attributes that the driver denies"};
  return system_error("EINIT", error).error();
}

}  // namespace

Result<Driver> Driver::open() {
  FileDescriptor device(::open(kDevice, O_RDWR | O_CLOEXEC));
  if (!device) return fail(ErrorKind::kInput, without_device(errno));
  struct stat status{};
  if (::fstat(device.get(), &status) != 0) return system_error(kDevice, errno);
  return Driver(std::move(device), !S_ISCHR(status.st_mode));
}

Driver::Driver(Driver&& other) noexcept
    : device_(std::move(other.device_)),
      emulated_(other.emulated_),
      base_(std::exchange(other.base_, 0)),
      size_(std::exchange(other.size_, 0)),
      staging_(std::exchange(other.staging_, nullptr)),
      runs_(std::move(other.runs_)) {}

Driver::~Driver() {
  if (staging_ != nullptr) ::munmap(staging_, kStagingSize);
  if (base_ != 0) ::munmap(reinterpret_cast<void*>(base_), size_);
}

// Addresses that begin at a multiple of their size, as an enclave's must; or those that are wanted.
Result<void> Driver::reserve(std::uint64_t size, std::uint64_t wanted) {
  if (wanted != 0) {
    constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
    void* place = ::mmap(reinterpret_cast<void*>(wanted), size, PROT_NONE, kFlags, -1, 0);
    if (place == MAP_FAILED) {
      return input_error(
          "the addresses that an image with SANITIZE needs are taken in this process: run one such enclave at a time");
    }
    base_ = wanted;
    size_ = size;
    return {};
  }
  void* area = ::mmap(nullptr, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (area == MAP_FAILED) return system_error("no room for an enclave of " + std::to_string(size) + " bytes", errno);
  const auto begin = reinterpret_cast<std::uint64_t>(area);
  base_ = (begin + size - 1) & ~(size - 1);
  size_ = size;
  if (base_ != begin) ::munmap(area, base_ - begin);
  if (const std::uint64_t rest = begin + size - base_; rest != 0) {
    ::munmap(reinterpret_cast<void*>(base_ + size), rest);
  }
  return {};
}

Result<void> Driver::create(const sgx::CreateParameters& parameters) {
  if (auto reserved = reserve(parameters.size, parameters.base); !reserved) return reserved;
  void* staging = ::mmap(nullptr, kStagingSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (staging == MAP_FAILED) return system_error("no memory to load the image through", errno);
  staging_ = static_cast<std::byte*>(staging);
  auto* secs = new (staging_) sgx::Secs{};
  static_assert(sizeof(*secs) == kPageSize);
  secs->size = parameters.size;
  secs->base_address = base_;
  secs->ssa_frame_size = parameters.ssa_frame_size;
  secs->misc_select = parameters.misc_select;
  secs->attributes = parameters.attributes;
  secs->config_id = parameters.config_id;
  secs->config_svn = parameters.config_svn;
  sgx_enclave_create request{.src = reinterpret_cast<std::uint64_t>(secs)};
  if (::ioctl(device_.get(), SGX_IOC_ENCLAVE_CREATE, &request) == 0) return {};
  return system_error(
      "ECREATE: the processor or the driver cannot have an enclave with this image's size and attributes", errno);
}

Result<void> Driver::add_piece(std::uint64_t offset, const sgx::Secinfo& secinfo, ByteView content, bool measure) {
  std::memcpy(staging_, content.data(), content.size());
  std::uint64_t done = 0;
  while (done < content.size()) {
    sgx_enclave_add_pages request{.src = reinterpret_cast<std::uint64_t>(staging_) + done,
                                  .offset = offset + done,
                                  .length = content.size() - done,
                                  .secinfo = reinterpret_cast<std::uint64_t>(&secinfo),
                                  .flags = measure ? std::uint64_t{SGX_PAGE_MEASURE} : 0,
                                  .count = 0};
    const bool failed = ::ioctl(device_.get(), SGX_IOC_ENCLAVE_ADD_PAGES, &request) != 0;
    done += request.count;
    if (!failed || passes(errno)) continue;
    if (errno == ENOMEM) {
      return fail(ErrorKind::kSystem, "EADD: no page of the EPC is free; end other enclaves, or give the machine more");
    }
    return system_error("EADD", errno);
  }
  return {};
}

Result<void> Driver::add_pages(std::uint64_t offset, sgx::SecinfoFlags flags, ByteView content,
                               sgx::ExtendMask extend) {
  if (extend != sgx::kExtendAll && extend != sgx::kExtendNone) {
    return input_error("the image measures parts of a page, which Linux's driver cannot");
  }
  alignas(64) sgx::Secinfo secinfo{};
  secinfo.flags = flags;
  const int protection = protection_of(flags);
  const std::uint64_t begin = offset;
  for (; !content.empty(); content = content.subspan(std::min(content.size(), kStagingSize))) {
    const ByteView piece = content.first(std::min(content.size(), kStagingSize));
    if (auto added = add_piece(offset, secinfo, piece, extend == sgx::kExtendAll); !added) return added;
    offset += piece.size();
  }
  if (!runs_.empty() && runs_.back().end == begin && runs_.back().protection == protection) {
    runs_.back().end = offset;
  } else {
    runs_.push_back({begin, offset, protection});
  }
  return {};
}

Result<void> Driver::map(std::uint64_t begin, std::uint64_t end, int protection) {
  if (begin >= end) return {};
  void* wanted = reinterpret_cast<void*>(base_ + begin);
  if (::mmap(wanted, end - begin, protection, MAP_SHARED | MAP_FIXED, device_.get(), 0) != MAP_FAILED) return {};
  if (errno == EPERM && (protection & PROT_EXEC) != 0) {
    return fail(ErrorKind::kSystem, std::string(kDevice) +
                                        ": enclave code cannot be mapped, because /dev is mounted noexec; remount it "
                                        "with exec");
  }
  return system_error("cannot map the enclave", errno);
}

Result<void> Driver::map_all() {
  std::ranges::sort(runs_, {}, &Run::begin);
  std::uint64_t at = 0;
  for (const Run& run : runs_) {
    if (auto gap = map(at, run.begin, PROT_READ | PROT_WRITE); !gap) return gap;
    if (auto mapped = map(run.begin, run.end, run.protection); !mapped) return mapped;
    at = run.end;
  }
  return map(at, size_, PROT_READ | PROT_WRITE);
}

Result<void> Driver::init(const sgx::Sigstruct& sigstruct) {
  if (auto mapped = map_all(); !mapped) return mapped;
  std::memcpy(staging_, &sigstruct, sizeof(sigstruct));
  sgx_enclave_init request{.sigstruct = reinterpret_cast<std::uint64_t>(staging_)};
  int error = 0;
  do {
    error = ::ioctl(device_.get(), SGX_IOC_ENCLAVE_INIT, &request) == 0 ? 0 : errno;
  } while (passes(error));
  if (error != 0) return std::unexpected(explain_init(error, sigstruct));
  ::munmap(std::exchange(staging_, nullptr), kStagingSize);
  return {};
}

Result<void> Driver::trap_cpuid(std::uint64_t layout_offset) {
  if (!emulated_) return {};
  if (::ioctl(device_.get(), boundary::kEmulatedTrapCpuid, layout_offset) == 0) return {};
  return system_error("the emulated device cannot make CPUID trap", errno);
}

bool Driver::are_pages(std::uint64_t address, std::uint64_t pages) const {
  return address >= base_ && address % kPageSize == 0 && pages != 0 && pages <= size_ / kPageSize &&
         range_fits(address - base_, pages * kPageSize, size_);
}

template <class Request>
std::uint64_t Driver::change(unsigned long number, Request request, int* error) {
  const std::scoped_lock guard(lock_);
  const std::uint64_t length = request.length;
  std::uint64_t done = 0;
  *error = 0;
  while (done < length && *error == 0) {
    Request rest = request;
    rest.offset += done;
    rest.length -= done;
    *error = ::ioctl(device_.get(), number, &rest) == 0 ? 0 : errno;
    done += rest.count;
    if (passes(*error)) *error = 0;
  }
  return done;
}

std::int64_t Driver::restrict_pages(std::uint64_t address, std::uint64_t pages, std::uint64_t permissions) {
  if (!are_pages(address, pages)) return -EINVAL;
  int error = 0;
  (void)change(
      SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS,
      sgx_enclave_restrict_permissions{
          .offset = address - base_, .length = pages * kPageSize, .permissions = permissions, .result = 0, .count = 0},
      &error);
  return -error;
}

std::int64_t Driver::trim_pages(std::uint64_t address, std::uint64_t pages) {
  if (!are_pages(address, pages)) return -EINVAL;
  int error = 0;
  const std::uint64_t done =
      change(SGX_IOC_ENCLAVE_MODIFY_TYPES,
             sgx_enclave_modify_types{.offset = address - base_,
                                      .length = pages * kPageSize,
                                      .page_type = static_cast<std::uint64_t>(sgx::PageType::kTrim),
                                      .result = 0,
                                      .count = 0},
             &error);
  return done == 0 ? -error : static_cast<std::int64_t>(done / kPageSize);
}

std::int64_t Driver::remove_pages(std::uint64_t address, std::uint64_t pages) {
  if (!are_pages(address, pages)) return -EINVAL;
  int error = 0;
  (void)change(SGX_IOC_ENCLAVE_REMOVE_PAGES,
               sgx_enclave_remove_pages{.offset = address - base_, .length = pages * kPageSize, .count = 0}, &error);
  return -error;
}

}  // namespace coffer::host::hardware
