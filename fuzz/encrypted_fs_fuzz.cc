// The stored form of encrypted mounts, without its encryption: a cipher that does nothing and a tag that always fits
// stand in for the real ones, so that the input reaches every structure behind them. Whatever a mount holds, using it
// must not crash.
//
// Input: patches to a sound mount, each 8 bytes (file, offset 24 bits, length, 3 spare) and then its bytes.
#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "base/bytes.h"
#include "enclave/kernel/fs/encrypted/encrypted_file_system.h"
#include "enclave/kernel/support/crypto.h"
#include "enclave/kernel/testing/memory_host_directory.h"

namespace coffer::kernel {

CryptoBatch::CryptoBatch() = default;
CryptoBatch::~CryptoBatch() {}  // not defaulted: the kernel's does something

AesGcm256::AesGcm256(std::span<const std::byte, 32>) { state_[0] = std::byte{0}; }
AesGcm256::~AesGcm256() = default;
void AesGcm256::seal(std::span<const std::byte, kAesGcmNonceSize>, std::span<const std::byte>,
                     std::span<const std::byte> plaintext, std::span<std::byte> ciphertext,
                     std::span<std::byte, kAesGcmTagSize> tag) {
  std::memmove(ciphertext.data(), plaintext.data(), plaintext.size());
  std::ranges::fill(tag, std::byte{0});
}
bool AesGcm256::open(std::span<const std::byte, kAesGcmNonceSize>, std::span<const std::byte>,
                     std::span<const std::byte> ciphertext, std::span<std::byte> plaintext,
                     std::span<const std::byte, kAesGcmTagSize>) {
  std::memmove(plaintext.data(), ciphertext.data(), ciphertext.size());
  return true;
}
void AesGcm256::seal(const CryptoBatch&, std::span<const std::byte, kAesGcmNonceSize> nonce,
                     std::span<const std::byte> aad, std::span<const std::byte> plaintext,
                     std::span<std::byte> ciphertext, std::span<std::byte, kAesGcmTagSize> tag) {
  seal(nonce, aad, plaintext, ciphertext, tag);
}
bool AesGcm256::open(const CryptoBatch&, std::span<const std::byte, kAesGcmNonceSize> nonce,
                     std::span<const std::byte> aad, std::span<const std::byte> ciphertext,
                     std::span<std::byte> plaintext, std::span<const std::byte, kAesGcmTagSize> tag) {
  return open(nonce, aad, ciphertext, plaintext, tag);
}
void hmac_sha256(std::span<const std::byte>, std::span<const std::byte>, std::span<std::byte, kSha256Size> mac) {
  std::ranges::fill(mac, std::byte{0});
}
void sha256(std::span<const std::byte>, std::span<std::byte, kSha256Size> digest) {
  std::ranges::fill(digest, std::byte{0});
}
void hkdf_sha256(std::span<const std::byte>, std::span<const std::byte>, std::span<const std::byte>,
                 std::span<std::byte> output) {
  std::ranges::fill(output, std::byte{0});
}
void random_bytes(std::span<std::byte> output) { std::ranges::fill(output, std::byte{7}); }

}  // namespace coffer::kernel

namespace coffer::kernel::fs {
namespace {

using testing::MemoryHostDirectory;

constexpr std::array<std::byte, 32> kKey{};
constexpr std::array kNames{"a", "b", "dir/c", "dir/d"};

EncryptedOptions small_cache() {
  EncryptedOptions options;
  options.cache_blocks = 64;
  return options;
}

void write(EncryptedFileSystem& system, std::string_view name, std::uint64_t offset, std::size_t size) {
  auto file = system.open(name, O_RDWR | O_CREAT, 0600);
  if (!file) return;
  const std::vector<std::byte> bytes(size, std::byte{0x5a});
  (void)(*file)->write_at(offset, bytes);
}

MemoryHostDirectory::Image sound_mount() {
  MemoryHostDirectory host;
  auto system = EncryptedFileSystem::mount(host, kKey, small_cache());
  if (!system) __builtin_trap();
  (void)(*system)->make_directory("dir", 0700);
  write(**system, "a", 0, 500'000);
  write(**system, "b", 1 << 30, 100);
  write(**system, "dir/c", 0, 10);
  write(**system, "dir/d", 5000, 9000);
  (void)(*system)->remove("a", false);
  write(**system, "a", 0, 450'000);
  system->reset();
  return host.image();
}

void use(EncryptedFileSystem& system) {
  std::vector<std::byte> bytes(100'000);
  for (const std::string_view name : kNames) {
    auto file = system.open(name, O_RDWR, 0);
    if (!file) continue;
    (void)(*file)->status();
    (void)(*file)->entries();
    (void)(*file)->read_at(0, bytes);
    (void)(*file)->read_at(4096 * 3 + 17, std::span(bytes).first(300));
    (void)(*file)->write_at(4096 * 2 + 1, std::span(bytes).first(5000));
    (void)(*file)->truncate(10'000);
  }
  for (const std::string_view name : {"", "dir"}) {
    auto directory = system.open(name, O_RDONLY | O_DIRECTORY, 0);
    if (directory) (void)(*directory)->entries();
  }
  (void)system.rename("dir/c", "moved", 0);
  (void)system.remove("b", false);
  write(system, "new", 0, 20'000);
  (void)system.make_directory("dir/sub", 0700);
  (void)system.rename("new", "dir/d", 0);
  (void)system.remove("dir", true);
  (void)system.sync();
}

}  // namespace
}  // namespace coffer::kernel::fs

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace coffer;
  using namespace coffer::kernel::fs;
  static const MemoryHostDirectory::Image sound = sound_mount();
  MemoryHostDirectory::Image image = sound;
  ByteReader reader(std::as_bytes(std::span(data, size)));
  for (int patches = 0; patches < 32; ++patches) {
    const auto head = reader.read<std::array<std::uint8_t, 8>>();
    if (!head) break;
    auto& content = image[(*head)[0] % 2 == 0 ? "coffer.root" : "coffer.data"];
    const std::size_t offset = (*head)[1] | (*head)[2] << 8 | (*head)[3] << 16;
    const auto bytes = reader.take(std::min<std::size_t>((*head)[4], reader.remaining()));
    if (!bytes || content.empty()) break;
    for (std::size_t i = 0; i < bytes->size(); ++i) content[(offset + i) % content.size()] = (*bytes)[i];
  }
  MemoryHostDirectory host;
  host.set_image(image);
  auto system = EncryptedFileSystem::mount(host, kKey, small_cache());
  if (system) use(**system);
  return 0;
}
