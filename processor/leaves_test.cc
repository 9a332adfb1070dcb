// EREPORT, EGETKEY and EACCEPT, called as methods for their errors and executed by enclave code for their effects.
#include <gtest/gtest.h>

#include <cstring>

#include "processor/enclave.h"
#include "processor/entry.h"
#include "processor/testing/test_enclave.h"

namespace coffer::processor {
namespace {

using sgx::kPageSize;
using sgx::LeafError;
using sgx::PageType;
using sgx::SecinfoFlags;
using testing::build;
using testing::TestEnclave;
using testing::thread_offset;
using Fault = LeafOutcome::Fault;

constexpr std::uint64_t kBase = sgx::attribute::kMode64Bit | sgx::attribute::kDebug;
constexpr std::uint64_t kRw = SecinfoFlags::kR | SecinfoFlags::kW;
constexpr std::uint64_t kZeroFlag = 0x40;

// Operands stand in the enclave's two operand pages.
constexpr std::uint64_t kFirst = TE_DATA + TE_OPERANDS;
constexpr std::uint64_t kSecond = kFirst + 0x400;
constexpr std::uint64_t kThird = kFirst + 0x800;

class Leaves : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::use_traps();
    ASSERT_TRUE(made.last.ok());
  }
  LeafOutcome report(std::uint64_t target = kFirst, std::uint64_t data = kSecond, std::uint64_t output = kThird) {
    return made->ereport(made.address(target), made.address(data), made.address(output));
  }
  LeafOutcome key(std::uint64_t request = kFirst, std::uint64_t output = kThird) {
    return made->egetkey(made.address(request), made.address(output));
  }
  LeafOutcome accept(std::uint64_t flags, std::uint64_t offset, std::uint64_t count = 1) {
    made.at<sgx::Secinfo>(kFirst) = {SecinfoFlags{flags}, {}};
    return made->eaccept(made.address(kFirst), made.address(offset), count);
  }
  sgx::KeyRequest& request(sgx::KeyName name = sgx::KeyName::kSeal) {
    auto& r = made.at<sgx::KeyRequest>(kFirst);
    r = {};
    r.key_name = static_cast<std::uint16_t>(name);
    return r;
  }

  TestEnclave made = build();
};

using Ereport = Leaves;
using Egetkey = Leaves;
using Eaccept = Leaves;
using Trapped = Leaves;

void expect_operand_faults(const std::function<LeafOutcome(std::uint64_t)>& with, std::uint64_t alignment,
                           bool written) {
  EXPECT_EQ(with(kFirst + 0x1000 + alignment / 2).fault, Fault::kGeneralProtection) << "misaligned";
  EXPECT_EQ(with(TE_SIZE).fault, Fault::kGeneralProtection) << "outside";
  EXPECT_EQ(with(0 - std::uint64_t{0x1000}).fault, Fault::kGeneralProtection) << "outside";
  EXPECT_EQ(with(~std::uint64_t{0} / 2 - 0xfff).fault, Fault::kGeneralProtection) << "outside";
  EXPECT_EQ(with(TE_HEAP).fault, Fault::kPageFault) << "no page";
  EXPECT_EQ(with(thread_offset()).fault, Fault::kPageFault) << "a TCS";
  if (written) {
    EXPECT_EQ(with(TE_READONLY).fault, Fault::kPageFault) << "not writable";
  }
}

TEST_F(Ereport, Operands) {
  ASSERT_TRUE(report().ok());
  expect_operand_faults([&](std::uint64_t at) { return report(at); }, 512, false);
  expect_operand_faults([&](std::uint64_t at) { return report(kFirst, at); }, 128, false);
  expect_operand_faults([&](std::uint64_t at) { return report(kFirst, kSecond, at); }, 512, true);
  EXPECT_EQ(report(TE_HEAP).fault_address, made.address(TE_HEAP));
}

TEST_F(Ereport, ReservedBytesOfTargetInfo) {
  auto& target = made.at<sgx::TargetInfo>(kFirst);
  target.reserved1 = 1;
  EXPECT_EQ(report().fault, Fault::kGeneralProtection);
  target = {};
  target.reserved2.back() = 1;
  EXPECT_EQ(report().fault, Fault::kGeneralProtection);
  target = {};
  target.reserved3.back() = 1;
  EXPECT_EQ(report().fault, Fault::kGeneralProtection);
}

