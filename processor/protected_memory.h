// The memory that EPC frames stand in: two sparse files of the EPC's size, one of memfd_secret for pages that hold
// secrets, one ordinary for code and read-only pages (measured, not secret; memfd_secret cannot be executable).
// Frame f lives at offset f * 4096 of whichever file its page was given. Not thread-safe: the Epc's lock covers it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/file.h"
#include "base/result.h"
#include "processor/host_pages.h"

namespace coffer::processor {

enum class Backing : std::uint8_t { kSecret, kPlain };

// Files of memfd_secret whose pages exist already, zeroed: what costs most at a page's first touch has been paid by
// whoever keeps them (cofferd). All of one size.
struct WarmMemory {
  std::vector<FileDescriptor> files;
  std::size_t file_size = 0;  // bytes, a multiple of 4096
};

class ProtectedMemory {
 public:
  // size: bytes, a multiple of 4096. want_secret is false on `inline`, which protects nothing and where
  // debuggers set breakpoints in code. The first frames' secret
  // pages stand in `warm` as far as it goes.
  [[nodiscard]] static Result<ProtectedMemory> open(std::size_t size, bool want_secret,
                                                    std::shared_ptr<const WarmMemory> warm = nullptr);

  // Maps frames [frame, frame + count) at `address`, replacing what is there. A secret mapping that the machine refuses
  // (the memlock limit) becomes an ordinary one and is counted; the backing that was used is returned.
  [[nodiscard]] Result<Backing> map(std::uintptr_t address, std::size_t frame, std::size_t count, int protection,
                                    Backing backing);
  // The same at an address of the processor's own, which is nobody else's to open or close.
  [[nodiscard]] Result<Backing> map_aside(std::uintptr_t address, std::size_t frame, std::size_t count, int protection,
                                          Backing backing) {
    return map_run(address, frame, count, protection, backing);
  }
  // Changes what pages that map() has mapped allow.
  [[nodiscard]] bool protect(std::uintptr_t address, std::size_t size, int protection);
  // reserve() where pages stood that map() has mapped.
  [[nodiscard]] bool vacate(std::uintptr_t address, std::size_t size);
  // From now on map(), protect(), vacate() and move_window() open pages of the enclave at `base` no further than
  // `pages` says, and leave alone addresses that it does not map. `pages` outlives this.
  void follow(const HostPages* pages, std::uintptr_t base) {
    host_pages_ = pages;
    host_base_ = base;
  }
  // The same frames, readable and writable at an address of the processor's own choosing, to be filled before the
  // enclave sees them: move_window() puts them, with what was written, at `address` in one step, replacing what is
  // there.
  struct Window {
    std::byte* bytes = nullptr;
    std::size_t size = 0;
    Backing backing = Backing::kPlain;
    std::size_t frame = 0;  // the first
  };
  [[nodiscard]] Result<Window> open_window(std::size_t frame, std::size_t count, Backing backing);
  [[nodiscard]] Result<void> move_window(const Window& window, std::uintptr_t address, int protection);
  static void close_window(const Window& window);
  // Fills plain frames before they are mapped read-only or executable.
  [[nodiscard]] Result<void> fill_plain(std::size_t frame, ByteView content);
  // Changes bytes of a plain frame (fast paths in code that is mapped without write permission).
  [[nodiscard]] bool patch_plain(std::size_t frame, std::size_t offset, ByteView content);
  // Reads bytes of a plain frame, mapped or not.
  [[nodiscard]] bool read_plain(std::size_t frame, std::size_t offset, std::span<std::byte> to) const;
  // Gives plain frames' memory back to the machine.
  void discard_plain(std::size_t frame, std::size_t count);

  // Reserves address space without memory behind it: any access faults.
  [[nodiscard]] static Result<void> reserve(std::uintptr_t address, std::size_t size);

  // Why pages that should be secret stand in ordinary memory; empty where none does.
  [[nodiscard]] const std::string& missing() const { return missing_; }

 private:
  [[nodiscard]] Result<Backing> map_run(std::uintptr_t address, std::size_t frame, std::size_t count, int protection,
                                        Backing backing);
  [[nodiscard]] bool map_secret(std::uintptr_t address, std::size_t frame, std::size_t count, int protection) const;
  [[nodiscard]] std::optional<int> host_protection(std::uintptr_t address) const;

  const HostPages* host_pages_ = nullptr;
  std::uintptr_t host_base_ = 0;
  std::shared_ptr<const WarmMemory> warm_;
  bool code_takes_breakpoints_ = false;
  FileDescriptor secret_;
  FileDescriptor plain_;
  std::string missing_;
};

}  // namespace coffer::processor
