// ECREATE, EADD, EEXTEND, EINIT, EREMOVE and EAUG: what each refuses, and with which error.
#include "processor/enclave.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <vector>

#include "processor/testing/test_enclave.h"

namespace coffer::processor {
namespace {

using sgx::kPageSize;
using sgx::LeafError;
using sgx::PageType;
using sgx::SecinfoFlags;
using testing::build;
using testing::build_before_einit;
using testing::TestEnclave;
using testing::TestEnclaveOptions;
using testing::UnsignedEnclave;
using Fault = LeafOutcome::Fault;

constexpr std::uint64_t kRw = SecinfoFlags::kR | SecinfoFlags::kW;
constexpr SecinfoFlags kRegRw = SecinfoFlags::make(PageType::kReg, kRw);

std::vector<std::byte> page(std::uint8_t fill = 0) { return std::vector<std::byte>(kPageSize, std::byte{fill}); }

Fault ecreate(const sgx::CreateParameters& parameters) {
  auto enclave = SoftEnclave::make({.epc_size = 16 * kPageSize, .want_secret_memory = false}, testing::test_vault());
  EXPECT_TRUE(enclave);
  auto outcome = (*enclave)->ecreate(parameters);
  EXPECT_TRUE(outcome) << outcome.error().message;
  return outcome->fault;
}

sgx::CreateParameters good() { return testing::create_parameters({}); }

TEST(Ecreate, AcceptsWhatIsRight) {
  EXPECT_EQ(ecreate(good()), Fault::kNone);
  auto p = good();
  p.attributes.xfrm = sgx::xfrm::kLegacy;
  EXPECT_EQ(ecreate(p), Fault::kNone);
  p.size = 2 * kPageSize;
  EXPECT_EQ(ecreate(p), Fault::kNone);
}

TEST(Ecreate, SizeMustBeAPowerOfTwoOfAtLeastTwoPages) {
  for (std::uint64_t size : {std::uint64_t{0}, std::uint64_t{kPageSize}, 3 * std::uint64_t{kPageSize},
                             std::uint64_t{0x100001}, std::uint64_t{1} << 41, ~std::uint64_t{0}}) {
    auto p = good();
    p.size = size;
    EXPECT_EQ(ecreate(p), Fault::kGeneralProtection) << size;
  }
}

TEST(Ecreate, StandsWhereItIsToldTo) {
  constexpr std::uint64_t kPlace = std::uint64_t{1} << 45;  // far from where Linux puts anything
  const auto make = [] {
    auto made = SoftEnclave::make({.epc_size = 16 * kPageSize, .want_secret_memory = false}, testing::test_vault());
    EXPECT_TRUE(made);
    return std::move(*made);
  };
  auto p = good();
  p.base = kPlace;
  const auto first = make();
  const auto created = first->ecreate(p);
  ASSERT_TRUE(created) << created.error().message;
  EXPECT_EQ(created->fault, Fault::kNone);
  EXPECT_EQ(first->base(), kPlace);
  // Only one can stand there, and the other is not put elsewhere.
  const auto second = make();
  const auto refused = second->ecreate(p);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("are taken in this process"), std::string::npos);
  p.base = kPlace + kPageSize;
  EXPECT_EQ(ecreate(p), Fault::kGeneralProtection) << "no multiple of its size";
}

TEST(Ecreate, SsaFrameMustHoldTheState) {
  auto p = good();
  p.ssa_frame_size = 0;
  EXPECT_EQ(ecreate(p), Fault::kGeneralProtection);
  p.ssa_frame_size = 0x80000000;  // in bytes larger than the enclave
  EXPECT_EQ(ecreate(p), Fault::kGeneralProtection);
  // One page is enough for everything up to AVX-512: the area of the machine's XFRM, GPRSGX and EXINFO.
  EXPECT_LE(xsave_area_size(machine_xfrm()) + sizeof(sgx::GprArea) + sizeof(sgx::ExInfo), kPageSize);
}

TEST(Ecreate, Xfrm) {
  namespace x = sgx::xfrm;
  // x87 and SSE are not optional; a bit that XCR0 lacks is refused; AVX-512 comes whole and with AVX.
  const std::uint64_t kBad[] = {0,
                                1,
                                2,
                                x::kLegacy | 1ull << 62,
                                x::kLegacy | x::kPkru,
                                x::kLegacy | 1ull << 17,
                                x::kLegacy | x::kAvx512,
                                x::kLegacy | x::kAvx | 1ull << 5,
                                x::kLegacy | x::kAvx | 3ull << 6};
  for (std::uint64_t xfrm : kBad) {
    auto p = good();
    p.attributes.xfrm = xfrm;
    EXPECT_EQ(ecreate(p), Fault::kGeneralProtection) << std::hex << xfrm;
  }
}

TEST(Ecreate, AttributesAndMiscSelect) {
  auto p = good();
  p.attributes.flags |= sgx::attribute::kInit;
  EXPECT_EQ(ecreate(p), Fault::kGeneralProtection) << "INIT";
  p = good();
  p.attributes.flags &= ~sgx::attribute::kMode64Bit;
  EXPECT_EQ(ecreate(p), Fault::kGeneralProtection) << "32-bit mode";
  for (int bit : {3, 8, 9, 11, 31, 32, 63}) {
    p = good();
    p.attributes.flags |= 1ull << bit;
    EXPECT_EQ(ecreate(p), Fault::kGeneralProtection) << "reserved bit " << bit;
  }
  // A processor without CET refuses enclaves that ask for it.
  p = good();
  p.attributes.flags |= sgx::attribute::kCet;
  EXPECT_EQ(ecreate(p), Fault::kGeneralProtection) << "CET";
  EXPECT_EQ(supported_attributes() & sgx::attribute::kCet, 0u);
  for (std::uint64_t feature : {sgx::attribute::kAexNotify, sgx::attribute::kKss, sgx::attribute::kProvisionKey}) {
    p = good();
    p.attributes.flags |= feature;
    EXPECT_EQ(ecreate(p), Fault::kNone) << feature;
  }
  for (std::uint32_t misc : {2u, 0x80000000u}) {
    p = good();
    p.misc_select = misc;
    EXPECT_EQ(ecreate(p), Fault::kGeneralProtection) << misc;
  }
}

TEST(Ecreate, AConfigurationWantsTheKssAttribute) {
  for (const bool kss : {false, true}) {
    const Fault expected = kss ? Fault::kNone : Fault::kGeneralProtection;
    auto p = good();
    if (kss) p.attributes.flags |= sgx::attribute::kKss;
    p.config_id.back() = 1;
    EXPECT_EQ(ecreate(p), expected) << "CONFIGID";
    p.config_id = {};
    p.config_svn = 1;
    EXPECT_EQ(ecreate(p), expected) << "CONFIGSVN";
  }
}

TEST(Ecreate, OnlyOnce) {
  auto made = build_before_einit().built;
  auto again = made->ecreate(good());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->fault, Fault::kGeneralProtection);
}

