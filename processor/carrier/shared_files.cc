#include "processor/carrier/shared_files.h"

#include <unistd.h>

#include <cerrno>
#include <limits>
#include <utility>

#include "processor/carrier/parking_lot.h"

namespace coffer::processor {

using boundary::Request;

namespace {

constexpr std::uint64_t kStreams = 3;  // handles of the standard streams, which only the host has

template <class Transfer>
ssize_t uninterrupted(const Transfer& transfer) {
  ssize_t moved = 0;
  do {
    moved = transfer();
  } while (moved < 0 && errno == EINTR);
  return moved;
}

}  // namespace

bool SharedFiles::add(std::uint64_t handle, FileDescriptor file) {
  if (handle < kStreams || handle >= files_.size() || !file) return false;
  auto taken = std::make_shared<const FileDescriptor>(std::move(file));
  const std::scoped_lock guard(lock_);
  if (files_[handle]) return false;
  files_[handle] = std::move(taken);
  return true;
}

bool SharedFiles::remove(std::uint64_t handle) {
  if (handle >= files_.size()) return false;
  File gone;  // declared first: closed, where nobody uses it, after the lock
  const std::scoped_lock guard(lock_);
  gone.swap(files_[handle]);
  return gone != nullptr;
}

SharedFiles::File SharedFiles::find(std::uint64_t handle) {
  if (handle >= files_.size()) return nullptr;
  const std::scoped_lock guard(lock_);
  return files_[handle];
}

bool SharedFiles::serve(Registers& registers, std::span<std::byte> area) {
  const std::uint64_t offset = registers.rdx;
  if (offset > std::numeric_limits<off_t>::max() || registers.r8 > area.size()) return false;
  const File file = find(registers.rsi);
  if (!file) return false;
  const auto position = static_cast<off_t>(offset);
  const auto bytes = area.first(registers.r8);
  const bool reads = registers.rdi == static_cast<std::uint64_t>(Request::kFileRead);
  const ssize_t moved = uninterrupted([&] {
    return reads ? ::pread(file->get(), bytes.data(), bytes.size(), position)
                 : ::pwrite(file->get(), bytes.data(), bytes.size(), position);
  });
  if (moved < 0) return false;
  answer_locally(registers, moved);
  return true;
}

}  // namespace coffer::processor
