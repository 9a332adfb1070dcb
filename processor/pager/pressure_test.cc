// Enclaves at once, several threads in each, four times as many pages as each one's EPC has: every page's content is
// known, and pages come, change their rights, go and come again while the driver of paging moves them about.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "processor/carrier/entry_loop.h"
#include "processor/pager/pager.h"
#include "processor/patch.h"
#include "processor/testing/test_enclave.h"

namespace coffer::processor {
namespace {

using sgx::kPageSize;
using sgx::LeafError;
using sgx::PageType;
using sgx::SecinfoFlags;
using testing::TestEnclave;
using testing::thread_offset;

constexpr std::uint32_t kThreads = 3;
constexpr std::uint64_t kHeap = TE_THREADS + kThreads * TE_STRIDE;  // everything behind the threads
constexpr std::uint32_t kPages = (TE_SIZE - kHeap) / kPageSize;
constexpr std::uint32_t kFixedPages = 8 + kThreads * 5;  // code, layout, data, read-only page; TCS, SSA, block
constexpr std::uint32_t kEpcPages = (kPages + kFixedPages) / 4;
constexpr std::uint32_t kWords = kPageSize / sizeof(std::uint64_t);
constexpr std::uint8_t kRw = SecinfoFlags::kR | SecinfoFlags::kW;

// Operands, written before the threads start: each a SECINFO at TE_OPERANDS + 64 * its number.
enum class Operand : std::uint8_t { kPendingRw, kReadOnly, kTrimmed, kReadWrite };
constexpr std::array kOperands = {
    SecinfoFlags{SecinfoFlags::make(PageType::kReg, kRw).value | SecinfoFlags::kPending},
    SecinfoFlags{SecinfoFlags::make(PageType::kReg, SecinfoFlags::kR).value | SecinfoFlags::kPermRestricted},
    SecinfoFlags{SecinfoFlags::make(PageType::kTrim, 0).value | SecinfoFlags::kModified},
    SecinfoFlags{SecinfoFlags::make(PageType::kReg, kRw).value},
};

struct Pressed {
  TestEnclave made;
  std::unique_ptr<Pager> pager;
  ParkingLot lot{kThreads};
};

std::unique_ptr<Pressed> make_pressed(bool patched) {
  auto pressed = std::make_unique<Pressed>();
  pressed->made =
      testing::build({.threads = kThreads,
                      .epc_size = kEpcPages * kPageSize,
                      .page_limit = TE_SIZE,
                      .layout = [](boundary::ImageLayout& layout, std::vector<std::byte>&) { layout.site_count = 0; }});
  EXPECT_TRUE(pressed->made.last.ok());
  auto attached = Pager::attach(*pressed->made.enclave);
  EXPECT_TRUE(attached);
  pressed->pager = std::move(*attached);
  if (patched) {
    EXPECT_TRUE(apply_fast_paths(*pressed->made.enclave, TE_LAYOUT));
  }
  for (std::size_t i = 0; i < kOperands.size(); ++i) {
    pressed->made.data<sgx::Secinfo>(TE_OPERANDS + 64 * i) = {kOperands[i], {}};
  }
  pressed->made.data<std::uint32_t>(TE_HANDLER) = 3;
  return pressed;
}

struct Done {
  std::uint64_t accepted = 0, restricted = 0, removed = 0, denied = 0, words = 0, sums = 0;
};

// One enclave thread and the pages that are its own: every kThreads-th, so that neighbours, which move together, belong
// to different threads.
class Worker {
 public:
  Worker(Pressed& pressed, std::uint32_t thread, std::uint64_t seed)
      : pressed_(pressed),
        enclave_(*pressed.made.enclave),
        thread_(thread),
        random_(seed),
        loop_(enclave_, pressed.lot, counters_, thread, thread_offset(thread)) {
    for (std::uint32_t page = thread; page < kPages; page += kThreads) pages_.push_back({.number = page});
  }

  void work(int steps) {
    for (int i = 0; i < steps && good_; ++i) step(pages_[random_() % pages_.size()]);
    for (Page& page : pages_) {
      if (good_ && page.present) check(page);
    }
  }
  [[nodiscard]] const Done& done() const { return done_; }

 private:
  struct Page {
    std::uint32_t number = 0;
    bool present = false;
    bool writable = false;
    std::array<std::uint64_t, kWords> content{};
  };

