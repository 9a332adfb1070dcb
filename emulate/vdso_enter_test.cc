// The contract of __vdso_sgx_enter_enclave.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cerrno>
#include <csignal>

#include <atomic>
#include <thread>

#include "emulate/exit_sites.h"
#include "emulate/testing/device_fixture.h"
#include "emulate/vdso_image.h"
#include "processor/raw_entry.h"

namespace coffer::emulate::testing {
namespace {

constexpr unsigned kEenter = 2, kEresume = 3, kEexit = 4;
constexpr std::uint64_t kPage = sgx::kPageSize;
constexpr int kRw = PROT_READ | PROT_WRITE;

class Vdso : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(device_.build_and_map(), 0); }
  OpenDevice device_;
};

TEST_F(Vdso, EentersAndComesBack) {
  for (int i = 0; i < 3; ++i) {  // the first EEXIT traps, the others do not
    sgx_enclave_run run = device_.run();
    run.user_data = 77;
    Call call{.rdi = SE_CMD_EXIT};
    EXPECT_EQ(device_.enter(call, run), 0);
    EXPECT_EQ(run.function, kEexit);
    EXPECT_EQ(run.user_data, 77u);
    EXPECT_EQ(call.rdi, 0u) << "RAX = CSSA";
    EXPECT_EQ(call.rsi, run.tcs) << "RBX = TCS";
    EXPECT_GT(call.rdx, reinterpret_cast<std::uint64_t>(coffer_vdso_enclu)) << "RCX = behind ENCLU";
  }
}

TEST_F(Vdso, PassesEveryRegisterOfTheContract) {
  sgx_enclave_run run = device_.run();
  Call call{.rdi = SE_CMD_STORE, .rsi = 0x1122334455667788, .rdx = device_.base() + SE_DATA + 64, .r8 = 8, .r9 = 9};
  EXPECT_EQ(device_.enter(call, run), 0);
  EXPECT_EQ(call.rsi, 0x1122334455667788u);
  EXPECT_EQ(call.rdx, device_.base() + SE_DATA + 64);
  EXPECT_EQ(call.r8, 8u);
  EXPECT_EQ(call.r9, 9u);
  Call load{.rdi = SE_CMD_LOAD, .rdx = device_.base() + SE_DATA + 64};
  EXPECT_EQ(device_.enter(load, run), 0);
  EXPECT_EQ(load.rsi, 0x1122334455667788u);
}

TEST_F(Vdso, OtherFunctionsAreInvalid) {
  for (const unsigned function : {0u, 1u, 4u, 5u, ~0u}) {
    sgx_enclave_run run = device_.run();
    Call call{.rdi = SE_CMD_EXIT, .function = function};
    EXPECT_EQ(device_.enter(call, run), -EINVAL) << function;
    EXPECT_EQ(run.function, 0u);
  }
}

TEST_F(Vdso, ReservedBytesAreInvalid) {
  for (const std::size_t at : {0u, 100u, 215u}) {
    sgx_enclave_run run = device_.run();
    run.reserved[at] = 1;
    Call call{.rdi = SE_CMD_EXIT};
    EXPECT_EQ(device_.enter(call, run), -EINVAL) << at;
  }
}

TEST_F(Vdso, FaultsOfEenterAreToldAsEentersOwn) {
  sgx_enclave_run run = device_.run();
  run.tcs = device_.base() + SE_DATA;
  Call call{.rdi = SE_CMD_EXIT};
  EXPECT_EQ(device_.enter(call, run), 0);
  EXPECT_EQ(run.function, kEenter);
  EXPECT_EQ(run.exception_vector, 14);
  run = device_.run();
  run.tcs += 8;
  EXPECT_EQ(device_.enter(call, run), 0);
  EXPECT_EQ(run.function, kEenter);
  EXPECT_EQ(run.exception_vector, 13);
  run = device_.run();
  Call resume{.function = kEresume};
  EXPECT_EQ(device_.enter(resume, run), 0);
  EXPECT_EQ(run.function, kEresume);
  EXPECT_EQ(run.exception_vector, 13) << "nothing to resume";
}

TEST_F(Vdso, AnExceptionInsideIsTold) {
  sgx_enclave_run run = device_.run();
  Call call{.rdi = SE_CMD_UD2};
  EXPECT_EQ(device_.enter(call, run), 0);
  EXPECT_EQ(run.function, kEresume);
  EXPECT_EQ(run.exception_vector, 6);
  EXPECT_EQ(run.exception_error_code, 0);
}

