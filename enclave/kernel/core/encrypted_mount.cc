#include "enclave/kernel/core/encrypted_mount.h"

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/secret.h"
#include "enclave/kernel/core/enclu.h"
#include "enclave/kernel/core/image.h"
#include "enclave/kernel/core/kernel.h"
#include "enclave/kernel/fs/encrypted/encrypted_file_system.h"
#include "enclave/kernel/fs/encrypted/format.h"
#include "enclave/kernel/fs/files.h"
#include "enclave/kernel/support/crypto.h"
#include "enclave/kernel/support/random.h"

namespace coffer::kernel {

using boundary::LayoutMount;
using boundary::MountInfo;
using fs::encrypted::KeyHeader;

namespace {

void file_clock(std::int64_t* seconds, std::uint32_t* nanoseconds) {
  const fs::Timestamp now = fs::realtime_now();
  *seconds = now.seconds;
  *nanoseconds = now.nanoseconds;
}

std::string decimal(int value) {
  std::string digits;
  for (; value != 0; value /= 10) digits.insert(digits.begin(), static_cast<char>('0' + value % 10));
  return digits.empty() ? "0" : digits;
}

// A start that cannot be, through no fault of the program: one line, and exit status 1.
[[noreturn]] void refuse(std::string_view path, std::string_view why) {
  log_always("the encrypted mount " + std::string(path) + std::string(why));
  while (true) call_host(boundary::Request::kExit, 1);
}

[[noreturn]] void refuse(std::string_view path, int errno_value) {
  if (errno_value == EIO) refuse(path, " was changed outside, or belongs to another enclave or key");
  refuse(path, " cannot be opened (errno " + decimal(errno_value) + ")");
}

struct Versions {
  std::uint16_t isv_svn;
  sgx::Bytes<16> cpu_svn;
};
Versions own_versions() {
  sgx::Report report{};
  if (!make_report(sgx::TargetInfo{}, {}, &report)) panic("EREPORT failed");
  return {report.body.isv_svn, report.body.cpu_svn};
}

// A new mount is under the key of what this enclave and this platform are now: who is older cannot derive it.
KeyHeader header_for_new(const Versions& own) {
  KeyHeader header;
  header.magic = fs::encrypted::kKeyMagic;
  header.isv_svn = own.isv_svn;
  std::memcpy(header.cpu_svn.data(), own.cpu_svn.data(), header.cpu_svn.size());
  random_bytes(std::as_writable_bytes(std::span(header.key_id)));
  return header;
}

const LayoutMount& declaration_of(std::string_view path) {
  for (const LayoutMount& declared : layout_table<LayoutMount>(layout().mounts_table, layout().mount_count)) {
    if (layout_text(declared.path_offset, declared.path_size) == path) return declared;
  }
  panic("a mount that the image does not declare");
}

// A header of zeros is the request of mounts from before there were headers.
sgx::LeafError derive_key(const LayoutMount& declared, std::string_view path, const KeyHeader& header,
                          std::span<std::byte, 32> key) {
  constexpr std::uint32_t kByEnclave = 1;
  sgx::KeyRequest request{};
  request.key_name = static_cast<std::uint16_t>(sgx::KeyName::kSeal);
  request.key_policy = declared.key_policy == kByEnclave ? sgx::key_policy::kMrEnclave : sgx::key_policy::kMrSigner;
  request.isv_svn = header.isv_svn;
  std::memcpy(request.cpu_svn.data(), header.cpu_svn.data(), header.cpu_svn.size());
  std::memcpy(request.key_id.data(), header.key_id.data(), header.key_id.size());
  // Any state of the debug bit tells apart; everything else of the flags may change with the machine.
  request.attribute_mask.flags = sgx::attribute::kInit | sgx::attribute::kDebug;
  sgx::Bytes<16> sealing{};
  const sgx::LeafError error = get_key(request, &sealing);
  if (error != sgx::LeafError::kSuccess) return error;
  constexpr std::string_view kSalt = "coffer encrypted mount v1";
  hkdf_sha256(std::as_bytes(std::span(sealing)), std::as_bytes(std::span(kSalt)), std::as_bytes(std::span(path)), key);
  wipe(&sealing, sizeof(sealing));
  return error;
}

}  // namespace

fs::FileSystem* open_encrypted_mount(MountInfo& mount) {
  const std::string_view path = mount.path;
  // Directory and file system live as long as the enclave.
  fs::HostDirectory* directory = fs::make_host_directory(mount.id).release();
  fs::EncryptedOptions options{.label = path, .read_only = mount.read_only != 0, .clock = file_clock};
  Key256 key;
  KeyHeader header;
  if (mount.has_key != 0) {
    std::memcpy(key.bytes().data(), mount.key, sizeof(mount.key));
    wipe(mount.key, sizeof(mount.key));
  } else {
    const Versions own = own_versions();
    const auto stored = fs::encrypted::read_key_header(*directory);
    if (!stored && stored.error() != ENOENT) refuse(path, stored.error());
    header = stored ? *stored : header_for_new(own);
    options.key_header = &header;
    options.must_exist = stored.has_value();
    switch (derive_key(declaration_of(path), path, header, key.bytes())) {
      case sgx::LeafError::kSuccess:
        break;
      case sgx::LeafError::kInvalidIsvSvn:
        refuse(path, " was made by version " + decimal(header.isv_svn) + " (svn) of this enclave, and this is " +
                         decimal(own.isv_svn) + ": run that version or a newer one");
      case sgx::LeafError::kInvalidCpuSvn:
        refuse(path, " was made on a newer version of this platform (CPUSVN): bring the platform up to it");
      default:
        panic("EGETKEY gave no sealing key for a mount");
    }
  }
  auto opened = fs::EncryptedFileSystem::mount(*directory, key.bytes(), options);
  if (!opened) refuse(path, opened.error());
  return opened->release();
}

}  // namespace coffer::kernel
