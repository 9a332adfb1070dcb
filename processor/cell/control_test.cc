#include "processor/cell/control.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <random>
#include <thread>

#include "base/descriptor_passing.h"
#include "base/file.h"
#include "processor/testing/test_enclave.h"

namespace coffer::cell {
namespace {

using boundary::ControlAnswer;
using boundary::ControlMessage;
using boundary::ControlOperation;
using processor::testing::create_parameters;

constexpr std::uint64_t kArenaSize = std::uint64_t{1} << 20;
constexpr std::uint32_t kLeafFailed = 1;
constexpr std::uint32_t kRefused = 2;

// A cell's device side on a thread of this process, and the host's end of its socket. No worker is ever started: that
// would put the cell's filter on the test.
class ControlTest : public ::testing::Test {
 protected:
  ControlTest() {
    void* memory = ::mmap(nullptr, kArenaSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(memory, MAP_FAILED);
    arena_ = static_cast<std::byte*>(memory);
    std::array<int, 2> pair{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()), 0);
    host_ = FileDescriptor(pair[0]);
    cell_ = FileDescriptor(pair[1]);
    server_ = std::thread([this] {
      Control control(cell_.get(), {address(), kArenaSize}, processor::testing::test_vault());
      control.serve();
    });
  }
  ~ControlTest() override {
    host_.reset();
    server_.join();
    ::munmap(arena_, kArenaSize);
  }

  [[nodiscard]] std::uint64_t address() const { return reinterpret_cast<std::uint64_t>(arena_); }

  ControlAnswer ask_bytes(const void* bytes, std::size_t size) {
    ControlAnswer answer{};
    EXPECT_EQ(::send(host_.get(), bytes, size, MSG_NOSIGNAL), static_cast<ssize_t>(size));
    EXPECT_EQ(::recv(host_.get(), &answer, sizeof(answer), 0), static_cast<ssize_t>(sizeof(answer)));
    EXPECT_NE(std::memchr(answer.text, 0, sizeof(answer.text)), nullptr);
    return answer;
  }
  ControlAnswer ask(const ControlMessage& message) { return ask_bytes(&message, sizeof(message)); }
  std::string refusal(const ControlMessage& message) {
    const ControlAnswer answer = ask(message);
    return answer.status == kRefused ? answer.text : "status " + std::to_string(answer.status);
  }

  [[nodiscard]] static ControlMessage creation() {
    const sgx::CreateParameters parameters = create_parameters({});
    ControlMessage message{.operation = ControlOperation::kCreate};
    message.a = TE_SIZE;
    message.size = parameters.size;
    message.ssa_frame_size = parameters.ssa_frame_size;
    message.misc_select = parameters.misc_select;
    message.attributes_flags = parameters.attributes.flags;
    message.attributes_xfrm = parameters.attributes.xfrm;
    return message;
  }
  [[nodiscard]] ControlMessage page(std::uint64_t offset) const {
    ControlMessage message{.operation = ControlOperation::kAddPages};
    message.a = offset;
    message.b = address();
    message.c = sgx::kPageSize;
    message.d = sgx::SecinfoFlags::kR | sgx::SecinfoFlags::kW | (static_cast<std::uint64_t>(sgx::PageType::kReg) << 8);
    return message;
  }