  [[nodiscard]] std::uint64_t offset(const Page& page) const { return kHeap + page.number * kPageSize; }
  [[nodiscard]] std::uint64_t address(const Page& page) const { return enclave_.base() + offset(page); }
  void expect(bool holds, const Page& page, const char* what, std::uint64_t value = 0) {
    if (holds || !good_) return;
    good_ = false;
    ADD_FAILURE() << "thread " << thread_ << ", page " << page.number << ": " << what << " (0x" << std::hex << value
                  << ")";
  }

  // Runs a command to its EEXIT, with the driver.
  Registers run(const Registers& in) {
    Registers registers = in;
    const std::atomic<bool> stop{false};
    const LoopOutcome outcome = loop_.run(registers, stop);
    if (outcome.dead && good_) {
      good_ = false;
      ADD_FAILURE() << "thread " << thread_ << " died: signal " << outcome.exception.signal << " at 0x" << std::hex
                    << outcome.exception.rip << ", address 0x" << outcome.exception.address;
    }
    return registers;
  }
  LeafError leaf(std::uint64_t number, Operand operand, const Page& page) {
    const std::uint64_t secinfo =
        pressed_.made.address(TE_DATA + TE_OPERANDS) + 64 * static_cast<std::uint64_t>(operand);
    const Registers out = run({TE_CMD_QUIET_LEAF, number, secinfo, address(page), 1});
    expect(out.rdi == 0, page, "the leaf faulted", number);
    return static_cast<LeafError>(out.rsi);
  }
  // EACCEPT of what the host has changed. Until other threads have gone through ETRACK too, it may not be tracked.
  void accept_change(Operand operand, const Page& page) {
    LeafError error = LeafError::kNotTracked;
    for (int i = 0; i < 1000 && error == LeafError::kNotTracked && good_; ++i) {
      track_and_flush(enclave_);
      error = leaf(SGX_ENCLU_EACCEPT, operand, page);
    }
    expect(error == LeafError::kSuccess, page, "EACCEPT", static_cast<std::uint64_t>(error));
  }

  void step(Page& page) {
    if (!page.present) return random_() % 8 == 0 ? touch_absent(page) : add(page);
    switch (random_() % 12) {
      case 0:
        return page.writable ? restrict(page) : extend(page);
      case 1:
        return remove(page);
      case 2:
      case 3:
        return page.writable ? fill(page) : check(page);
      case 4:
      case 5:
        return check(page);
      case 6:
      case 7:
      case 8:
        return page.writable ? store(page) : store_denied(page);
      default:
        return load(page);
    }
  }

  void add(Page& page) {
    // Sometimes the host adds it first; where the EPC is full, or another thread's EACCEPT went ahead, it cannot.
    std::uint32_t added = 0;
    if (random_() % 4 == 0) (void)enclave_.eaug(offset(page), 1, &added);
    const LeafError error = leaf(SGX_ENCLU_EACCEPT, Operand::kPendingRw, page);
    expect(error == LeafError::kSuccess, page, "EACCEPT of a new page", static_cast<std::uint64_t>(error));
    came(page);
    check(page);  // zero
  }
  void came(Page& page) {
    page.present = page.writable = true;
    page.content.fill(0);
    ++done_.accepted;
  }
  // The enclave's own handler makes the page, and the load that found none goes on.
  void touch_absent(Page& page) {
    Registers out = run({TE_CMD_LOAD, address(page)});
    expect(out.rdi == TE_DENIED, page, "a page that is not there was read", out.rdi);
    const LeafError error = leaf(SGX_ENCLU_EACCEPT, Operand::kPendingRw, page);
    expect(error == LeafError::kSuccess, page, "EACCEPT in the handler", static_cast<std::uint64_t>(error));
    out = run({TE_CMD_RESUME});
    expect(out.rdi == 0 && out.rsi == 0, page, "a new page is not zero", out.rsi);
    came(page);
    ++done_.denied;
  }