TEST_F(Ereport, SaysWhoTheEnclaveIs) {
  auto& data = made.at<sgx::Bytes<64>>(kSecond);
  data.fill(0x77);
  ASSERT_TRUE(report().ok());
  const auto& body = made.at<sgx::Report>(kThird).body;
  const sgx::Secs& secs = made->secs();
  EXPECT_EQ(body.mrenclave, secs.mrenclave);
  EXPECT_EQ(body.mrsigner, secs.mrsigner);
  EXPECT_EQ(body.attributes, secs.attributes);
  EXPECT_EQ(body.misc_select, secs.misc_select);
  EXPECT_EQ(body.isv_prod_id, 7);
  EXPECT_EQ(body.isv_svn, 3);
  EXPECT_EQ(body.report_data, data);
  EXPECT_EQ(body.cpu_svn, testing::test_vault()->cpu_svn());
  EXPECT_EQ(body.isv_family_id, sgx::Bytes<16>{}) << "without KSS";
}

TEST_F(Ereport, KssIdentities) {
  made = build({.attributes = kBase | sgx::attribute::kKss, .family_id = 0x5f});
  ASSERT_TRUE(report().ok());
  sgx::Bytes<16> expected;
  expected.fill(0x5f);
  EXPECT_EQ(made.at<sgx::Report>(kThird).body.isv_family_id, expected);
  EXPECT_EQ(made.at<sgx::Report>(kThird).body.isv_ext_prod_id, expected);
}

