// The rung `sgx`: Intel's hardware, through Linux's driver and vDSO. Enclave code runs on the host program's threads.
#include <atomic>
#include <thread>

#include "host/hardware/carrier.h"
#include "host/hardware/driver.h"
#include "host/rung.h"

namespace coffer::host {

namespace {

using processor::ParkingLot;

class SgxRung final : public Rung {
 public:
  SgxRung(hardware::Driver driver, hardware::EnterFunction function, Arena arena)
      : driver_(std::move(driver)), function_(function), arena_(std::move(arena)) {}
  ~SgxRung() override { SgxRung::destroy(); }

  Result<void> create(const sgx::CreateParameters& parameters) override { return driver_.create(parameters); }

  Result<void> add_pages(std::uint64_t offset, sgx::SecinfoFlags flags, ByteView content,
                         sgx::ExtendMask extend) override {
    return driver_.add_pages(offset, flags, content, extend);
  }

  Result<void> init(const sgx::Sigstruct& sigstruct, const ThreadPlan& threads) override {
    plan_ = threads;
    lot_ = std::make_unique<ParkingLot>(threads.count);
    counters_ = std::make_unique<boundary::CarrierCounters[]>(threads.count);
    thread_ids_ = std::make_unique<std::atomic<std::uint64_t>[]>(threads.count);
    return driver_.init(sigstruct);
  }

  // The measured bytes run as they are: ENCLU is an instruction, and `syscall` and CPUID are exceptions of the
  // enclave's. An emulated device is asked to make CPUID one.
  Result<void> apply_fast_paths(std::uint64_t layout_offset) override { return apply_traps(layout_offset); }
  Result<void> apply_traps(std::uint64_t layout_offset) override { return driver_.trap_cpuid(layout_offset); }

  Result<EnterResult> enter(std::uint32_t thread, Registers& registers) override {
    const Inside inside(*this, thread);
    if (stop_) return EnterResult{.dead = true};
    hardware::Carrier carrier(function_, driver_, *lot_, counters_[thread], thread,
                              driver_.base() + plan_.first_tcs + thread * plan_.stride, stop_);
    const hardware::CarryEnd end = carrier.run(registers);
    if (!end.dead) return EnterResult{};
    return EnterResult{true, {end.signal, 0, end.address}};
  }

  void watch(std::function<void()>) override {}  // what this process loses, it does not survive

  void destroy() override {
    stop_ = true;
    // As on `inline`: an interrupt can miss a thread that is on its way in or out.
    constexpr std::chrono::microseconds kPause{200};
    while (inside_ != 0) {
      for (std::uint32_t i = 0; i < plan_.count; ++i) {
        if (const std::uint64_t id = thread_ids_[i]; id != 0) hardware::interrupt_host_thread(id);
        lot_->unpark(i);
      }
      if (inside_ != 0) std::this_thread::sleep_for(kPause);
    }
  }

  void set_spin(std::chrono::nanoseconds) override {}
  std::vector<std::string> missing_protections() const override {
    if (!driver_.emulated()) return {};
    return {
        "rung sgx: the device is emulated (coffer emulate): the enclave is part of this process and protected from "
        "nobody"};
  }
  Arena& arena() override { return arena_; }
  const boundary::CarrierCounters* carrier_counters(std::uint32_t thread) const override { return &counters_[thread]; }

 private:
  // A host thread that carries an enclave thread.
  class Inside {
   public:
    Inside(SgxRung& rung, std::uint32_t thread) : rung_(rung), id_(rung.thread_ids_[thread]) {
      ++rung_.inside_;
      id_ = hardware::current_thread_id();
    }
    ~Inside() {
      id_ = 0;
      --rung_.inside_;
    }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;

   private:
    SgxRung& rung_;
    std::atomic<std::uint64_t>& id_;
  };

  hardware::Driver driver_;
  hardware::EnterFunction function_;
  Arena arena_;
  std::unique_ptr<ParkingLot> lot_;
  std::unique_ptr<boundary::CarrierCounters[]> counters_;
  std::unique_ptr<std::atomic<std::uint64_t>[]> thread_ids_;  // by enclave thread; 0: nobody carries it
  ThreadPlan plan_;
  std::atomic<bool> stop_{false};
  std::atomic<int> inside_{0};
};

}  // namespace

Result<std::unique_ptr<Rung>> make_sgx_rung(const RungOptions& options) {
  auto driver = hardware::Driver::open();
  if (!driver) return std::unexpected(driver.error());
  const hardware::EnterFunction function = hardware::find_enter_function();
  if (function == nullptr) {
    return input_error("the kernel has no __vdso_sgx_enter_enclave; the rung sgx needs Linux 6.0 or later");
  }
  if (auto installed = hardware::install_interrupts(); !installed) return std::unexpected(installed.error());
  auto arena = Arena::make(options.arena_size);
  if (!arena) return std::unexpected(arena.error());
  return std::make_unique<SgxRung>(std::move(*driver), function, std::move(*arena));
}

}  // namespace coffer::host
