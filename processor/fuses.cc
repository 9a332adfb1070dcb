// The platform's fuses in the state directory: `fuses`, the root keys, and `owner-epoch`, which the machine's owner may
// wipe to give up everything that was sealed.
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/bytes.h"
#include "base/file.h"
#include "base/hex.h"
#include "processor/keys.h"

namespace coffer::processor {

namespace {

using Magic = std::array<char, 8>;
constexpr Magic kMagic = {'C', 'O', 'F', 'F', 'U', 'S', 'E', '2'};
constexpr Magic kFirstMagic = {'C', 'O', 'F', 'F', 'U', 'S', 'E', '1'};

struct FuseFile {  // the file's bytes
  Magic magic = kMagic;
  std::array<std::byte, 32> root_sealing{}, root_provisioning{};
  sgx::Bytes<16> cpu_svn{};
  sgx::Bytes<32> checksum{};  // SHA-256 of everything before: damage, not malice, is what it is for
};
static_assert(sizeof(FuseFile) == 120);

struct FirstFuseFile {  // of the first version: no checksum, and the epoch inside
  Magic magic;
  std::array<std::byte, 32> root_sealing, root_provisioning;
  sgx::Bytes<16> cpu_svn, owner_epoch;
};
static_assert(sizeof(FirstFuseFile) == 104);

sgx::Bytes<32> checksum_of(const FuseFile& file) {
  sgx::Bytes<32> digest{};
  std::size_t size = 0;
  if (EVP_Q_digest(nullptr, "SHA256", nullptr, &file, offsetof(FuseFile, checksum), digest.data(), &size) != 1) {
    std::abort();
  }
  return digest;
}

template <class File>
void take_keys(const File& file, Fuses& fuses) {
  std::memcpy(fuses.root_sealing.bytes().data(), file.root_sealing.data(), 32);
  std::memcpy(fuses.root_provisioning.bytes().data(), file.root_provisioning.data(), 32);
  fuses.cpu_svn = file.cpu_svn;
}

Result<void> write_fuses(const std::filesystem::path& path, Fuses& fuses) {
  FuseFile file;
  std::memcpy(file.root_sealing.data(), fuses.root_sealing.bytes().data(), 32);
  std::memcpy(file.root_provisioning.data(), fuses.root_provisioning.bytes().data(), 32);
  file.cpu_svn = fuses.cpu_svn;
  file.checksum = checksum_of(file);
  auto written = write_file_atomically(path, bytes_of(file), 0600);
  wipe(&file, sizeof(file));
  return written;
}

std::unexpected<Error> damaged(const std::filesystem::path& path) {
  return input_error(path.string() + " is damaged; restore it from a backup (a new one cannot open sealed data)");
}

// What the file at `path` says; *first_version: it is of the version that kept the owner's epoch too.
Result<Fuses> read_fuses(const std::filesystem::path& path, bool* first_version) {
  auto content = read_file(path, 4096);
  if (!content) return std::unexpected(content.error());
  Fuses fuses;
  Magic magic{};
  if (content->size() < sizeof(magic)) return damaged(path);
  std::memcpy(magic.data(), content->data(), sizeof(magic));
  *first_version = magic == kFirstMagic;
  bool good = false;
  if (*first_version && content->size() == sizeof(FirstFuseFile)) {
    FirstFuseFile file;
    std::memcpy(&file, content->data(), sizeof(file));
    take_keys(file, fuses);
    fuses.owner_epoch = file.owner_epoch;
    wipe(&file, sizeof(file));
    good = true;
  } else if (magic == kMagic && content->size() == sizeof(FuseFile)) {
    FuseFile file;
    std::memcpy(&file, content->data(), sizeof(file));
    take_keys(file, fuses);
    good = file.checksum == checksum_of(file);
    wipe(&file, sizeof(file));
  }
  wipe(content->data(), content->size());
  if (good) return fuses;
  if (magic != kMagic && magic != kFirstMagic) {
    return input_error(path.string() + " is not a fuse file of this version");
  }
  return damaged(path);
}

Result<void> write_epoch(const std::filesystem::path& path, const sgx::Bytes<16>& epoch) {
  const std::string line = to_hex(std::as_bytes(std::span(epoch))) + "\n";
  return write_file_atomically(path, std::as_bytes(std::span(line)), 0600);
}

Result<void> new_epoch(const std::filesystem::path& path, sgx::Bytes<16>& epoch) {
  if (RAND_priv_bytes(epoch.data(), static_cast<int>(epoch.size())) != 1) {
    return fail(ErrorKind::kSystem, "no random numbers for the owner's epoch");
  }
  return write_epoch(path, epoch);
}

// The owner's epoch: an empty file is one that its owner has wiped.
Result<void> read_epoch(const std::filesystem::path& path, sgx::Bytes<16>& epoch) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return input_error(path.string() +
                       " is missing: restore it, or, to give up everything that was sealed here, make " +
                       "it an empty file");
  }
  auto content = read_file(path, 4096);
  if (!content) return std::unexpected(content.error());
  if (content->empty()) return new_epoch(path, epoch);
  std::string text(reinterpret_cast<const char*>(content->data()), content->size());
  if (text.back() == '\n') text.pop_back();
  const auto bytes = from_hex(text);
  if (!bytes || bytes->size() != epoch.size()) {
    return input_error(path.string() + " is damaged; restore it from a backup, or, to give up everything that was " +
                       "sealed here, make it an empty file");
  }
  std::memcpy(epoch.data(), bytes->data(), epoch.size());
  return {};
}

}  // namespace