// The MAC of a report for another enclave verifies under the key that the other gets from EGETKEY, and under no other.
TEST_F(Ereport, TheTargetVerifiesTheMac) {
  auto target = build({.difference = 9});
  auto& info = made.at<sgx::TargetInfo>(kFirst);
  info.mrenclave = target->secs().mrenclave;
  info.attributes = target->secs().attributes;
  info.misc_select = target->secs().misc_select;
  ASSERT_TRUE(report().ok());
  const auto written = made.at<sgx::Report>(kThird);

  const auto report_key = [&](const TestEnclave& enclave) {
    auto& r = enclave.at<sgx::KeyRequest>(kFirst);
    r = {};
    r.key_name = static_cast<std::uint16_t>(sgx::KeyName::kReport);
    r.key_id = written.key_id;
    EXPECT_TRUE(enclave->egetkey(enclave.address(kFirst), enclave.address(kThird)).ok());
    Key128 result;
    std::memcpy(result.bytes().data(), &enclave.at<std::byte>(kThird), 16);
    return result;
  };
  const Key128 key = report_key(target);
  const auto verifies = [](const Key128& with, const sgx::Report& report) {
    sgx::Bytes<16> mac;
    cmac_aes128(with, bytes_of(report.body), std::as_writable_bytes(std::span<std::uint8_t, 16>(mac)));
    return mac == report.mac;
  };
  EXPECT_TRUE(verifies(key, written));
  EXPECT_FALSE(verifies(report_key(made), written)) << "the reporting enclave's own key";
  for (std::size_t bit = 0; bit < (sizeof(sgx::ReportBody)) * 8; ++bit) {
    auto changed = written;
    reinterpret_cast<std::uint8_t*>(&changed)[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    ASSERT_FALSE(verifies(key, changed)) << "bit " << bit;
  }
  for (std::size_t bit = 0; bit < 128; ++bit) {
    auto changed = written;
    changed.mac[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    ASSERT_FALSE(verifies(key, changed)) << "bit " << bit << " of the MAC";
  }
}

TEST_F(Egetkey, Operands) {
  request();
  ASSERT_TRUE(key().ok());
  expect_operand_faults([&](std::uint64_t at) { return key(at); }, 512, false);
  expect_operand_faults([&](std::uint64_t at) { return key(kFirst, at); }, 16, true);
}

TEST_F(Egetkey, ReservedFields) {
  request().reserved1 = 1;
  EXPECT_EQ(key().fault, Fault::kGeneralProtection);
  request().reserved2.back() = 1;
  EXPECT_EQ(key().fault, Fault::kGeneralProtection);
  for (int bit = 6; bit < 16; ++bit) {
    request().key_policy = static_cast<std::uint16_t>(1u << bit);
    EXPECT_EQ(key().fault, Fault::kGeneralProtection) << bit;
  }
}

TEST_F(Egetkey, PolicyBitsOfKssWantKss) {
  for (int bit = 2; bit < 6; ++bit) {
    request().key_policy = static_cast<std::uint16_t>(1u << bit);
    EXPECT_EQ(key().fault, Fault::kGeneralProtection) << bit;
  }
  request().config_svn = 1;
  EXPECT_EQ(key().fault, Fault::kGeneralProtection);
  made = build({.attributes = kBase | sgx::attribute::kKss});
  for (int bit = 2; bit < 6; ++bit) {
    request().key_policy = static_cast<std::uint16_t>(1u << bit);
    EXPECT_TRUE(key().ok()) << bit;
  }
  request().config_svn = 1;
  EXPECT_EQ(key().error, LeafError::kInvalidIsvSvn) << "above the enclave's";
}

TEST_F(Egetkey, SecurityVersions) {
  request().isv_svn = 3;
  EXPECT_TRUE(key().ok());
  request().isv_svn = 4;
  EXPECT_EQ(key().error, LeafError::kInvalidIsvSvn);
  request().cpu_svn = testing::test_vault()->cpu_svn();
  EXPECT_TRUE(key().ok());
  for (std::size_t i = 0; i < 16; ++i) {
    auto& r = request();
    r.cpu_svn = testing::test_vault()->cpu_svn();
    ++r.cpu_svn[i];
    EXPECT_EQ(key().error, LeafError::kInvalidCpuSvn) << i;
  }
}

TEST_F(Egetkey, NamesThatAreNotForEverybody) {
  request(sgx::KeyName::kProvision);
  EXPECT_EQ(key().error, LeafError::kInvalidAttribute);
  request(sgx::KeyName::kProvisionSeal);
  EXPECT_EQ(key().error, LeafError::kInvalidAttribute);
  request(sgx::KeyName::kEinitToken);
  EXPECT_EQ(key().error, LeafError::kInvalidAttribute);
  for (std::uint16_t name : std::initializer_list<std::uint16_t>{5, 6, 255, 65535}) {
    request().key_name = name;
    EXPECT_EQ(key().error, LeafError::kInvalidKeyName) << name;
  }
}

TEST_F(Egetkey, AnErrorWritesNoKey) {
  auto& output = made.at<sgx::Bytes<16>>(kThird);
  output.fill(0x33);
  const auto before = output;
  request().isv_svn = 4;
  EXPECT_FALSE(key().ok());
  EXPECT_EQ(output, before);
}

constexpr std::uint64_t kReg = static_cast<std::uint64_t>(PageType::kReg) << 8;
constexpr std::uint64_t kTrim = static_cast<std::uint64_t>(PageType::kTrim) << 8;
constexpr std::uint64_t kPendingRw = kReg | kRw | SecinfoFlags::kPending;

TEST_F(Eaccept, MakesAPendingPageUsable) {
  std::uint32_t added = 0;
  ASSERT_TRUE(made->eaug(TE_HEAP, 1, &added).ok());
  ASSERT_TRUE(accept(kPendingRw, TE_HEAP).ok());
  EXPECT_TRUE(made->pages_allow(TE_HEAP, kPageSize, kRw));
  for (std::uint64_t at = 0; at < kPageSize; at += 8) ASSERT_EQ(made.at<std::uint64_t>(TE_HEAP + at), 0u);
  made.at<std::uint64_t>(TE_HEAP) = 1;
  EXPECT_EQ(accept(kPendingRw, TE_HEAP).error, LeafError::kPageAttributesMismatch) << "it is not pending any more";
}

TEST_F(Eaccept, GrowsTheEnclaveAsItsDriverWould) {
  ASSERT_TRUE(accept(kPendingRw, TE_HEAP + 5 * kPageSize).ok());
  EXPECT_TRUE(made->pages_allow(TE_HEAP + 5 * kPageSize, kPageSize, kRw));
  EXPECT_FALSE(made->pages_allow(TE_HEAP + 6 * kPageSize, 1, SecinfoFlags::kR)) << "added ahead, still pending";
}

TEST_F(Eaccept, Operands) {
  std::uint32_t added = 0;
  ASSERT_TRUE(made->eaug(TE_HEAP, 4, &added).ok());
  made.at<sgx::Secinfo>(kFirst) = {SecinfoFlags{kPendingRw}, {}};
  made.at<sgx::Secinfo>(kFirst + 0x1000) = {SecinfoFlags{kPendingRw}, {}};
  const auto with = [&](std::uint64_t secinfo, std::uint64_t page) {
    return made->eaccept(made.address(secinfo), made.address(page), 1);
  };
  expect_operand_faults([&](std::uint64_t at) { return with(at, TE_HEAP); }, 64, false);
  EXPECT_EQ(with(kFirst, TE_HEAP + 16).fault, Fault::kGeneralProtection) << "misaligned page";
  EXPECT_EQ(with(kFirst, TE_SIZE).fault, Fault::kGeneralProtection) << "outside";
  EXPECT_EQ(with(kFirst, 0 - std::uint64_t{kPageSize}).fault, Fault::kGeneralProtection) << "outside";
  EXPECT_EQ(accept(kPendingRw, TE_HEAP, TE_SIZE / kPageSize).fault, Fault::kGeneralProtection) << "reaches outside";
  EXPECT_EQ(accept(kPendingRw, TE_HEAP, ~std::uint64_t{0}).fault, Fault::kGeneralProtection) << "overflows";
  EXPECT_EQ(accept(kPendingRw, TE_HEAP, std::uint64_t{1} << 52).fault, Fault::kGeneralProtection) << "overflows";
  EXPECT_TRUE(with(kFirst, TE_HEAP).ok());
}

TEST_F(Eaccept, Secinfo) {
  std::uint32_t added = 0;
  ASSERT_TRUE(made->eaug(TE_HEAP, 1, &added).ok());
  for (auto type : {PageType::kSecs, PageType::kVa, PageType::kTcs, PageType::kTrim, PageType::kSsFirst}) {
    EXPECT_EQ(accept(static_cast<std::uint64_t>(type) << 8 | kRw | SecinfoFlags::kPending, TE_HEAP).fault,
              Fault::kGeneralProtection)
        << int(type);
  }
  EXPECT_EQ(accept(kPendingRw | 1 << 6, TE_HEAP).fault, Fault::kGeneralProtection) << "reserved flag";
  EXPECT_EQ(accept(kPendingRw | 1ull << 40, TE_HEAP).fault, Fault::kGeneralProtection) << "reserved flag";
  made.at<sgx::Secinfo>(kFirst) = {SecinfoFlags{kPendingRw}, {}};
  made.at<sgx::Secinfo>(kFirst).reserved.back() = 1;
  EXPECT_EQ(made->eaccept(made.address(kFirst), made.address(TE_HEAP), 1).fault, Fault::kGeneralProtection);

  // Combinations of type and status that mean nothing.
  for (std::uint64_t wrong : {kReg | kRw, kPendingRw | SecinfoFlags::kModified, kReg | kRw | SecinfoFlags::kModified,
                              kTrim, kTrim | SecinfoFlags::kPending | SecinfoFlags::kModified,
                              kTrim | SecinfoFlags::kPermRestricted | SecinfoFlags::kModified}) {
    EXPECT_EQ(accept(wrong, TE_HEAP).fault, Fault::kGeneralProtection) << std::hex << wrong;
  }
  for (std::uint64_t wrong : {kReg | SecinfoFlags::kR | SecinfoFlags::kPending, kPendingRw | SecinfoFlags::kX,
                              kReg | kRw | SecinfoFlags::kPermRestricted, kTrim | SecinfoFlags::kModified}) {
    EXPECT_EQ(accept(wrong, TE_HEAP).error, LeafError::kPageAttributesMismatch) << std::hex << wrong;
  }
  EXPECT_FALSE(made->pages_allow(TE_HEAP, 1, SecinfoFlags::kR)) << "still pending";
}

TEST_F(Eaccept, StopsAtTheFirstPageThatDoesNotMatch) {
  std::uint32_t added = 0;
  ASSERT_TRUE(made->eaug(TE_HEAP, 4, &added).ok());
  ASSERT_TRUE(accept(kPendingRw, TE_HEAP + 2 * kPageSize).ok());
  EXPECT_EQ(accept(kPendingRw, TE_HEAP, 4).error, LeafError::kPageAttributesMismatch);
  EXPECT_TRUE(made->pages_allow(TE_HEAP, 3 * kPageSize, kRw));
  EXPECT_FALSE(made->pages_allow(TE_HEAP + 3 * kPageSize, 1, SecinfoFlags::kR));
  made.at<std::uint64_t>(TE_HEAP + kPageSize) = 1;
}

// EACCEPT of a page that is there and matches changes nothing: code stays executable and unwritable. The architecture
// compares PR not at all, so these match.
TEST_F(Eaccept, LeavesCodeAsItIs) {
  EXPECT_TRUE(accept(kReg | SecinfoFlags::kR | SecinfoFlags::kX | SecinfoFlags::kPermRestricted, 0).ok());
  EXPECT_EQ(testing::enter(made, {TE_CMD_IDENTIFY}).outcome.kind, ExitKind::kExit) << "the code still runs";
  EXPECT_TRUE(accept(kReg | SecinfoFlags::kR | SecinfoFlags::kPermRestricted, TE_READONLY).ok());
  testing::set_patterns(made, 1);
  made.data<std::uint64_t>(TE_REGS_IN) = made.address(TE_READONLY);
  const auto left = testing::enter(made, {TE_CMD_PATTERN, TE_BODY_STORE});
  EXPECT_EQ(left.outcome.kind, ExitKind::kException) << "the page is still read-only";
}

TEST_F(Eaccept, AFullEpcIsAPageFault) {
  made = build({.epc_size = 28 * kPageSize});
  ASSERT_TRUE(made.last.ok());
  const std::uint64_t room = 28 - made->usage().used_pages;
  const LeafOutcome outcome = accept(kPendingRw, TE_HEAP, room + 1);
  EXPECT_EQ(outcome.fault, Fault::kPageFault);
  EXPECT_EQ(outcome.fault_address, made.address(TE_HEAP + room * kPageSize));
  EXPECT_TRUE(made->pages_allow(TE_HEAP, room * kPageSize, kRw)) << "the pages before it are there";
}

// The same leaves executed by the enclave as ENCLU, which traps.
TEST_F(Trapped, ResultsAndFlags) {
  request().isv_svn = 3;
  auto left = testing::leaf(made, SGX_ENCLU_EGETKEY, made.address(kFirst), made.address(kThird));
  ASSERT_EQ(left.outcome.kind, ExitKind::kExit);
  EXPECT_EQ(left.out.rdi, 0u);
  EXPECT_EQ(left.out.rsi & kZeroFlag, 0u);
  const auto by_trap = made.at<sgx::Bytes<16>>(kThird);
  ASSERT_TRUE(key().ok());
  EXPECT_EQ(made.at<sgx::Bytes<16>>(kThird), by_trap);
  EXPECT_NE(by_trap, sgx::Bytes<16>{});

  request().isv_svn = 4;
  left = testing::leaf(made, SGX_ENCLU_EGETKEY, made.address(kFirst), made.address(kThird));
  ASSERT_EQ(left.outcome.kind, ExitKind::kExit);
  EXPECT_EQ(left.out.rdi, static_cast<std::uint64_t>(LeafError::kInvalidIsvSvn));
  EXPECT_EQ(left.out.rsi & kZeroFlag, kZeroFlag);

  made.at<sgx::TargetInfo>(kFirst) = {};
  left = testing::leaf(made, SGX_ENCLU_EREPORT, made.address(kFirst), made.address(kSecond), made.address(kThird));
  ASSERT_EQ(left.outcome.kind, ExitKind::kExit);
  EXPECT_EQ(made.at<sgx::Report>(kThird).body.mrenclave, made->secs().mrenclave);

  made.at<sgx::Secinfo>(kFirst) = {SecinfoFlags{kPendingRw}, {}};
  left = testing::leaf(made, SGX_ENCLU_EACCEPT, made.address(kFirst), made.address(TE_HEAP));
  ASSERT_EQ(left.outcome.kind, ExitKind::kExit);
  EXPECT_EQ(left.out.rdi, 0u);
  EXPECT_TRUE(made->pages_allow(TE_HEAP, 1, kRw));
}

// Leaves that fault, and leaves that nobody may execute inside, are exceptions at the instruction.
TEST_F(Trapped, FaultsOfLeaves) {
  struct Case {
    std::uint64_t leaf, rbx;
    std::uint8_t vector;
  };
  const Case kCases[] = {{SGX_ENCLU_EGETKEY, kFirst + 8, sgx::vector::kGeneralProtection},
                         {SGX_ENCLU_EGETKEY, TE_HEAP, sgx::vector::kPageFault},
                         {SGX_ENCLU_EREPORT, kFirst + 8, sgx::vector::kGeneralProtection},
                         {SGX_ENCLU_EACCEPT, kFirst + 8, sgx::vector::kGeneralProtection},
                         {SGX_ENCLU_EENTER, thread_offset(), sgx::vector::kGeneralProtection},
                         {SGX_ENCLU_ERESUME, thread_offset(), sgx::vector::kGeneralProtection},
                         {SGX_ENCLU_EMODPE, kFirst, sgx::vector::kGeneralProtection},
                         {100, kFirst, sgx::vector::kGeneralProtection}};
  for (const Case& c : kCases) {
    TestEnclave fresh = build();
    testing::set_patterns(fresh, 2);
    auto& in = fresh.data<std::array<std::uint64_t, testing::kRegisterCount>>(TE_REGS_IN);
    in[testing::kRax] = c.leaf;
    in[testing::kRbx] = fresh.address(c.rbx);
    const auto left = testing::enter(fresh, {TE_CMD_PATTERN, TE_BODY_RAW_ENCLU});
    ASSERT_EQ(left.outcome.kind, ExitKind::kException) << c.leaf;
    const auto& gpr = testing::ssa_gpr(fresh);
    const auto& info = *reinterpret_cast<const sgx::ExInfo*>(reinterpret_cast<const std::byte*>(&gpr) - 16);
    EXPECT_EQ(gpr.exit_info & 0xff, c.vector) << c.leaf;
    EXPECT_EQ(gpr.rip, fresh.address(testing::fault_of(TE_BODY_RAW_ENCLU).offset));
    EXPECT_EQ(gpr.rax, c.leaf);
    EXPECT_EQ(info.address, c.vector == sgx::vector::kPageFault ? fresh.address(TE_HEAP) : 0);
  }
}

// The leaves with an error code clear the arithmetic flags but ZF; the others answer with nothing at all.
TEST_F(Trapped, Flags) {
  const auto flags_after = [&](std::uint64_t leaf, std::uint64_t rax) {
    testing::set_patterns(made, 4);
    auto& in = made.data<std::array<std::uint64_t, testing::kRegisterCount>>(TE_REGS_IN);
    in[testing::kRax] = leaf;
    in[testing::kRbx] = made.address(kFirst);
    in[testing::kRcx] = made.address(leaf == SGX_ENCLU_EMODPE ? TE_DATA : kThird);
    in[testing::kFlags] = 0x202 | 0x8d5;  // CF PF AF ZF SF OF
    EXPECT_EQ(testing::enter(made, {TE_CMD_PATTERN, TE_BODY_RAW_ENCLU}).outcome.kind, ExitKind::kExit);
    EXPECT_EQ(made.data<std::uint64_t>(TE_REGS_OUT), rax) << leaf;
    return made.data<std::uint64_t>(TE_REGS_OUT + 8 * testing::kFlags) & 0x8d5;
  };
  request();
  EXPECT_EQ(flags_after(SGX_ENCLU_EGETKEY, 0), 0u);
  request().isv_svn = 9;
  EXPECT_EQ(flags_after(SGX_ENCLU_EGETKEY, 64), 0x40u) << "ZF";
  made.at<sgx::Secinfo>(kFirst) = {SecinfoFlags{kReg | kRw}, {}};
  EXPECT_EQ(flags_after(SGX_ENCLU_EMODPE, SGX_ENCLU_EMODPE), 0x8d5u);
}

// A leaf changes RAX, ZF and memory, and no other register, vectors included; with AC set too.
TEST_F(Trapped, ALeafKeepsEveryOtherRegister) {
  for (std::uint64_t flags : {0x202ull, 0x202ull | 0x40400}) {
    testing::set_patterns(made, 3);
    auto& in = made.data<std::array<std::uint64_t, testing::kRegisterCount>>(TE_REGS_IN);
    request();
    in[testing::kRax] = SGX_ENCLU_EGETKEY;
    in[testing::kRbx] = made.address(kFirst);
    in[testing::kRcx] = made.address(kThird);
    in[testing::kFlags] = flags;
    const auto left = testing::enter(made, {TE_CMD_PATTERN, TE_BODY_RAW_ENCLU});
    ASSERT_EQ(left.outcome.kind, ExitKind::kExit);
    EXPECT_EQ(testing::compare_patterns(made, 1u << testing::kRax), "");
    EXPECT_EQ(made.data<std::uint64_t>(TE_REGS_OUT), 0u);
  }
}

}  // namespace
}  // namespace coffer::processor
