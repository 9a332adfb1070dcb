// What sgx_tprotected_fs.edl asks of the application: pieces of files, as the enclave names them. libsgx_uprotected_fs.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <string>

namespace {

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return number_; }

 private:
  int number_;
};

std::string new_name(const char* name) { return std::string(name) + ".new"; }

// All of the bytes, or an errno; EIO where the file ends before.
template <class Step>
std::int32_t transfer(std::uint64_t size, Step step) {
  for (std::uint64_t done = 0; done < size;) {
    const ssize_t moved = step(done);
    if (moved < 0 && errno == EINTR) continue;
    if (moved < 0) return errno;
    if (moved == 0) return EIO;
    done += static_cast<std::uint64_t>(moved);
  }
  return 0;
}

}  // namespace

extern "C" {

std::int32_t coffer_protected_size(const char* name, std::uint64_t* size) {
  struct stat status{};
  if (::stat(name, &status) != 0) return errno;
  if (!S_ISREG(status.st_mode)) return EINVAL;
  *size = static_cast<std::uint64_t>(status.st_size);
  return 0;
}

std::int32_t coffer_protected_read(const char* name, std::uint64_t offset, std::uint8_t* bytes, std::uint64_t size) {
  const Descriptor file(::open(name, O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return errno;
  return transfer(size, [&](std::uint64_t done) {
    return ::pread(file.get(), bytes + done, size - done, static_cast<off_t>(offset + done));
  });
}

std::int32_t coffer_protected_write(const char* name, std::uint64_t offset, const std::uint8_t* bytes,
                                    std::uint64_t size) {
  const int start = offset == 0 ? O_CREAT | O_TRUNC : 0;
  const Descriptor file(::open(new_name(name).c_str(), O_WRONLY | O_CLOEXEC | start, 0600));
  if (file.get() < 0) return errno;
  return transfer(size, [&](std::uint64_t done) {
    return ::pwrite(file.get(), bytes + done, size - done, static_cast<off_t>(offset + done));
  });
}

std::int32_t coffer_protected_replace(const char* name) {
  const std::string written = new_name(name);
  {
    const Descriptor file(::open(written.c_str(), O_WRONLY | O_CLOEXEC));
    if (file.get() < 0 || ::fsync(file.get()) != 0) return errno;
  }
  return std::rename(written.c_str(), name) == 0 ? 0 : errno;
}

std::int32_t coffer_protected_remove(const char* name) { return ::unlink(name) == 0 ? 0 : errno; }

}  // extern "C"