  void fill(Page& page) {
    const std::uint64_t first = random_();
    const std::uint64_t step = random_();
    for (std::uint32_t i = 0; i < kWords; ++i) page.content[i] = first + i * step;
    expect(run({TE_CMD_FILL, address(page), first, step}).rdi == 0, page, "cannot be filled");
  }
  void check(const Page& page) {
    std::uint64_t sum = 0;
    for (const std::uint64_t word : page.content) sum = std::rotl(sum, 7) ^ word;
    const Registers out = run({TE_CMD_SUM, address(page)});
    expect(out.rdi == 0 && out.rsi == sum, page, "holds something else", out.rdi);
    ++done_.sums;
  }
  void store(Page& page) {
    const std::uint32_t word = random_() % kWords;
    page.content[word] = random_();
    expect(run({TE_CMD_STORE, address(page) + word * 8, page.content[word]}).rdi == 0, page, "cannot be written");
    ++done_.words;
  }
  void load(const Page& page) {
    const std::uint32_t word = random_() % kWords;
    const Registers out = run({TE_CMD_LOAD, address(page) + word * 8});
    expect(out.rdi == 0 && out.rsi == page.content[word], page, "a word is wrong", out.rsi);
    ++done_.words;
  }

  // EMODPR and EACCEPT, as an operating system and an enclave do it together.
  void restrict(Page& page) {
    expect(restrict_pages(enclave_, address(page), 1, SecinfoFlags::kR) == 0, page, "EMODPR");
    accept_change(Operand::kReadOnly, page);
    page.writable = false;
    ++done_.restricted;
  }
  void extend(Page& page) {
    (void)leaf(SGX_ENCLU_EMODPE, Operand::kReadWrite, page);
    page.writable = true;
  }
  // The enclave's handler gives the page its right back, and the store that was refused goes on.
  void store_denied(Page& page) {
    const std::uint32_t word = random_() % kWords;
    Registers out = run({TE_CMD_STORE, address(page) + word * 8, ~page.content[word]});
    expect(out.rdi == TE_DENIED, page, "a read-only page was written", out.rdi);
    extend(page);
    out = run({TE_CMD_RESUME});
    expect(out.rdi == 0, page, "cannot be written after EMODPE", out.rdi);
    page.content[word] = ~page.content[word];
    ++done_.denied;
  }
  // EMODT to TRIM, EACCEPT, EREMOVE.
  void remove(Page& page) {
    expect(trim_pages(enclave_, address(page), 1) == 1, page, "EMODT");
    accept_change(Operand::kTrimmed, page);
    expect(remove_pages(enclave_, address(page), 1) == 0, page, "EREMOVE");
    page.present = false;
    ++done_.removed;
  }

