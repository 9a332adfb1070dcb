// Enclaves with more pages than the EPC, through the device.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/time.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "emulate/testing/device_fixture.h"
#include "processor/raw_entry.h"

namespace coffer::emulate::testing {
namespace {

constexpr unsigned kEexit = 4;
constexpr std::uint64_t kPage = sgx::kPageSize;
constexpr int kRw = PROT_READ | PROT_WRITE;
constexpr std::uint64_t kRestLength = SE_SIZE - SE_FREE;
// A VA page, two TCSs, and fewer for the rest than a call needs at once and the enclave has in all (14).
constexpr std::uint64_t kSmallEpc = 9 * kPage;
constexpr std::uint64_t kSecinfoPlace = SE_DATA + 0x80;
constexpr std::uint64_t kPendingRw = 0x203 | sgx::SecinfoFlags::kPending;
constexpr std::uint64_t kModifiedTrim = 0x400 | sgx::SecinfoFlags::kModified;

class Oversubscribed : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(device_.build_and_map(), 0); }

  // The answer of the vDSO function, which must be an EEXIT.
  std::uint64_t call(Call wanted, std::uint64_t tcs = 0) {
    sgx_enclave_run run = device_.run(tcs);
    Call made = wanted;
    EXPECT_EQ(device_.enter(made, run), 0);
    EXPECT_EQ(run.function, kEexit) << "vector " << run.exception_vector << ", error code " << std::hex
                                    << run.exception_error_code << ", address " << run.exception_addr;
    return wanted.rdi == SE_CMD_LOAD ? made.rsi : made.rdi;
  }
  void store(std::uint64_t offset, std::uint64_t value, std::uint64_t tcs = 0) {
    call({.rdi = SE_CMD_STORE, .rsi = value, .rdx = device_.base() + offset}, tcs);
  }
  std::uint64_t load(std::uint64_t offset, std::uint64_t tcs = 0) {
    return call({.rdi = SE_CMD_LOAD, .rdx = device_.base() + offset}, tcs);
  }
  // A call that faults inside; its exception.
  sgx_enclave_run fault_of(Call wanted) {
    sgx_enclave_run run = device_.run();
    EXPECT_EQ(device_.enter(wanted, run), 0);
    EXPECT_EQ(run.exception_vector, 14);
    return run;
  }
  std::uint64_t accept(std::uint64_t offset, std::uint64_t flags) {
    store(kSecinfoPlace - 64, 0);  // brings the page in
    store(kSecinfoPlace, flags);
    return call({.rdi = SE_CMD_LEAF,
                 .rsi = SGX_ENCLU_EACCEPT,
                 .rdx = device_.base() + kSecinfoPlace,
                 .r8 = device_.base() + offset});
  }
  // The pages that were never added, by EAUG.
  void add_rest() {
    ASSERT_EQ(device_.map(SE_FREE, kRestLength, kRw), 0);
    for (std::uint64_t page = SE_FREE; page < SE_SIZE; page += kPage) ASSERT_EQ(accept(page, kPendingRw), 0u);
  }
  bool outside(std::uint64_t offset) { return device_.device().pager()->holds(offset); }
  // Uses other pages until this one has left.
  void push_out(std::uint64_t offset) {
    for (int round = 0; round < 100 && !outside(offset); ++round) {
      for (std::uint64_t page = SE_FREE; page < SE_SIZE; page += kPage) {
        if (page != offset && !outside(offset)) (void)load(page);
      }
    }
    ASSERT_TRUE(outside(offset));
  }

  OpenDevice device_{kSmallEpc};
};

TEST_F(Oversubscribed, EveryPageKeepsWhatWasStored) {
  add_rest();
  for (std::uint64_t page = SE_FREE; page < SE_SIZE; page += kPage) store(page, page * 3 + 1);
  store(SE_DATA2 + 64, 4711);
  for (int round = 0; round < 20; ++round) {
    for (std::uint64_t page = SE_FREE; page < SE_SIZE; page += kPage) ASSERT_EQ(load(page), page * 3 + 1);
  }
  EXPECT_EQ(load(SE_DATA2 + 64), 4711u);
  const processor::PagingCounters counters = device_.device().pager()->counters();
  EXPECT_GT(counters.pages_out, 0u);
  EXPECT_GT(counters.pages_in, 0u);
  EXPECT_GT(counters.pages_outside, 0u);
}

