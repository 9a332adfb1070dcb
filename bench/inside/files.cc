#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <vector>

#include "bench/inside/clock.h"
#include "bench/inside/workloads.h"

namespace coffer::bench {

namespace {

constexpr std::size_t kFileSize = std::size_t{32} << 20;

using Bytes = std::vector<unsigned char>;
using Tag = std::array<unsigned char, 16>;
using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

class OpenFile {
 public:
  explicit OpenFile(const std::string& path) : handle_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    if (handle_ < 0) throw std::runtime_error("cannot open " + path);
  }
  ~OpenFile() { ::close(handle_); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  bool read(Bytes& block, std::size_t index) const {
    return ::pread(handle_, block.data(), block.size(), offset(block, index)) == static_cast<ssize_t>(block.size());
  }
  bool write(const Bytes& block, std::size_t index) const {
    return ::pwrite(handle_, block.data(), block.size(), offset(block, index)) == static_cast<ssize_t>(block.size());
  }
  [[nodiscard]] bool sync() const { return ::fsync(handle_) == 0; }

 private:
  static off_t offset(const Bytes& block, std::size_t index) { return static_cast<off_t>(index * block.size()); }
  int handle_;
};

// AES-256-GCM with a key that stays and a nonce for each block.
class Cipher {
 public:
  Cipher() {
    constexpr std::array<unsigned char, 32> kKey = {1, 2, 3};
    if (EVP_EncryptInit_ex(seal_.get(), EVP_aes_256_gcm(), nullptr, kKey.data(), nullptr) != 1 ||
        EVP_DecryptInit_ex(open_.get(), EVP_aes_256_gcm(), nullptr, kKey.data(), nullptr) != 1) {
      throw std::runtime_error("AES-GCM failed");
    }
  }
  bool seal(const Bytes& plain, Bytes& sealed, std::size_t index, Tag& tag) {
    const Nonce nonce = nonce_of(index);
    int size = 0;
    return EVP_EncryptInit_ex(seal_.get(), nullptr, nullptr, nullptr, nonce.data()) == 1 &&
           EVP_EncryptUpdate(seal_.get(), sealed.data(), &size, plain.data(), static_cast<int>(plain.size())) == 1 &&
           EVP_EncryptFinal_ex(seal_.get(), sealed.data(), &size) == 1 &&
           EVP_CIPHER_CTX_ctrl(seal_.get(), EVP_CTRL_GCM_GET_TAG, static_cast<int>(tag.size()), tag.data()) == 1;
  }
  bool open(const Bytes& sealed, Bytes& plain, std::size_t index, Tag& tag) {
    const Nonce nonce = nonce_of(index);
    int size = 0;
    return EVP_DecryptInit_ex(open_.get(), nullptr, nullptr, nullptr, nonce.data()) == 1 &&
           EVP_DecryptUpdate(open_.get(), plain.data(), &size, sealed.data(), static_cast<int>(sealed.size())) == 1 &&
           EVP_CIPHER_CTX_ctrl(open_.get(), EVP_CTRL_GCM_SET_TAG, static_cast<int>(tag.size()), tag.data()) == 1 &&
           EVP_DecryptFinal_ex(open_.get(), plain.data(), &size) == 1;
  }

 private:
  using Nonce = std::array<unsigned char, 12>;
  static Nonce nonce_of(std::size_t index) {
    Nonce nonce{};
    std::memcpy(nonce.data(), &index, sizeof(index));
    return nonce;
  }
  Context seal_{EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free};
  Context open_{EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free};
};

std::vector<std::size_t> order_of(std::size_t blocks, Order how) {
  constexpr std::size_t kParts = 8;
  const std::size_t rounds = how == Order::kPartAtRandom ? kParts : 1;
  std::vector<std::size_t> order(blocks / rounds);
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (how != Order::kUpwards) std::shuffle(order.begin(), order.end(), std::mt19937_64(blocks));
  const std::vector<std::size_t> once = order;
  for (std::size_t round = 1; round < rounds; ++round) order.insert(order.end(), once.begin(), once.end());
  return order;
}

// The index stands in each block, so that a reader notices when it gets another one.
void stamp(Bytes& block, std::size_t index) { std::memcpy(block.data(), &index, sizeof(index)); }
bool has_stamp(const Bytes& block, std::size_t index) { return std::memcmp(block.data(), &index, sizeof(index)) == 0; }

std::map<std::string, std::vector<Tag>>& tags_by_path() {
  static std::map<std::string, std::vector<Tag>> tags;
  return tags;
}

// Calls `move(index)` for each block; the clock stops after `finish()`.
template <class Move, class Finish>
Ticks timed(std::size_t block_size, Order how, const Move& move, const Finish& finish) {
  const std::vector<std::size_t> order = order_of(kFileSize / block_size, how);
  bool good = true;
  const Ticks start = ticks_now();
  for (const std::size_t index : order) good &= move(index);
  good &= finish();
  const Ticks end = ticks_now();
  if (!good) throw std::runtime_error("the file does not hold what was written");
  return end - start;
}

bool nothing_more() { return true; }

}  // namespace

Ticks write_file(std::uint64_t block_size, const std::string& path, Order how) {
  const OpenFile file(path);
  Bytes block(block_size, 7);
  const auto move = [&](std::size_t index) {
    stamp(block, index);
    return file.write(block, index);
  };
  return timed(block_size, how, move, [&] { return file.sync(); });
}

Ticks read_file(std::uint64_t block_size, const std::string& path, Order how) {
  const OpenFile file(path);
  Bytes block(block_size, 7);
  const auto move = [&](std::size_t index) { return file.read(block, index) && has_stamp(block, index); };
  return timed(block_size, how, move, nothing_more);
}

Ticks seal_and_write_file(std::uint64_t block_size, const std::string& path, Order how) {
  const OpenFile file(path);
  Cipher cipher;
  std::vector<Tag>& tags = tags_by_path()[path];
  tags.resize(kFileSize / block_size);
  Bytes block(block_size, 7);
  Bytes sealed(block_size, 7);
  const auto move = [&](std::size_t index) {
    stamp(block, index);
    return cipher.seal(block, sealed, index, tags[index]) && file.write(sealed, index);
  };
  return timed(block_size, how, move, [&] { return file.sync(); });
}

Ticks read_and_open_file(std::uint64_t block_size, const std::string& path, Order how) {
  const OpenFile file(path);
  Cipher cipher;
  std::vector<Tag>& tags = tags_by_path()[path];
  if (tags.size() != kFileSize / block_size) throw std::runtime_error("the file was written with other blocks");
  Bytes block(block_size, 7);
  Bytes sealed(block_size, 7);
  const auto move = [&](std::size_t index) {
    return file.read(sealed, index) && cipher.open(sealed, block, index, tags[index]) && has_stamp(block, index);
  };
  return timed(block_size, how, move, nothing_more);
}

}  // namespace coffer::bench
