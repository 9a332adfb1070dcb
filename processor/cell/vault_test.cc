#include "processor/cell/vault.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <thread>

namespace coffer::cell {
namespace {

using processor::KeySource;
using processor::KeyVault;

std::shared_ptr<const KeyVault> fuses() {
  static const auto vault = std::make_shared<const KeyVault>(std::move(*processor::Fuses::ephemeral()));
  return vault;
}

sgx::Secs enclave(std::uint8_t identity) {
  sgx::Secs secs;
  secs.attributes = {sgx::attribute::kInit | sgx::attribute::kMode64Bit, sgx::xfrm::kLegacy};
  secs.mrenclave.bytes.fill(identity);
  secs.mrsigner.bytes.fill(identity);
  return secs;
}

sgx::KeyRequest seal_request() {
  sgx::KeyRequest request;
  request.key_name = static_cast<std::uint16_t>(sgx::KeyName::kSeal);
  request.key_policy = sgx::key_policy::kMrEnclave;
  return request;
}

// A vault on a thread of this process, and the cell's way to it.
class VaultTest : public ::testing::Test {
 protected:
  VaultTest() {
    std::array<int, 2> pair{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()), 0);
    theirs_ = FileDescriptor(pair[1]);
    remote_ = connect_vault(FileDescriptor(pair[0]));
    vault_ = std::thread([this] {
      serve_vault(theirs_.get(), *fuses());
      theirs_.reset();
    });
  }
  ~VaultTest() override {
    remote_.reset();
    vault_.join();
  }

  FileDescriptor theirs_;
  std::shared_ptr<const KeySource> remote_;
  std::thread vault_;
};

TEST_F(VaultTest, AnswersWhatTheFusesAnswer) {
  const sgx::Secs secs = enclave(1);
  remote_->bind(secs);
  const auto here = fuses()->derive(secs, seal_request());
  const auto there = remote_->derive(secs, seal_request());
  EXPECT_EQ(there.error, sgx::LeafError::kSuccess);
  EXPECT_TRUE(equal_in_constant_time(here.key.bytes(), there.key.bytes()));

  sgx::KeyRequest too_high = seal_request();
  too_high.isv_svn = 1;
  EXPECT_EQ(remote_->derive(secs, too_high).error, sgx::LeafError::kInvalidIsvSvn);

  sgx::TargetInfo target;
  target.mrenclave.bytes.fill(9);
  const sgx::Report a = fuses()->report(secs, target, {});
  const sgx::Report b = remote_->report(secs, target, {});
  EXPECT_EQ(a.mac, b.mac);
}

TEST_F(VaultTest, ServesOnlyTheEnclaveThatItWasBoundTo) {
  remote_->bind(enclave(1));
  // A cell that has fallen into the hands of its enclave asks in another's name.
  const auto forged = remote_->derive(enclave(2), seal_request());
  EXPECT_TRUE(equal_in_constant_time(forged.key.bytes(), fuses()->derive(enclave(1), seal_request()).key.bytes()));
  EXPECT_EQ(remote_->report(enclave(2), {}, {}).body.mrenclave, enclave(1).mrenclave);
}

TEST_F(VaultTest, PassesQuestionsAboutCountersOnForItsEnclave) {
  remote_->bind(enclave(1));
  // The platform of these tests keeps none; counter_file_test has the rest.
  EXPECT_EQ(remote_->counter(enclave(1), {}).result, fuses()->counter(enclave(1), {}).result);
}

// A process that asks a vault of its own; the vault hangs up, and the process has to end.
[[noreturn]] void ask(bool bind_twice) {
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair.data()) != 0) std::_Exit(0);
  std::thread([fd = pair[1]] {
    serve_vault(fd, *fuses());
    ::shutdown(fd, SHUT_RDWR);
  }).detach();
  const auto cell = connect_vault(FileDescriptor(pair[0]));
  if (bind_twice) {
    cell->bind(enclave(1));
    cell->bind(enclave(2));
  } else {
    (void)cell->derive(enclave(1), seal_request());
  }
  std::_Exit(0);
}

TEST(VaultDeathTest, IsBoundOnce) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(ask(true), ::testing::KilledBySignal(SIGABRT), "");
}

TEST(VaultDeathTest, SaysNothingBeforeItIsBound) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(ask(false), ::testing::KilledBySignal(SIGABRT), "");
}

}  // namespace
}  // namespace coffer::cell
