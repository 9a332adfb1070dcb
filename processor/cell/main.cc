// The cell: the software processor in a process of its own, holding one enclave.
//
// Started by the host side or the daemon with its control socket as descriptor 3, the arena as descriptor 4, files of
// warm memory from descriptor 5 on, and as arguments the arena's address and size and the number of those files
// (hexadecimal). It ends when the host closes the socket, which a dying host does too.
#include <malloc.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

#include "base/file.h"
#include "boundary/slot.h"
#include "processor/cell/control.h"
#include "processor/cell/lockdown.h"
#include "processor/cell/vault.h"
#include "processor/lanes.h"
#include "processor/launch/launch.h"
#include "processor/secret_heap.h"

namespace {

using namespace coffer;
using boundary::ControlHello;

constexpr int kSocket = 3;
constexpr int kArena = 4;

std::optional<std::uint64_t> parse_hex(std::string_view text) {
  std::uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

int say_hello(std::uint32_t status, std::string_view text) {
  ControlHello hello{.version = boundary::kControlVersion, .status = status, .text = {}};
  std::memcpy(hello.text, text.data(), std::min(text.size(), sizeof(hello.text) - 1));
  const bool sent = ::send(kSocket, &hello, sizeof(hello), MSG_NOSIGNAL) == sizeof(hello);
  return sent && status == 0 ? 0 : 2;
}

Result<cell::Arena> map_arena(std::string_view address, std::string_view size) {
  const auto base = parse_hex(address);
  const auto bytes = parse_hex(size);
  if (!base || !bytes || *bytes == 0) return input_error("the cell's arguments are no address and size");
  void* wanted = reinterpret_cast<void*>(*base);
  void* got = ::mmap(wanted, *bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, kArena, 0);
  if (got != wanted) return input_error("arena address taken");
  ::close(kArena);
  return cell::Arena{*base, *bytes};
}

// The files that stand ready for enclave pages, or none where they are not what they should be.
std::shared_ptr<const processor::WarmMemory> take_warm_memory(std::uint64_t count) {
  auto warm = std::make_shared<processor::WarmMemory>();
  for (std::uint64_t i = 0; i < count; ++i) {
    FileDescriptor file(processor::kFirstWarmFile + static_cast<int>(i));
    struct stat status{};
    if (::fstat(file.get(), &status) != 0 || status.st_size <= 0 || status.st_size % sgx::kPageSize != 0)
      return nullptr;
    const auto size = static_cast<std::size_t>(status.st_size);
    if (warm->file_size != 0 && warm->file_size != size) return nullptr;
    warm->file_size = size;
    warm->files.push_back(std::move(file));
  }
  return count == 0 ? nullptr : warm;
}

struct Ready {
  cell::Arena arena;
  std::shared_ptr<const processor::KeySource> vault;
  std::shared_ptr<const processor::WarmMemory> warm;
  std::string missing;
};

Result<Ready> get_ready(char** arguments) {
  const auto warm_files = parse_hex(arguments[3]);
  if (!warm_files || *warm_files > processor::kMaxWarmFiles) return input_error("the cell's arguments are no numbers");
  auto sealed = cell::seal_process(processor::kFirstWarmFile + static_cast<int>(*warm_files));
  if (!sealed) return std::unexpected(sealed.error());
  auto arena = map_arena(arguments[1], arguments[2]);
  if (!arena) return std::unexpected(arena.error());
  auto vault = cell::start_vault();
  if (!vault) return std::unexpected(vault.error());
  std::vector<std::string> missing = std::move(*sealed);
  for (std::string& line : cell::leave_namespaces()) missing.push_back(std::move(line));
  processor::keep_lanes_secret();
  if (auto trapped = processor::install_traps(processor::SyscallTrap::kSeccomp); !trapped) {
    return std::unexpected(trapped.error());
  }
  Ready ready{*arena, std::move(*vault), take_warm_memory(*warm_files), {}};
  for (const std::string& line : missing) ready.missing += line + "\n";
  auto probe = processor::ProtectedMemory::open(sgx::kPageSize, true);
  if (probe && !probe->missing().empty()) ready.missing += probe->missing() + "\n";
  return ready;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    constexpr std::string_view kUsage = "coffer-cell: started by the coffer command and library, not by hand\n";
    [[maybe_unused]] const ssize_t written = ::write(2, kUsage.data(), kUsage.size());
    return 2;
  }
  // Before OpenSSL is first used.
  processor::make_secret_heap();
  // One arena: the allocator would otherwise ask /sys for the number of CPUs, which the filter forbids.
  ::mallopt(M_ARENA_MAX, 1);
  auto ready = get_ready(argv);
  if (!ready) return say_hello(2, ready.error().message);
  if (int status = say_hello(0, ready->missing); status != 0) return status;
  // Never destroyed: taking the enclave down makes calls that the filter forbids, and the end of the process does it
  // all.
  cell::Control control(kSocket, ready->arena, std::move(ready->vault), std::move(ready->warm));
  control.serve();
  // The host has gone. Workers may be inside the enclave: end all of them without unwinding.
  ::_exit(0);
}
