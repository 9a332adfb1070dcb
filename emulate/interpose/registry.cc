#include "emulate/interpose/registry.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "base/file.h"
#include "emulate/interpose/real.h"

namespace coffer::emulate {

namespace {

constexpr std::uint64_t kPage = sgx::kPageSize;

std::uint64_t round_up(std::uint64_t length) { return (length + kPage - 1) & ~(kPage - 1); }

Result<processor::Fuses> emulated_fuses() {
  auto state = state_directory();
  if (!state) return std::unexpected(state.error());
  const std::filesystem::path folder = *state / "emulate";
  std::error_code error;
  std::filesystem::create_directory(folder, error);
  if (error) return system_error(folder.string(), error.value());
  return processor::Fuses::load_or_make(folder);
}

int refuse(int error) {
  errno = error;
  return -1;
}

}  // namespace

Registry& Registry::instance() {
  static auto* registry = new Registry;
  return *registry;
}

// Keys of their own: what runs unprotected here must never get what an enclave of a protecting rung has sealed with.
std::shared_ptr<const processor::KeySource> Registry::keys() {
  if (keys_ != nullptr) return keys_;
  auto fuses = emulated_fuses();
  if (!fuses) {
    std::fprintf(stderr, "coffer: note: %s; the emulated processor's keys are for this process alone\n",
                 fuses.error().message.c_str());
    fuses = processor::Fuses::ephemeral();
  }
  if (!fuses) return nullptr;
  keys_ = std::make_shared<const processor::KeyVault>(std::move(*fuses));
  return keys_;
}

std::optional<Registry::Identity> Registry::identity_of(int descriptor) {
  struct stat status{};
  if (::fstat(descriptor, &status) != 0) return std::nullopt;
  return Identity{status.st_dev, status.st_ino};
}

int Registry::open_stand_in(const char* name, int flags) {
  used_ = true;
  return ::memfd_create(name, (flags & O_CLOEXEC) != 0 ? MFD_CLOEXEC : 0);
}

int Registry::open_enclave_device(int flags) {
  const std::scoped_lock guard(lock_);
  const auto platform_keys = keys();
  if (platform_keys == nullptr) return refuse(ENODEV);
  if (epc_ == nullptr) epc_ = std::make_shared<processor::PagerGroup>(epc_size_);
  const int descriptor = open_stand_in("sgx_enclave", flags);
  if (descriptor < 0) return -1;
  devices_[*identity_of(descriptor)] =
      std::make_shared<Device>(Platform{.epc_size = epc_size_, .epc = epc_, .keys = platform_keys});
  return descriptor;
}

int Registry::open_provision_device(int flags) {
  const std::scoped_lock guard(lock_);
  const int descriptor = open_stand_in("sgx_provision", flags);
  if (descriptor >= 0) provisioning_[*identity_of(descriptor)] = true;
  return descriptor;
}

std::shared_ptr<Device> Registry::find(int descriptor) {
  if (!used_) return nullptr;
  const auto identity = identity_of(descriptor);
  if (!identity) return nullptr;
  const std::scoped_lock guard(lock_);
  const auto found = devices_.find(*identity);
  return found == devices_.end() ? nullptr : found->second;
}

bool Registry::is_provisioning(int descriptor) const {
  const auto identity = identity_of(descriptor);
  const std::scoped_lock guard(lock_);
  return identity && provisioning_.contains(*identity);
}

bool Registry::open_elsewhere(int descriptor, const Identity& identity) {
  DIR* folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) return true;  // better kept too long
  bool found = false;
  while (const dirent* entry = ::readdir(folder)) {
    const auto other = static_cast<int>(std::strtol(entry->d_name, nullptr, 10));
    if (other != descriptor && identity_of(other) == identity) found = true;
  }
  ::closedir(folder);
  return found;
}

void Registry::closing(int descriptor) {
  if (!used_) return;
  const auto identity = identity_of(descriptor);
  if (!identity) return;
  std::shared_ptr<Device> last;  // destroyed outside of the lock
  const std::scoped_lock guard(lock_);
  const auto found = devices_.find(*identity);
  if (found == devices_.end() || open_elsewhere(descriptor, *identity)) return;
  last = std::move(found->second);
  devices_.erase(found);
}

std::vector<Mapping> Registry::mappings(const Device& device) const {
  const std::scoped_lock guard(lock_);
  std::vector<Mapping> own;
  for (Mapping& mapping : map_.within(0, ~std::uint64_t{0})) {
    if (mapping.device.get() == &device) own.push_back(std::move(mapping));
  }
  return own;
}

void* Registry::map(const std::shared_ptr<Device>& device, void* address, std::size_t length, int protection,
                    int flags) {
  const std::uint64_t size = round_up(length);
  const bool fixed = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0;
  if ((flags & MAP_TYPE) == MAP_PRIVATE || length == 0 ||
      (fixed && reinterpret_cast<std::uint64_t>(address) % kPage != 0)) {
    errno = EINVAL;
    return MAP_FAILED;
  }
  const auto refused = [&](std::uint64_t begin) { return device->may_map(begin, begin + size, protection) != 0; };
  errno = EACCES;
  if (fixed && refused(reinterpret_cast<std::uint64_t>(address))) return MAP_FAILED;
  const std::scoped_lock guard(lock_);
  const int place = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE));
  void* reserved = real::map(address, size, PROT_NONE, place, -1, 0);
  if (reserved == MAP_FAILED) return MAP_FAILED;
  const auto begin = reinterpret_cast<std::uint64_t>(reserved);
  if (!fixed && refused(begin)) {
    real::unmap(reserved, size);
    errno = EACCES;
    return MAP_FAILED;
  }
  for (const Mapping& old : map_.erase(begin, begin + size)) {
    if (old.device != device) old.device->show(old.begin, old.end, std::nullopt);
  }
  map_.assign({begin, begin + size, protection, device});
  device->show(begin, begin + size, protection);
  return reserved;
}

bool Registry::touches(std::uint64_t begin, std::uint64_t length) const {
  if (!used_) return false;
  const std::scoped_lock guard(lock_);
  return map_.touches(begin, begin + round_up(length));
}

void Registry::forget(std::uint64_t begin, std::uint64_t length) {
  std::vector<Mapping> gone;  // their devices are destroyed outside of the lock
  const std::scoped_lock guard(lock_);
  gone = map_.erase(begin, begin + round_up(length));
  for (const Mapping& mapping : gone) mapping.device->show(mapping.begin, mapping.end, std::nullopt);
}

int Registry::protect(std::uint64_t begin, std::uint64_t length, int protection) {
  if (begin % kPage != 0) return refuse(EINVAL);
  const std::scoped_lock guard(lock_);
  const std::uint64_t end = begin + round_up(length);
  const std::vector<Mapping> pieces = map_.within(begin, end);
  for (const Mapping& piece : pieces) {
    if (piece.device->may_map(piece.begin, piece.end, protection) != 0) return refuse(EACCES);
  }
  std::uint64_t at = begin;
  for (const Mapping& piece : pieces) {
    if (at < piece.begin && real::protect(reinterpret_cast<void*>(at), piece.begin - at, protection) != 0) return -1;
    map_.assign({piece.begin, piece.end, protection, piece.device});
    piece.device->show(piece.begin, piece.end, protection);
    at = piece.end;
  }
  return at < end ? real::protect(reinterpret_cast<void*>(at), end - at, protection) : 0;
}

}  // namespace coffer::emulate