TEST_F(Oversubscribed, CodeLeavesAndComesBack) {
  add_rest();
  // Pressure that does not run the code: the device's own.
  for (int round = 0; round < 100 && !outside(SE_CODE); ++round) {
    sgx_enclave_restrict_permissions same{.offset = SE_FREE, .length = kRestLength, .permissions = 3};
    ASSERT_EQ(device_.control(SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS, same), 0);
  }
  ASSERT_TRUE(outside(SE_CODE));
  EXPECT_EQ(call({.rdi = SE_CMD_EXIT}), 0u) << "RAX = CSSA";
  EXPECT_FALSE(outside(SE_CODE));
}

TEST_F(Oversubscribed, FramesLeaveAndComeBack) {
  add_rest();
  push_out(SE_SSA + 2 * kPage);
  EXPECT_EQ(call({.rdi = SE_CMD_EXIT}, 1), 0u) << "RAX = CSSA";
  // An exception keeps a frame in use; it comes back for ERESUME.
  sgx_enclave_run run = device_.run(1);
  Call away{.rdi = SE_CMD_STORE, .rsi = 9, .rdx = device_.base() + SE_DATA2 + 64};
  ASSERT_EQ(device_.map(SE_DATA2, kPage, PROT_READ), 0);
  ASSERT_EQ(device_.enter(away, run), 0);
  EXPECT_EQ(run.exception_vector, 14);
  ASSERT_EQ(device_.map(SE_DATA2, kPage, kRw), 0);
  push_out(SE_SSA + 2 * kPage);
  Call resume{.function = 3};
  ASSERT_EQ(device_.enter(resume, run), 0);
  EXPECT_EQ(run.function, kEexit);
  EXPECT_EQ(load(SE_DATA2 + 64), 9u);
}

TEST_F(Oversubscribed, TheProgramsMappingsBoundWhatComesBack) {
  add_rest();
  store(SE_DATA2 + 64, 5);
  push_out(SE_DATA2);
  ASSERT_EQ(device_.map(SE_DATA2, kPage, PROT_READ), 0);
  EXPECT_EQ(load(SE_DATA2 + 64), 5u);
  EXPECT_EQ(fault_of({.rdi = SE_CMD_STORE, .rsi = 6, .rdx = device_.base() + SE_DATA2 + 64}).exception_error_code, 0x7);
}

TEST_F(Oversubscribed, ANewOwnerOfTheAddressesIsLeftAlone) {
  add_rest();
  store(SE_FREE + 64, 8);
  push_out(SE_FREE);
  device_.unmap(SE_FREE, kPage);
  void* place = reinterpret_cast<void*>(device_.base() + SE_FREE);
  ASSERT_EQ(::mmap(place, kPage, kRw, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), place);
  std::memset(place, 0x5a, kPage);
  // In, by an ioctl, and out again.
  sgx_enclave_restrict_permissions restrict {.offset = SE_FREE, .length = kPage, .permissions = 1};
  ASSERT_EQ(device_.control(SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS, restrict), 0);
  ASSERT_FALSE(outside(SE_FREE));
  for (int round = 0; round < 100 && !outside(SE_FREE); ++round) {
    for (std::uint64_t page = SE_FREE + kPage; page < SE_SIZE; page += kPage) (void)load(page);
  }
  ASSERT_TRUE(outside(SE_FREE));
  for (std::size_t i = 0; i < kPage; ++i) ASSERT_EQ(static_cast<const unsigned char*>(place)[i], 0x5a);
  ASSERT_EQ(device_.map(SE_FREE, kPage, kRw), 0);
  EXPECT_EQ(load(SE_FREE + 64), 8u) << "what the enclave had there came back with the mapping";
}

TEST_F(Oversubscribed, RestrictionsReachPagesThatAreOutside) {
  add_rest();
  store(SE_DATA2 + 64, 5);
  push_out(SE_DATA2);
  sgx_enclave_restrict_permissions restrict {.offset = SE_DATA2, .length = kPage, .permissions = 1};
  ASSERT_EQ(device_.control(SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS, restrict), 0);
  EXPECT_EQ(restrict.count, kPage);
  push_out(SE_DATA2);
  EXPECT_EQ(fault_of({.rdi = SE_CMD_STORE, .rsi = 6, .rdx = device_.base() + SE_DATA2 + 64}).exception_error_code,
            0x8007)
      << "the EPCM, whatever has come and gone since";
  EXPECT_EQ(load(SE_DATA2 + 64), 5u);
}

