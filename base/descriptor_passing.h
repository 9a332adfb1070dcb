// Messages with descriptors over a Unix socket of kind SOCK_SEQPACKET (unix(7), SCM_RIGHTS).
#pragma once

#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/file.h"
#include "base/result.h"

namespace coffer {

inline constexpr std::size_t kMaxPassedDescriptors = 128;

// Sends `message` as one packet with duplicates of `descriptors`, at most kMaxPassedDescriptors.
[[nodiscard]] Result<void> send_with_descriptors(int socket, ByteView message, std::span<const int> descriptors);

// Receives one packet of exactly `message.size()` bytes. Its descriptors, close-on-exec, are the caller's. Anything
// else (another size, more descriptors, the other end gone: ErrorKind::kLost) is an error, and nothing is kept.
[[nodiscard]] Result<std::vector<FileDescriptor>> receive_with_descriptors(int socket, std::span<std::byte> message);

}  // namespace coffer
