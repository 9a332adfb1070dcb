// The data structures of Intel SGX, byte for byte (Intel SDM volume 3D, chapter 34). Freestanding, no I/O.
//
// All integers are little-endian. Every structure is trivially copyable and without implicit padding, so it can be
// read from and written to memory as it is; sizes and offsets are asserted below.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "sgx/offsets.h"

namespace coffer::sgx {

inline constexpr std::size_t kPageSize = SGX_PAGE_SIZE;
inline constexpr std::size_t kExtendSize = 256;  // what one EEXTEND measures

template <std::size_t Size>
using Bytes = std::array<std::uint8_t, Size>;

// Identities are distinct types, so that one cannot be passed for the other.
template <class Tag>
struct Digest {
  Bytes<32> bytes{};
  friend bool operator==(const Digest&, const Digest&) = default;
};
using MrEnclave = Digest<struct MrEnclaveTag>;
using MrSigner = Digest<struct MrSignerTag>;

// ATTRIBUTES.FLAGS, SDM 3D 34.7.1
namespace attribute {
inline constexpr std::uint64_t kInit = 1u << 0;
inline constexpr std::uint64_t kDebug = 1u << 1;
inline constexpr std::uint64_t kMode64Bit = 1u << 2;
inline constexpr std::uint64_t kProvisionKey = 1u << 4;
inline constexpr std::uint64_t kEinitTokenKey = 1u << 5;
inline constexpr std::uint64_t kCet = 1u << 6;
inline constexpr std::uint64_t kKss = 1u << 7;
inline constexpr std::uint64_t kAexNotify = 1u << 10;
inline constexpr std::uint64_t kKnown =
    kInit | kDebug | kMode64Bit | kProvisionKey | kEinitTokenKey | kCet | kKss | kAexNotify;
}  // namespace attribute

// ATTRIBUTES.XFRM has the layout of XCR0. x87 and SSE must be set (SDM 3D 40.7.2.1).
namespace xfrm {
inline constexpr std::uint64_t kLegacy = 0x3;
inline constexpr std::uint64_t kAvx = 0x4;
inline constexpr std::uint64_t kAvx512 = 0xe0;
inline constexpr std::uint64_t kPkru = 0x200;
}  // namespace xfrm

inline constexpr std::uint32_t kMiscExInfo = 1;  // MISCSELECT bit 0

struct Attributes {
  std::uint64_t flags = 0;
  std::uint64_t xfrm = 0;
  friend bool operator==(const Attributes&, const Attributes&) = default;
};

enum class PageType : std::uint8_t { kSecs = 0, kTcs = 1, kReg = 2, kVa = 3, kTrim = 4, kSsFirst = 5, kSsRest = 6 };

// SECINFO.FLAGS, SDM 3D table 34-12
struct SecinfoFlags {
  std::uint64_t value = 0;

  static constexpr std::uint64_t kR = 1, kW = 2, kX = 4, kPending = 8, kModified = 16, kPermRestricted = 32;

