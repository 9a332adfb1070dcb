// The driver of paging: enclaves with more pages than the EPC.
#include "processor/pager/pager.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <map>
#include <random>
#include <thread>

#include "processor/carrier/entry_loop.h"
#include "processor/patch.h"
#include "processor/testing/test_enclave.h"

namespace coffer::processor {
namespace {

using sgx::kPageSize;
using sgx::SecinfoFlags;
using testing::build;
using testing::TestEnclave;
using testing::thread_offset;

constexpr std::uint64_t kPendingRw = 0x203 | SecinfoFlags::kPending;
constexpr std::uint64_t kSecinfo = TE_DATA + TE_OPERANDS;
constexpr std::uint32_t kHeapPages = (TE_SIZE - TE_HEAP) / kPageSize;

struct Case {
  const char* name;
  std::uint32_t epc_pages;
  PagerOptions options;
  bool secret;
  bool patched;
};
std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }

// An enclave of the test code whose heap is larger than its EPC, driven as a carrier drives it.
class PagerTest : public ::testing::Test {
 protected:
  void make(const Case& c) {
    testing::use_traps();
    made = build({.threads = 2,
                  .epc_size = c.epc_pages * kPageSize,
                  .page_limit = TE_SIZE,
                  .secret_memory = c.secret,
                  .layout = [](boundary::ImageLayout& layout, std::vector<std::byte>&) { layout.site_count = 0; }});
    ASSERT_TRUE(made.last.ok());
    auto attached = Pager::attach(*made.enclave, c.options);
    ASSERT_TRUE(attached) << attached.error().message;
    pager = std::move(*attached);
    if (c.patched) {
      auto patched = apply_fast_paths(*made.enclave, TE_LAYOUT);
      ASSERT_TRUE(patched);
      ASSERT_GT(patched->enclu_sites, 0u);
    }
  }
  ~PagerTest() override { pager.reset(); }

  // Runs a command to its end, with the driver; the registers at EEXIT.
  Registers run(Registers registers, std::uint32_t thread = 0) {
    boundary::CarrierCounters counters{};
    EntryLoop loop(*made.enclave, lot, counters, thread, thread_offset(thread));
    const std::atomic<bool> stop{false};
    const LoopOutcome outcome = loop.run(registers, stop);
    EXPECT_FALSE(outcome.dead) << "signal " << outcome.exception.signal << " at 0x" << std::hex << outcome.exception.rip
                               << ", address 0x" << outcome.exception.address;
    return registers;
  }
  // The test process reaches an enclave's page only while it is in the EPC.
  template <class T>
  T& data(std::uint64_t offset) {
    made->bring(TE_DATA + offset, sizeof(T));
    return made.data<T>(offset);
  }
  void accept(std::uint64_t page, std::uint64_t count = 1) {
    data<sgx::Secinfo>(TE_OPERANDS) = {{kPendingRw}, {}};
    const Registers out = run({TE_CMD_LEAF, count == 1 ? SGX_ENCLU_EACCEPT : kBulkAccept, made.address(kSecinfo),
                               made.address(TE_HEAP + page * kPageSize), count});
    ASSERT_EQ(out.rdi, 0u) << "EACCEPT of page " << page;
  }
  // The enclave stores a word's own address in it (`mov %rax,(%rax)`), and reads it (`mov (%rax),%rax`).
  void store(std::uint64_t page, std::uint64_t word) { access(TE_BODY_STORE, page, word); }
  std::uint64_t read(std::uint64_t page, std::uint64_t word) {
    access(TE_BODY_LOAD, page, word);
    return data<std::uint64_t>(TE_REGS_OUT);
  }
  void access(std::uint32_t body, std::uint64_t page, std::uint64_t word) {
    data<std::uint64_t>(TE_LEVEL) = 0;
    data<std::uint64_t>(TE_REGS_IN) = made.address(TE_HEAP + page * kPageSize + word * 8);
    run({TE_CMD_PATTERN, body});
  }