TEST(Ecreate, TakesANaturallyAlignedPlace) {
  auto made = build();
  EXPECT_EQ(made->base() % made->size(), 0u);
}

class Adding : public ::testing::Test {
 protected:
  TestEnclave made = build_before_einit().built;
  LeafOutcome add(std::uint64_t offset, SecinfoFlags flags = kRegRw) {
    return made->eadd(offset, flags, page(), sgx::kExtendAll);
  }
};

TEST_F(Adding, BeforeEcreateFaults) {
  auto enclave = SoftEnclave::make({.epc_size = 16 * kPageSize, .want_secret_memory = false}, testing::test_vault());
  ASSERT_TRUE(enclave);
  EXPECT_EQ((*enclave)->eadd(0, kRegRw, page(), sgx::kExtendAll).fault, Fault::kGeneralProtection);
  EXPECT_EQ((*enclave)->eextend(0).fault, Fault::kGeneralProtection);
  EXPECT_EQ((*enclave)->einit({}).fault, Fault::kGeneralProtection);
  EXPECT_EQ((*enclave)->eremove(0).fault, Fault::kGeneralProtection);
  std::uint32_t added = 9;
  EXPECT_EQ((*enclave)->eaug(0, 1, &added).fault, Fault::kGeneralProtection);
  EXPECT_EQ(added, 0u);
}

TEST_F(Adding, Place) {
  EXPECT_EQ(add(TE_HEAP + 8).fault, Fault::kGeneralProtection) << "unaligned";
  EXPECT_EQ(add(TE_SIZE).fault, Fault::kGeneralProtection) << "behind the end";
  EXPECT_EQ(add(0 - std::uint64_t{kPageSize}).fault, Fault::kGeneralProtection) << "before the base";
  EXPECT_TRUE(add(TE_SIZE - kPageSize).ok()) << "the last page";
  const auto two_pages = std::vector<std::byte>(2 * kPageSize);
  EXPECT_EQ(made->eadd(TE_SIZE - 2 * kPageSize, kRegRw, two_pages, 0).fault, Fault::kPageFault) << "one is taken";
  EXPECT_TRUE(add(TE_SIZE - 2 * kPageSize).ok()) << "nothing was added by the call that failed";
}

