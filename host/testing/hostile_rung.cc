#include "host/testing/hostile_rung.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <ctime>

#include "base/file.h"
#include "host/testing/enclaves.h"
#include "processor/patch.h"

namespace coffer::host::testing {

using boundary::EnterCommand;
using boundary::Request;
using processor::EnterOutcome;
using processor::ExitKind;

namespace {

Result<void> checked(const std::string& leaf, const processor::LeafOutcome& outcome) {
  if (outcome.ok()) return {};
  return std::unexpected(leaf_failure(leaf, outcome));
}

class Counted {
 public:
  explicit Counted(std::atomic<int>& count) : count_(count) { ++count_; }
  ~Counted() { --count_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  std::atomic<int>& count_;
};

}  // namespace

Result<void> HostileRung::init(const sgx::Sigstruct& sigstruct, const ThreadPlan& threads) {
  left_with_ = std::vector<Registers>(threads.count);
  return real_->init(sigstruct, threads);
}

Result<EnterResult> HostileRung::enter(std::uint32_t thread, Registers& registers) {
  attacker_.on_answer(thread, left_with_[thread], registers);
  auto result = real_->enter(thread, registers);
  left_with_[thread] = registers;
  return result;
}

Result<std::unique_ptr<HostileCarrier>> HostileCarrier::make(const RungOptions& options, Attacker& attacker,
                                                             const Meddling& meddling) {
  if (auto trapped = processor::install_traps(processor::SyscallTrap::kUserDispatch); !trapped) {
    return std::unexpected(trapped.error());
  }
  auto fuses = processor::Fuses::ephemeral();
  if (!fuses) return std::unexpected(fuses.error());
  auto vault = std::make_shared<processor::KeyVault>(std::move(*fuses));
  if (auto kept = vault->keep_counters(scratch()); !kept) return std::unexpected(kept.error());
  auto enclave = processor::SoftEnclave::make(
      {.epc_size = options.epc_size, .want_secret_memory = false, .debug_only = true}, std::move(vault));
  if (!enclave) return std::unexpected(enclave.error());
  auto arena = Arena::make(options.arena_size);
  if (!arena) return std::unexpected(arena.error());
  return std::unique_ptr<HostileCarrier>(
      new HostileCarrier(std::move(*enclave), std::move(*arena), attacker, meddling));
}

HostileCarrier::HostileCarrier(std::unique_ptr<processor::SoftEnclave> enclave, Arena arena, Attacker& attacker,
                               const Meddling& meddling)
    : enclave_(std::move(enclave)), arena_(std::move(arena)), attacker_(attacker), meddling_(meddling) {}

HostileCarrier::~HostileCarrier() {
  HostileCarrier::destroy();
  if (interrupter_.joinable()) interrupter_.join();
}

Result<void> HostileCarrier::create(const sgx::CreateParameters& parameters) {
  auto created = enclave_->ecreate(parameters);
  if (!created) return std::unexpected(created.error());
  return checked("ECREATE", *created);
}

Result<void> HostileCarrier::add_pages(std::uint64_t offset, sgx::SecinfoFlags flags, ByteView content,
                                       sgx::ExtendMask extend) {
  return checked("EADD", enclave_->eadd(offset, flags, content, extend));
}

Result<void> HostileCarrier::init(const sgx::Sigstruct& sigstruct, const ThreadPlan& threads) {
  plan_ = threads;
  lot_ = std::make_unique<processor::ParkingLot>(threads.count);
  left_with_ = std::vector<Registers>(threads.count);
  auto initialised = checked("EINIT", enclave_->einit(sigstruct));
  if (initialised && meddling_.interrupts) {
    interrupter_ = std::thread([this] {
      while (!stop_) {
        for (std::uint32_t i = 0; i < plan_.count; ++i) {
          processor::interrupt_thread(*enclave_, plan_.first_tcs + i * plan_.stride);
        }
        std::this_thread::sleep_for(std::chrono::microseconds(20));
      }
    });
  }
  return initialised;
}

Result<void> HostileCarrier::apply_fast_paths(std::uint64_t layout_offset) {
  auto patched = processor::apply_fast_paths(*enclave_, layout_offset);
  if (!patched) return std::unexpected(patched.error());
  return {};
}

Result<void> HostileCarrier::apply_traps(std::uint64_t layout_offset) {
  auto trapped = processor::trap_cpuid(*enclave_, layout_offset);
  if (!trapped) return std::unexpected(trapped.error());
  return {};
}

processor::EnterOutcome HostileCarrier::enter_once(std::uint32_t thread, Registers& registers) {
  return processor::eenter(*enclave_, plan_.first_tcs + thread * plan_.stride, registers);
}

bool HostileCarrier::serve_locally(std::uint32_t thread, Registers& registers) {
  const Registers request = registers;
  registers = {static_cast<std::uint64_t>(EnterCommand::kReturn), 0, 0, 0, 0};
  switch (static_cast<Request>(request.rdi)) {
    case Request::kPark:
      lot_->park(thread, std::min<std::uint64_t>(request.rsi, 50'000'000));
      break;
    case Request::kUnpark:
    case Request::kInterrupt:  // whoever computes is not interrupted: a late signal is the least that a host can do
      lot_->unpark(request.rsi);
      break;
    case Request::kYield:
      std::this_thread::yield();
      break;
    case Request::kClock: {
      timespec now{};
      if (::clock_gettime(static_cast<clockid_t>(request.rsi), &now) != 0) {
        registers.rsi = static_cast<std::uint64_t>(-EINVAL);
      }
      registers.rdx = static_cast<std::uint64_t>(now.tv_sec);
      registers.r8 = static_cast<std::uint64_t>(now.tv_nsec);
      break;
    }
    case Request::kRestrictPages:
      registers.rsi =
          static_cast<std::uint64_t>(processor::restrict_pages(*enclave_, request.rsi, request.rdx, request.r8));
      break;
    case Request::kTrimPages:
      registers.rsi = attacker_.withholds(request)
                          ? request.rdx
                          : static_cast<std::uint64_t>(processor::trim_pages(*enclave_, request.rsi, request.rdx));
      break;
    case Request::kRemovePages:
      if (attacker_.withholds(request)) break;
      registers.rsi = static_cast<std::uint64_t>(processor::remove_pages(*enclave_, request.rsi, request.rdx));
      break;
    case Request::kCounter: {
      const auto counted = enclave_->counter({.operation = static_cast<boundary::CounterOperation>(request.rsi),
                                              .id = request.rdx,
                                              .nonce = {request.r8, request.r9}});
      registers.rsi = static_cast<std::uint64_t>(counted.result);
      registers.rdx = counted.value;
      registers.r8 = counted.mac[0];
      registers.r9 = counted.mac[1];
      break;
    }
    default:
      registers = request;
      return false;
  }
  attacker_.on_local_answer(thread, request, registers);
  return true;
}

// One enter() of an enclave thread: which handlers it has open, and what to do to it next.
class HostileCarrier::Visit {
 public:
  // `registers` are what every leaf takes and leaves.
  Visit(HostileCarrier& carrier, std::uint32_t thread, Registers& registers)
      : carrier_(carrier),
        registers_(registers),
        tcs_(carrier.plan_.first_tcs + thread * carrier.plan_.stride),
        state_(carrier.enclave_->thread_at(tcs_)),
        random_(carrier.meddling_.seed * 7919 + thread) {}