TEST_F(Vdso, APageFaultTellsWhichTableRefused) {
  const std::uint64_t address = device_.base() + SE_DATA2 + 128;
  ASSERT_EQ(device_.map(SE_DATA2, kPage, PROT_READ), 0);
  sgx_enclave_run run = device_.run();
  Call store{.rdi = SE_CMD_STORE, .rsi = 5, .rdx = address};
  EXPECT_EQ(device_.enter(store, run), 0);
  EXPECT_EQ(run.exception_vector, 14);
  EXPECT_EQ(run.exception_error_code, 0x7) << "the mapping";
  EXPECT_EQ(run.exception_addr & ~(kPage - 1), address & ~(kPage - 1));

  // It goes on where it was once the mapping lets it.
  ASSERT_EQ(device_.map(SE_DATA2, kPage, kRw), 0);
  Call resume{.function = kEresume};
  EXPECT_EQ(device_.enter(resume, run), 0);
  EXPECT_EQ(run.function, kEexit);

  sgx_enclave_restrict_permissions request{.offset = SE_DATA2, .length = kPage, .permissions = 1};
  ASSERT_EQ(device_.control(SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS, request), 0);
  run = device_.run();
  Call again{.rdi = SE_CMD_STORE, .rsi = 5, .rdx = address};
  EXPECT_EQ(device_.enter(again, run), 0);
  EXPECT_EQ(run.exception_error_code, 0x8007) << "the EPCM";
}

TEST_F(Vdso, AnUnmappedPageIsAnOrdinaryFaultAndAMappedOneIsAdded) {
  sgx_enclave_run run = device_.run();
  Call load{.rdi = SE_CMD_LOAD, .rdx = device_.base() + SE_FREE};
  EXPECT_EQ(device_.enter(load, run), 0);
  EXPECT_EQ(run.exception_error_code, 0x4);
  EXPECT_FALSE(device_.device().enclave()->page_at(SE_FREE));
  ASSERT_EQ(device_.map(SE_FREE, kPage, kRw | PROT_EXEC), 0);
  run = device_.run(1);
  Call again{.rdi = SE_CMD_LOAD, .rdx = device_.base() + SE_FREE};
  EXPECT_EQ(device_.enter(again, run), 0);
  EXPECT_EQ(run.exception_error_code, 0x8005) << "there, and pending";
  EXPECT_TRUE(device_.device().enclave()->page_at(SE_FREE));
}

TEST_F(Vdso, UnmappedTcsAndFramesKeepThreadsOut) {
  device_.unmap(SE_SSA, 4 * kPage);
  sgx_enclave_run run = device_.run();
  Call call{.rdi = SE_CMD_EXIT};
  EXPECT_EQ(device_.enter(call, run), 0);
  EXPECT_EQ(run.function, kEenter);
  EXPECT_EQ(run.exception_vector, 14);
}

// --- the user handler

struct Handled {
  int calls = 0;
  long rdi = 0, rsi = 0, rsp = 0;
  unsigned function = 0;
  std::uint64_t top_of_stack = 0;
  int answers[3] = {0, 0, 0};
};
Handled handled;

int handler(long rdi, long rsi, long, long rsp, long, long, sgx_enclave_run* run) {
  handled.rdi = rdi;
  handled.rsi = rsi;
  handled.rsp = rsp;
  handled.function = run->function;
  handled.top_of_stack = *reinterpret_cast<const std::uint64_t*>(rsp);
  return handled.answers[handled.calls++];
}

sgx_enclave_run handled_run(const OpenDevice& device) {
  handled = {};
  sgx_enclave_run run = device.run();
  run.user_handler = reinterpret_cast<std::uint64_t>(&handler);
  return run;
}

TEST_F(Vdso, TheHandlersAnswerIsTheCallers) {
  for (const int answer : {0, -5}) {
    sgx_enclave_run run = handled_run(device_);
    handled.answers[0] = answer;
    Call call{.rdi = SE_CMD_STORE, .rsi = 33, .rdx = device_.base() + SE_DATA + 64};
    EXPECT_EQ(device_.enter(call, run), answer);
    EXPECT_EQ(handled.calls, 1);
    EXPECT_EQ(handled.rsi, 33);
    EXPECT_EQ(handled.function, kEexit);
  }
}

TEST_F(Vdso, TheHandlerSeesWhatTheEnclavePushed) {
  sgx_enclave_run run = handled_run(device_);
  Call call{.rdi = SE_CMD_PUSH, .rsi = 0xabcdef};
  EXPECT_EQ(device_.enter(call, run), 0);
  EXPECT_EQ(handled.top_of_stack, 0xabcdefu);
}