  TestEnclave made;
  std::unique_ptr<Pager> pager;
  ParkingLot lot{2};
};

class Pressure : public PagerTest, public ::testing::WithParamInterface<Case> {};

// Words at random places of a heap that is several times the EPC hold what was stored there, under interrupts.
TEST_P(Pressure, RandomAccessFindsWhatWasStored) {
  make(GetParam());
  const std::uint32_t seed = std::random_device{}();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  testing::set_patterns(made, seed);
  for (std::uint32_t page = 0; page < kHeapPages; ++page) accept(page);
  std::atomic<bool> over{false};
  std::thread interrupter([&] {
    while (!over) {
      interrupt_thread(*made.enclave, thread_offset());
      std::this_thread::sleep_for(std::chrono::microseconds(300));
    }
  });
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint64_t> stored;
  for (int i = 0; i < 1500; ++i) {
    const std::uint32_t page = random() % kHeapPages;
    const std::uint32_t word = random() % 512;
    const std::uint64_t address = made.address(TE_HEAP + page * kPageSize + word * 8);
    const auto known = stored.find({page, word});
    if (random() % 2 == 0) {
      store(page, word);
      stored[{page, word}] = address;
    } else if (read(page, word) != (known == stored.end() ? 0 : known->second)) {
      ADD_FAILURE() << "page " << page << " word " << word;
      break;
    }
  }
  for (const auto& [place, value] : stored) ASSERT_EQ(read(place.first, place.second), value);
  over = true;
  interrupter.join();
  const PagingCounters counters = pager->counters();
  EXPECT_GT(counters.pages_in, 0u);
  EXPECT_GT(counters.pages_out, counters.pages_in);
  EXPECT_LE(counters.epc_pages_used, GetParam().epc_pages);
  EXPECT_EQ(counters.pages_outside, counters.pages_out - counters.pages_in);
}

constexpr Case kCases[] = {
    {"Default", 128, {}, true, false},
    {"Patched", 128, {}, true, true},
    {"OrdinaryMemory", 128, {}, false, true},
    {"FirstInFirstOut", 128, {.watched = 0}, true, true},
    {"PageByPage", 128, {.cluster = 1, .ahead = 1}, true, true},
    {"Small", 64, {}, true, true},
    {"HalfOfTheEpcWatched", 100, {.cluster = 4, .watched = 2}, true, true},
};
INSTANTIATE_TEST_SUITE_P(Pager, Pressure, ::testing::ValuesIn(kCases),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_F(PagerTest, ALeafsOperandsAreBroughtBack) {
  make({"", 64, {}, true, false});
  for (const bool patched : {false, true}) {
    if (patched) {
      ASSERT_TRUE(apply_fast_paths(*made.enclave, TE_LAYOUT));
    }
    // Enough else to push the operands out.
    const std::uint32_t first = patched ? kHeapPages / 2 : 0;
    for (std::uint32_t page = first; page < first + kHeapPages / 2; ++page) {
      accept(page);
      store(page, 3);
    }
    data<sgx::KeyRequest>(TE_OPERANDS) = {.key_name = static_cast<std::uint16_t>(sgx::KeyName::kSeal), .key_policy = 1};
    const std::uint64_t output = TE_HEAP + first * kPageSize;
    ASSERT_TRUE(pager->holds(output)) << "this test wants the operand outside";
    const Registers out = run({TE_CMD_LEAF, SGX_ENCLU_EGETKEY, made.address(kSecinfo), made.address(output)});
    EXPECT_EQ(out.rdi, 0u);
    EXPECT_FALSE(pager->holds(output));
  }
}

TEST_F(PagerTest, ManyPagesAreAcceptedInOneCallAlsoWhereTheyAreMoreThanTheEpc) {
  make({"", 64, {}, true, true});
  accept(0, kHeapPages);
  for (std::uint32_t page = 0; page < kHeapPages; ++page) ASSERT_EQ(read(page, 511), 0u);
  EXPECT_EQ(made->usage().added_later_pages, kHeapPages);
}

TEST_F(PagerTest, APageThatWasNeverAddedIsTheEnclavesOwnAffair) {
  make({"", 64, {}, true, false});
  EXPECT_EQ(pager->resolve({.offset = TE_HEAP, .permissions = SecinfoFlags::kR}), FaultAnswer::kNotMine);
  EXPECT_EQ(pager->resolve({.offset = TE_SIZE}), FaultAnswer::kNotMine);
  EXPECT_EQ(pager->resolve({.offset = TE_READONLY, .permissions = SecinfoFlags::kW}), FaultAnswer::kNotMine);
  EXPECT_EQ(pager->resolve({.offset = thread_offset(), .permissions = SecinfoFlags::kR}), FaultAnswer::kNotMine);
}

// EACCEPT found no page; until the driver looks, another thread's fault has brought it, pending, along with its own.
TEST_F(PagerTest, APageThatCameMeanwhileIsLookedAtAgain) {
  make({.name = "", .epc_pages = 256, .options = {}, .secret = false, .patched = false});
  data<sgx::Secinfo>(TE_OPERANDS) = {{kPendingRw}, {}};
  const auto accept_it = [&] { return made->eaccept(made.address(kSecinfo), made.address(TE_HEAP), 1); };
  const LeafOutcome absent = accept_it();
  ASSERT_EQ(absent.fault, LeafOutcome::Fault::kPageFault);
  EXPECT_TRUE(absent.unseen);
  ASSERT_EQ(pager->resolve({.offset = TE_HEAP, .grow = 1}), FaultAnswer::kRetry) << "the other thread's";
  EXPECT_EQ(pager->resolve({.offset = TE_HEAP, .grow = 1, .unseen = absent.unseen}), FaultAnswer::kRetry);
  EXPECT_TRUE(accept_it().ok());

  // A leaf that saw the page, which came ahead, and refused it says so to the enclave.
  const LeafOutcome pending = made->emodpe(made.address(kSecinfo), made.address(TE_HEAP + kPageSize), 1);
  ASSERT_EQ(pending.fault, LeafOutcome::Fault::kPageFault);
  EXPECT_FALSE(pending.unseen);
  EXPECT_EQ(pager->resolve({.offset = TE_HEAP + kPageSize, .unseen = pending.unseen}), FaultAnswer::kNotMine);
}

TEST_F(PagerTest, TooSmallAnEpcIsSaid) {
  make({"", 64, {}, true, false});
  EXPECT_FALSE(pager->check_size());
  pager.reset();
  make({"", 160, {}, true, false});
  EXPECT_TRUE(pager->check_size());
}

TEST_F(PagerTest, AnEnclaveThatFitsIsNeverPaged) {
  make({"", TE_SIZE / kPageSize, {}, true, true});
  EXPECT_FALSE(made->may_exceed_epc());
  for (std::uint32_t page = 0; page < kHeapPages; ++page) accept(page);
  for (std::uint32_t page = 0; page < kHeapPages; ++page) store(page, 0);
  const PagingCounters counters = pager->counters();
  EXPECT_EQ(counters.pages_out + counters.pages_in + counters.faults, 0u);
}

// What EADD brings before EINIT may be more than the EPC too.
TEST_F(PagerTest, AnImageLargerThanTheEpcIsLoaded) {
  testing::use_traps();
  auto enclave = SoftEnclave::make({.epc_size = 48 * kPageSize, .page_limit = TE_SIZE}, testing::test_vault());
  ASSERT_TRUE(enclave);
  ASSERT_TRUE((*enclave)->ecreate(testing::create_parameters({})));
  auto attached = Pager::attach(**enclave);
  ASSERT_TRUE(attached);
  std::vector<std::byte> content(200 * kPageSize);
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<std::byte>(i / kPageSize + i);
  ASSERT_TRUE((*attached)
                  ->add_pages(0, SecinfoFlags::make(sgx::PageType::kReg, SecinfoFlags::kR), content, sgx::kExtendAll)
                  .ok());
  EXPECT_LE((*enclave)->usage().used_pages, 48u);
  for (std::uint64_t page = 0; page < 200; ++page) {
    (*enclave)->bring(page * kPageSize, kPageSize);
    ASSERT_EQ(std::memcmp(reinterpret_cast<void*>((*enclave)->base() + page * kPageSize),
                          content.data() + page * kPageSize, kPageSize),
              0);
  }
}

}  // namespace
}  // namespace coffer::processor
