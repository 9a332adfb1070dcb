// open, stat and access of the program, for the files that tell of SGX.
#include <sys/sysmacros.h>
#include <unistd.h>
#include <cerrno>
#include <cstdarg>
#include <cstring>

#include <string>

#include "base/file.h"
#include "emulate/interpose/real.h"
#include "emulate/interpose/registry.h"
#include "emulate/system_files.h"

using namespace coffer::emulate;

namespace {

int open_text(const char* path, int flags) {
  if ((flags & O_ACCMODE) != O_RDONLY) {
    errno = EACCES;
    return -1;
  }
  std::string information;
  if (const int real_file = real::open_at(AT_FDCWD, "/proc/cpuinfo", O_RDONLY | O_CLOEXEC, 0); real_file >= 0) {
    char piece[4096];
    for (ssize_t size = 0; (size = ::read(real_file, piece, sizeof(piece))) > 0;) {
      information.append(piece, static_cast<std::size_t>(size));
    }
    real::close_descriptor(real_file);
  }
  const std::string text = text_of(path, Registry::instance().epc_size(), information);
  const int descriptor = ::memfd_create("sgx_text", (flags & O_CLOEXEC) != 0 ? MFD_CLOEXEC : 0);
  if (descriptor < 0) return -1;
  if (::pwrite(descriptor, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    real::close_descriptor(descriptor);
    errno = EIO;
    return -1;
  }
  return descriptor;
}

int open_path(int folder, const char* path, int flags, unsigned mode) {
  const auto file = path == nullptr ? std::nullopt : system_file(path);
  if (!file) return real::open_at(folder, path, flags, mode);
  Registry& registry = Registry::instance();
  if (*file == SystemFile::kEnclaveDevice) return registry.open_enclave_device(flags);
  if (*file == SystemFile::kProvisionDevice) return registry.open_provision_device(flags);
  return open_text(path, flags);
}

// True where `path` is ours; then *status is filled as for a file of everybody's.
template <class Status>
bool describe(const char* path, Status* status) {
  const auto file = path == nullptr ? std::nullopt : system_file(path);
  if (!file) return false;
  std::memset(status, 0, sizeof(*status));
  const bool text = *file == SystemFile::kText;
  status->st_mode = text ? S_IFREG | 0444 : S_IFCHR | 0666;
  status->st_nlink = 1;
  status->st_blksize = 4096;
  if (!text) status->st_rdev = makedev(10, *file == SystemFile::kEnclaveDevice ? 125 : 126);
  return true;
}

int check_access(const char* path, int mode) {
  const auto file = system_file(path);
  if ((*file == SystemFile::kText && (mode & W_OK) != 0) || (mode & X_OK) != 0) {
    errno = EACCES;
    return -1;
  }
  return 0;
}

template <class Function, class... Arguments>
auto pass_on(const char* name, Arguments... arguments) {
  return real::next_function<Function>(name)(arguments...);
}

unsigned mode_of(int flags, std::va_list more) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(more, unsigned) : 0;
}

std::FILE* open_stream(const char* name, const char* path, const char* mode) {
  const auto file = path == nullptr ? std::nullopt : system_file(path);
  if (!file || *file != SystemFile::kText) return pass_on<std::FILE*(const char*, const char*)>(name, path, mode);
  const int descriptor = open_text(path, mode[0] == 'r' && std::strchr(mode, '+') == nullptr ? O_RDONLY : O_RDWR);
  return descriptor < 0 ? nullptr : ::fdopen(descriptor, mode);
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  std::va_list more;
  va_start(more, flags);
  const unsigned mode = mode_of(flags, more);
  va_end(more);
  return open_path(AT_FDCWD, path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  std::va_list more;
  va_start(more, flags);
  const unsigned mode = mode_of(flags, more);
  va_end(more);
  return open_path(AT_FDCWD, path, flags, mode);
}
int openat(int folder, const char* path, int flags, ...) {
  std::va_list more;
  va_start(more, flags);
  const unsigned mode = mode_of(flags, more);
  va_end(more);
  return open_path(folder, path, flags, mode);
}
int openat64(int folder, const char* path, int flags, ...) {
  std::va_list more;
  va_start(more, flags);
  const unsigned mode = mode_of(flags, more);
  va_end(more);
  return open_path(folder, path, flags, mode);
}
int __open_2(const char* path, int flags) { return open_path(AT_FDCWD, path, flags, 0); }
int __open64_2(const char* path, int flags) { return open_path(AT_FDCWD, path, flags, 0); }
int __openat_2(int folder, const char* path, int flags) { return open_path(folder, path, flags, 0); }
int __openat64_2(int folder, const char* path, int flags) { return open_path(folder, path, flags, 0); }

std::FILE* fopen(const char* path, const char* mode) { return open_stream("fopen", path, mode); }
std::FILE* fopen64(const char* path, const char* mode) { return open_stream("fopen64", path, mode); }

int stat(const char* path, struct stat* status) noexcept {
  return describe(path, status) ? 0 : pass_on<int(const char*, struct stat*)>("stat", path, status);
}
int stat64(const char* path, struct stat64* status) noexcept {
  return describe(path, status) ? 0 : pass_on<int(const char*, struct stat64*)>("stat64", path, status);
}
int lstat(const char* path, struct stat* status) noexcept {
  return describe(path, status) ? 0 : pass_on<int(const char*, struct stat*)>("lstat", path, status);
}
int lstat64(const char* path, struct stat64* status) noexcept {
  return describe(path, status) ? 0 : pass_on<int(const char*, struct stat64*)>("lstat64", path, status);
}
int __xstat(int version, const char* path, struct stat* status) noexcept {
  return describe(path, status) ? 0 : pass_on<int(int, const char*, struct stat*)>("__xstat", version, path, status);
}
int fstatat(int folder, const char* path, struct stat* status, int flags) noexcept {
  if (describe(path, status)) return 0;
  return pass_on<int(int, const char*, struct stat*, int)>("fstatat", folder, path, status, flags);
}
int statx(int folder, const char* path, int flags, unsigned mask, struct statx* status) noexcept {
  struct stat plain{};
  if (!describe(path, &plain)) {
    return pass_on<int(int, const char*, int, unsigned, struct statx*)>("statx", folder, path, flags, mask, status);
  }
  std::memset(status, 0, sizeof(*status));
  status->stx_mask = STATX_TYPE | STATX_MODE | STATX_NLINK;
  status->stx_mode = static_cast<std::uint16_t>(plain.st_mode);
  status->stx_nlink = 1;
  status->stx_blksize = 4096;
  status->stx_rdev_major = major(plain.st_rdev);
  status->stx_rdev_minor = minor(plain.st_rdev);
  return 0;
}
int access(const char* path, int mode) noexcept {
  if (system_file(path)) return check_access(path, mode);
  return pass_on<int(const char*, int)>("access", path, mode);
}
int faccessat(int folder, const char* path, int mode, int flags) noexcept {
  if (system_file(path)) return check_access(path, mode);
  return pass_on<int(int, const char*, int, int)>("faccessat", folder, path, mode, flags);
}
}