TEST_F(Adding, TwiceIsAPageFaultAtTheAddress) {
  ASSERT_TRUE(add(TE_HEAP).ok());
  const LeafOutcome twice = add(TE_HEAP);
  EXPECT_EQ(twice.fault, Fault::kPageFault);
  EXPECT_EQ(twice.fault_address, made->base() + TE_HEAP);
}

TEST_F(Adding, ContentIsWholePages) {
  EXPECT_EQ(made->eadd(TE_HEAP, kRegRw, {}, 0).fault, Fault::kGeneralProtection);
  const std::vector<std::byte> odd(kPageSize + 1);
  EXPECT_EQ(made->eadd(TE_HEAP, kRegRw, odd, 0).fault, Fault::kGeneralProtection);
}

TEST_F(Adding, Secinfo) {
  for (auto type : {PageType::kSecs, PageType::kVa, PageType::kTrim, PageType::kSsFirst, PageType::kSsRest}) {
    EXPECT_EQ(add(TE_HEAP, SecinfoFlags::make(type, kRw)).fault, Fault::kGeneralProtection) << int(type);
  }
  EXPECT_EQ(add(TE_HEAP, SecinfoFlags::make(PageType::kReg, SecinfoFlags::kW)).fault, Fault::kGeneralProtection);
  for (int bit : {3, 4, 5, 6, 7, 16, 63}) {
    EXPECT_EQ(add(TE_HEAP, SecinfoFlags{kRegRw.value | 1ull << bit}).fault, Fault::kGeneralProtection) << bit;
  }
}

TEST_F(Adding, TcsFields) {
  const auto add_tcs = [&](auto change) {
    sgx::Tcs tcs = testing::make_tcs({});
    change(tcs);
    return made->eadd(TE_HEAP, SecinfoFlags::make(PageType::kTcs, 0), bytes_of(tcs), sgx::kExtendAll).fault;
  };
  EXPECT_EQ(add_tcs([](sgx::Tcs& t) { t.reserved[0] = 1; }), Fault::kGeneralProtection);
  EXPECT_EQ(add_tcs([](sgx::Tcs& t) { t.reserved.back() = 1; }), Fault::kGeneralProtection);
  EXPECT_EQ(add_tcs([](sgx::Tcs& t) { t.flags = 4; }), Fault::kGeneralProtection);
  EXPECT_EQ(add_tcs([](sgx::Tcs& t) { t.ssa_offset += 8; }), Fault::kGeneralProtection);
  EXPECT_EQ(add_tcs([](sgx::Tcs& t) { t.fs_offset += 8; }), Fault::kGeneralProtection);
  EXPECT_EQ(add_tcs([](sgx::Tcs& t) { t.gs_offset += 8; }), Fault::kGeneralProtection);
  EXPECT_EQ(add_tcs([](sgx::Tcs& t) { t.cet_ssa_offset = 0x1000; }), Fault::kGeneralProtection) << "CET";
  EXPECT_EQ(add_tcs([](sgx::Tcs& t) { t.previous_ssp = 8; }), Fault::kGeneralProtection) << "CET";
  EXPECT_EQ(made->thread_at(TE_HEAP), nullptr);
  EXPECT_EQ(add_tcs([](sgx::Tcs&) {}), Fault::kNone);
  EXPECT_NE(made->thread_at(TE_HEAP), nullptr);
}

// The state of a thread is the processor's: EADD starts it at zero, and that is what is measured.
TEST_F(Adding, TheStateOfATcsStartsAtZero) {
  auto ready = build({.tcs = [](sgx::Tcs& t) {
    t.state = 1;
    t.current_ssa = 1;
    t.aep = 0x1000;
    t.flags = sgx::tcs_flag::kDebugOptIn;
    t.fs_limit = t.gs_limit = 7;  // nobody looks at the limits in 64-bit mode
  }});
  ASSERT_TRUE(ready.last.ok()) << "the measurement is the signer's";
  const sgx::Tcs& tcs = ready->thread_at(testing::thread_offset())->tcs;
  EXPECT_EQ(tcs.state, 0u);
  EXPECT_EQ(tcs.current_ssa, 0u);
  EXPECT_EQ(tcs.aep, 0u);
  EXPECT_EQ(tcs.flags, 0u);
}