  std::byte* arena_ = nullptr;
  FileDescriptor host_, cell_;
  std::thread server_;
};

TEST_F(ControlTest, NothingWorksBeforeEcreate) {
  EXPECT_EQ(refusal(page(0)), "ECREATE comes first");
  EXPECT_EQ(refusal({.operation = ControlOperation::kInit, .b = address()}), "ECREATE comes first");
  EXPECT_EQ(refusal({.operation = ControlOperation::kFastPaths}),
            "fast paths come after EINIT and before the first entry");
  EXPECT_EQ(refusal({.operation = ControlOperation::kWorker, .b = address(), .d = 1}), "EINIT comes first");
}

TEST_F(ControlTest, ACellHoldsOneEnclave) {
  EXPECT_EQ(ask(creation()).status, 0U);
  EXPECT_EQ(refusal(creation()), "this cell has its enclave already");
}

TEST_F(ControlTest, AFailedEcreateLeavesTheCellToBeUsed) {
  ControlMessage wrong = creation();
  wrong.size = 12345;
  const ControlAnswer answer = ask(wrong);
  EXPECT_EQ(answer.status, kLeafFailed);
  EXPECT_EQ(answer.fault, static_cast<std::uint32_t>(processor::LeafOutcome::Fault::kGeneralProtection));
  EXPECT_EQ(ask(creation()).status, 0U);
}

TEST_F(ControlTest, AnEpcOfAnySizeIsMadeOrRefused) {
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{1} << 60, ~std::uint64_t{0}}) {
    ControlMessage message = creation();
    message.a = size;
    EXPECT_EQ(ask(message).status, kRefused) << size;
  }
  EXPECT_EQ(ask(creation()).status, 0U);
}

TEST_F(ControlTest, ContentLiesInTheArena) {
  ASSERT_EQ(ask(creation()).status, 0U);
  const std::string kOutside = "pages to add must lie in the arena";
  for (const auto& [at, size] : std::vector<std::pair<std::uint64_t, std::uint64_t>>{
           {address() - sgx::kPageSize, sgx::kPageSize},
           {address() + kArenaSize, sgx::kPageSize},
           {address() + kArenaSize - sgx::kPageSize, 2 * sgx::kPageSize},
           {address(), 0},
           {address(), sgx::kPageSize - 1},
           {address(), kArenaSize + sgx::kPageSize},
           {address(), ~std::uint64_t{0} - sgx::kPageSize + 1},
           {~std::uint64_t{0} - sgx::kPageSize + 1, 2 * sgx::kPageSize},
           {0, sgx::kPageSize},
           {reinterpret_cast<std::uint64_t>(this) & ~(sgx::kPageSize - 1), sgx::kPageSize}}) {
    ControlMessage message = page(0);
    message.b = at;
    message.c = size;
    EXPECT_EQ(refusal(message), kOutside) << std::hex << at << " " << size;
  }
  EXPECT_EQ(ask(page(0)).status, 0U);
}

TEST_F(ControlTest, PagesLieInElrange) {
  ASSERT_EQ(ask(creation()).status, 0U);
  for (const std::uint64_t offset : {std::uint64_t{TE_SIZE}, ~std::uint64_t{0} - sgx::kPageSize + 1, std::uint64_t{1},
                                     std::uint64_t{TE_SIZE} - sgx::kPageSize}) {
    ControlMessage message = page(offset);
    message.c = 2 * sgx::kPageSize;
    EXPECT_EQ(ask(message).status, kLeafFailed) << offset;
  }
}

TEST_F(ControlTest, TheSigstructLiesInTheArenaAndIsCopiedOnce) {
  ASSERT_EQ(ask(creation()).status, 0U);
  for (const std::uint64_t at :
       {address() - 1, address() + kArenaSize - sizeof(sgx::Sigstruct) + 1, ~std::uint64_t{0} - 8, std::uint64_t{0}}) {
    EXPECT_EQ(refusal({.operation = ControlOperation::kInit, .b = at}), "the SIGSTRUCT must lie in the arena");
  }
  const ControlAnswer answer = ask({.operation = ControlOperation::kInit, .b = address()});
  EXPECT_EQ(answer.status, kLeafFailed);
  EXPECT_EQ(answer.error, static_cast<std::uint64_t>(sgx::LeafError::kInvalidSigStruct));
}

TEST_F(ControlTest, OnlyWorkersThatAreThereCanBePlaced) {
  EXPECT_EQ(refusal({.operation = ControlOperation::kPlace}), "there is no such worker or CPU");
  ASSERT_EQ(ask(creation()).status, 0U);
  EXPECT_EQ(refusal({.operation = ControlOperation::kPlace, .a = ~std::uint64_t{0}}), "there is no such worker or CPU");
}