Result<Fuses> Fuses::ephemeral() {
  Fuses fuses;
  for (auto bytes : {fuses.root_sealing.bytes(), fuses.root_provisioning.bytes()}) {
    if (RAND_priv_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size())) != 1) {
      return fail(ErrorKind::kSystem, "no random numbers for the platform's fuses");
    }
  }
  fuses.cpu_svn.fill(1);
  return fuses;
}

Result<Fuses> Fuses::load_or_make(const std::filesystem::path& state_directory) {
  const auto path = state_directory / "fuses";
  const auto epoch_path = state_directory / "owner-epoch";
  // Two first launches at once must agree on one set: the lock file orders them.
  const auto lock_path = state_directory / "fuses.lock";
  FileDescriptor lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  // A directory that cannot be written holds the fuses that were made when it could be.
  if (!lock && errno == EROFS) lock = FileDescriptor(::open(lock_path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!lock || ::flock(lock.get(), LOCK_EX) != 0) return system_error("cannot lock " + path.string(), errno);
  std::error_code error;
  const bool there = std::filesystem::exists(path, error);
  // A file that cannot be looked at may be the platform's: making another one would lose it.
  if (error) return system_error("cannot look at " + path.string(), error.value());
  if (!there) {
    auto made = ephemeral();
    if (!made) return made;
    // The epoch first: fuses without one are an error, an epoch without fuses is not yet in use.
    if (auto written = new_epoch(epoch_path, made->owner_epoch); !written) return std::unexpected(written.error());
    if (auto written = write_fuses(path, *made); !written) return std::unexpected(written.error());
    return made;
  }
  bool first_version = false;
  auto fuses = read_fuses(path, &first_version);
  if (!fuses) return fuses;
  const bool has_epoch = !first_version || std::filesystem::exists(epoch_path, error);
  if (has_epoch) {
    if (auto read = read_epoch(epoch_path, fuses->owner_epoch); !read) return std::unexpected(read.error());
  }
  if (first_version) {
    // The epoch that everything was sealed in so far moves to its own file. Where the directory cannot be written, the
    // old file goes on being read.
    const bool moved = has_epoch || write_epoch(epoch_path, fuses->owner_epoch).has_value();
    if (moved) (void)write_fuses(path, *fuses);
  }
  return fuses;
}

}  // namespace coffer::processor