TEST_F(Adding, AfterEinitFaults) {
  auto ready = build();
  ASSERT_TRUE(ready.last.ok());
  EXPECT_EQ(ready->eadd(TE_HEAP, kRegRw, page(), 0).fault, Fault::kGeneralProtection);
  EXPECT_EQ(ready->eextend(0).fault, Fault::kGeneralProtection);
  EXPECT_EQ(ready->einit({}).fault, Fault::kGeneralProtection);
}

TEST_F(Adding, AFullEpcIsAPageFaultAndNotASmallerEnclave) {
  auto small = build_before_einit({.epc_size = 8 * kPageSize});
  EXPECT_EQ(small.built.last.fault, Fault::kPageFault);
}

TEST_F(Adding, Eextend) {
  EXPECT_EQ(made->eextend(8).fault, Fault::kGeneralProtection) << "unaligned";
  EXPECT_EQ(made->eextend(TE_SIZE).fault, Fault::kGeneralProtection) << "outside";
  const LeafOutcome nowhere = made->eextend(TE_HEAP + 256);
  EXPECT_EQ(nowhere.fault, Fault::kPageFault);
  EXPECT_EQ(nowhere.fault_address, made->base() + TE_HEAP + 256);
}

// EADD with a mask and EADD followed by single EEXTENDs are the same measurement.
TEST(Measuring, SingleEextendsMeasureWhatAMaskDoes) {
  sgx::MeasuringBuilder builder;
  const auto parameters = good();
  ASSERT_TRUE(builder.create(parameters));
  auto content = page(0x5a);
  const sgx::Tcs tcs = testing::make_tcs({});
  const auto kTcsFlags = SecinfoFlags::make(PageType::kTcs, 0);
  ASSERT_TRUE(builder.add_pages(TE_HEAP, kRegRw, content, sgx::kExtendAll));
  ASSERT_TRUE(builder.add_pages(TE_THREADS, kTcsFlags, bytes_of(tcs), sgx::kExtendAll));

  auto enclave = SoftEnclave::make({.epc_size = 16 * kPageSize}, testing::test_vault());
  ASSERT_TRUE(enclave);
  ASSERT_TRUE((*enclave)->ecreate(parameters)->ok());
  const auto add_singly = [&](std::uint64_t offset, SecinfoFlags flags, ByteView bytes) {
    ASSERT_TRUE((*enclave)->eadd(offset, flags, bytes, sgx::kExtendNone).ok());
    for (std::uint64_t at = 0; at < kPageSize; at += 256) ASSERT_TRUE((*enclave)->eextend(offset + at).ok());
  };
  add_singly(TE_HEAP, kRegRw, content);
  add_singly(TE_THREADS, kTcsFlags, bytes_of(tcs));

  sgx::Sigstruct sigstruct = build_before_einit({.before_signing = [&](sgx::Sigstruct& s) {
                               s.enclave_hash = builder.mrenclave();
                             }}).sigstruct;
  EXPECT_TRUE((*enclave)->einit(sigstruct).ok());
}

LeafError einit_error(const TestEnclaveOptions& options) {
  TestEnclave made = build(options);
  EXPECT_EQ(made.last.fault, Fault::kNone);
  EXPECT_EQ(made->initialised(), made.last.ok());
  return made.last.error;
}

TEST(Einit, AcceptsWhatIsRightAndFillsTheSecs) {
  auto ready = build_before_einit({.isv_prod_id = 12, .isv_svn = 5});
  ASSERT_TRUE(ready.built->einit(ready.sigstruct).ok());
  const sgx::Secs& secs = ready.built->secs();
  EXPECT_EQ(secs.mrenclave, ready.sigstruct.enclave_hash);
  EXPECT_EQ(secs.mrsigner, sgx::mrsigner_of(ready.sigstruct));
  EXPECT_EQ(secs.isv_prod_id, 12);
  EXPECT_EQ(secs.isv_svn, 5);
  EXPECT_NE(secs.attributes.flags & sgx::attribute::kInit, 0u);
}

