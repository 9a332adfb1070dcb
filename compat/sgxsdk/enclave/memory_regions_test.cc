// The regions over the test process's own memory: the kernel's calls are the same inside and outside.
#include "compat/sgxsdk/enclave/memory_regions.h"

#include <gtest/gtest.h>
#include <ucontext.h>

#include <algorithm>
#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <random>
#include <vector>

namespace coffer::sgxsdk {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kMost = std::size_t{1} << 30;

MemoryRegions* catching = nullptr;

void on_fault(int signal, siginfo_t*, void* context) {
  const auto* registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  sgx_pfinfo info{};
  info.maddr = static_cast<std::uint64_t>(registers[REG_CR2]);
  info.pfec.errcd = static_cast<std::uint32_t>(registers[REG_ERR]);
  if (!catching->fault(info)) std::signal(signal, SIG_DFL);
}

class Regions : public ::testing::Test {
 protected:
  Regions() {
    catching = &regions_;
    struct sigaction action{};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    ::sigaction(SIGSEGV, &action, &before_);
  }
  ~Regions() override { ::sigaction(SIGSEGV, &before_, nullptr); }

  std::uintptr_t make(std::size_t pages, int flags, sgx_enclave_fault_handler_t handler = nullptr,
                      void* context = nullptr) {
    std::uintptr_t place = 0;
    EXPECT_EQ(regions_.allocate(0, pages * kPage, flags, handler, context, &place), 0);
    return place;
  }
  static volatile std::uint8_t& byte(std::uintptr_t address) { return *reinterpret_cast<std::uint8_t*>(address); }

