// The rung `inline`: the software processor inside this process. It protects nothing, so it takes DEBUG enclaves only.
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>

#include "base/file.h"
#include "host/debugger/debug_access.h"
#include "host/debugger/symbol_list.h"
#include "host/rung.h"
#include "processor/carrier/entry_loop.h"
#include "processor/pager/pager.h"
#include "processor/patch.h"

namespace coffer::host {

namespace {

using processor::EntryLoop;
using processor::LeafOutcome;
using processor::ParkingLot;
using processor::SoftEnclave;

Result<std::shared_ptr<const processor::KeyVault>> platform_vault() {
  auto state = state_directory();
  if (!state) return std::unexpected(state.error());
  auto fuses = processor::Fuses::load_or_make(*state);
  if (!fuses) return std::unexpected(fuses.error());
  auto vault = std::make_shared<processor::KeyVault>(std::move(*fuses));
  (void)vault->keep_counters(*state);  // without: a platform that has none
  return vault;
}

class InlineRung final : public Rung {
 public:
  InlineRung(std::unique_ptr<SoftEnclave> enclave, Arena arena)
      : enclave_(std::move(enclave)), arena_(std::move(arena)) {}
  ~InlineRung() override {
    InlineRung::destroy();
    symbol_list_.reset();
  }

  Result<void> create(const sgx::CreateParameters& parameters) override {
    auto created = enclave_->ecreate(parameters);
    if (!created) return std::unexpected(created.error());
    if (!created->ok()) return checked("ECREATE", *created);
    auto pager = processor::Pager::attach(*enclave_);
    if (!pager) return std::unexpected(pager.error());
    pager_ = std::move(*pager);
    debug_access_.emplace(*enclave_, *pager_);
    return {};
  }

  Result<void> add_pages(std::uint64_t offset, sgx::SecinfoFlags flags, ByteView content,
                         sgx::ExtendMask extend) override {
    return checked("EADD", pager_->add_pages(offset, flags, content, extend));
  }

  Result<void> init(const sgx::Sigstruct& sigstruct, const ThreadPlan& threads) override {
    plan_ = threads;
    lot_ = std::make_unique<ParkingLot>(threads.count);
    counters_ = std::make_unique<boundary::CarrierCounters[]>(threads.count);
    if (auto initialised = checked("EINIT", enclave_->einit(sigstruct)); !initialised) return initialised;
    return pager_->check_size();
  }

  Result<void> apply_fast_paths(std::uint64_t layout_offset) override {
    auto patched = processor::apply_fast_paths(*enclave_, layout_offset);
    if (!patched) return std::unexpected(patched.error());
    return {};
  }

  Result<void> apply_traps(std::uint64_t layout_offset) override {
    auto trapped = processor::trap_cpuid(*enclave_, layout_offset);
    if (!trapped) return std::unexpected(trapped.error());
    return {};
  }

  Result<EnterResult> enter(std::uint32_t thread, Registers& registers) override {
    const Inside inside(inside_);
    if (stop_) return EnterResult{.dead = true};
    // Here and not after EINIT: the debugger's breakpoints come after the bytes of the fast paths.
    std::call_once(debugger_told_, [this] {
      symbol_list_.emplace(symbol_files_, enclave_->base());
      debug_access_->ready();
    });
    EntryLoop loop(*enclave_, *lot_, counters_[thread], thread, plan_.first_tcs + thread * plan_.stride);
    const processor::LoopOutcome outcome = loop.run(registers, stop_);
    if (!outcome.dead) return EnterResult{};
    if (stop_) return EnterResult{.dead = true};
    return EnterResult{true, {outcome.exception.signal, outcome.exception.rip, outcome.exception.address}};
  }

  bool shows_fault(int signal) override { return !fault_shown_.exchange(true) && DebugAccess::fault(signal); }

  void show_symbols(std::vector<SymbolFile> files) override { symbol_files_ = std::move(files); }

  void watch(std::function<void()>) override {}  // what this process loses, it does not survive

  void destroy() override {
    stop_ = true;
    // Threads inside are interrupted and see stop_; sleepers are woken. An interrupt can miss a thread that is on its
    // way in or out, so it is repeated until nobody is inside.
    while (inside_ != 0) {
      for (std::uint32_t i = 0; i < plan_.count; ++i) {
        processor::interrupt_thread(*enclave_, plan_.first_tcs + i * plan_.stride);
        lot_->unpark(i);
      }
      if (inside_ != 0) std::this_thread::sleep_for(processor::kInterruptPause);
    }
  }

  void set_spin(std::chrono::nanoseconds) override {}
  std::vector<std::string> missing_protections() const override {
    return {"rung inline: the enclave is part of this process and protected from nobody"};
  }
  Arena& arena() override { return arena_; }
  bool shares_process() const override { return true; }
  bool reaches(std::uint64_t address, std::uint64_t size) override {
    constexpr std::uint64_t kUserEnd = std::uint64_t{1} << 47;
    const std::uint64_t begin = enclave_->base();
    return range_fits(address, size, kUserEnd) && (address + size <= begin || address >= begin + enclave_->size());
  }
  boundary::EpcCounters epc_counters() override { return processor::epc_counters(*enclave_, *pager_); }
  const boundary::CarrierCounters* carrier_counters(std::uint32_t thread) const override { return &counters_[thread]; }

 private:
  class Inside {
   public:
    explicit Inside(std::atomic<int>& count) : count_(count) { ++count_; }
    ~Inside() { --count_; }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;

   private:
    std::atomic<int>& count_;
  };

  static Result<void> checked(const std::string& leaf, const LeafOutcome& outcome) {
    if (outcome.ok()) return {};
    return std::unexpected(leaf_failure(leaf, outcome));
  }

  std::unique_ptr<SoftEnclave> enclave_;
  std::unique_ptr<processor::Pager> pager_;
  std::optional<DebugAccess> debug_access_;
  std::vector<SymbolFile> symbol_files_;
  std::optional<SymbolList> symbol_list_;
  std::once_flag debugger_told_;
  std::atomic<bool> fault_shown_{false};
  Arena arena_;
  std::unique_ptr<ParkingLot> lot_;
  std::unique_ptr<boundary::CarrierCounters[]> counters_;
  ThreadPlan plan_;
  std::atomic<bool> stop_{false};
  std::atomic<int> inside_{0};
};

}  // namespace

Result<std::unique_ptr<Rung>> make_inline_rung(const RungOptions& options) {
  if (auto trapped = processor::install_traps(processor::SyscallTrap::kUserDispatch, is_traced()); !trapped) {
    return std::unexpected(trapped.error());
  }
  auto vault = platform_vault();
  if (!vault) return std::unexpected(vault.error());
  auto enclave = SoftEnclave::make({.epc_size = options.epc_size,
                                    .page_limit = options.page_limit,
                                    .want_secret_memory = false,
                                    .debug_only = true,
                                    .new_code = true},
                                   std::move(*vault));
  if (!enclave) return std::unexpected(enclave.error());
  auto arena = Arena::make(options.arena_size);
  if (!arena) return std::unexpected(arena.error());
  return std::make_unique<InlineRung>(std::move(*enclave), std::move(*arena));
}

}  // namespace coffer::host
