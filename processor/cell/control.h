// The device side of the cell: what the host asks over the control socket. The host is hostile: messages have one fixed
// size, addresses must lie in the arena, and content is copied before it is measured.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/file.h"
#include "boundary/slot.h"
#include "processor/carrier/entry_loop.h"
#include "processor/carrier/shared_files.h"
#include "processor/pager/pager.h"

namespace coffer::cell {

struct Arena {
  std::uint64_t base = 0, size = 0;
  [[nodiscard]] bool contains(std::uint64_t address, std::uint64_t length) const {
    return address >= base && range_fits(address - base, length, size);
  }
};

class Control {
 public:
  Control(int socket, Arena arena, std::shared_ptr<const processor::KeySource> vault,
          std::shared_ptr<const processor::WarmMemory> warm = nullptr)
      : socket_(socket), arena_(arena), vault_(std::move(vault)), warm_(std::move(warm)) {}

  // Serves messages until the host closes the socket or dies.
  void serve();

 private:
  [[nodiscard]] boundary::ControlAnswer handle(const boundary::ControlMessage& message,
                                               std::vector<FileDescriptor>& descriptors);
  [[nodiscard]] boundary::ControlAnswer create(const boundary::ControlMessage& message);
  [[nodiscard]] boundary::ControlAnswer add_pages(const boundary::ControlMessage& message);
  [[nodiscard]] boundary::ControlAnswer init(const boundary::ControlMessage& message);
  [[nodiscard]] boundary::ControlAnswer fast_paths(const boundary::ControlMessage& message);
  [[nodiscard]] boundary::ControlAnswer traps(const boundary::ControlMessage& message);
  [[nodiscard]] boundary::ControlAnswer start_worker(const boundary::ControlMessage& message);
  [[nodiscard]] boundary::ControlAnswer place_worker(const boundary::ControlMessage& message);
  [[nodiscard]] boundary::ControlAnswer usage() const;
  [[nodiscard]] boundary::ControlAnswer share_file(const boundary::ControlMessage& message,
                                                   std::vector<FileDescriptor>& descriptors);
  [[nodiscard]] boundary::ControlAnswer unshare_file(const boundary::ControlMessage& message);

  int socket_;
  Arena arena_;
  std::shared_ptr<const processor::KeySource> vault_;
  std::shared_ptr<const processor::WarmMemory> warm_;
  std::unique_ptr<processor::SoftEnclave> enclave_;
  std::unique_ptr<processor::Pager> pager_;
  std::unique_ptr<processor::ParkingLot> lot_;
  processor::SharedFiles files_;
  std::vector<bool> workers_;                       // by thread index
  std::unique_ptr<std::atomic<int>[]> worker_ids_;  // the same: thread ids, 0 until a worker has told its own
  std::vector<std::byte> page_buffer_;
};

}  // namespace coffer::cell