TEST_F(ControlTest, FilesAreSharedWithEnclavesThatStand) {
  EXPECT_EQ(refusal({.operation = ControlOperation::kShareFile, .a = 3}), "EINIT comes first");
  EXPECT_EQ(refusal({.operation = ControlOperation::kUnshareFile, .a = 3}), "that handle is not shared");
  ASSERT_EQ(ask(creation()).status, 0U);
  EXPECT_EQ(refusal({.operation = ControlOperation::kShareFile, .a = 3}), "EINIT comes first");
}

// What the host sends uncalled for does not stay open.
TEST_F(ControlTest, DescriptorsOfOtherMessagesAreClosed) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const FileDescriptor reader(ends[0]);
  FileDescriptor writer(ends[1]);
  const ControlMessage message = creation();
  ASSERT_TRUE(send_with_descriptors(host_.get(), bytes_of(message), std::array{writer.get(), writer.get()}));
  ControlAnswer answer{};
  ASSERT_EQ(::recv(host_.get(), &answer, sizeof(answer), 0), static_cast<ssize_t>(sizeof(answer)));
  EXPECT_EQ(answer.status, 0U);
  EXPECT_EQ(refusal({.operation = static_cast<ControlOperation>(99)}), "a control message has an unknown operation");
  writer.reset();
  char byte = 0;
  EXPECT_EQ(::read(reader.get(), &byte, 1), 0);  // nobody has the other end any more
}

TEST_F(ControlTest, MessagesOfTheWrongSizeAreRefused) {
  std::array<std::byte, 2 * sizeof(ControlMessage)> bytes{};
  const ControlMessage good = creation();
  std::memcpy(bytes.data(), &good, sizeof(good));
  for (const std::size_t size : {std::size_t{1}, sizeof(ControlMessage) - 1, sizeof(ControlMessage) + 1}) {
    const ControlAnswer answer = ask_bytes(bytes.data(), size);
    EXPECT_EQ(answer.status, kRefused);
    EXPECT_STREQ(answer.text, "a control message has the wrong size");
  }
  EXPECT_EQ(refusal({.operation = static_cast<ControlOperation>(99)}), "a control message has an unknown operation");
}

// Any messages in any order, while the arena changes under them: each has its answer, and the cell is there at the end.
TEST_F(ControlTest, AnyMessagesInAnyOrderHaveTheirAnswer) {
  const unsigned seed = std::random_device{}();
  std::printf("seed %u\n", seed);
  std::mt19937_64 random(seed);
  std::atomic<bool> over{false};
  std::thread writer([&] {
    std::mt19937_64 noise(seed + 1);
#if !defined(__SANITIZE_THREAD__)  // a race with a host of another process is what this is about
    while (!over) std::atomic_ref(arena_[noise() % kArenaSize]).store(static_cast<std::byte>(noise()));
#endif
  });
  const auto any = [&]() -> std::uint64_t {
    const std::array<std::uint64_t, 6> interesting = {0, address(), kArenaSize, TE_SIZE, sgx::kPageSize, random()};
    return interesting[random() % interesting.size()] + (random() % 4 == 0 ? random() % 4096 : 0);
  };
  std::size_t done = 0;
  for (int i = 0; i < 5000; ++i) {
    ControlMessage message = random() % 2 == 0 ? creation() : page(random() % TE_SIZE & ~(sgx::kPageSize - 1));
    if (random() % 2 == 0) message.operation = static_cast<ControlOperation>(random() % 11);
    if (random() % 3 == 0) message.b = any();
    if (random() % 3 == 0) message.c = any();
    if (random() % 3 == 0) message.d = any();
    if (random() % 8 == 0) message.size = any();
    const ControlAnswer answer = ask(message);
    ASSERT_LE(answer.status, kRefused);
    if (answer.status == 0) ++done;
  }
  over = true;
  writer.join();
  EXPECT_GT(done, 0U);
}

}  // namespace
}  // namespace coffer::cell
