#include "enclave/kernel/fs/epoll.h"

#include <errno.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "enclave/kernel/fs/clock.h"
#include "enclave/kernel/fs/host_directory_calls.h"
#include "enclave/kernel/fs/socket.h"
#include "enclave/kernel/fs/waiters.h"

namespace coffer::kernel::fs {

using boundary::kNoTimeout;
using boundary::PollerChange;
using boundary::PollerEvent;
using boundary::PollerOperation;
using boundary::Request;

namespace {

constexpr std::uint32_t kConditions = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDNORM | EPOLLRDBAND | EPOLLWRNORM |
                                      EPOLLWRBAND | EPOLLRDHUP | EPOLLERR | EPOLLHUP;
constexpr std::uint32_t kAlways = EPOLLERR | EPOLLHUP;
constexpr std::uint32_t kNoSlot = ~std::uint32_t{0};

constinit SpinLock registry_lock;
constinit std::vector<Epoll*>* registry = nullptr;

std::uint32_t with_aliases(std::uint32_t ready) {
  if ((ready & EPOLLIN) != 0) ready |= EPOLLRDNORM;
  if ((ready & EPOLLOUT) != 0) ready |= EPOLLWRNORM;
  return ready;
}

}  // namespace

// The events of one wait; several reasons of one item are one event.
class Epoll::Report {
 public:
  explicit Report(std::span<epoll_event> events) : events_(events) { tokens_.reserve(events.size()); }
  [[nodiscard]] bool full() const { return tokens_.size() == events_.size(); }
  [[nodiscard]] std::size_t count() const { return tokens_.size(); }
  [[nodiscard]] std::size_t room() const { return events_.size() - tokens_.size(); }
  // False where there is no room.
  bool add(std::uint64_t token, const Item& item, std::uint32_t ready) {
    for (std::size_t i = 0; i < inside_; ++i) {  // few: only what was reported from inside can come again
      if (tokens_[i] != token) continue;
      events_[i].events |= ready;
      return true;
    }
    if (full()) return false;
    events_[tokens_.size()].events = ready;
    events_[tokens_.size()].data.u64 = item.data;
    tokens_.push_back(token);
    return true;
  }
  void end_inside() { inside_ = tokens_.size(); }