TEST_F(Vdso, APositiveAnswerIsTheNextFunction) {
  // The exception is answered with EENTER (an enclave's own handler would look at it), then with the end.
  sgx_enclave_run run = handled_run(device_);
  handled.answers[0] = kEenter;
  handled.answers[1] = 7777;
  Call call{.rdi = SE_CMD_UD2};
  EXPECT_EQ(device_.enter(call, run), -EINVAL) << "7777 is no function";
  EXPECT_EQ(handled.calls, 2);
}

// --- signals of the program beside the processor's

std::atomic<int> signals_seen{0};
std::uint64_t rip_seen = 0;
thread_local int of_this_thread = 0;

void on_signal(int, siginfo_t*, void* raw) {
  of_this_thread = 5;  // thread-local storage is the program's own
  rip_seen = static_cast<std::uint64_t>(static_cast<ucontext_t*>(raw)->uc_mcontext.gregs[REG_RIP]);
  ++signals_seen;
}

TEST_F(Vdso, ASignalOfTheProgramFindsItsOwnWorldAndTheEnclaveGoesOn) {
  alignas(8) static std::uint64_t word;
  std::atomic_ref<std::uint64_t>(word).store(0);
  struct sigaction action{};
  action.sa_sigaction = &on_signal;
  action.sa_flags = SA_SIGINFO;
  ASSERT_EQ(processor::program_sigaction(SIGUSR1, &action, nullptr), 0);
  signals_seen = 0;
  std::atomic<bool> entering{false};
  std::thread thread([&] {
    sgx_enclave_run run = device_.run();
    Call call{.rdi = SE_CMD_SPIN, .rdx = reinterpret_cast<std::uint64_t>(&word)};
    entering = true;
    EXPECT_EQ(device_.enter(call, run), 0);
    EXPECT_EQ(run.function, kEexit);
    EXPECT_EQ(of_this_thread, 5);
  });
  while (!entering) std::this_thread::yield();
  // Until one has come while the enclave ran: the handler then sees the asynchronous exit pointer.
  while (rip_seen != reinterpret_cast<std::uint64_t>(coffer_vdso_enclu)) {
    const int before = signals_seen;
    ASSERT_EQ(::pthread_kill(thread.native_handle(), SIGUSR1), 0);
    while (signals_seen == before) std::this_thread::yield();
  }
  std::atomic_ref<std::uint64_t>(word).store(1);
  thread.join();
}

TEST_F(Vdso, TwoThreadsInTwoTcs) {
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (const std::uint64_t tcs : {0u, 1u}) {
    threads.emplace_back([&, tcs] {
      const std::uint64_t data = device_.base() + (tcs == 0 ? SE_DATA : SE_DATA2) + 64;
      for (std::uint64_t i = 0; i < 2000; ++i) {
        sgx_enclave_run run = device_.run(tcs);
        Call store{.rdi = SE_CMD_STORE, .rsi = i, .rdx = data};
        Call load{.rdi = SE_CMD_LOAD, .rdx = data};
        if (device_.enter(store, run) != 0 || device_.enter(load, run) != 0 || load.rsi != i) return;
      }
      ++good;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 2);
}

TEST_F(Vdso, EexitIsMadeFastOnlyWhereItsCodeIsPlain) {
  const auto code = [this] {
    const auto* at = reinterpret_cast<const std::byte*>(device_.base() + SE_CODE);
    return std::vector<std::byte>(at, at + kPage);
  };
  const auto before = code();
  sgx_enclave_run run = device_.run();
  Call slow{.rdi = SE_CMD_ENCLU};
  ASSERT_EQ(device_.enter(slow, run), 0);
  EXPECT_EQ(code(), before) << "the number was not loaded right before ENCLU";
  Call call{.rdi = SE_CMD_EXIT};
  ASSERT_EQ(device_.enter(call, run), 0);
  call = {.rdi = SE_CMD_EXIT};
  slow = {.rdi = SE_CMD_ENCLU};
  const auto after = code();
  std::size_t changed = 0;
  for (std::size_t i = 0; i < after.size(); ++i) changed += after[i] != before[i] ? 1 : 0;
  EXPECT_GT(changed, 0u);
  EXPECT_LE(changed, 5u) << "the one instruction";
  EXPECT_EQ(device_.enter(call, run), 0);
  EXPECT_EQ(device_.enter(slow, run), 0) << "and the other way out goes on working";
}

}  // namespace
}  // namespace coffer::emulate::testing
