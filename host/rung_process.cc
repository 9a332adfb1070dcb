// The rung `process`: the enclave in a cell. Control messages build it; a Slot of shared memory enters each thread.
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <optional>

#include "boundary/turns.h"
#include "host/cell_process.h"
#include "host/rung.h"

namespace coffer::host {

namespace {

using boundary::CarrierCounters;
using boundary::ControlMessage;
using boundary::ControlOperation;
using boundary::Placing;
using boundary::Slot;
using boundary::SlotStatus;
using boundary::Turn;

constexpr std::size_t kStagingSize = std::size_t{1} << 20;
constexpr int kStartAttempts = 8;
constexpr long kShortCall = 2'000'000;        // ns after which a call is no short one any more
constexpr long kLivenessCheck = 200'000'000;  // ns between looks whether the cell still lives

// Keeps a caller and its worker on one CPU while calls are short: waking a sleeper on another CPU costs ten times as
// much as handing over. A call that turns out long lets both go where the scheduler likes. `move(placing, cpu)` says
// where the worker may run; false where that cannot be.
class Placement {
 public:
  template <class Move>
  void before_wake(const Move& move) {
    const int cpu = ::sched_getcpu();
    if (cpu < 0 || cpu == cpu_) return;
    if (move(Placing::kThere, cpu)) {
      cpu_ = cpu;
      avoided_ = -1;
    }
  }
  // For sides that spin: the worker anywhere but here.
  template <class Move>
  void keep_apart(const Move& move) {
    const int cpu = ::sched_getcpu();
    if (cpu < 0 || cpu == avoided_) return;
    // On a machine with one CPU there is nowhere else to go, and spinning is as good as sleeping.
    if (move(Placing::kElsewhere, cpu)) {
      avoided_ = cpu;
      cpu_ = -1;
    }
  }
  template <class Move>
  void release(const Move& move) {
    if (cpu_ < 0) return;
    cpu_ = -1;
    move(Placing::kAnywhere, 0);
  }

 private:
  int cpu_ = -1;      // where the worker was put
  int avoided_ = -1;  // the CPU that it was kept away from
};

class ProcessRung final : public Rung {
 public:
  ProcessRung(Arena arena, std::unique_ptr<CellProcess> cell, const RungOptions& sizes)
      : arena_(std::move(arena)), cell_(std::move(cell)), sizes_(sizes) {}
  ~ProcessRung() override {
    ProcessRung::destroy();
    cell_.reset();  // the watcher uses the members below
  }

  Result<void> create(const sgx::CreateParameters& p) override {
    ControlMessage message{.operation = ControlOperation::kCreate};
    message.ssa_frame_size = p.ssa_frame_size;
    message.a = sizes_.epc_size;
    message.b = sizes_.page_limit;
    message.c = p.base;
    message.size = p.size;
    message.attributes_flags = p.attributes.flags;
    message.attributes_xfrm = p.attributes.xfrm;
    message.misc_select = p.misc_select;
    message.config_svn = p.config_svn;
    std::ranges::copy(p.config_id, message.config_id);
    return ask("ECREATE", message);
  }

  Result<void> add_pages(std::uint64_t offset, sgx::SecinfoFlags flags, ByteView content,
                         sgx::ExtendMask extend) override {
    if (staging_ == nullptr) staging_ = arena_.allocate(kStagingSize);
    if (staging_ == nullptr) return fail(ErrorKind::kSystem, "the arena is too small to load the image through");
    while (!content.empty()) {
      const ByteView piece = content.first(std::min(content.size(), kStagingSize));
      std::memcpy(staging_, piece.data(), piece.size());
      ControlMessage message{.operation = ControlOperation::kAddPages};
      message.a = offset;
      message.b = reinterpret_cast<std::uint64_t>(staging_);
      message.c = piece.size();
      message.d = flags.value;
      message.e = extend;
      if (auto added = ask("EADD", message); !added) return added;
      content = content.subspan(piece.size());
      offset += piece.size();
    }
    return {};
  }