TEST(Einit, Signature) {
  using S = sgx::Sigstruct;
  EXPECT_EQ(einit_error({.after_signing = [](S& s) { s.signature[0] ^= 1; }}), LeafError::kInvalidSignature);
  EXPECT_EQ(einit_error({.after_signing = [](S& s) { s.isv_svn ^= 1; }}), LeafError::kInvalidSignature);
  EXPECT_EQ(einit_error({.after_signing = [](S& s) { s.q1[3] ^= 1; }}), LeafError::kInvalidSignature);
  EXPECT_EQ(einit_error({.after_signing = [](S& s) { s.header[0] ^= 1; }}), LeafError::kInvalidSigStruct);
  EXPECT_EQ(einit_error({.after_signing = [](S& s) { s.exponent = 65537; }}), LeafError::kInvalidSigStruct);
  EXPECT_EQ(einit_error({.after_signing = [](S& s) { s.reserved3[0] = 1; }}), LeafError::kInvalidSigStruct);
}

TEST(Einit, Measurement) {
  EXPECT_EQ(einit_error({.before_signing = [](sgx::Sigstruct& s) { s.enclave_hash.bytes[31] ^= 0x80; }}),
            LeafError::kInvalidMeasurement);
  auto one = build_before_einit({.difference = 1});
  auto other = build_before_einit({.difference = 2});
  EXPECT_EQ(one.built->einit(other.sigstruct).error, LeafError::kInvalidMeasurement);
  EXPECT_TRUE(one.built->einit(one.sigstruct).ok()) << "a refused SIGSTRUCT does not spoil the enclave";
}

TEST(Einit, Attributes) {
  using S = sgx::Sigstruct;
  EXPECT_EQ(einit_error({.before_signing = [](S& s) { s.attributes.flags &= ~sgx::attribute::kDebug; }}),
            LeafError::kInvalidAttribute);
  EXPECT_EQ(einit_error({.before_signing = [](S& s) { s.attributes.xfrm = 1; }}), LeafError::kInvalidAttribute);
  EXPECT_EQ(einit_error({.before_signing = [](S& s) { s.misc_select ^= 1; }}), LeafError::kInvalidAttribute);
  // What the mask leaves free may differ.
  EXPECT_EQ(einit_error({.before_signing =
                             [](S& s) {
                               s.attributes.flags &= ~sgx::attribute::kDebug;
                               s.attribute_mask.flags = ~sgx::attribute::kDebug;
                               s.misc_mask = ~1u;
                               s.misc_select &= ~1u;
                             }}),
            LeafError::kSuccess);
}

TEST(Einit, PlatformKeysAreForWhomTheDeviceLayerPermits) {
  const std::uint64_t base = TestEnclaveOptions{}.attributes;
  for (std::uint64_t attribute : {sgx::attribute::kProvisionKey, sgx::attribute::kEinitTokenKey}) {
    EXPECT_EQ(einit_error({.attributes = base | attribute}), LeafError::kInvalidAttribute);
    UnsignedEnclave ready = build_before_einit({.attributes = base | attribute});
    ASSERT_TRUE(ready.built.last.ok());
    ready.built->permit_attributes(attribute);
    EXPECT_TRUE(ready.built->einit(ready.sigstruct).ok());
    auto& request = ready.built.data<sgx::KeyRequest>(TE_OPERANDS);
    request.key_name = static_cast<std::uint16_t>(
        attribute == sgx::attribute::kProvisionKey ? sgx::KeyName::kProvision : sgx::KeyName::kEinitToken);
    const std::uint64_t operands = ready.built.address(TE_DATA + TE_OPERANDS);
    EXPECT_TRUE(ready.built->egetkey(operands, operands + 0x400).ok());
    request.key_name = static_cast<std::uint16_t>(
        attribute == sgx::attribute::kProvisionKey ? sgx::KeyName::kEinitToken : sgx::KeyName::kProvision);
    EXPECT_EQ(ready.built->egetkey(operands, operands + 0x400).error, LeafError::kInvalidAttribute);
  }
}

TEST(Einit, KssIdentitiesWantTheKssAttribute) {
  const std::uint64_t base = TestEnclaveOptions{}.attributes;
  EXPECT_EQ(einit_error({.family_id = 5}), LeafError::kInvalidAttribute);
  EXPECT_EQ(einit_error({.attributes = base | sgx::attribute::kKss, .family_id = 5}), LeafError::kSuccess);
}

