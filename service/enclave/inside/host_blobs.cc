#include "service/enclave/inside/host_blobs.h"

#include <coffer/calls.h>

#include <algorithm>
#include <cstring>

#include "service/wire/protocol.h"

namespace coffer::service {
namespace {

struct Fetched {
  std::int64_t status = kFailed;  // the size, or kNoBlob
  std::vector<std::byte> bytes;
};

// A buffer that both sides reach, for as long as it lives: larger ones than a SharedBlock's stack holds.
class SharedBuffer {
 public:
  explicit SharedBuffer(std::size_t size)
      : memory_(calls::allocate_shared(std::max<std::size_t>(size, 1))), size_(size) {}
  ~SharedBuffer() { calls::release_shared(memory_); }
  SharedBuffer(const SharedBuffer&) = delete;
  SharedBuffer& operator=(const SharedBuffer&) = delete;
  [[nodiscard]] bool empty() const { return memory_ == nullptr; }
  [[nodiscard]] std::span<std::byte> bytes() const { return {static_cast<std::byte*>(memory_), size_}; }

 private:
  void* memory_;
  std::size_t size_;
};

Fetched fetch(HostRequest request, const std::string& name, std::size_t most) {
  std::size_t room = 16 << 10;
  // The second time there is room for what the host says it has; it may say another thing then.
  for (int turn = 0; turn < 2; ++turn) {
    const SharedBuffer in(name.size()), out(room);
    if (in.empty() || out.empty()) return {};
    std::memcpy(in.bytes().data(), name.data(), name.size());
    const auto answer = calls::call_host(static_cast<std::uint64_t>(request), in.bytes(), out.bytes());
    if (!answer) return {};
    if (answer->status < 0) return {.status = answer->status};
    const auto size = static_cast<std::size_t>(answer->status);
    if (size > most) return {};
    if (size <= room) {
      if (answer->written != size) return {};
      const auto bytes = out.bytes().first(size);
      return {.status = answer->status, .bytes = {bytes.begin(), bytes.end()}};
    }
    room = size;
  }
  return {};
}

}  // namespace

Result<std::optional<std::vector<std::byte>>> HostBlobs::get(const std::string& name) {
  Fetched fetched = fetch(HostRequest::kBlobGet, name, kLargestBlob);
  if (fetched.status == kNoBlob) return std::nullopt;
  if (fetched.status < 0) return fail(ErrorKind::kSystem, "the host does not give what was stored");
  return std::optional(std::move(fetched.bytes));
}

Result<void> HostBlobs::apply(const std::vector<BlobChange>& changes) {
  const std::vector<std::byte> batch = encode_batch(changes);
  const SharedBuffer in(batch.size());
  if (in.empty()) return fail(ErrorKind::kSystem, "there is no shared memory left for the host to store from");
  std::memcpy(in.bytes().data(), batch.data(), batch.size());
  const auto answer = calls::call_host(static_cast<std::uint64_t>(HostRequest::kBlobApply), in.bytes(), {});
  if (!answer || answer->status != 0) return fail(ErrorKind::kSystem, "the host cannot store: its log says why");
  return {};
}

std::optional<std::vector<std::byte>> host_file(const std::string& name, std::size_t most) {
  Fetched fetched = fetch(HostRequest::kFile, name, most);
  if (fetched.status < 0) return std::nullopt;
  return std::move(fetched.bytes);
}

}  // namespace coffer::service