 private:
  std::span<epoll_event> events_;
  std::vector<std::uint64_t> tokens_;
  std::size_t inside_ = 0;
};

Expected<Ref<Epoll>> Epoll::make() {
  const auto handle = checked_result(call_host(Request::kPollerOpen).result, std::numeric_limits<std::int32_t>::max());
  if (!handle) return error(handle.error());
  if (*handle < static_cast<std::uint64_t>(boundary::kFirstSocketHandle)) return error(EIO);
  Ref<Epoll> epoll(new Epoll(static_cast<std::int32_t>(*handle)));
  LockGuard guard(registry_lock);
  if (registry == nullptr) registry = new std::vector<Epoll*>;
  registry->push_back(epoll.get());
  return epoll;
}

Epoll::~Epoll() {
  std::vector<Ref<Description>> held;  // end after the locks
  {
    // A description that ends meanwhile waits for this lock in forget_in_epolls() with its memory still there.
    LockGuard registry_guard(registry_lock);
    std::erase(*registry, this);
    LockGuard guard(lock_);
    held.reserve(items_.size());
    for (Item& item : items_) {
      if (item.description != nullptr && item.description->try_retain()) {
        held.push_back(Ref<Description>::adopt(item.description));
      }
    }
  }
  for (const auto& description : held) {
    if (Socket* socket = description->file().as_socket(); socket != nullptr) socket->release_early(this);
  }
  call_host(Request::kSocketClose, static_cast<std::uint64_t>(poller_));
}

std::uint32_t Epoll::find(int number, const Description* description) const {
  for (std::uint32_t slot = 0; slot < items_.size(); ++slot) {
    if (items_[slot].description == description && items_[slot].number == number) return slot;
  }
  return kNoSlot;
}

Epoll::Item* Epoll::item_of(std::uint64_t token) {
  const auto slot = static_cast<std::uint32_t>(token);
  if (slot >= items_.size() || items_[slot].description == nullptr || items_[slot].generation != token >> 32) {
    return nullptr;
  }
  return &items_[slot];
}

std::uint32_t Epoll::free_slot() {
  if (!free_.empty()) {
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    return slot;
  }
  items_.emplace_back();
  free_.reserve(items_.size());  // so that dropping never allocates
  return static_cast<std::uint32_t>(items_.size() - 1);
}

void Epoll::drop(std::uint32_t slot) {
  Item& item = items_[slot];
  if (item.handle >= 0) --host_items_;
  if (item.look) std::erase(looks_, slot);
  const std::uint32_t generation = item.generation + 1;
  item = Item{};
  item.generation = generation;
  free_.push_back(slot);
}

void Epoll::look_at(std::uint32_t slot) {
  if (items_[slot].look) return;
  items_[slot].look = true;
  looks_.push_back(slot);
}

// A change for the host's set. A later one replaces one that has not been sent.
void Epoll::queue(PollerOperation operation, std::uint32_t slot) {
  const Item& item = items_[slot];
  std::uint32_t events = item.events & (kConditions | EPOLLET | EPOLLONESHOT);
  // With bytes along, the end of the stream must be told along with them.
  if (item.early && (item.events & EPOLLIN) != 0) events |= EPOLLRDHUP;
  const PollerChange change{operation, item.handle, events, item.early ? boundary::kPollerPrefetch : 0,
                            token(slot, item)};
  for (PollerChange& before : changes_) {
    if (before.token != change.token) continue;
    if (operation == PollerOperation::kRemove && before.operation == PollerOperation::kAdd) {
      std::erase_if(changes_, [&](const PollerChange& each) { return each.token == change.token; });
    } else {
      const PollerOperation first = before.operation;
      before = change;
      if (operation == PollerOperation::kChange) before.operation = first;
    }
    return;
  }
  changes_.push_back(change);
}

Expected<void> Epoll::control(int operation, int number, const Ref<Description>& description,
                              const epoll_event& event) {
  File& file = description->file();
  if (&file == this) return error(EINVAL);
  if (file.seekable()) return error(EPERM);
  bool at_once = false;
  {
    LockGuard guard(lock_);
    std::uint32_t slot = find(number, description.get());
    if (operation == EPOLL_CTL_ADD) {
      if (slot != kNoSlot) return error(EEXIST);
      description->note_epoll();
      slot = free_slot();
      Item& item = items_[slot];
      item.description = description.get();
      item.number = number;
      item.handle = file.host_handle();
      if (Socket* socket = file.as_socket(); socket != nullptr && socket->takes_early()) {
        item.early = socket->claim_early(this);
        if (!item.early) socket->add_watcher();
      }
    } else if (slot == kNoSlot) {
      return error(ENOENT);
    }
    Item& item = items_[slot];
    if (operation == EPOLL_CTL_DEL) {
      if (item.handle >= 0) queue(PollerOperation::kRemove, slot);
      if (Socket* socket = file.as_socket(); socket != nullptr) socket->release_early(this);
      drop(slot);
    } else {
      item.events = event.events | kAlways;
      item.data = event.data.u64;
      item.disabled = false;
      item.fresh = true;
      if (item.handle >= 0) {
        if (operation == EPOLL_CTL_ADD) ++host_items_;
        queue(operation == EPOLL_CTL_ADD ? PollerOperation::kAdd : PollerOperation::kChange, slot);
      }
      // A file inside is looked at always; a socket where bytes have come already.
      const bool shared_socket = file.as_socket() != nullptr && !item.early;
      if (item.handle < 0 || shared_socket || file.as_epoll() != nullptr || file.ready() != 0) look_at(slot);
    }
    const bool stream = file.host_handle() >= 0 && file.host_handle() < boundary::kFirstSocketHandle;
    at_once = in_host_.load() != 0 || stream;
  }
  if (file.host_handle() < 0) {
    announce_change();
    return {};
  }
  if (!at_once) return {};
  auto told = flush();
  if (!told && operation == EPOLL_CTL_ADD) forget(description.get());
  return told;
}

void Epoll::forget(const Description* description) {
  LockGuard guard(lock_);
  for (std::uint32_t slot = 0; slot < items_.size(); ++slot) {
    if (items_[slot].description != description) continue;
    // The host drops what is closed by itself; a change that was not sent would name another file by then.
    const std::uint64_t gone = token(slot, items_[slot]);
    std::erase_if(changes_, [&](const PollerChange& change) { return change.token == gone; });
    drop(slot);
  }
}

void forget_in_epolls(const Description* description) {
  LockGuard guard(registry_lock);
  if (registry == nullptr) return;
  for (Epoll* epoll : *registry) epoll->forget(description);
}

// Puts as many changes as fit into the exchange area; how many are left tells whether to come again.
Expected<std::uint64_t> Epoll::put_changes(std::size_t* sent) {
  LockGuard guard(lock_);
  const std::span<std::byte> area = exchange_area();
  *sent = std::min(changes_.size(), area.size() / sizeof(PollerChange));
  if (*sent != 0) std::memcpy(area.data(), changes_.data(), *sent * sizeof(PollerChange));
  changes_.erase(changes_.begin(), changes_.begin() + static_cast<std::ptrdiff_t>(*sent));
  return changes_.size();
}

Expected<void> Epoll::flush() {
  for (;;) {
    std::size_t sent = 0;
    const auto left = put_changes(&sent);
    if (!left) return error(left.error());
    if (sent == 0) return {};
    const Answer answer = call_host(Request::kPollerWait, static_cast<std::uint64_t>(poller_), sent, 0, 0);
    if (auto done = checked_result(answer.result, 0); !done) return error(done.error());
  }
}

std::vector<Epoll::Candidate> Epoll::candidates() {
  std::vector<Candidate> all;
  LockGuard guard(lock_);
  all.reserve(looks_.size());
  for (const std::uint32_t slot : looks_) {
    Item& item = items_[slot];
    if (item.disabled || !item.description->try_retain()) continue;
    all.push_back({Ref<Description>::adopt(item.description), slot, item.generation});
  }
  return all;
}

void Epoll::report_inside(Report& report, std::uint64_t ticket) {
  for (const Candidate& candidate : candidates()) {
    const std::uint32_t state = with_aliases(candidate.description->file().ready());
    LockGuard guard(lock_);
    Item& item = items_[candidate.slot];
    if (item.generation != candidate.generation || item.description == nullptr) continue;
    const std::uint32_t ready = state & item.events & kConditions;
    const bool socket = item.handle >= 0 && candidate.description->file().as_epoll() == nullptr;
    if (socket && item.early && (ready == 0 || (item.events & EPOLLET) != 0)) {  // once, then the host's events tell
      item.look = false;
      std::erase(looks_, candidate.slot);
    }
    // Edges: something has changed since the last report, perhaps this. A program that is told once too often finds
    // nothing and comes again.
    const bool edge = item.fresh || item.reported_at != ticket || (ready & ~item.reported) != 0;
    const bool tell = ready != 0 && ((item.events & EPOLLET) == 0 || edge);
    if (tell && !report.add(token(candidate.slot, item), item, ready)) continue;
    item.reported = ready;
    if (!tell) continue;
    item.fresh = false;
    item.reported_at = ticket;
    if ((item.events & EPOLLONESHOT) != 0) item.disabled = true;
  }
  report.end_inside();
}

void Epoll::report_host_event(const PollerEvent& event, std::span<const std::byte> bytes, Report& report) {
  Ref<Description> description;
  {
    LockGuard guard(lock_);
    const Item* item = item_of(event.token);
    if (item == nullptr || item->handle < 0 || !item->description->try_retain()) return;
    description = Ref<Description>::adopt(item->description);
  }
  bool more_may_come = true;
  Socket* socket = description->file().as_socket();
  if (!bytes.empty()) {
    if (socket == nullptr || !socket->takes_early()) return;  // the host makes it up
    const bool last = (event.events & (EPOLLRDHUP | kAlways)) != 0;
    more_may_come = socket->take_early(event.stream_offset, bytes, !last && bytes.size() < boundary::kPrefetchMost);
  }
  LockGuard guard(lock_);
  Item* item = item_of(event.token);
  if (item == nullptr) return;
  const auto slot = static_cast<std::uint32_t>(event.token);
  if (!bytes.empty()) {
    if ((item->events & EPOLLET) == 0) look_at(slot);
    if (!more_may_come && item->early) {
      item->early = false;
      queue(PollerOperation::kChange, slot);
      look_at(slot);
    }
  }
  const std::uint32_t ready = with_aliases(event.events) & item->events & kConditions;
  if (ready == 0 || item->disabled) return;
  if (!report.add(event.token, *item, ready)) return;
  item->fresh = false;
  if ((item->events & EPOLLONESHOT) != 0) item->disabled = true;
}

Expected<void> Epoll::wait_in_host(Report& report, std::uint64_t ticket, std::uint64_t timeout_ns) {
  in_host_.fetch_add(1);  // before the changes are taken: whoever makes one from now on sends it
  std::size_t sent = 0;
  const auto left = put_changes(&sent);
  const std::size_t most = std::min(report.room(), boundary::kMaxPollerEvents);
  const bool more_changes = !left || *left != 0;
  Answer answer = waiting_request(&ticket, Request::kPollerWait, static_cast<std::uint64_t>(poller_), sent,
                                  more_changes ? 0 : timeout_ns, most);
  in_host_.fetch_sub(1);
  if (answer.result == -EINTR && sent != 0) {
    // Perhaps it never left: the changes must be known to the host either way, and making them twice does no harm.
    answer = call_host(Request::kPollerWait, static_cast<std::uint64_t>(poller_), sent, 0, most);
  }
  const auto count = checked_result(answer.result, most);
  if (!count) return error(count.error());
  const std::span<const std::byte> area = exchange_area();
  const std::size_t data_begin = *count * sizeof(PollerEvent);
  // Copied in once: the host can still change the area.
  std::vector<PollerEvent> events(*count);
  if (*count != 0) std::memcpy(events.data(), area.data(), data_begin);
  std::size_t at = data_begin;
  for (const PollerEvent& event : events) {
    if (event.size > boundary::kPrefetchMost || event.size > area.size() - at) return error(EIO);
    report_host_event(event, area.subspan(at, event.size), report);
    at += event.size;
  }
  return {};
}

Expected<std::size_t> Epoll::wait(std::span<epoll_event> events, std::uint64_t timeout_ns) {
  std::uint64_t deadline = kNoTimeout;
  if (timeout_ns != kNoTimeout && timeout_ns != 0 &&
      __builtin_add_overflow(monotonic_now_ns(), timeout_ns, &deadline)) {
    deadline = kNoTimeout;
  }
  for (;;) {
    const std::uint64_t ticket = change_ticket();
    Report report(events);
    report_inside(report, ticket);
    std::uint64_t left = timeout_ns;
    bool over = report.count() != 0 || timeout_ns == 0;
    if (over) {
      left = 0;
    } else if (const std::uint64_t until = std::min(deadline, changes_at_ns()); until != kNoTimeout) {
      const std::uint64_t now = monotonic_now_ns();
      left = now < until ? until - now : 0;
      over = now >= deadline;
    }
    bool at_host = false;
    {
      LockGuard guard(lock_);
      at_host = host_items_ != 0 || !changes_.empty();
    }
    if (at_host && !report.full()) {
      const auto waited = wait_in_host(report, ticket, left);
      if (!waited && waited.error() != EINTR && report.count() == 0) return error(waited.error());
    } else if (!over) {
      wait_for_change(ticket, left);
    }
    if (report.count() != 0 || over) return report.count();
    if (wait_interrupted()) return error(EINTR);
  }
}

std::uint64_t Epoll::changes_at_ns() {
  std::uint64_t first = kNoTimeout;
  for (const Candidate& candidate : candidates()) {
    first = std::min(first, candidate.description->file().changes_at_ns());
  }
  return first;
}

// What is ready inside; the host's part is behind host_handle().
std::uint32_t Epoll::ready() {
  ignore_failure(flush());
  for (const Candidate& candidate : candidates()) {
    std::uint32_t events = 0;
    {
      LockGuard guard(lock_);
      const Item& item = items_[candidate.slot];
      if (item.generation == candidate.generation) events = item.events;
    }
    if ((with_aliases(candidate.description->file().ready()) & events & kConditions) != 0) return kReadyToRead;
  }
  return 0;
}

Expected<std::size_t> Epoll::read_at(std::uint64_t /*offset*/, std::span<std::byte> /*into*/) { return error(EINVAL); }
Expected<std::size_t> Epoll::write_at(std::uint64_t /*offset*/, std::span<const std::byte> /*from*/) {
  return error(EINVAL);
}
Expected<void> Epoll::truncate(std::uint64_t /*size*/) { return error(EINVAL); }
Expected<void> Epoll::sync(bool /*data_only*/) { return error(EINVAL); }
Expected<FileStatus> Epoll::status() {
  FileStatus status;
  status.mode = 0600;
  return status;
}

}  // namespace coffer::kernel::fs