  Result<void> init(const sgx::Sigstruct& sigstruct, const ThreadPlan& threads) override {
    plan_ = threads;
    std::byte* place = arena_.allocate(sizeof(sigstruct));
    std::byte* slots = arena_.allocate(threads.count * sizeof(Slot));
    std::byte* counters = arena_.allocate(threads.count * sizeof(CarrierCounters));
    if (place == nullptr || slots == nullptr || counters == nullptr)
      return fail(ErrorKind::kSystem, "the arena is too small");
    slots_ = reinterpret_cast<Slot*>(slots);
    std::memset(static_cast<void*>(slots_), 0, threads.count * sizeof(Slot));
    counters_ = reinterpret_cast<CarrierCounters*>(counters);
    std::memset(static_cast<void*>(counters_), 0, threads.count * sizeof(CarrierCounters));
    workers_ = std::vector<Worker>(threads.count);
    std::memcpy(place, &sigstruct, sizeof(sigstruct));
    ControlMessage message{.operation = ControlOperation::kInit};
    message.b = reinterpret_cast<std::uint64_t>(place);
    auto initialised = ask("EINIT", message);
    arena_.release(place);
    if (staging_ != nullptr) arena_.release(std::exchange(staging_, nullptr));
    return initialised;
  }

  Result<void> apply_fast_paths(std::uint64_t layout_offset) override {
    ControlMessage message{.operation = ControlOperation::kFastPaths};
    message.a = layout_offset;
    return ask("fast paths", message);
  }

  Result<void> apply_traps(std::uint64_t layout_offset) override {
    ControlMessage message{.operation = ControlOperation::kTraps};
    message.a = layout_offset;
    return ask("traps", message);
  }

  void watch(std::function<void()> handler) override {
    loss_handler_ = std::move(handler);
    cell_->watch([this] { on_death(); });
  }

  Result<EnterResult> enter(std::uint32_t thread, Registers& registers) override {
    if (lost_) return EnterResult{.dead = true};
    if (auto started = start_worker(thread); !started) return std::unexpected(started.error());
    Slot& slot = slots_[thread];
    slot.rdi = registers.rdi;
    slot.rsi = registers.rsi;
    slot.rdx = registers.rdx;
    slot.r8 = registers.r8;
    slot.r9 = registers.r9;
    hand_over(thread, slot);
    if (lost_) return EnterResult{.dead = true};
    registers = {slot.rdi, slot.rsi, slot.rdx, slot.r8, slot.r9};
    if (slot.status.load(std::memory_order_relaxed) == static_cast<std::uint32_t>(SlotStatus::kDead)) {
      return EnterResult{true, {static_cast<int>(registers.rdi), registers.rsi, registers.rdx}};
    }
    return EnterResult{};
  }

  void destroy() override { cell_->kill(); }

