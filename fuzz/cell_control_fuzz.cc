// Hostile messages to the device side of a cell: whatever comes over the control socket has an answer of known form.
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "base/file.h"
#include "processor/cell/control.h"

namespace {

using namespace coffer;
using boundary::ControlAnswer;
using boundary::ControlMessage;

constexpr std::size_t kArenaSize = std::size_t{64} << 10;
constexpr std::size_t kMostMessages = 8;  // as many as the socket holds with their answers
constexpr std::uint64_t kMostEpc = std::uint64_t{1} << 20;

std::byte* arena() {
  static std::byte* const memory =
      static_cast<std::byte*>(::mmap(nullptr, kArenaSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  return memory;
}

std::shared_ptr<const processor::KeyVault> vault() {
  static const auto one = std::make_shared<const processor::KeyVault>(std::move(*processor::Fuses::ephemeral()));
  return one;
}

// Half of the addresses a host gives are good ones, so that the checks behind the first are reached.
void aim(ControlMessage& message) {
  if ((message.b & 1) == 0) message.b = reinterpret_cast<std::uint64_t>(arena()) + message.b % kArenaSize;
  if (message.operation == boundary::ControlOperation::kCreate) message.a %= kMostEpc;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0) std::abort();
  const FileDescriptor host(pair[0]);
  const FileDescriptor cell(pair[1]);
  std::size_t sent = 0;
  for (; sent < kMostMessages && size != 0; ++sent) {
    ControlMessage message{};
    const std::size_t piece = std::min(size, sizeof(message));
    std::memcpy(static_cast<void*>(&message), data, piece);
    aim(message);
    if (::send(host.get(), &message, sizeof(message), 0) != sizeof(message)) std::abort();
    data += piece;
    size -= piece;
  }
  std::memcpy(arena(), data, std::min(size, kArenaSize));
  ::shutdown(host.get(), SHUT_WR);
  cell::Control control(cell.get(), {reinterpret_cast<std::uint64_t>(arena()), kArenaSize}, vault());
  control.serve();
  for (std::size_t i = 0; i < sent; ++i) {
    ControlAnswer answer{};
    if (::recv(host.get(), &answer, sizeof(answer), MSG_DONTWAIT) != sizeof(answer)) std::abort();
    if (answer.status > 2 || std::memchr(answer.text, 0, sizeof(answer.text)) == nullptr) std::abort();
  }
  return 0;
}
