// epoll(7) over files inside and files of the host. Freestanding; thread-safe.
//
// What the host holds is registered with a poller of the host's, once; changes to its set are collected and go along
// with the next wait, so that a server's loop costs one request for any number of events. Stream sockets' bytes come
// along with the event that tells of them.
#pragma once

#include <sys/epoll.h>

#include <vector>

#include "boundary/network.h"
#include "enclave/kernel/core/locks.h"
#include "enclave/kernel/fs/descriptors.h"

namespace coffer::kernel::fs {

class Epoll final : public File {
 public:
  static Expected<Ref<Epoll>> make();

  // EPOLL_CTL_*; `event` is not looked at for EPOLL_CTL_DEL. `description` is what `number` stands for.
  Expected<void> control(int operation, int number, const Ref<Description>& description, const epoll_event& event);
  // How many events, at least one; 0 when the time is over; EINTR.
  Expected<std::size_t> wait(std::span<epoll_event> events, std::uint64_t timeout_ns);
  // The description is about to end: whatever registered it is void.
  void forget(const Description* description);

  Expected<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) override;
  Expected<std::size_t> write_at(std::uint64_t offset, std::span<const std::byte> from) override;
  Expected<void> truncate(std::uint64_t size) override;
  Expected<void> sync(bool data_only) override;
  Expected<FileStatus> status() override;
  bool seekable() const override { return false; }
  std::uint32_t ready() override;
  std::int32_t host_handle() const override { return poller_; }
  std::uint64_t changes_at_ns() override;
  Epoll* as_epoll() override { return this; }

 private:
  struct Item {
    Description* description = nullptr;  // nullptr: the slot is free. Valid under the lock: forget() comes first
    int number = -1;
    std::uint32_t generation = 0;
    std::uint32_t events = 0;
    std::uint64_t data = 0;
    std::int32_t handle = -1;       // of the host; -1: inside
    bool disabled = false;          // EPOLLONESHOT has fired
    bool early = false;             // bytes may come along
    bool look = false;              // in looks_: something may be ready inside
    bool fresh = false;             // not reported since it was registered
    std::uint64_t reported_at = 0;  // the ticket of the last report
    std::uint32_t reported = 0;     // and what it said
  };
  struct Candidate {
    Ref<Description> description;
    std::uint32_t slot, generation;
  };
  class Report;

  explicit Epoll(std::int32_t poller) : poller_(poller) {}
  ~Epoll() override;

  [[nodiscard]] std::uint32_t find(int number, const Description* description) const;
  [[nodiscard]] static std::uint64_t token(std::uint32_t slot, const Item& item) {
    return std::uint64_t{item.generation} << 32 | slot;
  }
  Item* item_of(std::uint64_t token);
  std::uint32_t free_slot();
  void drop(std::uint32_t slot);
  void queue(boundary::PollerOperation operation, std::uint32_t slot);
  void look_at(std::uint32_t slot);
  Expected<void> flush();
  std::vector<Candidate> candidates();
  void report_inside(Report& report, std::uint64_t ticket);
  void report_host_event(const boundary::PollerEvent& event, std::span<const std::byte> bytes, Report& report);
  Expected<void> wait_in_host(Report& report, std::uint64_t ticket, std::uint64_t timeout_ns);
  Expected<std::uint64_t> put_changes(std::size_t* sent);

  const std::int32_t poller_;
  SpinLock lock_;
  std::vector<Item> items_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> looks_;  // slots to be looked at inside: files inside, and sockets with bytes
  std::vector<boundary::PollerChange> changes_;
  std::size_t host_items_ = 0;
  std::atomic<std::uint32_t> in_host_{0};  // threads that wait at the host
};

// Called by a description's end.
void forget_in_epolls(const Description* description);

}  // namespace coffer::kernel::fs