  void set_spin(std::chrono::nanoseconds spin) override {
    const auto value = static_cast<std::uint32_t>(std::clamp<std::int64_t>(spin.count(), 0, 1'000'000'000));
    spin_ns_.store(value, std::memory_order_relaxed);
    for (std::uint32_t i = 0; i < plan_.count; ++i) slots_[i].spin_ns.store(value, std::memory_order_relaxed);
  }

  bool share_file(std::uint64_t handle, int descriptor) override {
    const ControlMessage message{.operation = ControlOperation::kShareFile, .a = handle};
    const auto answer = cell_->ask(message, descriptor);
    return answer && answer->status == 0;
  }
  void unshare_file(std::uint64_t handle) override {
    (void)cell_->ask({.operation = ControlOperation::kUnshareFile, .a = handle});
  }

  std::vector<std::string> missing_protections() const override { return cell_->missing(); }
  Arena& arena() override { return arena_; }
  boundary::EpcCounters epc_counters() override {
    boundary::EpcCounters counters{};
    const auto answer = cell_->ask({.operation = ControlOperation::kUsage});
    if (answer && answer->status == 0) std::memcpy(&counters, answer->text, sizeof(counters));
    return counters;
  }
  const CarrierCounters* carrier_counters(std::uint32_t thread) const override { return &counters_[thread]; }
  int carrier_pid() const override { return cell_->pid(); }

 private:
  struct Worker {
    bool started = false;
    Placement placement;
  };

  Result<void> ask(const std::string& what, const ControlMessage& message) {
    auto answer = cell_->ask(message);
    if (!answer) return std::unexpected(answer.error());
    if (answer->status == 0) return {};
    if (answer->status != 1) return fail(ErrorKind::kSystem, what + ": " + answer->text);
    return std::unexpected(leaf_failure(what, {static_cast<sgx::LeafError>(answer->error),
                                               static_cast<processor::LeafOutcome::Fault>(answer->fault), 0}));
  }

  Result<void> start_worker(std::uint32_t thread) {
    if (workers_[thread].started) return {};
    ControlMessage message{.operation = ControlOperation::kWorker};
    message.a = plan_.first_tcs + thread * plan_.stride;
    message.b = reinterpret_cast<std::uint64_t>(&slots_[thread]);
    message.c = thread;
    message.d = plan_.count;
    message.e = reinterpret_cast<std::uint64_t>(&counters_[thread]);
    if (plan_.exchange != nullptr) {
      message.f = reinterpret_cast<std::uint64_t>(plan_.exchange + thread * sizeof(boundary::ExchangeArea));
    }
    auto started = ask("starting a worker", message);
    if (started) workers_[thread].started = true;
    return started;
  }

  // Where a worker may run. One of the daemon's is another user's thread, which only its cell may place.
  bool place(std::uint32_t thread, Placing placing, unsigned cpu) {
    const std::uint32_t worker = slots_[thread].worker_id.load(std::memory_order_relaxed);
    if (worker == 0) return false;  // still starting; 0 would mean the caller itself
    cpu_set_t cpus;
    std::memset(&cpus, placing == Placing::kThere ? 0 : 0xff, sizeof(cpus));
    if (placing == Placing::kThere) CPU_SET(cpu, &cpus);
    if (placing == Placing::kElsewhere) CPU_CLR(cpu, &cpus);
    if (::sched_setaffinity(static_cast<pid_t>(worker), sizeof(cpus), &cpus) == 0) return true;
    if (errno != EPERM) return false;
    ControlMessage message{.operation = ControlOperation::kPlace};
    message.a = thread;
    message.b = cpu;
    message.c = static_cast<std::uint64_t>(placing);
    return ask("placing a worker", message).has_value();
  }

  void hand_over(std::uint32_t thread, Slot& slot) {
    Placement& placement = workers_[thread].placement;
    const auto move = [&](Placing placing, int cpu) { return place(thread, placing, static_cast<unsigned>(cpu)); };
    const std::uint32_t spin = spin_ns_.load(std::memory_order_relaxed);
    // Who sleeps is handed over fastest on one CPU; who spins needs a CPU for each side, which can be seen to while the
    // worker is at it.
    if (spin == 0 && slot.worker_sleeps.load(std::memory_order_relaxed) != 0) placement.before_wake(move);
    boundary::give_turn(slot, Turn::kCell);
    if (spin != 0) placement.keep_apart(move);
    timespec patience{0, kShortCall};
    while (!boundary::has_turn(slot, Turn::kHost) && !lost_) {
      if (boundary::spin_for_turn(slot, Turn::kHost, spin)) return;
      if (!boundary::sleep_for_turn(slot, Turn::kHost, &patience)) {
        placement.release(move);
        patience = {0, kLivenessCheck};
      }
    }
  }

  void on_death() {
    lost_ = true;
    for (std::uint32_t i = 0; i < plan_.count; ++i) boundary::give_turn(slots_[i], Turn::kHost);
    if (loss_handler_) loss_handler_();
  }

  Arena arena_;
  std::unique_ptr<CellProcess> cell_;
  RungOptions sizes_;
  ThreadPlan plan_;
  std::byte* staging_ = nullptr;
  Slot* slots_ = nullptr;
  CarrierCounters* counters_ = nullptr;
  std::vector<Worker> workers_;
  std::atomic<std::uint32_t> spin_ns_{0};
  std::function<void()> loss_handler_;
  std::atomic<bool> lost_{false};
};

}  // namespace

Result<std::unique_ptr<Rung>> make_process_rung(const RungOptions& options) {
  for (int attempt = 0;; ++attempt) {
    auto arena = Arena::make(options.arena_size);
    if (!arena) return std::unexpected(arena.error());
    auto cell = CellProcess::start(*arena, options.epc_size);
    if (cell) return std::make_unique<ProcessRung>(std::move(*arena), std::move(*cell), options);
    // The cell's own mappings are random: where they met the arena, another address does.
    if (cell.error().message != "arena address taken" || attempt + 1 == kStartAttempts) {
      return std::unexpected(cell.error());
    }
  }
}

}  // namespace coffer::host
