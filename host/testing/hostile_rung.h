// Hosts that lie. A real rung carries the enclave, and a test's Attacker says what goes in instead of the truth.
//
// HostileRung stands between the runtime and any rung and changes what the runtime answers. HostileCarrier is a rung of
// its own, in this process, that also lies where the runtime never looks: time, sleeping, exceptions, interrupts.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "host/rung.h"
#include "processor/carrier/entry_loop.h"

namespace coffer::host::testing {

// Called on the threads that enter; one at a time for each enclave thread.
class Attacker {
 public:
  virtual ~Attacker() = default;
  // Enclave thread `thread` left with `request` (RDI 0: it has never been entered) and is about to be entered with
  // `answer`.
  virtual void on_answer(std::uint32_t thread, const Registers& request, Registers& answer) = 0;
  // The same for the requests that a carrier answers itself: HostileCarrier only.
  virtual void on_local_answer(std::uint32_t /*thread*/, const Registers& /*request*/, Registers& /*answer*/) {}
  // True where a carrier is only to say that it did what `request` wants of pages.
  virtual bool withholds(const Registers& /*request*/) { return false; }
};

class HostileRung final : public Rung {
 public:
  HostileRung(std::unique_ptr<Rung> real, Attacker& attacker) : real_(std::move(real)), attacker_(attacker) {}

  Result<void> create(const sgx::CreateParameters& parameters) override { return real_->create(parameters); }
  Result<void> add_pages(std::uint64_t offset, sgx::SecinfoFlags flags, ByteView content,
                         sgx::ExtendMask extend) override {
    return real_->add_pages(offset, flags, content, extend);
  }
  Result<void> init(const sgx::Sigstruct& sigstruct, const ThreadPlan& threads) override;
  Result<void> apply_fast_paths(std::uint64_t layout_offset) override { return real_->apply_fast_paths(layout_offset); }
  Result<void> apply_traps(std::uint64_t layout_offset) override { return real_->apply_traps(layout_offset); }
  Result<EnterResult> enter(std::uint32_t thread, Registers& registers) override;
  void watch(std::function<void()> on_end) override { real_->watch(std::move(on_end)); }
  void destroy() override { real_->destroy(); }
  void set_spin(std::chrono::nanoseconds spin) override { real_->set_spin(spin); }
  std::vector<std::string> missing_protections() const override { return real_->missing_protections(); }
  Arena& arena() override { return real_->arena(); }
  bool shares_process() const override { return real_->shares_process(); }
  bool reaches(std::uint64_t address, std::uint64_t size) override { return real_->reaches(address, size); }

 private:
  std::unique_ptr<Rung> real_;
  Attacker& attacker_;
  std::vector<Registers> left_with_;
};

// How much a HostileCarrier meddles with exceptions; chances are of 1000.
struct Meddling {
  unsigned spurious_handler = 0;  // enter the exception handler when there is nothing for it to do, or again
  unsigned resume_unhandled = 0;  // ERESUME instead of entering the handler: the instruction faults again
  bool interrupts = false;        // interrupt everything all the time
  std::uint32_t seed = 1;
};

class HostileCarrier final : public Rung {
 public:
  [[nodiscard]] static Result<std::unique_ptr<HostileCarrier>> make(const RungOptions& options, Attacker& attacker,
                                                                    const Meddling& meddling);
  ~HostileCarrier() override;

  Result<void> create(const sgx::CreateParameters& parameters) override;
  Result<void> add_pages(std::uint64_t offset, sgx::SecinfoFlags flags, ByteView content,
                         sgx::ExtendMask extend) override;
  Result<void> init(const sgx::Sigstruct& sigstruct, const ThreadPlan& threads) override;
  Result<void> apply_fast_paths(std::uint64_t layout_offset) override;
  Result<void> apply_traps(std::uint64_t layout_offset) override;
  Result<EnterResult> enter(std::uint32_t thread, Registers& registers) override;
  void watch(std::function<void()>) override {}
  void destroy() override;
  void set_spin(std::chrono::nanoseconds) override {}
  std::vector<std::string> missing_protections() const override { return {}; }
  Arena& arena() override { return arena_; }

  [[nodiscard]] std::uint64_t enclave_base() const { return enclave_->base(); }
  [[nodiscard]] std::uint64_t enclave_size() const { return enclave_->size(); }
  // EENTER of a TCS by the test itself, once.
  [[nodiscard]] processor::EnterOutcome enter_once(std::uint32_t thread, Registers& registers);
  [[nodiscard]] long spurious_entries() const { return spurious_entries_; }
  [[nodiscard]] std::uint32_t deepest_entry() const { return deepest_; }

 private:
  class Visit;
  HostileCarrier(std::unique_ptr<processor::SoftEnclave> enclave, Arena arena, Attacker& attacker,
                 const Meddling& meddling);
  bool serve_locally(std::uint32_t thread, Registers& registers);

  std::unique_ptr<processor::SoftEnclave> enclave_;
  Arena arena_;
  Attacker& attacker_;
  Meddling meddling_;
  ThreadPlan plan_;
  std::unique_ptr<processor::ParkingLot> lot_;
  std::vector<Registers> left_with_;
  std::atomic<bool> stop_{false};
  std::atomic<int> inside_{0};
  std::atomic<long> spurious_entries_{0};
  std::atomic<std::uint32_t> deepest_{0};
  std::thread interrupter_;
};

}  // namespace coffer::host::testing
