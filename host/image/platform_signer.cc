#include "host/image/platform_signer.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "base/secret.h"
#include "host/image/signer.h"

namespace coffer::image {

namespace {
constexpr std::size_t kKeyFileLimit = 1 << 16;
}

Result<sgx::SigningKey> read_signing_key(const std::filesystem::path& path) {
  auto pem = read_file(path, kKeyFileLimit);
  if (!pem) return std::unexpected(pem.error());
  auto key = sgx::SigningKey::from_pem({reinterpret_cast<const char*>(pem->data()), pem->size()});
  wipe(pem->data(), pem->size());
  if (!key) return input_error(path.string() + ": " + key.error().message);
  if (!key->is_private()) return input_error(path.string() + " is a public key; the private one is needed");
  return key;
}

Result<sgx::SigningKey> platform_signing_key(std::string_view name) {
  auto state = state_directory();
  if (!state) return std::unexpected(state.error());
  const auto path = *state / (std::string(name) + ".pem");
  const auto lock_path = *state / (std::string(name) + ".lock");
  const FileDescriptor lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock || ::flock(lock.get(), LOCK_EX) != 0) return system_error("cannot lock " + path.string(), errno);
  std::error_code error;
  const bool there = std::filesystem::exists(path, error);
  if (error) return system_error("cannot look at " + path.string(), error.value());
  if (there) return read_signing_key(path);
  auto key = sgx::SigningKey::generate();
  if (!key) return key;
  auto pem = key->private_pem();
  if (!pem) return std::unexpected(pem.error());
  auto written = write_file_atomically(path, std::as_bytes(std::span(*pem)), 0600);
  wipe(pem->data(), pem->size());
  if (!written) return std::unexpected(written.error());
  return key;
}

Result<FileDescriptor> sign_in_memory(std::span<std::byte> file, const std::string& name, const sgx::SigningKey& key) {
  if (auto done = sign_image(file, name, key); !done) return std::unexpected(done.error());
  FileDescriptor memory(::memfd_create("image", MFD_CLOEXEC));
  if (!memory) return system_error("cannot make a memory file", errno);
  if (::pwrite(memory.get(), file.data(), file.size(), 0) != static_cast<ssize_t>(file.size())) {
    return system_error("cannot write a memory file", errno);
  }
  return memory;
}

}  // namespace coffer::image