TEST(Einit, ARungThatProtectsNothingTakesDebugEnclavesOnly) {
  EXPECT_EQ(einit_error({.attributes = sgx::attribute::kMode64Bit, .debug_only = true}), LeafError::kInvalidAttribute);
  EXPECT_EQ(einit_error({.attributes = sgx::attribute::kMode64Bit, .debug_only = false}), LeafError::kSuccess);
  EXPECT_EQ(einit_error({.debug_only = true}), LeafError::kSuccess);
}

TEST(Eremove, Errors) {
  auto made = build();
  EXPECT_EQ(made->eremove(8).fault, Fault::kGeneralProtection) << "unaligned";
  EXPECT_EQ(made->eremove(TE_SIZE).fault, Fault::kGeneralProtection) << "outside";
  const LeafOutcome nowhere = made->eremove(TE_HEAP);
  EXPECT_EQ(nowhere.fault, Fault::kPageFault);
  EXPECT_EQ(nowhere.fault_address, made->base() + TE_HEAP);
}

TEST(Eremove, TakesThePageItsThreadAndItsFrame) {
  auto made = build();
  const auto used = made->usage().used_pages;
  ASSERT_TRUE(made->eremove(testing::thread_offset()).ok());
  EXPECT_EQ(made->thread_at(testing::thread_offset()), nullptr);
  ASSERT_TRUE(made->eremove(TE_DATA).ok());
  EXPECT_FALSE(made->pages_allow(TE_DATA, 1, SecinfoFlags::kR));
  EXPECT_EQ(made->usage().used_pages, used - 2);
  EXPECT_EQ(made->eremove(TE_DATA).fault, Fault::kPageFault) << "twice";
}

TEST(Eaug, Errors) {
  auto before = build_before_einit().built;
  std::uint32_t added = 0;
  EXPECT_EQ(before->eaug(TE_HEAP, 1, &added).fault, Fault::kGeneralProtection) << "before EINIT";
  auto made = build();
  EXPECT_EQ(made->eaug(TE_HEAP + 1, 1, &added).fault, Fault::kGeneralProtection) << "unaligned";
  EXPECT_EQ(made->eaug(TE_SIZE, 1, &added).fault, Fault::kGeneralProtection) << "outside";
  EXPECT_EQ(made->eaug(TE_SIZE - kPageSize, 2, &added).fault, Fault::kGeneralProtection) << "reaches outside";
  EXPECT_EQ(made->eaug(TE_HEAP, ~0u, &added).fault, Fault::kGeneralProtection) << "reaches outside";
  const LeafOutcome taken = made->eaug(TE_DATA, 1, &added);
  EXPECT_EQ(taken.fault, Fault::kPageFault);
  EXPECT_EQ(taken.fault_address, made->base() + TE_DATA);
  EXPECT_EQ(added, 0u);
}

TEST(Eaug, PagesArePendingAndInaccessibleUntilAccepted) {
  auto made = build();
  std::uint32_t added = 0;
  ASSERT_TRUE(made->eaug(TE_HEAP, 3, &added).ok());
  EXPECT_EQ(added, 3u);
  EXPECT_EQ(made->usage().added_later_pages, 3u);
  EXPECT_FALSE(made->pages_allow(TE_HEAP, 1, SecinfoFlags::kR));
  unsigned char resident = 0;
  EXPECT_EQ(::mincore(reinterpret_cast<void*>(made.address(TE_HEAP)), kPageSize, &resident), 0) << "it is mapped";
}

TEST(Eaug, AddsAsFarAsTheEpcHasRoom) {
  auto made = build();
  const auto usage = made->usage();
  const auto free = static_cast<std::uint32_t>(usage.epc_pages - usage.used_pages);
  std::uint32_t added = 0;
  std::uint32_t total = 0;
  // ELRANGE and the EPC are of one size here, so filling the heap leaves some frames: take those before the heap too.
  for (std::uint64_t at = 0; at < TE_SIZE; at += kPageSize) {
    if (made->eaug(at, 1, &added).ok()) total += added;
  }
  EXPECT_EQ(total, free);
  auto small = build({.epc_size = 40 * kPageSize});
  ASSERT_TRUE(small.last.ok());
  const auto room = static_cast<std::uint32_t>(40 - small->usage().used_pages);
  EXPECT_TRUE(small->eaug(TE_HEAP, 100, &added).ok());
  EXPECT_EQ(added, room);
  EXPECT_TRUE(small->eaug(TE_HEAP + std::uint64_t{added} * kPageSize, 1, &added).ok());
  EXPECT_EQ(added, 0u);
}

}  // namespace
}  // namespace coffer::processor
