// Key derivation: keys differ where they must and are equal where they must; the fuse file.
#include "processor/keys.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "base/hex.h"

namespace coffer::processor {
namespace {

using sgx::KeyName;
using sgx::LeafError;
namespace kp = sgx::key_policy;

std::shared_ptr<const KeyVault> vault() {
  static const auto made = [] {
    auto fuses = Fuses::ephemeral();
    EXPECT_TRUE(fuses);
    return std::make_shared<const KeyVault>(std::move(*fuses));
  }();
  return made;
}

sgx::Secs secs() {
  sgx::Secs s;
  s.attributes = {sgx::attribute::kInit | sgx::attribute::kMode64Bit | sgx::attribute::kKss, 0xe7};
  s.misc_select = 1;
  s.mrenclave.bytes.fill(1);
  s.mrsigner.bytes.fill(2);
  s.config_id.fill(3);
  s.config_svn = 4;
  s.isv_prod_id = 5;
  s.isv_svn = 6;
  std::fill_n(s.reserved4.begin(), 16, std::uint8_t{7});       // ISVFAMILYID
  std::fill_n(s.reserved4.begin() + 16, 16, std::uint8_t{8});  // ISVEXTPRODID
  return s;
}

sgx::KeyRequest request(KeyName name = KeyName::kSeal, std::uint16_t policy = kp::kMrSigner) {
  sgx::KeyRequest r;
  r.key_name = static_cast<std::uint16_t>(name);
  r.key_policy = policy;
  r.attribute_mask = {~0ull, ~0ull};
  r.misc_mask = ~0u;
  return r;
}

std::string derive(const sgx::Secs& s, const sgx::KeyRequest& r, const KeyVault& from = *vault()) {
  KeyOutcome outcome = from.derive(s, r);
  EXPECT_EQ(outcome.error, LeafError::kSuccess);
  return to_hex(outcome.key.bytes());
}

using ChangeSecs = std::function<void(sgx::Secs&)>;
using ChangeRequest = std::function<void(sgx::KeyRequest&)>;

// Whether the key of `r` changes with the enclave.
bool depends(const sgx::KeyRequest& r, const ChangeSecs& change) {
  sgx::Secs other = secs();
  change(other);
  return derive(secs(), r) != derive(other, r);
}
bool depends_on_request(const sgx::KeyRequest& r, const ChangeRequest& change) {
  sgx::KeyRequest other = r;
  change(other);
  return derive(secs(), r) != derive(secs(), other);
}

const ChangeSecs kOtherEnclave = [](sgx::Secs& s) { s.mrenclave.bytes[31] ^= 1; };
const ChangeSecs kOtherSigner = [](sgx::Secs& s) { s.mrsigner.bytes[0] ^= 1; };
const ChangeSecs kOtherProduct = [](sgx::Secs& s) { s.isv_prod_id ^= 1; };
const ChangeSecs kHigherSvn = [](sgx::Secs& s) { ++s.isv_svn; };
const ChangeSecs kDebug = [](sgx::Secs& s) { s.attributes.flags |= sgx::attribute::kDebug; };
const ChangeSecs kOtherXfrm = [](sgx::Secs& s) { s.attributes.xfrm ^= 0xe0; };
const ChangeSecs kOtherMisc = [](sgx::Secs& s) { s.misc_select ^= 1; };
const ChangeSecs kOtherConfig = [](sgx::Secs& s) { s.config_id[5] ^= 1; };
const ChangeSecs kHigherConfigSvn = [](sgx::Secs& s) { ++s.config_svn; };
const ChangeSecs kOtherFamily = [](sgx::Secs& s) { s.reserved4[0] ^= 1; };
const ChangeSecs kOtherExtProduct = [](sgx::Secs& s) { s.reserved4[16] ^= 1; };

TEST(SealKey, IsTheSameForTheSameEnclave) {
  EXPECT_EQ(derive(secs(), request()), derive(secs(), request()));
  EXPECT_NE(derive(secs(), request()), std::string(32, '0'));
}

TEST(SealKey, FollowsItsPolicy) {
  struct Case {
    std::uint16_t policy;
    bool enclave, signer, product, config, family, ext_product;
  };
  const Case kCases[] = {
      {0, false, false, true, false, false, false},
      {kp::kMrEnclave, true, false, true, false, false, false},
      {kp::kMrSigner, false, true, true, false, false, false},
      {kp::kMrEnclave | kp::kMrSigner, true, true, true, false, false, false},
      {kp::kMrSigner | kp::kNoIsvProdId, false, true, false, false, false, false},
      {kp::kMrSigner | kp::kConfigId, false, true, true, true, false, false},
      {kp::kMrSigner | kp::kIsvFamilyId, false, true, true, false, true, false},
      {kp::kMrSigner | kp::kIsvExtProdId, false, true, true, false, false, true},
  };
  for (const Case& c : kCases) {
    const auto r = request(KeyName::kSeal, c.policy);
    EXPECT_EQ(depends(r, kOtherEnclave), c.enclave) << c.policy;
    EXPECT_EQ(depends(r, kOtherSigner), c.signer) << c.policy;
    EXPECT_EQ(depends(r, kOtherProduct), c.product) << c.policy;
    EXPECT_EQ(depends(r, kOtherConfig), c.config) << c.policy;
    EXPECT_EQ(depends(r, kOtherFamily), c.family) << c.policy;
    EXPECT_EQ(depends(r, kOtherExtProduct), c.ext_product) << c.policy;
  }
}

TEST(SealKey, AnUpgradedEnclaveGetsTheKeysOfItsPast) {
  auto r = request();
  r.isv_svn = 6;
  EXPECT_FALSE(depends(r, kHigherSvn)) << "the requested SVN counts, not the enclave's";
  EXPECT_TRUE(depends_on_request(r, [](sgx::KeyRequest& other) { other.isv_svn = 5; }));
  sgx::Secs older = secs();
  older.isv_svn = 5;
  EXPECT_EQ(vault()->derive(older, r).error, LeafError::kInvalidIsvSvn);
  r.config_svn = 4;
  EXPECT_FALSE(depends_on_request(r, [](sgx::KeyRequest& other) { other.config_svn = 3; })) << "without CONFIGID";
  r.key_policy |= kp::kConfigId;
  EXPECT_FALSE(depends(r, kHigherConfigSvn));
  EXPECT_TRUE(depends_on_request(r, [](sgx::KeyRequest& other) { other.config_svn = 3; }));
  r.config_svn = 5;
  EXPECT_EQ(vault()->derive(secs(), r).error, LeafError::kInvalidIsvSvn);
}

TEST(SealKey, MasksChooseTheAttributes) {
  auto r = request();
  EXPECT_TRUE(depends(r, kDebug));
  EXPECT_TRUE(depends(r, kOtherXfrm));
  EXPECT_TRUE(depends(r, kOtherMisc));
  r.attribute_mask = {};
  r.misc_mask = 0;
  EXPECT_TRUE(depends(r, kDebug)) << "DEBUG counts whatever the mask says";
  EXPECT_FALSE(depends(r, kOtherXfrm));
  EXPECT_FALSE(depends(r, kOtherMisc));
  EXPECT_TRUE(depends_on_request(r, [](sgx::KeyRequest& other) { other.attribute_mask.flags = 4; }))
      << "the mask itself counts";
}

TEST(SealKey, EveryInputOfTheRequestCounts) {
  const auto r = request();
  std::set<std::string> keys = {derive(secs(), r)};
  for (std::size_t bit = 0; bit < 256; ++bit) {
    auto other = r;
    other.key_id[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    keys.insert(derive(secs(), other));
  }
  EXPECT_EQ(keys.size(), 257u) << "each key id another key";
  EXPECT_TRUE(depends_on_request(r, [](sgx::KeyRequest& other) { other.cpu_svn[0] = 1; }));
}

TEST(ReportKey, IsTheTargetsOwn) {
  const auto r = request(KeyName::kReport, 0);
  EXPECT_TRUE(depends(r, kOtherEnclave));
  EXPECT_TRUE(depends(r, kDebug));
  EXPECT_TRUE(depends(r, kOtherXfrm));
  EXPECT_TRUE(depends(r, kOtherMisc));
  EXPECT_TRUE(depends(r, kOtherConfig));
  EXPECT_TRUE(depends(r, kHigherConfigSvn));
  EXPECT_TRUE(depends_on_request(r, [](sgx::KeyRequest& other) { other.key_id[0] ^= 1; }));
  // What TARGETINFO does not carry cannot count, or the reporting enclave could not arrive at the key.
  EXPECT_FALSE(depends(r, kOtherSigner));
  EXPECT_FALSE(depends(r, kOtherProduct));
  EXPECT_FALSE(depends(r, kHigherSvn));
  EXPECT_FALSE(depends_on_request(r, [](sgx::KeyRequest& other) {
    other.isv_svn = 60000;
    other.cpu_svn.fill(0xff);
    other.key_policy = 3;
    other.attribute_mask = {};
    other.misc_mask = 0;
  }));
}

TEST(ProvisioningKeys, AreForEnclavesWithTheAttribute) {
  for (KeyName name : {KeyName::kProvision, KeyName::kProvisionSeal, KeyName::kEinitToken}) {
    EXPECT_EQ(vault()->derive(secs(), request(name)).error, LeafError::kInvalidAttribute);
  }
  sgx::Secs allowed = secs();
  allowed.attributes.flags |= sgx::attribute::kProvisionKey | sgx::attribute::kEinitTokenKey;
  sgx::Secs other = allowed;
  other.mrsigner.bytes[0] ^= 1;
  for (KeyName name : {KeyName::kProvision, KeyName::kProvisionSeal, KeyName::kEinitToken}) {
    EXPECT_NE(derive(allowed, request(name)), derive(other, request(name)));
  }
  auto r = request(KeyName::kProvision);
  auto with_id = r;
  with_id.key_id[0] = 1;
  EXPECT_EQ(derive(allowed, r), derive(allowed, with_id)) << "the provisioning key has no key id";
}

sgx::Secs platform_enclave() {
  sgx::Secs s = secs();
  s.attributes.flags |= sgx::attribute::kProvisionKey | sgx::attribute::kEinitTokenKey;
  return s;
}

// Whether a platform enclave's key changes with the enclave, or with the request.
bool platform_key_depends(const sgx::KeyRequest& r, const ChangeSecs& change) {
  sgx::Secs other = platform_enclave();
  change(other);
  return derive(platform_enclave(), r) != derive(other, r);
}
bool platform_key_depends_on(const sgx::KeyRequest& r, const ChangeRequest& change) {
  sgx::KeyRequest other = r;
  change(other);
  return derive(platform_enclave(), r) != derive(platform_enclave(), other);
}

TEST(ProvisioningKeys, WhatEachDependsOn) {
  const ChangeRequest kKeyId = [](sgx::KeyRequest& r) { r.key_id[3] ^= 1; };
  const ChangeRequest kPolicy = [](sgx::KeyRequest& r) { r.key_policy ^= kp::kMrEnclave; };
  const ChangeRequest kMask = [](sgx::KeyRequest& r) { r.attribute_mask.flags ^= std::uint64_t{1} << 40; };
  const ChangeRequest kOlderSvn = [](sgx::KeyRequest& r) { r.isv_svn = 1; };
  const ChangeRequest kOlderCpu = [](sgx::KeyRequest& r) { r.cpu_svn[0] = 1; };
  struct Case {
    KeyName name;
    bool key_id, policy, mask;
  };
  for (const Case& c : {Case{KeyName::kProvision, false, false, true}, Case{KeyName::kProvisionSeal, false, true, true},
                        Case{KeyName::kEinitToken, true, false, false}}) {
    const auto r = request(c.name, 0);
    const auto name = static_cast<int>(c.name);
    EXPECT_FALSE(platform_key_depends(r, kOtherEnclave)) << name;
    EXPECT_TRUE(platform_key_depends(r, kOtherSigner)) << name;
    EXPECT_TRUE(platform_key_depends(r, kOtherProduct)) << name;
    EXPECT_TRUE(platform_key_depends(r, kDebug)) << name;
    EXPECT_FALSE(platform_key_depends(r, kOtherConfig)) << name;
    EXPECT_TRUE(platform_key_depends_on(r, kOlderSvn)) << name;
    EXPECT_TRUE(platform_key_depends_on(r, kOlderCpu)) << name;
    EXPECT_EQ(platform_key_depends_on(r, kKeyId), c.key_id) << name;
    EXPECT_EQ(platform_key_depends_on(r, kPolicy), c.policy) << name;
    EXPECT_EQ(platform_key_depends_on(r, kMask), c.mask) << name;
  }
}

TEST(ProvisioningKeys, TheSealingOneFollowsKss) {
  auto r = request(KeyName::kProvisionSeal, 0);
  EXPECT_FALSE(platform_key_depends(r, kOtherFamily));
  r.key_policy = kp::kIsvFamilyId | kp::kIsvExtProdId | kp::kConfigId | kp::kNoIsvProdId;
  EXPECT_TRUE(platform_key_depends(r, kOtherFamily));
  EXPECT_TRUE(platform_key_depends(r, kOtherExtProduct));
  EXPECT_TRUE(platform_key_depends(r, kOtherConfig));
  EXPECT_FALSE(platform_key_depends(r, kOtherProduct));
  EXPECT_TRUE(platform_key_depends_on(r, [](sgx::KeyRequest& other) { other.config_svn = 4; }));
  r.config_svn = 5;
  EXPECT_EQ(vault()->derive(platform_enclave(), r).error, LeafError::kInvalidIsvSvn);
}

// The manual's order: the name, the right to the key, CPUSVN, then ISVSVN.
TEST(Keys, TheFirstErrorIsTheOneThatIsTold) {
  auto r = request(KeyName::kProvision);
  r.cpu_svn.fill(0xff);
  r.isv_svn = 60000;
  EXPECT_EQ(vault()->derive(secs(), r).error, LeafError::kInvalidAttribute);
  EXPECT_EQ(vault()->derive(platform_enclave(), r).error, LeafError::kInvalidCpuSvn);
  r.cpu_svn = {};
  EXPECT_EQ(vault()->derive(platform_enclave(), r).error, LeafError::kInvalidIsvSvn);
  r.key_name = 5;
  r.cpu_svn.fill(0xff);
  EXPECT_EQ(vault()->derive(platform_enclave(), r).error, LeafError::kInvalidKeyName);
}

TEST(Keys, AnUpgradedPlatformGetsTheKeysOfItsPast) {
  const auto vault_of = [](std::uint8_t svn) {
    Fuses fuses;
    fuses.cpu_svn.fill(svn);
    return KeyVault(std::move(fuses));
  };
  const KeyVault before = vault_of(1);
  const KeyVault after = vault_of(2);
  auto r = request();
  r.cpu_svn.fill(1);
  EXPECT_EQ(derive(secs(), r, before), derive(secs(), r, after));
  r.cpu_svn[15] = 2;
  EXPECT_EQ(before.derive(secs(), r).error, LeafError::kInvalidCpuSvn);
  EXPECT_EQ(after.derive(secs(), r).error, LeafError::kSuccess);
}

TEST(Keys, OfDifferentNamesDiffer) {
  sgx::Secs allowed = secs();
  allowed.attributes.flags |= sgx::attribute::kProvisionKey | sgx::attribute::kEinitTokenKey;
  std::set<std::string> keys;
  for (auto name :
       {KeyName::kEinitToken, KeyName::kProvision, KeyName::kProvisionSeal, KeyName::kReport, KeyName::kSeal}) {
    keys.insert(derive(allowed, request(name)));
  }
  EXPECT_EQ(keys.size(), 5u);
}

TEST(Keys, OfAnotherPlatformDiffer) {
  auto fuses = Fuses::ephemeral();
  ASSERT_TRUE(fuses);
  const KeyVault other(std::move(*fuses));
  for (auto name : {KeyName::kReport, KeyName::kSeal}) {
    EXPECT_NE(derive(secs(), request(name)), derive(secs(), request(name), other));
  }
}

TEST(Keys, DependOnTheOwnerEpochExceptTheProvisioningKeys) {
  const auto vault_of = [](std::uint8_t epoch) {
    Fuses fuses;  // all zero but for the epoch
    fuses.cpu_svn.fill(1);
    fuses.owner_epoch.fill(epoch);
    return KeyVault(std::move(fuses));
  };
  const KeyVault first = vault_of(1);
  const KeyVault second = vault_of(2);
  sgx::Secs allowed = secs();
  allowed.attributes.flags |= sgx::attribute::kProvisionKey;
  EXPECT_NE(derive(allowed, request(), first), derive(allowed, request(), second));
  EXPECT_NE(derive(allowed, request(KeyName::kReport), first), derive(allowed, request(KeyName::kReport), second));
  for (auto name : {KeyName::kProvision, KeyName::kProvisionSeal}) {
    EXPECT_EQ(derive(allowed, request(name), first), derive(allowed, request(name), second));
  }
}

// NIST SP 800-38B, appendix D.1.
TEST(Cmac, PublishedVectors) {
  const auto mac_of = [](std::string_view message) {
    Key128 key;
    const auto key_bytes = from_hex("2b7e151628aed2a6abf7158809cf4f3c");
    std::memcpy(key.bytes().data(), key_bytes->data(), 16);
    std::array<std::byte, 16> mac;
    cmac_aes128(key, *from_hex(message), mac);
    return to_hex(mac);
  };
  EXPECT_EQ(mac_of(""), "bb1d6929e95937287fa37d129b756746");
  EXPECT_EQ(mac_of("6bc1bee22e409f96e93d7e117393172a"), "070a16b46b4d4144f79bdd9dd04a287c");
}

class FuseFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "coffer-fuses-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  [[nodiscard]] std::filesystem::path file() const { return folder / "fuses"; }
  [[nodiscard]] std::string seal_key() const {
    auto fuses = Fuses::load_or_make(folder);
    EXPECT_TRUE(fuses) << fuses.error().message;
    return fuses ? derive(secs(), request(), KeyVault(std::move(*fuses))) : "";
  }
  void write(const std::vector<std::byte>& content) const { ASSERT_TRUE(write_file_atomically(file(), content, 0600)); }
  // Refused with one line that names the file, which stays as it is.
  void expect_refused(const std::vector<std::byte>& content) const {
    write(content);
    auto fuses = Fuses::load_or_make(folder);
    ASSERT_FALSE(fuses);
    EXPECT_EQ(fuses.error().kind, ErrorKind::kInput);
    EXPECT_NE(fuses.error().message.find(file().string()), std::string::npos) << fuses.error().message;
    EXPECT_EQ(fuses.error().message.find('\n'), std::string::npos);
    EXPECT_EQ(*read_file(file()), content);
  }

  std::filesystem::path folder;
};

TEST_F(FuseFileTest, IsMadeOnceAndForItsOwnerOnly) {
  const std::string key = seal_key();
  struct stat info{};
  ASSERT_EQ(::stat(file().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  const auto content = *read_file(file());
  EXPECT_EQ(seal_key(), key);
  EXPECT_EQ(*read_file(file()), content);
}

TEST_F(FuseFileTest, DamageIsAnErrorAndNotANewPlatform) {
  (void)seal_key();
  const auto good = *read_file(file());
  expect_refused({});
  expect_refused({good.begin(), good.end() - 1});
  auto longer = good;
  longer.push_back(std::byte{0});
  expect_refused(longer);
  expect_refused(std::vector<std::byte>(4096));
  auto other_version = good;
  other_version[6] ^= std::byte{1};
  expect_refused(other_version);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    auto flipped = good;
    flipped[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
    expect_refused(flipped);
  }
}

// The file of the first version: no checksum, the owner's epoch inside.
std::vector<std::byte> first_version(std::byte sealing, std::byte epoch) {
  std::vector<std::byte> file;
  for (char c : std::string_view("COFFUSE1")) file.push_back(static_cast<std::byte>(c));
  file.insert(file.end(), 32, sealing);
  file.insert(file.end(), 32, std::byte{7});
  file.insert(file.end(), 16, std::byte{1});
  file.insert(file.end(), 16, epoch);
  return file;
}

std::string seal_key_of_first_version(std::byte sealing, std::byte epoch) {
  Fuses fuses;
  std::fill(fuses.root_sealing.bytes().begin(), fuses.root_sealing.bytes().end(), sealing);
  std::fill(fuses.root_provisioning.bytes().begin(), fuses.root_provisioning.bytes().end(), std::byte{7});
  fuses.cpu_svn.fill(1);
  fuses.owner_epoch.fill(static_cast<std::uint8_t>(epoch));
  return derive(secs(), request(), KeyVault(std::move(fuses)));
}

TEST_F(FuseFileTest, AFileOfTheFirstVersionKeepsItsKeysAndIsRewritten) {
  for (std::byte epoch : {std::byte{0}, std::byte{9}}) {
    std::filesystem::remove(folder / "owner-epoch");
    const std::string expected = seal_key_of_first_version(std::byte{5}, epoch);
    write(first_version(std::byte{5}, epoch));
    EXPECT_EQ(seal_key(), expected);
    EXPECT_EQ(std::memcmp(read_file(file())->data(), "COFFUSE2", 8), 0);
    EXPECT_EQ(seal_key(), expected) << "from the rewritten file";
    EXPECT_TRUE(std::filesystem::exists(folder / "owner-epoch"));
  }
}

// A rewrite that stopped in the middle: the epoch is in its file already.
TEST_F(FuseFileTest, ARewriteThatWasInterrupted) {
  const std::string expected = seal_key_of_first_version(std::byte{5}, std::byte{9});
  write(first_version(std::byte{5}, std::byte{9}));
  EXPECT_EQ(seal_key(), expected);
  write(first_version(std::byte{5}, std::byte{9}));
  EXPECT_EQ(seal_key(), expected);
}

TEST_F(FuseFileTest, TheOwnerWipesTheEpochAndWithItEverySealedThing) {
  const auto epoch = folder / "owner-epoch";
  const std::string before = seal_key();
  struct stat info{};
  ASSERT_EQ(::stat(epoch.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  const auto fuses = *read_file(file());
  ASSERT_TRUE(write_file_atomically(epoch, {}, 0600));
  const std::string after = seal_key();
  EXPECT_NE(after, before);
  EXPECT_EQ(seal_key(), after) << "the new epoch stays";
  EXPECT_EQ(*read_file(file()), fuses) << "the platform is the same";
}

TEST_F(FuseFileTest, AnEpochThatIsLostOrDamagedIsAnError) {
  const auto epoch = folder / "owner-epoch";
  (void)seal_key();
  for (std::string_view text : {"0123", "not hexadecimal not hexadecimal!", "00112233445566778899aabbccddeeff00"}) {
    ASSERT_TRUE(write_file_atomically(epoch, std::as_bytes(std::span(text)), 0600));
    auto refused = Fuses::load_or_make(folder);
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().kind, ErrorKind::kInput);
    EXPECT_NE(refused.error().message.find(epoch.string()), std::string::npos) << refused.error().message;
  }
  std::filesystem::remove(epoch);
  auto refused = Fuses::load_or_make(folder);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kInput);
}

TEST_F(FuseFileTest, AFileThatCannotBeLookedAtIsNotReplaced) {
  std::filesystem::create_symlink("fuses", file());  // a loop
  EXPECT_FALSE(Fuses::load_or_make(folder));
  EXPECT_TRUE(std::filesystem::is_symlink(std::filesystem::symlink_status(file())));
}

TEST_F(FuseFileTest, AFolderThatIsMissingIsAnError) { EXPECT_FALSE(Fuses::load_or_make(folder / "missing")); }

TEST_F(FuseFileTest, FirstUsesAtOnceAgree) {
  std::vector<std::string> keys(8);
  std::atomic<int> waiting{8};
  std::vector<std::thread> threads;
  for (std::string& key : keys) {
    threads.emplace_back([&] {
      --waiting;
      while (waiting > 0) std::this_thread::yield();
      key = seal_key();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::set<std::string>(keys.begin(), keys.end()).size(), 1u);
}

}  // namespace
}  // namespace coffer::processor
