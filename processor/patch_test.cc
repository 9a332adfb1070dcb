// Fast paths: the same enclave gives the same results on the patched and on the trapping path; a hostile layout changes
// nothing.
#include "processor/patch.h"

#include <gtest/gtest.h>
#include <x86intrin.h>

#include <cstring>
#include <vector>

#include "processor/entry.h"
#include "processor/testing/test_enclave.h"

namespace coffer::processor {
namespace {

using boundary::ImageLayout;
using boundary::LayoutSite;
using sgx::kPageSize;
using sgx::SecinfoFlags;
using testing::build;
using testing::TestEnclave;

constexpr std::uint64_t kFirst = TE_DATA + TE_OPERANDS;
constexpr std::uint64_t kSecond = kFirst + 0x400;
constexpr std::uint64_t kThird = kFirst + 0x800;
constexpr std::uint64_t kPendingRw = 0x200 | SecinfoFlags::kR | SecinfoFlags::kW | SecinfoFlags::kPending;

LayoutSite good_site() {
  // `syscall` and the jump behind it, replaced by a jump to where that jump leads.
  return {.site = testing::fault_of(TE_BODY_SYSCALL).offset,
          .thunk = testing::fault_of(TE_BODY_NOTHING).offset,
          .length = 7,
          .reserved = 0};
}

std::function<void(ImageLayout&, std::vector<std::byte>&)> with_sites(
    const std::vector<LayoutSite>& sites, const std::function<void(ImageLayout&)>& change = {}) {
  return [=](ImageLayout& layout, std::vector<std::byte>& blob) {
    blob.resize(sites.size() * sizeof(LayoutSite));
    if (!sites.empty()) std::memcpy(blob.data(), sites.data(), blob.size());
    layout.blob_size = blob.size();
    layout.site_count = static_cast<std::uint32_t>(sites.size());
    if (change) change(layout);
  };
}

bool code_is_untouched(const TestEnclave& made) {
  const ByteView code = testing::test_code();
  return std::memcmp(&made.at<std::byte>(0), code.data(), code.size()) == 0;
}

class FastPaths : public ::testing::Test {
 protected:
  void SetUp() override { testing::use_traps(); }
  static TestEnclave patched(testing::TestEnclaveOptions options = {}) {
    if (!options.layout) options.layout = with_sites({good_site()});
    TestEnclave made = build(options);
    EXPECT_TRUE(made.last.ok());
    auto counts = apply_fast_paths(*made.enclave, TE_LAYOUT);
    EXPECT_TRUE(counts) << counts.error().message;
    return made;
  }
};

TEST_F(FastPaths, CountWhatTheyPatch) {
  TestEnclave made = build({.layout = with_sites({good_site()})});
  auto counts = apply_fast_paths(*made.enclave, TE_LAYOUT);
  ASSERT_TRUE(counts) << counts.error().message;
  EXPECT_EQ(counts->enclu_sites, 5u) << "EEXIT, the exit site, two leaf commands, the body; not the raw ENCLU";
  EXPECT_EQ(counts->accept_sites, 0u);
  EXPECT_EQ(counts->syscall_sites, 1u);
  EXPECT_FALSE(code_is_untouched(made));
}

void expect_refused(const std::function<void(ImageLayout&, std::vector<std::byte>&)>& layout, const char* what) {
  TestEnclave made = build({.layout = layout});
  ASSERT_TRUE(made.last.ok()) << what;
  auto counts = apply_fast_paths(*made.enclave, TE_LAYOUT);
  ASSERT_FALSE(counts) << what;
  EXPECT_EQ(counts.error().kind, ErrorKind::kInput) << what;
  EXPECT_EQ(counts.error().message.find('\n'), std::string::npos);
  EXPECT_TRUE(code_is_untouched(made)) << what;
  EXPECT_EQ(testing::enter(made, {TE_CMD_IDENTIFY}).outcome.kind, ExitKind::kExit) << "the trapping path goes on";
}

TEST_F(FastPaths, AHostileHeaderIsRefused) {
  const auto header = [](const std::function<void(ImageLayout&)>& change) { return with_sites({good_site()}, change); };
  expect_refused(header([](ImageLayout& l) { l.magic ^= 1; }), "magic");
  expect_refused(header([](ImageLayout& l) { l.size *= 2; }), "another size");
  expect_refused(header([](ImageLayout& l) { l.layout_offset += 0x1000; }), "another place");
  for (std::uint64_t size : {std::uint64_t{TE_SIZE}, ~std::uint64_t{0}, ~std::uint64_t{0} - sizeof(ImageLayout) + 1}) {
    expect_refused(header([=](ImageLayout& l) { l.blob_size = size; }), "a blob behind the end");
  }
  for (std::uint32_t count : {2u, 1000u, 0xffffffffu}) {
    expect_refused(header([=](ImageLayout& l) { l.site_count = count; }), "more sites than the blob holds");
  }
  for (std::uint32_t table : {1u, 0x1000u, 0xffffffffu}) {
    expect_refused(header([=](ImageLayout& l) { l.sites_table = table; }), "a table behind the blob");
  }
  expect_refused(header([](ImageLayout& l) {
                   l.blob_size = TE_DATA;
                   l.site_count = 0x1000 / sizeof(LayoutSite);
                 }),
                 "a table that goes on where no page is");
}

TEST_F(FastPaths, HostileSitesAreRefusedAllTogether) {
  const auto with = [](const std::function<void(LayoutSite&)>& change) {
    LayoutSite bad = good_site();
    change(bad);
    return with_sites({good_site(), bad});
  };
  expect_refused(with([](LayoutSite& s) { s.site = TE_DATA; }), "a site in data");
  expect_refused(with([](LayoutSite& s) { s.site = TE_READONLY; }), "a site in read-only data");
  expect_refused(with([](LayoutSite& s) { s.site = TE_HEAP; }), "a site where no page is");
  expect_refused(with([](LayoutSite& s) { s.site = TE_SIZE; }), "a site outside");
  expect_refused(with([](LayoutSite& s) { s.site = ~std::uint64_t{0} - 3; }), "a site that wraps");
  expect_refused(with([](LayoutSite& s) { s.site = testing::test_code().size() - 3; }), "a site that leaves the code");
  expect_refused(with([](LayoutSite& s) { s.thunk = TE_DATA; }), "a thunk in data");
  expect_refused(with([](LayoutSite& s) { s.thunk = TE_SIZE; }), "a thunk outside");
  expect_refused(with([](LayoutSite& s) { s.thunk = s.site + (std::uint64_t{1} << 33); }), "a thunk too far away");
  for (std::uint32_t length : {0u, 2u, 4u, 16u, 0xffffffffu}) {
    expect_refused(with([=](LayoutSite& s) { s.length = length; }), "a length that cannot be");
  }
}

TEST_F(FastPaths, WantAnInitialisedEnclaveAndALayoutInside) {
  auto before = testing::build_before_einit({.layout = with_sites({good_site()})}).built;
  EXPECT_FALSE(apply_fast_paths(*before.enclave, TE_LAYOUT));
  EXPECT_TRUE(code_is_untouched(before));
  TestEnclave made = build({.layout = with_sites({good_site()})});
  for (std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{TE_HEAP}, std::uint64_t{TE_SIZE}, std::uint64_t{TE_DATA},
                               std::uint64_t{TE_LAYOUT + 8}, ~std::uint64_t{0}}) {
    EXPECT_FALSE(apply_fast_paths(*made.enclave, offset)) << offset;
  }
  EXPECT_TRUE(code_is_untouched(made));
}

TEST_F(FastPaths, PatchCodeChangesExecutablePagesOnly) {
  TestEnclave made = build();
  const std::array<std::byte, 4> bytes{};
  EXPECT_FALSE(made->patch_code(TE_DATA, bytes));
  EXPECT_FALSE(made->patch_code(TE_READONLY, bytes));
  EXPECT_FALSE(made->patch_code(TE_HEAP, bytes));
  EXPECT_FALSE(made->patch_code(TE_SIZE - 2, bytes));
  EXPECT_FALSE(made->patch_code(testing::test_code().size() - 2, bytes));
  EXPECT_TRUE(code_is_untouched(made));
  EXPECT_TRUE(made->patch_code(kPageSize - 2, bytes)) << "across two pages of code";
  EXPECT_EQ(std::memcmp(&made.at<std::byte>(kPageSize - 2), bytes.data(), 4), 0);
}

TEST_F(FastPaths, APatchedSystemCallSiteRunsItsThunk) {
  for (const bool fast : {false, true}) {
    TestEnclave made = fast ? patched() : build();
    testing::set_patterns(made, 4);
    const auto left = testing::enter(made, {TE_CMD_PATTERN, TE_BODY_SYSCALL});
    EXPECT_EQ(left.outcome.kind, fast ? ExitKind::kExit : ExitKind::kException);
    if (fast) {
      EXPECT_EQ(testing::compare_patterns(made), "");
    }
  }
}

std::function<void(ImageLayout&, std::vector<std::byte>&)> with_cpuid(
    const std::vector<std::uint64_t>& sites, const std::function<void(ImageLayout&)>& change = {}) {
  return [=](ImageLayout& layout, std::vector<std::byte>& blob) {
    blob.resize(sites.size() * sizeof(std::uint64_t));
    if (!sites.empty()) std::memcpy(blob.data(), sites.data(), blob.size());
    layout.blob_size = blob.size();
    layout.cpuid_count = static_cast<std::uint32_t>(sites.size());
    if (change) change(layout);
  };
}

TEST_F(FastPaths, ATrappedCpuidIsAnInvalidOpcodeWhereItStood) {
  const testing::Fault place = testing::fault_of(TE_BODY_CPUID);
  TestEnclave made = build({.layout = with_cpuid({place.offset})});
  ASSERT_TRUE(made.last.ok());
  testing::set_patterns(made, 4);
  EXPECT_EQ(testing::enter(made, {TE_CMD_PATTERN, TE_BODY_CPUID}).outcome.kind, ExitKind::kExit) << "it executes";
  auto trapped = trap_cpuid(*made.enclave, TE_LAYOUT);
  ASSERT_TRUE(trapped) << trapped.error().message;
  EXPECT_EQ(*trapped, 1U);
  EXPECT_EQ(std::memcmp(&made.at<std::byte>(place.offset), "\x0f\x0b", 2), 0);
  const auto left = testing::enter(made, {TE_CMD_PATTERN, TE_BODY_CPUID});
  EXPECT_EQ(left.outcome.kind, ExitKind::kException);
  EXPECT_EQ(left.outcome.exception.vector, sgx::vector::kInvalidOpcode);
  EXPECT_EQ(left.outcome.exception.rip, place.offset);
}

TEST_F(FastPaths, CpuidTrapsWhereTheLayoutSaysTheTruthOnly) {
  const std::uint64_t good = testing::fault_of(TE_BODY_CPUID).offset;
  const std::vector<std::pair<const char*, std::vector<std::uint64_t>>> lies = {
      {"a UD2", {good, testing::fault_of(TE_BODY_UD2).offset}},
      {"a system call", {good, testing::fault_of(TE_BODY_SYSCALL).offset}},
      {"its middle", {good, good + 1}},
      {"data", {good, TE_DATA}},
      {"read-only data", {good, TE_READONLY}},
      {"no page", {good, TE_HEAP}},
      {"outside", {good, TE_SIZE}},
      {"the last byte", {good, TE_SIZE - 1}},
      {"one that wraps", {good, ~std::uint64_t{0}}},
  };
  for (const auto& [name, sites] : lies) {
    TestEnclave made = build({.layout = with_cpuid(sites)});
    ASSERT_TRUE(made.last.ok()) << name;
    auto trapped = trap_cpuid(*made.enclave, TE_LAYOUT);
    ASSERT_FALSE(trapped) << name;
    EXPECT_EQ(trapped.error().kind, ErrorKind::kInput) << name;
    EXPECT_EQ(trapped.error().message.find('\n'), std::string::npos) << name;
    EXPECT_TRUE(code_is_untouched(made)) << name;
  }
  for (const std::uint32_t count : {2U, 1000U, 0xffffffffU}) {
    TestEnclave made = build({.layout = with_cpuid({good}, [=](ImageLayout& l) { l.cpuid_count = count; })});
    EXPECT_FALSE(trap_cpuid(*made.enclave, TE_LAYOUT)) << count;
    EXPECT_TRUE(code_is_untouched(made)) << count;
  }
  TestEnclave none = build({.layout = with_cpuid({})});
  EXPECT_EQ(trap_cpuid(*none.enclave, TE_LAYOUT).value_or(9), 0U);
  EXPECT_FALSE(trap_cpuid(*none.enclave, TE_DATA)) << "no layout";
  auto before = testing::build_before_einit({.layout = with_cpuid({good})}).built;
  EXPECT_FALSE(trap_cpuid(*before.enclave, TE_LAYOUT)) << "before EINIT";
}

// One enclave, both paths: the same exits, the same results, the same bytes. Keys and reports depend on the
// measurement, which patching must not change.
TEST_F(FastPaths, GiveWhatTheTrapGives) {
  const auto layout = with_sites({good_site()});
  TestEnclave slow = build({.layout = layout});
  TestEnclave fast = patched({.layout = layout});
  const auto both = [&](auto prepare, std::uint64_t leaf, std::uint64_t rbx, std::uint64_t rcx, std::uint64_t rdx) {
    std::array<testing::Entered, 2> left;
    std::array<std::vector<std::byte>, 2> memory;
    std::size_t i = 0;
    for (TestEnclave* made : {&slow, &fast}) {
      prepare(*made);
      left[i] = testing::leaf(*made, leaf, made->address(rbx), made->address(rcx), made->address(rdx));
      const std::byte* pages = &made->at<std::byte>(TE_DATA);
      memory[i].assign(pages, pages + 4 * kPageSize);
      ++i;
    }
    EXPECT_EQ(left[0].outcome.kind, ExitKind::kExit);
    EXPECT_EQ(left[1].outcome.kind, ExitKind::kExit);
    EXPECT_EQ(left[0].out.rdi, left[1].out.rdi) << "RAX";
    EXPECT_EQ(left[0].out.rdx - slow->base(), left[1].out.rdx - fast->base()) << "RBX";
    EXPECT_EQ(left[0].out.r8 - slow->base(), left[1].out.r8 - fast->base()) << "RCX";
    EXPECT_EQ(left[0].out.r9 - slow->base(), left[1].out.r9 - fast->base()) << "RDX";
    EXPECT_TRUE(memory[0] == memory[1]) << "leaf " << leaf;
    return left[0].out.rdi;
  };
  const auto seal_request = [](std::uint16_t svn) {
    return [svn](const TestEnclave& made) {
      auto& r = made.at<sgx::KeyRequest>(kFirst);
      r = {};
      r.key_name = static_cast<std::uint16_t>(sgx::KeyName::kSeal);
      r.key_policy = sgx::key_policy::kMrEnclave;
      r.isv_svn = svn;
    };
  };
  EXPECT_EQ(both(seal_request(3), SGX_ENCLU_EGETKEY, kFirst, kThird, 0), 0u);
  EXPECT_EQ(both(seal_request(9), SGX_ENCLU_EGETKEY, kFirst, kThird, 0),
            static_cast<std::uint64_t>(sgx::LeafError::kInvalidIsvSvn));
  const auto target = [](const TestEnclave& made) {
    made.at<sgx::TargetInfo>(kFirst) = {};
    made.at<sgx::Bytes<64>>(kSecond).fill(9);
  };
  EXPECT_EQ(both(target, SGX_ENCLU_EREPORT, kFirst, kSecond, kThird), 0u);
  const auto secinfo = [](const TestEnclave& made) { made.at<sgx::Secinfo>(kFirst) = {SecinfoFlags{kPendingRw}, {}}; };
  EXPECT_EQ(both(secinfo, SGX_ENCLU_EACCEPT, kFirst, TE_HEAP, 0), 0u);
  EXPECT_EQ(both(secinfo, SGX_ENCLU_EACCEPT, kFirst, TE_HEAP, 0),
            static_cast<std::uint64_t>(sgx::LeafError::kPageAttributesMismatch));
  EXPECT_EQ(slow->usage().added_later_pages, fast->usage().added_later_pages);
}

// The gate saves and restores what the agreement does not give it: all but RAX, R10, R11 and the arithmetic flags. The
// processor's own code must not run under the enclave's AC and DF.
TEST_F(FastPaths, TheGateKeepsEveryOtherRegister) {
  TestEnclave made = patched();
  for (const std::uint64_t flags : {0x202ull, 0x202ull | 0x40400}) {
    testing::set_patterns(made, 5);
    auto& in = made.data<std::array<std::uint64_t, testing::kRegisterCount>>(TE_REGS_IN);
    made.at<sgx::KeyRequest>(kFirst) = {};
    made.at<sgx::KeyRequest>(kFirst).key_name = static_cast<std::uint16_t>(sgx::KeyName::kSeal);
    in[testing::kRax] = SGX_ENCLU_EGETKEY;
    in[testing::kRbx] = made.address(kFirst);
    in[testing::kRcx] = made.address(kThird);
    in[testing::kRsp] = made.address(testing::thread_offset() + TE_BLOCK + 0x1800);  // the gate's call needs a stack
    in[testing::kR10] = made.address(testing::thread_offset());
    in[testing::kFlags] = flags;
    const auto left = testing::enter(made, {TE_CMD_PATTERN, TE_BODY_ENCLU});
    ASSERT_EQ(left.outcome.kind, ExitKind::kExit);
    EXPECT_EQ(testing::compare_patterns(
                  made, 1u << testing::kRax | 1u << testing::kR10 | 1u << testing::kR11 | 1u << testing::kFlags),
              "");
    EXPECT_EQ(made.data<std::uint64_t>(TE_REGS_OUT + 128) & 0x40400, flags & 0x40400);
    EXPECT_EQ(made.data<std::uint64_t>(TE_REGS_OUT), 0u);
  }
}

TEST_F(FastPaths, TheHostGetsNoFlagOfTheEnclave) {
  for (const bool fast : {false, true}) {
    TestEnclave made = fast ? patched() : build();
    testing::set_patterns(made, 10);
    auto& in = made.data<std::array<std::uint64_t, testing::kRegisterCount>>(TE_REGS_IN);
    in[testing::kRax] = SGX_ENCLU_EEXIT;
    in[testing::kRsp] = made.address(testing::thread_offset() + TE_BLOCK + 0x1800);
    in[testing::kR10] = made.address(testing::thread_offset());
    in[testing::kFlags] = 0x202 | 0x40400;  // AC, DF
    ASSERT_EQ(testing::enter(made, {TE_CMD_PATTERN, TE_BODY_ENCLU}).outcome.kind, ExitKind::kExit);
    EXPECT_EQ(__readeflags() & 0x40400, 0u);
  }
}

// Coffer's kernel loads its FS base after each entry, and finds it loaded where the exit was a fast one.
TEST_F(FastPaths, AnExitSiteLeavesItsFsBaseForTheNextEntry) {
  for (const bool fast : {false, true}) {
    TestEnclave made = fast ? patched() : build();
    const std::uint64_t own = made.address(TE_HEAP);
    const auto left = testing::enter(made, {TE_CMD_EXIT_SITE, SGX_ENCLU_EEXIT, own, 8, 9});
    ASSERT_EQ(left.outcome.kind, ExitKind::kExit);
    EXPECT_EQ(left.out.r8, 8u);
    EXPECT_EQ(left.out.r9, 9u);
    EXPECT_EQ(testing::enter(made, {TE_CMD_IDENTIFY}).out.r8, fast ? own : made.address(TE_DATA));
    EXPECT_EQ(testing::enter(made, {TE_CMD_IDENTIFY}).out.r8, made.address(TE_DATA)) << "once";
    EXPECT_EQ(made.enclave->thread_at(testing::thread_offset())->busy.load(), false);
  }
}

TEST_F(FastPaths, AnExitSiteIsForNoOtherLeaf) {
  TestEnclave made = patched();
  const auto left = testing::enter(made, {TE_CMD_EXIT_SITE, SGX_ENCLU_EGETKEY, 0});
  EXPECT_EQ(left.outcome.kind, ExitKind::kException);
  EXPECT_EQ(left.outcome.exception.vector, sgx::vector::kGeneralProtection);
}

// What is a fault of the instruction on the trapping path is an answer beyond every error code here.
TEST_F(FastPaths, AFaultOfALeafIsAnAnswer) {
  TestEnclave made = patched();
  const auto left = testing::leaf(made, SGX_ENCLU_EGETKEY, made.address(kFirst + 8), made.address(kThird));
  ASSERT_EQ(left.outcome.kind, ExitKind::kExit);
  EXPECT_EQ(left.out.rdi, ~std::uint64_t{0});
}

// Whoever names a TCS that it is not inside of gets an exception, and does not take the process with it.
TEST_F(FastPaths, AWrongTcsIsAnException) {
  for (const std::uint64_t wrong : {std::uint64_t{0}, std::uint64_t{TE_DATA}, std::uint64_t{0} - 4096,
                                    testing::thread_offset(1), std::uint64_t{TE_SIZE}}) {
    TestEnclave made = patched({.threads = 2});
    testing::set_patterns(made, 6);
    auto& in = made.data<std::array<std::uint64_t, testing::kRegisterCount>>(TE_REGS_IN);
    in[testing::kRax] = SGX_ENCLU_EGETKEY;
    in[testing::kRsp] = made.address(testing::thread_offset() + TE_BLOCK + 0x1800);
    in[testing::kR10] = made.address(wrong);
    const auto left = testing::enter(made, {TE_CMD_PATTERN, TE_BODY_ENCLU});
    EXPECT_EQ(left.outcome.kind, ExitKind::kException) << wrong;
    EXPECT_EQ(left.outcome.exception.vector, sgx::vector::kGeneralProtection);
  }
}

}  // namespace
}  // namespace coffer::processor