  MemoryRegions regions_{{kPage, std::uintptr_t{1} << 47, kMost}};
  struct sigaction before_{};
};

TEST_F(Regions, AreCommittedAtOnceOrWhenTheyAreTouched) {
  for (const int flags : {SGX_EMA_COMMIT_NOW, SGX_EMA_COMMIT_ON_DEMAND, SGX_EMA_COMMIT_ON_DEMAND | SGX_EMA_GROWSUP,
                          SGX_EMA_COMMIT_NOW | SGX_EMA_PAGE_TYPE_REG}) {
    const std::uintptr_t place = make(3, flags);
    EXPECT_EQ(byte(place), 0);
    byte(place + 2 * kPage) = 7;
    EXPECT_EQ(byte(place + 2 * kPage), 7);
    EXPECT_EQ(regions_.commit(place, 3 * kPage), 0);
    EXPECT_EQ(byte(place + 2 * kPage), 7) << "a commit of what is committed does nothing";
    EXPECT_EQ(regions_.uncommit(place, 3 * kPage), 0);
    EXPECT_EQ(regions_.uncommit(place, 3 * kPage), 0);
    EXPECT_EQ(byte(place + 2 * kPage), 0) << "what was given back is gone";
    EXPECT_EQ(regions_.release(place, 3 * kPage), 0);
    EXPECT_EQ(regions_.release(place, 3 * kPage), EINVAL);
    EXPECT_EQ(regions_.uncommit(place, 3 * kPage), EINVAL);
    EXPECT_EQ(regions_.commit(place, 3 * kPage), EINVAL);
  }
}

TEST_F(Regions, StandWhereTheyAreAskedForOrNowhere) {
  const std::uintptr_t place = make(2, SGX_EMA_COMMIT_NOW);
  std::uintptr_t other = 1;
  EXPECT_EQ(regions_.allocate(place, 2 * kPage, SGX_EMA_COMMIT_NOW | SGX_EMA_FIXED, nullptr, nullptr, &other), EEXIST);
  EXPECT_EQ(regions_.allocate(place, 2 * kPage, SGX_EMA_COMMIT_NOW, nullptr, nullptr, &other), 0);
  EXPECT_NE(other, place);
  EXPECT_EQ(regions_.release(place, 2 * kPage), 0);
  std::uintptr_t again = 0;
  EXPECT_EQ(regions_.allocate(place, 2 * kPage, SGX_EMA_COMMIT_ON_DEMAND | SGX_EMA_FIXED, nullptr, nullptr, &again), 0);
  EXPECT_EQ(again, place);
  EXPECT_EQ(
      regions_.allocate(std::uintptr_t{1} << 50, kPage, SGX_EMA_COMMIT_NOW | SGX_EMA_FIXED, nullptr, nullptr, &again),
      EACCES);
  std::uintptr_t aligned = 0;
  EXPECT_EQ(regions_.allocate(0, kPage, static_cast<int>(SGX_EMA_COMMIT_NOW | SGX_EMA_ALIGNMENT_16MB), nullptr, nullptr,
                              &aligned),
            0);
  EXPECT_EQ(aligned % (std::size_t{16} << 20), 0u);
}

TEST_F(Regions, RefuseWhatMakesNoSense) {
  std::uintptr_t place = 1;
  const auto refused = [&](std::uintptr_t address, std::size_t length, int flags) {
    return regions_.allocate(address, length, flags, nullptr, nullptr, &place);
  };
  EXPECT_EQ(refused(0, kPage - 1, SGX_EMA_COMMIT_NOW), EINVAL);
  EXPECT_EQ(refused(0, 0, SGX_EMA_COMMIT_NOW), EINVAL);
  EXPECT_EQ(refused(1, kPage, SGX_EMA_COMMIT_NOW), EINVAL);
  EXPECT_EQ(refused(0, kPage, 0), EINVAL);
  EXPECT_EQ(refused(0, kPage, SGX_EMA_COMMIT_NOW | SGX_EMA_RESERVE), EINVAL);
  EXPECT_EQ(refused(0, kPage, static_cast<int>(SGX_EMA_COMMIT_NOW | SGX_EMA_ALIGNED(11))), EINVAL);
  EXPECT_EQ(refused(0, kPage, SGX_EMA_COMMIT_NOW | SGX_EMA_PAGE_TYPE_TCS), EINVAL);
  EXPECT_EQ(refused(0, 2 * kMost, SGX_EMA_COMMIT_NOW), ENOMEM);
  EXPECT_EQ(refused(~std::uintptr_t{0} - kPage + 1, 2 * kPage, SGX_EMA_COMMIT_NOW), EINVAL);
  EXPECT_EQ(place, 1u) << "written on success only";
  EXPECT_EQ(regions_.protect(0, kPage, SGX_EMA_PROT_READ), EINVAL);
  EXPECT_EQ(regions_.change_type(0, kPage, SGX_EMA_PAGE_TYPE_TCS), EINVAL);
}

TEST_F(Regions, AReservationIsAllocatedInPieces) {
  const std::uintptr_t place = make(6, SGX_EMA_RESERVE);
  EXPECT_EQ(regions_.commit(place, kPage), EINVAL);
  const std::vector<std::uint8_t> data(2 * kPage, 9);
  EXPECT_EQ(regions_.commit_data(place, kPage, data.data(), SGX_EMA_PROT_READ), EACCES);
  std::uintptr_t piece = 0;
  EXPECT_EQ(regions_.allocate(place + kPage, 2 * kPage, SGX_EMA_COMMIT_ON_DEMAND, nullptr, nullptr, &piece), 0);
  EXPECT_EQ(piece, place + kPage);
  EXPECT_EQ(regions_.allocate(place, 2 * kPage, SGX_EMA_COMMIT_NOW | SGX_EMA_FIXED, nullptr, nullptr, &piece), EEXIST)
      << "the second page is more than reserved";
  EXPECT_EQ(regions_.commit_data(place + kPage, 2 * kPage, data.data(), SGX_EMA_PROT_READ), 0);
  EXPECT_EQ(byte(place + 3 * kPage - 1), 9);
  EXPECT_EQ(regions_.commit_data(place + kPage, kPage, data.data(), SGX_EMA_PROT_READ), EACCES) << "committed already";
  EXPECT_EQ(regions_.release(place, 6 * kPage), 0);
}

TEST_F(Regions, PermissionsHold) {
  struct Seen {
    MemoryRegions* regions;
    int writes;
  } seen{&regions_, 0};
  const auto handler = [](const sgx_pfinfo* info, void* context) {
    auto& s = *static_cast<Seen*>(context);
    if (info->pfec.rw == 0) return SGX_MM_EXCEPTION_CONTINUE_SEARCH;
    ++s.writes;
    const std::uintptr_t page = info->maddr & ~(std::uintptr_t{kPage} - 1);
    return s.regions->protect(page, kPage, SGX_EMA_PROT_READ_WRITE) == 0 ? SGX_MM_EXCEPTION_CONTINUE_EXECUTION
                                                                         : SGX_MM_EXCEPTION_CONTINUE_SEARCH;
  };
  const std::uintptr_t place = make(2, SGX_EMA_COMMIT_NOW, handler, &seen);
  byte(place) = 1;
  EXPECT_EQ(seen.writes, 0);
  EXPECT_EQ(regions_.protect(place, kPage, SGX_EMA_PROT_READ), 0);
  EXPECT_EQ(byte(place), 1);
  byte(place) = 2;
  EXPECT_EQ(seen.writes, 1);
  EXPECT_EQ(byte(place), 2);
  EXPECT_EQ(regions_.protect(place, kPage, SGX_EMA_PROT_READ_WRITE | SGX_EMA_PROT_EXEC), EACCES);
  EXPECT_EQ(regions_.protect(place, kPage, 8), EINVAL);
  EXPECT_EQ(regions_.change_type(place, kPage, SGX_EMA_PAGE_TYPE_SS_FIRST), EPERM);
  EXPECT_EQ(regions_.change_type(place, kPage, SGX_EMA_PAGE_TYPE_TCS), 0);
  EXPECT_EQ(regions_.protect(place, kPage, SGX_EMA_PROT_READ), EACCES);
  EXPECT_EQ(regions_.uncommit(place, 2 * kPage), 0);
  EXPECT_EQ(regions_.change_type(place, kPage, SGX_EMA_PAGE_TYPE_TCS), EACCES) << "there is no page";
}

TEST_F(Regions, HandlersBringPagesAndMayNestAndLeap) {
  struct Loader {
    MemoryRegions* regions;
    std::uintptr_t source;
    int calls;
  };
  const auto load = [](const sgx_pfinfo* info, void* context) {
    auto& loader = *static_cast<Loader*>(context);
    ++loader.calls;
    const auto* data = reinterpret_cast<const std::uint8_t*>(loader.source);
    const std::uintptr_t page = info->maddr & ~(std::uintptr_t{kPage} - 1);
    return loader.regions->commit_data(page, kPage, data, SGX_EMA_PROT_READ) == 0 ? SGX_MM_EXCEPTION_CONTINUE_EXECUTION
                                                                                  : SGX_MM_EXCEPTION_CONTINUE_SEARCH;
  };
  const std::vector<std::uint8_t> data(kPage, 0x42);
  Loader inner{&regions_, reinterpret_cast<std::uintptr_t>(data.data()), 0};
  const std::uintptr_t middle = make(1, SGX_EMA_COMMIT_ON_DEMAND, load, &inner);
  Loader outer{&regions_, middle, 0};
  const std::uintptr_t place = make(1, SGX_EMA_COMMIT_ON_DEMAND, load, &outer);
  EXPECT_EQ(byte(place + 17), 0x42) << "its content came from a page that came from a handler";
  EXPECT_EQ(inner.calls, 1);
  EXPECT_EQ(outer.calls, 1);

  static std::jmp_buf back;
  const auto leap = [](const sgx_pfinfo*, void*) -> int { std::longjmp(back, 1); };
  const std::uintptr_t far = make(1, SGX_EMA_COMMIT_ON_DEMAND, leap);
  if (setjmp(back) == 0) {
    byte(far) = 1;
    FAIL() << "the handler never returns";
  }
  EXPECT_EQ(regions_.commit(far, kPage), 0);
  EXPECT_EQ(byte(far), 0);
}

// Against a model: whatever order things are done in, what is allocated and what it holds is known.
TEST_F(Regions, AgreeWithAModel) {
  constexpr std::uint32_t kSeed = 20260;
  constexpr std::size_t kPages = 12;
  std::minstd_rand random(kSeed);
  const std::uintptr_t base = make(kPages, SGX_EMA_RESERVE);
  enum class Is : std::uint8_t { kFree, kReserved, kOnDemand, kThere };
  std::vector<Is> model(kPages, Is::kReserved);
  for (int step = 0; step < 4000; ++step) {
    const std::size_t first = random() % kPages;
    const std::size_t count = 1 + random() % (kPages - first);
    const std::uintptr_t at = base + first * kPage;
    const auto all = [&](auto good) { return std::all_of(&model[first], &model[first] + count, good); };
    const auto any = [&](auto good) { return std::any_of(&model[first], &model[first] + count, good); };
    const auto become = [&](Is state) { std::fill_n(&model[first], count, state); };
    std::uintptr_t place = 0;
    switch (random() % 4) {
      case 0: {
        const bool now = random() % 2 == 0;
        const int mode = now ? SGX_EMA_COMMIT_NOW : SGX_EMA_COMMIT_ON_DEMAND;
        const int got = regions_.allocate(at, count * kPage, mode | SGX_EMA_FIXED, nullptr, nullptr, &place);
        const bool good = all([](Is s) { return s == Is::kReserved; }) || all([](Is s) { return s == Is::kFree; });
        ASSERT_EQ(got, good ? 0 : EEXIST) << "seed " << kSeed << ", step " << step;
        if (good) become(now ? Is::kThere : Is::kOnDemand);
        break;
      }
      case 1: {
        const bool good = any([](Is s) { return s != Is::kFree; });
        ASSERT_EQ(regions_.release(at, count * kPage), good ? 0 : EINVAL) << "seed " << kSeed << ", step " << step;
        if (good) become(Is::kFree);
        break;
      }
      case 2: {
        const bool good = all([](Is s) { return s == Is::kOnDemand || s == Is::kThere; });
        ASSERT_EQ(regions_.commit(at, count * kPage), good ? 0 : EINVAL) << "seed " << kSeed << ", step " << step;
        if (good) become(Is::kThere);
        break;
      }
      default: {
        const bool good = all([](Is s) { return s != Is::kFree; });
        ASSERT_EQ(regions_.uncommit(at, count * kPage), good ? 0 : EINVAL) << "seed " << kSeed << ", step " << step;
        if (!good) break;
        for (std::size_t i = first; i < first + count; ++i) {
          if (model[i] == Is::kThere) model[i] = Is::kOnDemand;
        }
        break;
      }
    }
  }
}

}  // namespace
}  // namespace coffer::sgxsdk
