// Shared by the tests of encrypted mounts: a host, a key, and the file system's calls in few words.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "enclave/kernel/fs/encrypted/encrypted_file_system.h"
#include "enclave/kernel/fs/encrypted/format.h"
#include "enclave/kernel/testing/memory_host_directory.h"

namespace coffer::kernel::fs::testing {

using Bytes = std::vector<std::byte>;

inline std::array<std::byte, 32> test_key(unsigned char first = 1) {
  std::array<std::byte, 32> key{};
  key[0] = std::byte{first};
  return key;
}

inline Bytes text(std::string_view from) {
  const auto bytes = std::as_bytes(std::span(from.data(), from.size()));
  return {bytes.begin(), bytes.end()};
}

inline Bytes noise(std::size_t size, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Bytes bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

// A mounted file system; errors are the errno, 0 is success.
class Mount {
 public:
  explicit Mount(HostDirectory& host, EncryptedOptions options = {}, std::array<std::byte, 32> key = test_key()) {
    auto mounted = EncryptedFileSystem::mount(host, key, options);
    if (mounted) {
      system_ = std::move(*mounted);
    } else {
      error_ = mounted.error();
    }
  }
  [[nodiscard]] int error() const { return error_; }
  EncryptedFileSystem* operator->() { return system_.get(); }
  void unmount() { system_.reset(); }

  Ref<File> open(std::string_view path, int flags = O_RDWR | O_CREAT) {
    auto file = system_->open(path, flags, 0644);
    error_ = file ? 0 : file.error();
    return file ? std::move(*file) : Ref<File>();
  }
  int write(std::string_view path, const Bytes& content, bool sync = false) {
    Ref<File> file = open(path, O_RDWR | O_CREAT | O_TRUNC);
    if (!file) return error_;
    for (std::size_t done = 0; done < content.size();) {
      auto count = file->write_at(done, std::span(content).subspan(done));
      if (!count) return count.error();
      done += *count;
    }
    if (!sync) return 0;
    auto synced = file->sync(false);
    return synced ? 0 : synced.error();
  }
  // The content, or nothing and error() set.
  Bytes read(std::string_view path) {
    Ref<File> file = open(path, O_RDONLY);
    return file ? read(*file) : Bytes{};
  }
  Bytes read(File& file) {
    error_ = 0;
    auto status = file.status();
    if (!status) {
      error_ = status.error();
      return {};
    }
    Bytes content(status->size);
    for (std::size_t done = 0; done < content.size();) {
      auto count = file.read_at(done, std::span(content).subspan(done));
      if (!count || *count == 0) {
        error_ = count ? EIO : count.error();
        return {};
      }
      done += *count;
    }
    return content;
  }
  std::vector<std::string> names(std::string_view path = "") {
    std::vector<std::string> found;
    Ref<File> directory = open(path, O_RDONLY | O_DIRECTORY);
    if (!directory) return found;
    auto entries = directory->entries();
    error_ = entries ? 0 : entries.error();
    if (!entries) return found;
    for (const DirectoryEntry& entry : *entries) found.push_back(entry.name);
    std::ranges::sort(found);
    return found;
  }

 private:
  std::unique_ptr<EncryptedFileSystem> system_;
  int error_ = 0;
};

inline int code(const Expected<void>& result) { return result ? 0 : result.error(); }

}  // namespace coffer::kernel::fs::testing
