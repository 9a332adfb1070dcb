#include "processor/cell/control.h"

#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

#include "base/descriptor_passing.h"
#include "boundary/calls.h"
#include "processor/cell/lockdown.h"
#include "processor/cell/worker.h"
#include "processor/patch.h"

namespace coffer::cell {

using boundary::ControlAnswer;
using boundary::ControlMessage;
using boundary::ControlOperation;
using processor::LeafOutcome;

namespace {

constexpr std::uint64_t kMaxThreads = 1025;  // the most that an image has, the kernel's own among them
constexpr std::size_t kCopyPiece = std::size_t{256} * 1024;

ControlAnswer done() { return {}; }

ControlAnswer failed(const std::string& text) {
  ControlAnswer answer{.status = 2};
  std::memcpy(answer.text, text.data(), std::min(text.size(), sizeof(answer.text) - 1));
  return answer;
}

ControlAnswer from(const LeafOutcome& outcome) {
  if (outcome.ok()) return done();
  return {.status = 1,
          .fault = static_cast<std::uint32_t>(outcome.fault),
          .error = static_cast<std::uint64_t>(outcome.error)};
}

}  // namespace

void Control::serve() {
  while (true) {
    ControlMessage message;
    auto descriptors = receive_with_descriptors(socket_, std::as_writable_bytes(std::span(&message, 1)));
    if (!descriptors && descriptors.error().kind != ErrorKind::kInput) return;
    const ControlAnswer answer =
        descriptors ? handle(message, *descriptors) : failed("a control message has the wrong size");
    if (::send(socket_, &answer, sizeof(answer), MSG_NOSIGNAL) != sizeof(answer)) return;
  }
}

// Descriptors that come with other messages are closed.
ControlAnswer Control::handle(const ControlMessage& message, std::vector<FileDescriptor>& descriptors) {
  switch (message.operation) {
    case ControlOperation::kCreate:
      return create(message);
    case ControlOperation::kAddPages:
      return add_pages(message);
    case ControlOperation::kInit:
      return init(message);
    case ControlOperation::kFastPaths:
      return fast_paths(message);
    case ControlOperation::kTraps:
      return traps(message);
    case ControlOperation::kWorker:
      return start_worker(message);
    case ControlOperation::kPlace:
      return place_worker(message);
    case ControlOperation::kUsage:
      return usage();
    case ControlOperation::kShareFile:
      return share_file(message, descriptors);
    case ControlOperation::kUnshareFile:
      return unshare_file(message);
  }
  return failed("a control message has an unknown operation");
}

// The host places its own threads; those of another user's cell it must ask for.
ControlAnswer Control::place_worker(const ControlMessage& message) {
  const auto placing = static_cast<boundary::Placing>(message.c);
  if (message.a >= workers_.size() || message.b >= CPU_SETSIZE || placing > boundary::Placing::kAnywhere) {
    return failed("there is no such worker or CPU");
  }
  const int worker = worker_ids_[message.a].load(std::memory_order_relaxed);
  if (worker == 0) return failed("that thread has no worker yet");
  cpu_set_t cpus;
  std::memset(&cpus, placing == boundary::Placing::kThere ? 0 : 0xff, sizeof(cpus));
  if (placing == boundary::Placing::kThere) CPU_SET(message.b, &cpus);
  if (placing == boundary::Placing::kElsewhere) CPU_CLR(message.b, &cpus);
  return ::sched_setaffinity(worker, sizeof(cpus), &cpus) == 0 ? done() : failed("the worker cannot be placed there");
}

ControlAnswer Control::create(const ControlMessage& message) {
  if (enclave_ != nullptr) return failed("this cell has its enclave already");
  auto made = processor::SoftEnclave::make({.epc_size = message.a, .page_limit = message.b, .warm = warm_}, vault_);
  if (!made) return failed(made.error().message);
  if (message.config_svn > UINT16_MAX) return failed("CONFIGSVN has 16 bits");
  sgx::CreateParameters parameters{.size = message.size,
                                   .ssa_frame_size = message.ssa_frame_size,
                                   .misc_select = message.misc_select,
                                   .attributes = {message.attributes_flags, message.attributes_xfrm},
                                   .config_svn = static_cast<std::uint16_t>(message.config_svn),
                                   .base = message.c};
  std::ranges::copy(message.config_id, parameters.config_id.begin());
  auto created = (*made)->ecreate(parameters);
  if (!created) return failed(created.error().message);
  if (!created->ok()) return from(*created);
  auto pager = processor::Pager::attach(**made);
  if (!pager) return failed(pager.error().message);
  enclave_ = std::move(*made);
  pager_ = std::move(*pager);
  return done();
}

ControlAnswer Control::add_pages(const ControlMessage& message) {
  if (enclave_ == nullptr) return failed("ECREATE comes first");
  if (message.c == 0 || message.c % sgx::kPageSize != 0 || !arena_.contains(message.b, message.c)) {
    return failed("pages to add must lie in the arena");
  }
  // Copy in once: what is measured is what is added, whatever the host does to the arena meanwhile.
  page_buffer_.resize(std::min<std::size_t>(message.c, kCopyPiece));
  for (std::uint64_t at = 0; at < message.c; at += kCopyPiece) {
    const std::size_t piece = std::min<std::uint64_t>(kCopyPiece, message.c - at);
    std::memcpy(page_buffer_.data(), reinterpret_cast<const void*>(message.b + at), piece);
    const LeafOutcome outcome =
        pager_->add_pages(message.a + at, sgx::SecinfoFlags{message.d}, ByteView(page_buffer_).first(piece),
                          static_cast<sgx::ExtendMask>(message.e));
    if (!outcome.ok()) return from(outcome);
  }
  return done();
}

ControlAnswer Control::init(const ControlMessage& message) {
  if (enclave_ == nullptr) return failed("ECREATE comes first");
  sgx::Sigstruct sigstruct;
  if (!arena_.contains(message.b, sizeof(sigstruct))) return failed("the SIGSTRUCT must lie in the arena");
  std::memcpy(&sigstruct, reinterpret_cast<const void*>(message.b), sizeof(sigstruct));
  const LeafOutcome outcome = enclave_->einit(sigstruct);
  page_buffer_ = {};
  if (!outcome.ok()) return from(outcome);
  auto sized = pager_->check_size();
  return sized ? done() : failed(sized.error().message);
}

ControlAnswer Control::fast_paths(const ControlMessage& message) {
  if (enclave_ == nullptr || !workers_.empty()) return failed("fast paths come after EINIT and before the first entry");
  auto patched = processor::apply_fast_paths(*enclave_, message.a);
  return patched ? done() : failed(patched.error().message);
}

ControlAnswer Control::traps(const ControlMessage& message) {
  if (enclave_ == nullptr || !workers_.empty()) return failed("traps come after EINIT and before the first entry");
  auto trapped = processor::trap_cpuid(*enclave_, message.a);
  return trapped ? done() : failed(trapped.error().message);
}

ControlAnswer Control::start_worker(const ControlMessage& message) {
  if (enclave_ == nullptr || !enclave_->initialised()) return failed("EINIT comes first");
  if (workers_.empty()) {
    if (message.d == 0 || message.d > kMaxThreads) return failed("the number of threads is out of range");
    // The first code of the enclave is about to run: from here on its system calls trap, and the cell's are filtered.
    if (auto filtered = install_filter(enclave_->base(), enclave_->size()); !filtered) {
      return failed(filtered.error().message);
    }
    workers_.resize(message.d);
    worker_ids_ = std::make_unique<std::atomic<int>[]>(message.d);
    lot_ = std::make_unique<processor::ParkingLot>(static_cast<std::uint32_t>(message.d));
  }
  if (message.c >= workers_.size() || workers_[message.c]) return failed("that thread has its worker already");
  if (message.b % alignof(boundary::Slot) != 0 || !arena_.contains(message.b, sizeof(boundary::Slot))) {
    return failed("a slot must lie in the arena");
  }
  using boundary::CarrierCounters;
  if (message.e % alignof(CarrierCounters) != 0 || !arena_.contains(message.e, sizeof(CarrierCounters))) {
    return failed("a thread's counters must lie in the arena");
  }
  constexpr std::uint64_t kExchange = boundary::kExchangeSize;
  if (message.f != 0 && !arena_.contains(message.f, kExchange)) {
    return failed("a thread's exchange area must lie in the arena");
  }
  workers_[message.c] = true;
  auto* slot = reinterpret_cast<boundary::Slot*>(message.b);
  auto* counters = reinterpret_cast<CarrierCounters*>(message.e);
  processor::FileAccess files;
  if (message.f != 0) files = {&files_, {reinterpret_cast<std::byte*>(message.f), kExchange}};
  processor::EntryLoop loop(*enclave_, *lot_, *counters, static_cast<std::uint32_t>(message.c), message.a, files);
  std::thread([slot, id = &worker_ids_[message.c], loop] {
    id->store(::gettid(), std::memory_order_relaxed);
    serve_slot(*slot, loop);
  }).detach();
  return done();
}

ControlAnswer Control::share_file(const ControlMessage& message, std::vector<FileDescriptor>& descriptors) {
  if (enclave_ == nullptr || !enclave_->initialised()) return failed("EINIT comes first");
  if (descriptors.size() != 1) return failed("a file to share comes with its descriptor");
  return files_.add(message.a, std::move(descriptors.front())) ? done() : failed("that handle cannot be shared");
}

ControlAnswer Control::unshare_file(const ControlMessage& message) {
  return files_.remove(message.a) ? done() : failed("that handle is not shared");
}

ControlAnswer Control::usage() const {
  if (enclave_ == nullptr) return failed("ECREATE comes first");
  const boundary::EpcCounters counters = processor::epc_counters(*enclave_, *pager_);
  ControlAnswer answer = done();
  static_assert(sizeof(counters) <= sizeof(answer.text));
  std::memcpy(answer.text, &counters, sizeof(counters));
  return answer;
}

}  // namespace coffer::cell