TEST_F(Oversubscribed, PagesAreTrimmedAcceptedAndRemovedWhereverTheyStand) {
  add_rest();
  push_out(SE_SIZE - kPage);
  sgx_enclave_modify_types trim{.offset = SE_FREE, .length = kRestLength, .page_type = 4};
  ASSERT_EQ(device_.control(SGX_IOC_ENCLAVE_MODIFY_TYPES, trim), 0);
  EXPECT_EQ(trim.count, kRestLength);
  sgx_enclave_remove_pages remove{.offset = SE_FREE, .length = kRestLength};
  EXPECT_EQ(device_.control(SGX_IOC_ENCLAVE_REMOVE_PAGES, remove), -EPERM) << "EACCEPT was skipped";
  EXPECT_EQ(remove.count, 0u);
  for (std::uint64_t page = SE_FREE; page < SE_SIZE; page += kPage) ASSERT_EQ(accept(page, kModifiedTrim), 0u);
  EXPECT_EQ(device_.control(SGX_IOC_ENCLAVE_REMOVE_PAGES, remove), 0);
  EXPECT_EQ(remove.count, kRestLength);
  for (std::uint64_t page = SE_FREE; page < SE_SIZE; page += kPage) {
    EXPECT_FALSE(outside(page));
    EXPECT_FALSE(device_.device().enclave()->page_at(page));
  }
  add_rest();
  EXPECT_EQ(load(SE_FREE), 0u) << "a new page";
}

TEST_F(Oversubscribed, CodeOutsideMayLookAtAPageThatHasLeft) {
  add_rest();
  store(SE_DATA2 + 64, 77);
  push_out(SE_DATA2);
  EXPECT_EQ(*reinterpret_cast<const volatile std::uint64_t*>(device_.base() + SE_DATA2 + 64), 77u);
}

TEST_F(Oversubscribed, AThreadInsideKeepsRestrictedPagesAcceptable) {
  // Linux makes whoever is inside leave once after ETRACK; a thread that never leaves by itself holds nobody up.
  alignas(8) static std::uint64_t word;
  std::atomic_ref<std::uint64_t>(word).store(0);
  std::atomic<bool> entering{false};
  std::thread thread([&] {
    entering = true;
    call({.rdi = SE_CMD_SPIN, .rdx = reinterpret_cast<std::uint64_t>(&word)}, 1);
  });
  while (!entering || !device_.device().enclave()->thread_at(SE_TCS + kPage)->busy) std::this_thread::yield();
  add_rest();
  for (const std::uint64_t page : {SE_FREE + kPage, SE_FREE + 2 * kPage}) {
    sgx_enclave_restrict_permissions restrict {.offset = page, .length = kPage, .permissions = 1};
    EXPECT_EQ(device_.control(SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS, restrict), 0);
    EXPECT_EQ(accept(page, 0x201 | sgx::SecinfoFlags::kPermRestricted), 0u);
  }
  std::atomic_ref<std::uint64_t>(word).store(1);
  thread.join();
}

std::atomic<int> ticks{0};