  Pressed& pressed_;
  SoftEnclave& enclave_;
  std::uint32_t thread_;
  std::mt19937_64 random_;
  boundary::CarrierCounters counters_{};
  EntryLoop loop_;
  std::vector<Page> pages_;
  Done done_;
  bool good_ = true;
};

class EpcPressure : public ::testing::TestWithParam<bool> {};

TEST_P(EpcPressure, EveryPageHoldsWhatItsThreadPutThere) {
  testing::use_traps();
  const char* given = std::getenv("COFFER_TEST_SEED");
  const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
  std::printf("COFFER_TEST_SEED=%llu repeats the choices, not the scheduler's\n",
              static_cast<unsigned long long>(seed));
  constexpr std::uint32_t kEnclaves = 3;
  constexpr int kSteps = 600;
  std::vector<std::unique_ptr<Pressed>> enclaves;
  std::vector<std::unique_ptr<Worker>> workers;
  for (std::uint32_t i = 0; i < kEnclaves; ++i) {
    enclaves.push_back(make_pressed(GetParam()));
    for (std::uint32_t thread = 0; thread < kThreads; ++thread) {
      workers.push_back(std::make_unique<Worker>(*enclaves.back(), thread, seed + workers.size()));
    }
  }
  std::atomic<bool> over{false};
  std::thread interrupter([&] {
    std::mt19937 random(static_cast<std::uint32_t>(seed));
    while (!over) {
      interrupt_thread(*enclaves[random() % kEnclaves]->made.enclave,
                       thread_offset(static_cast<std::uint32_t>(random() % kThreads)));
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  });
  {
    std::vector<std::jthread> threads;
    for (const auto& worker : workers) threads.emplace_back([&worker] { worker->work(kSteps); });
  }
  over = true;
  interrupter.join();

  Done all;
  for (const auto& worker : workers) {
    all.accepted += worker->done().accepted;
    all.restricted += worker->done().restricted;
    all.removed += worker->done().removed;
    all.denied += worker->done().denied;
  }
  EXPECT_GT(all.accepted, kEnclaves * kPages / 2u);
  EXPECT_GT(std::min({all.restricted, all.removed, all.denied}), 20u) << "too little happened";
  for (const auto& pressed : enclaves) {
    const PagingCounters counters = pressed->pager->counters();
    EXPECT_GT(counters.pages_in, kPages) << "there was little pressure";
    EXPECT_LE(counters.epc_pages_used, kEpcPages);
    EXPECT_EQ(pressed->made->usage().epc_pages, kEpcPages);
    pressed->pager.reset();
  }
}

// The same leaves and the same driver from many threads, with nobody inside: what the thread sanitizer can watch, since
// its own signal handler cannot run where enclave code traps.
class LeafCaller {
 public:
  LeafCaller(Pressed& pressed, std::uint32_t thread, std::uint64_t seed)
      : pressed_(pressed), enclave_(*pressed.made.enclave), thread_(thread), random_(seed) {}

  void call_all(int steps) {
    for (int i = 0; i < steps; ++i) {
      const std::uint64_t offset = kHeap + (random_() % (kPages / kThreads) * kThreads + thread_) * kPageSize;
      const std::uint64_t address = enclave_.base() + offset;
      const std::uint64_t operands = pressed_.made.address(TE_DATA + TE_OPERANDS);
      const auto operand = [&](Operand which) { return operands + 64 * static_cast<std::uint64_t>(which); };
      const auto accept = [&](Operand which) {
        return good([&] { return enclave_.eaccept(operand(which), address, 1); }, 1);
      };
      if (!present_[offset / kPageSize]) {
        EXPECT_TRUE(accept(Operand::kPendingRw));
        present_[offset / kPageSize] = true;
        continue;
      }
      if (random_() % 2 == 0) {
        EXPECT_EQ(restrict_pages(enclave_, address, 1, SecinfoFlags::kR), 0);
        EXPECT_TRUE(accept(Operand::kReadOnly));
        EXPECT_TRUE(good([&] { return enclave_.emodpe(operand(Operand::kReadWrite), address, 1); }, 0));
      } else {
        EXPECT_EQ(trim_pages(enclave_, address, 1), 1);
        EXPECT_TRUE(accept(Operand::kTrimmed));
        EXPECT_EQ(remove_pages(enclave_, address, 1), 0);
        present_[offset / kPageSize] = false;
      }
      EXPECT_LE(pressed_.pager->counters().epc_pages_used, kEpcPages);
    }
  }

 private:
  // As the processor runs a leaf: a page that is outside comes back first.
  template <class Leaf>
  bool good(Leaf leaf, std::uint32_t grow) {
    for (int tries = 0; tries < 1000; ++tries) {
      const LeafOutcome outcome = leaf();
      if (outcome.ok()) return true;
      if (outcome.error == LeafError::kNotTracked) {
        track_and_flush(enclave_);
      } else if (outcome.fault != LeafOutcome::Fault::kPageFault ||
                 pressed_.pager->resolve({.offset = (outcome.fault_address - enclave_.base()) & ~(kPageSize - 1),
                                          .grow = grow,
                                          .unseen = outcome.unseen}) != FaultAnswer::kRetry) {
        return false;
      }
    }
    return false;
  }

  Pressed& pressed_;
  SoftEnclave& enclave_;
  std::uint32_t thread_;
  std::mt19937_64 random_;
  std::array<bool, TE_SIZE / kPageSize> present_{};
};

TEST(LeavesUnderPressure, FromManyThreadsWithNobodyInside) {
  const std::uint64_t seed = std::random_device{}();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  const auto pressed = make_pressed(false);
  {
    std::vector<std::jthread> threads;
    for (std::uint32_t thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] { LeafCaller(*pressed, thread, seed + thread).call_all(300); });
    }
  }
  EXPECT_GT(pressed->pager->counters().pages_in, 20u) << "there was little pressure";
  pressed->pager.reset();
}

INSTANTIATE_TEST_SUITE_P(Pager, EpcPressure, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "Patched" : "Trapping"; });

}  // namespace
}  // namespace coffer::processor
