#include "service/host/platform_image.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "base/secret.h"
#include "host/image/coffer_image.h"
#include "host/image/signer.h"
#include "host/parts.h"
#include "sgx/sigstruct.h"

namespace coffer::service {
namespace {

constexpr std::size_t kKeyFileLimit = 1 << 16;

Result<sgx::SigningKey> read_key(const std::filesystem::path& path) {
  auto pem = read_file(path, kKeyFileLimit);
  if (!pem) return std::unexpected(pem.error());
  auto key = sgx::SigningKey::from_pem({reinterpret_cast<const char*>(pem->data()), pem->size()});
  wipe(pem->data(), pem->size());
  if (!key) return input_error(path.string() + ": " + key.error().message);
  return key;
}

// Two first uses at once agree on one key: the lock orders them.
Result<sgx::SigningKey> platform_key() {
  const auto state = state_directory();
  if (!state) return std::unexpected(state.error());
  const auto path = *state / "services.pem";
  const FileDescriptor lock(::open((*state / "services.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock || ::flock(lock.get(), LOCK_EX) != 0) return system_error("cannot lock " + path.string(), errno);
  std::error_code error;
  if (std::filesystem::exists(path, error)) return read_key(path);
  auto key = sgx::SigningKey::generate();
  if (!key) return key;
  auto pem = key->private_pem();
  if (!pem) return std::unexpected(pem.error());
  auto written = write_file_atomically(path, std::as_bytes(std::span(*pem)), 0600);
  wipe(pem->data(), pem->size());
  if (!written) return std::unexpected(written.error());
  return key;
}

}  // namespace

Result<FileDescriptor> platform_image(std::string_view name) {
  const auto part = host::find_part(name);
  if (!part) return std::unexpected(part.error());
  auto file = read_file(*part);
  if (!file) return std::unexpected(file.error());
  const auto key = platform_key();
  if (!key) return std::unexpected(key.error());
  if (auto done = image::sign_image(*file, part->string(), *key); !done) return std::unexpected(done.error());
  FileDescriptor memory(::memfd_create("service-image", MFD_CLOEXEC));
  if (!memory) return system_error("cannot make a memory file", errno);
  if (::pwrite(memory.get(), file->data(), file->size(), 0) != static_cast<ssize_t>(file->size())) {
    return system_error("cannot write a memory file", errno);
  }
  return memory;
}

}  // namespace coffer::service