  [[nodiscard]] static constexpr SecinfoFlags make(PageType type, std::uint64_t permissions) {
    return {permissions | static_cast<std::uint64_t>(type) << 8};
  }
  [[nodiscard]] constexpr PageType type() const { return static_cast<PageType>(value >> 8 & 0xff); }
  [[nodiscard]] constexpr std::uint64_t permissions() const { return value & 7; }
  [[nodiscard]] constexpr bool readable() const { return (value & kR) != 0; }
  [[nodiscard]] constexpr bool writable() const { return (value & kW) != 0; }
  [[nodiscard]] constexpr bool executable() const { return (value & kX) != 0; }
  friend bool operator==(const SecinfoFlags&, const SecinfoFlags&) = default;
};

struct Secinfo {
  SecinfoFlags flags;
  Bytes<56> reserved{};
};

struct alignas(8) Secs {
  std::uint64_t size = 0;  // bytes, a power of two
  std::uint64_t base_address = 0;
  std::uint32_t ssa_frame_size = 0;  // pages
  std::uint32_t misc_select = 0;
  Bytes<24> reserved1{};
  Attributes attributes;
  MrEnclave mrenclave;
  Bytes<32> reserved2{};
  MrSigner mrsigner;
  Bytes<32> reserved3{};
  Bytes<64> config_id{};
  std::uint16_t isv_prod_id = 0;
  std::uint16_t isv_svn = 0;
  std::uint16_t config_svn = 0;
  Bytes<3834> reserved4{};
};

struct Tcs {
  std::uint64_t state = 0;
  std::uint64_t flags = 0;         // bit 0: DBGOPTIN, bit 1: AEXNOTIFY
  std::uint64_t ssa_offset = 0;    // OSSA
  std::uint32_t current_ssa = 0;   // CSSA
  std::uint32_t ssa_count = 0;     // NSSA
  std::uint64_t entry_offset = 0;  // OENTRY
  std::uint64_t aep = 0;
  std::uint64_t fs_offset = 0;  // OFSBASE
  std::uint64_t gs_offset = 0;  // OGSBASE
  std::uint32_t fs_limit = 0;
  std::uint32_t gs_limit = 0;
  std::uint64_t cet_ssa_offset = 0;
  std::uint64_t previous_ssp = 0;
  Bytes<4008> reserved{};
};

namespace tcs_flag {
inline constexpr std::uint64_t kDebugOptIn = 1, kAexNotify = 2;
}  // namespace tcs_flag

// General registers of an interrupted enclave, the last 184 bytes of an SSA frame (SDM 3D table 34-10).
struct GprArea {
  std::uint64_t rax = 0, rcx = 0, rdx = 0, rbx = 0, rsp = 0, rbp = 0, rsi = 0, rdi = 0;
  std::uint64_t r8 = 0, r9 = 0, r10 = 0, r11 = 0, r12 = 0, r13 = 0, r14 = 0, r15 = 0;
  std::uint64_t rflags = 0, rip = 0, ursp = 0, urbp = 0;
  std::uint32_t exit_info = 0;
  Bytes<3> reserved{};
  std::uint8_t aex_notify = 0;
  std::uint64_t fs_base = 0, gs_base = 0;
};

// EXITINFO, SDM 3D table 34-11
namespace exit_info {
inline constexpr std::uint32_t kValid = 1u << 31;
inline constexpr std::uint32_t kHardware = 3u << 8;  // EXIT_TYPE of exceptions
inline constexpr std::uint32_t kSoftware = 6u << 8;  // EXIT_TYPE of INT3 (#BP)
}  // namespace exit_info

// x86 exception vectors that SGX reports in EXITINFO.
namespace vector {
inline constexpr std::uint8_t kDivideError = 0, kDebug = 1, kBreakpoint = 3, kBoundRange = 5, kInvalidOpcode = 6,
                              kGeneralProtection = 13, kPageFault = 14, kX87 = 16, kAlignmentCheck = 17, kSimd = 19;
}  // namespace vector

struct ExInfo {  // the EXINFO component of the MISC region, below GprArea
  std::uint64_t address = 0;
  std::uint32_t error_code = 0;
  std::uint32_t reserved = 0;
};

struct PageInfo {
  std::uint64_t linear_address = 0, source_page = 0, secinfo = 0, secs = 0;
};

struct Pcmd {  // what EWB writes beside a page
  Secinfo secinfo;
  std::uint64_t enclave_id = 0;
  Bytes<40> reserved{};
  Bytes<16> mac{};
};

inline constexpr std::size_t kModulusSize = 384;  // RSA-3072

struct Sigstruct {
  Bytes<16> header{};
  std::uint32_t vendor = 0;  // 0 or 0x8086
  std::uint32_t date = 0;    // 0xYYYYMMDD, decimal digits in hexadecimal places
  Bytes<16> header2{};
  std::uint32_t software_defined = 0;
  Bytes<84> reserved1{};
  Bytes<kModulusSize> modulus{};  // little-endian
  std::uint32_t exponent = 0;     // 3
  Bytes<kModulusSize> signature{};
  std::uint32_t misc_select = 0;
  std::uint32_t misc_mask = 0;
  std::uint8_t cet_attributes = 0;
  std::uint8_t cet_attributes_mask = 0;
  Bytes<2> reserved2{};
  Bytes<16> isv_family_id{};
  Attributes attributes;
  Attributes attribute_mask;
  MrEnclave enclave_hash;
  Bytes<16> reserved3{};
  Bytes<16> isv_ext_prod_id{};
  std::uint16_t isv_prod_id = 0;
  std::uint16_t isv_svn = 0;
  Bytes<12> reserved4{};
  Bytes<kModulusSize> q1{};
  Bytes<kModulusSize> q2{};
};

struct ReportBody {  // the first 384 bytes of REPORT, which its MAC covers
  Bytes<16> cpu_svn{};
  std::uint32_t misc_select = 0;
  Bytes<12> reserved1{};
  Bytes<16> isv_ext_prod_id{};
  Attributes attributes;
  MrEnclave mrenclave;
  Bytes<32> reserved2{};
  MrSigner mrsigner;
  Bytes<32> reserved3{};
  Bytes<64> config_id{};
  std::uint16_t isv_prod_id = 0;
  std::uint16_t isv_svn = 0;
  std::uint16_t config_svn = 0;
  Bytes<42> reserved4{};
  Bytes<16> isv_family_id{};
  Bytes<64> report_data{};
};

struct Report {
  ReportBody body;
  Bytes<32> key_id{};
  Bytes<16> mac{};
};

struct TargetInfo {
  MrEnclave mrenclave;
  Attributes attributes;
  std::uint8_t cet_attributes = 0;
  std::uint8_t reserved1 = 0;
  std::uint16_t config_svn = 0;
  std::uint32_t misc_select = 0;
  Bytes<8> reserved2{};
  Bytes<64> config_id{};
  Bytes<384> reserved3{};
};

enum class KeyName : std::uint16_t { kEinitToken = 0, kProvision = 1, kProvisionSeal = 2, kReport = 3, kSeal = 4 };

namespace key_policy {
inline constexpr std::uint16_t kMrEnclave = 1, kMrSigner = 2, kNoIsvProdId = 4, kConfigId = 8, kIsvFamilyId = 16,
                               kIsvExtProdId = 32;
}  // namespace key_policy

struct KeyRequest {
  std::uint16_t key_name = 0;
  std::uint16_t key_policy = 0;
  std::uint16_t isv_svn = 0;
  std::uint8_t cet_attributes_mask = 0;
  std::uint8_t reserved1 = 0;
  Bytes<16> cpu_svn{};
  Attributes attribute_mask;
  Bytes<32> key_id{};
  std::uint32_t misc_mask = 0;
  std::uint16_t config_svn = 0;
  Bytes<434> reserved2{};
};

// Error codes that leaves return in RAX, SDM 3D table 34-26 and the leaf descriptions.
enum class LeafError : std::uint64_t {
  kSuccess = 0,
  kInvalidSigStruct = 1,
  kInvalidAttribute = 2,
  kBlockState = 3,
  kInvalidMeasurement = 4,
  kNotBlockable = 5,
  kPageInvalid = 6,
  kLockFail = 7,
  kInvalidSignature = 8,
  kMacCompareFail = 9,
  kPageNotBlocked = 10,
  kNotTracked = 11,
  kVaSlotOccupied = 12,
  kChildPresent = 13,
  kEnclaveActive = 14,
  kEntryEpochLocked = 15,
  kInvalidEinitToken = 16,
  kPreviousTrackIncomplete = 17,
  kPageIsSecs = 18,
  kPageAttributesMismatch = 19,
  kPageNotModifiable = 20,
  kPageNotDebuggable = 21,
  kInvalidCpuSvn = 32,
  kInvalidIsvSvn = 64,
  kUnmaskedEvent = 128,
  kInvalidKeyName = 256,
};

static_assert(sizeof(Attributes) == 16 && sizeof(Secinfo) == 64 && sizeof(PageInfo) == 32);
static_assert(sizeof(Secs) == 4096 && offsetof(Secs, attributes) == 48 && offsetof(Secs, mrenclave) == 64 &&
              offsetof(Secs, mrsigner) == 128 && offsetof(Secs, config_id) == 192 &&
              offsetof(Secs, isv_prod_id) == 256 && offsetof(Secs, config_svn) == 260);
static_assert(sizeof(Tcs) == 4096 && offsetof(Tcs, ssa_offset) == 16 && offsetof(Tcs, current_ssa) == SGX_TCS_CSSA &&
              offsetof(Tcs, ssa_count) == SGX_TCS_NSSA && offsetof(Tcs, entry_offset) == 32 &&
              offsetof(Tcs, fs_offset) == 48 && offsetof(Tcs, fs_limit) == 64 && offsetof(Tcs, previous_ssp) == 80);
static_assert(sizeof(GprArea) == SGX_GPR_SIZE && offsetof(GprArea, rcx) == SGX_GPR_RCX &&
              offsetof(GprArea, rdx) == SGX_GPR_RDX && offsetof(GprArea, rbx) == SGX_GPR_RBX &&
              offsetof(GprArea, rsp) == SGX_GPR_RSP && offsetof(GprArea, rbp) == SGX_GPR_RBP &&
              offsetof(GprArea, rsi) == SGX_GPR_RSI && offsetof(GprArea, rdi) == SGX_GPR_RDI &&
              offsetof(GprArea, r8) == SGX_GPR_R8 && offsetof(GprArea, r9) == SGX_GPR_R9 &&
              offsetof(GprArea, r10) == SGX_GPR_R10 && offsetof(GprArea, r11) == SGX_GPR_R11 &&
              offsetof(GprArea, r12) == SGX_GPR_R12 && offsetof(GprArea, r13) == SGX_GPR_R13 &&
              offsetof(GprArea, r14) == SGX_GPR_R14 && offsetof(GprArea, r15) == SGX_GPR_R15 &&
              offsetof(GprArea, rflags) == SGX_GPR_RFLAGS && offsetof(GprArea, rip) == SGX_GPR_RIP &&
              offsetof(GprArea, ursp) == SGX_GPR_URSP && offsetof(GprArea, urbp) == SGX_GPR_URBP &&
              offsetof(GprArea, exit_info) == SGX_GPR_EXITINFO && offsetof(GprArea, aex_notify) == 167 &&
              offsetof(GprArea, fs_base) == SGX_GPR_FSBASE && offsetof(GprArea, gs_base) == SGX_GPR_GSBASE);
static_assert(sizeof(ExInfo) == 16 && sizeof(Pcmd) == 128 && offsetof(Pcmd, mac) == 112);
static_assert(sizeof(Sigstruct) == 1808 && offsetof(Sigstruct, modulus) == 128 &&
              offsetof(Sigstruct, exponent) == 512 && offsetof(Sigstruct, signature) == 516 &&
              offsetof(Sigstruct, misc_select) == 900 && offsetof(Sigstruct, isv_family_id) == 912 &&
              offsetof(Sigstruct, attributes) == 928 && offsetof(Sigstruct, attribute_mask) == 944 &&
              offsetof(Sigstruct, enclave_hash) == 960 && offsetof(Sigstruct, isv_ext_prod_id) == 1008 &&
              offsetof(Sigstruct, isv_prod_id) == 1024 && offsetof(Sigstruct, q1) == 1040 &&
              offsetof(Sigstruct, q2) == 1424);
static_assert(sizeof(ReportBody) == 384 && sizeof(Report) == 432 && offsetof(ReportBody, isv_ext_prod_id) == 32 &&
              offsetof(ReportBody, mrenclave) == 64 && offsetof(ReportBody, mrsigner) == 128 &&
              offsetof(ReportBody, config_id) == 192 && offsetof(ReportBody, isv_prod_id) == 256 &&
              offsetof(ReportBody, isv_family_id) == 304 && offsetof(ReportBody, report_data) == 320 &&
              offsetof(Report, key_id) == 384 && offsetof(Report, mac) == 416);
static_assert(sizeof(TargetInfo) == 512 && offsetof(TargetInfo, config_svn) == 50 &&
              offsetof(TargetInfo, misc_select) == 52 && offsetof(TargetInfo, config_id) == 64);
static_assert(sizeof(KeyRequest) == 512 && offsetof(KeyRequest, cpu_svn) == 8 &&
              offsetof(KeyRequest, attribute_mask) == 24 && offsetof(KeyRequest, key_id) == 40 &&
              offsetof(KeyRequest, misc_mask) == 72 && offsetof(KeyRequest, config_svn) == 76);

}  // namespace coffer::sgx