  EnterOutcome enter() { return processor::eenter(*carrier_.enclave_, tcs_, registers_); }
  [[nodiscard]] bool in_handler() const { return state_->tcs.current_ssa != 0; }

  // What goes on after an asynchronous exit.
  EnterOutcome after_exception() {
    if (chance(carrier_.meddling_.resume_unhandled)) return resume();
    return open_handler(false);
  }
  EnterOutcome after_interrupt() { return chance(carrier_.meddling_.spurious_handler) ? open_handler(true) : resume(); }
  // A handler has left. False: the enclave says that nothing handles its exception.
  bool after_handler(EnterOutcome& outcome) {
    const bool spurious = !owed_.empty() && owed_.back();
    if (!owed_.empty()) owed_.pop_back();
    if (!spurious && registers_.rdi != static_cast<std::uint64_t>(Request::kResume)) return false;
    outcome = chance(carrier_.meddling_.spurious_handler) ? open_handler(true) : resume();
    return true;
  }

 private:
  bool chance(unsigned of_thousand) { return random_() % 1000 < of_thousand; }

  EnterOutcome resume() { return processor::eresume(*carrier_.enclave_, tcs_, registers_); }
  EnterOutcome open_handler(bool spurious) {
    if (state_->tcs.current_ssa >= state_->tcs.ssa_count) return resume();
    if (spurious) {
      ++carrier_.spurious_entries_;
      registers_ = {random_() % 6, random_() * std::uint64_t{random_()}, ~std::uint64_t{random_()}, random_(),
                    random_()};
    } else {
      registers_ = {static_cast<std::uint64_t>(EnterCommand::kException), 0, 0, 0, 0};
    }
    if (state_->tcs.current_ssa > carrier_.deepest_) carrier_.deepest_ = state_->tcs.current_ssa;
    owed_.push_back(spurious);
    return enter();
  }

  HostileCarrier& carrier_;
  Registers& registers_;
  std::uint64_t tcs_;
  processor::ThreadState* state_;
  std::mt19937 random_;
  std::vector<bool> owed_;  // by open handler: nobody asked for it
};

Result<EnterResult> HostileCarrier::enter(std::uint32_t thread, Registers& registers) {
  const Counted inside(inside_);
  if (stop_) return EnterResult{.dead = true};
  attacker_.on_answer(thread, left_with_[thread], registers);
  Visit visit(*this, thread, registers);
  EnterOutcome outcome = visit.enter();
  processor::ExceptionInfo last;
  while (!stop_) {
    if (!outcome.leaf.ok() || outcome.kind == ExitKind::kNone) {
      return EnterResult{true, {last.signal == 0 ? SIGSEGV : last.signal, last.rip, last.address}};
    }
    if (outcome.kind == ExitKind::kException) {
      last = outcome.exception;
      outcome = visit.after_exception();
    } else if (outcome.kind == ExitKind::kInterrupt) {
      outcome = visit.after_interrupt();
    } else if (visit.in_handler()) {
      if (!visit.after_handler(outcome)) {
        left_with_[thread] = registers;
        return EnterResult{};
      }
    } else {
      if (!serve_locally(thread, registers)) {
        left_with_[thread] = registers;
        return EnterResult{};
      }
      outcome = visit.enter();
    }
  }
  return EnterResult{.dead = true};
}

void HostileCarrier::destroy() {
  stop_ = true;
  while (inside_ != 0) {
    for (std::uint32_t i = 0; i < plan_.count; ++i) {
      processor::interrupt_thread(*enclave_, plan_.first_tcs + i * plan_.stride);
      lot_->unpark(i);
    }
    std::this_thread::sleep_for(processor::kInterruptPause);
  }
}

}  // namespace coffer::host::testing