TEST_F(Oversubscribed, TwoThreadsAndSignalsUnderPressure) {
  add_rest();
  struct sigaction action{};
  action.sa_handler = [](int) { ++ticks; };
  ASSERT_EQ(processor::program_sigaction(SIGALRM, &action, nullptr), 0);
  ticks = 0;
  const itimerval often{.it_interval = {0, 500}, .it_value = {0, 500}};
  ASSERT_EQ(::setitimer(ITIMER_REAL, &often, nullptr), 0);
  std::vector<std::thread> threads;
  for (const std::uint64_t tcs : {0u, 1u}) {
    threads.emplace_back([&, tcs] {
      std::mt19937_64 random(tcs);
      std::vector<std::uint64_t> stored(kRestLength / kPage, 0);
      for (int i = 0; i < 3000; ++i) {
        const std::uint64_t page = random() % stored.size();
        const std::uint64_t offset = SE_FREE + page * kPage + 128 + tcs * 8;
        if (random() % 2 == 0) {
          stored[page] = random();
          store(offset, stored[page], tcs);
        } else {
          ASSERT_EQ(load(offset, tcs), stored[page]) << "step " << i;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  while (ticks == 0) std::this_thread::yield();
  const itimerval never{};
  ASSERT_EQ(::setitimer(ITIMER_REAL, &never, nullptr), 0);
  EXPECT_GT(device_.device().pager()->counters().pages_in, 1000u);
}

TEST(OversubscribedBuilding, AddedPagesLeaveAndAreTaken) {
  // The data pages alone are more than the EPC; the first of them is out before the last is in.
  OpenDevice device(8 * kPage);
  sgx::Secs secs = make_secs(device.base());
  sgx_enclave_create create{.src = reinterpret_cast<std::uint64_t>(&secs)};
  ASSERT_EQ(device.control(SGX_IOC_ENCLAVE_CREATE, create), 0);
  alignas(kPage) static std::byte content[kPage];
  const sgx::Secinfo secinfo{.flags = {0x203}};
  for (std::uint64_t page = 0; page < SE_SIZE; page += kPage) {
    sgx_enclave_add_pages add{.src = reinterpret_cast<std::uint64_t>(content),
                              .offset = page,
                              .length = kPage,
                              .secinfo = reinterpret_cast<std::uint64_t>(&secinfo)};
    ASSERT_EQ(device.control(SGX_IOC_ENCLAVE_ADD_PAGES, add), 0) << page;
    EXPECT_EQ(add.count, kPage);
  }
  ASSERT_TRUE(device.device().pager()->holds(0));
  sgx_enclave_add_pages again{.src = reinterpret_cast<std::uint64_t>(content),
                              .length = kPage,
                              .secinfo = reinterpret_cast<std::uint64_t>(&secinfo)};
  EXPECT_EQ(device.control(SGX_IOC_ENCLAVE_ADD_PAGES, again), -EBUSY) << "there already, though not in the EPC";
}

TEST(OversubscribedTogether, EnclavesTakePagesFromOneEpcAndFromEachOther) {
  constexpr std::uint64_t kEpc = 24 * kPage;  // two of the three, barely
  const auto epc = std::make_shared<processor::PagerGroup>(kEpc);
  std::vector<std::unique_ptr<OpenDevice>> devices;
  for (int i = 0; i < 3; ++i) {
    devices.push_back(std::make_unique<OpenDevice>(kEpc, epc));
    ASSERT_EQ(devices.back()->build_and_map(), 0) << i;
  }
  const auto call = [](OpenDevice& device, Call wanted) {
    sgx_enclave_run run = device.run();
    EXPECT_EQ(device.enter(wanted, run), 0);
    EXPECT_EQ(run.function, kEexit);
    return wanted.rsi;
  };
  const auto used = [&] {
    std::uint64_t pages = 0;
    for (const auto& device : devices) pages += device->device().enclave()->usage().used_pages;
    return pages;
  };
  for (std::uint64_t round = 0; round < 200; ++round) {
    for (std::uint64_t i = 0; i < devices.size(); ++i) {
      const std::uint64_t place = devices[i]->base() + SE_DATA2 + 64 + round % 8 * 8;
      call(*devices[i], {.rdi = SE_CMD_STORE, .rsi = round * 10 + i, .rdx = place});
      EXPECT_LE(used(), kEpc / kPage);
    }
    for (std::uint64_t i = 0; i < devices.size(); ++i) {
      const std::uint64_t place = devices[i]->base() + SE_DATA2 + 64 + round % 8 * 8;
      ASSERT_EQ(call(*devices[i], {.rdi = SE_CMD_LOAD, .rdx = place}), round * 10 + i);
    }
  }
  std::uint64_t out = 0;
  for (const auto& device : devices) out += device->device().pager()->counters().pages_out;
  EXPECT_GT(out, 0u) << "all three do not fit";
  // What an enclave held is there for the others when it goes.
  const std::uint32_t before = epc->share()->free_count();
  devices.pop_back();
  EXPECT_GT(epc->share()->free_count(), before);
  devices.clear();
  EXPECT_EQ(epc->share()->free_count(), kEpc / kPage);
}

}  // namespace
}  // namespace coffer::emulate::testing
