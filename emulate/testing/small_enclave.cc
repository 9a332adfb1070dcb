#include "emulate/testing/small_enclave.h"

#include <sys/mman.h>
#include <cstdlib>

#include "sgx/builder.h"
#include "sgx/measure.h"
#include "sgx/sigstruct.h"
#include "sgx/test_keys.h"

extern "C" {
extern const std::byte coffer_small_code_begin[];
// Loads the registers of *call, calls, stores them. What the function promises to keep is compared.
int coffer_small_call(coffer::emulate::testing::EnterFunction function, coffer::emulate::testing::Call* call,
                      sgx_enclave_run* run, std::uint64_t* lost);
}

namespace coffer::emulate::testing {

using sgx::kPageSize;
using sgx::PageType;
using sgx::SecinfoFlags;

namespace {

constexpr std::uint64_t kRw = SecinfoFlags::kR | SecinfoFlags::kW;

struct alignas(kPageSize) Page {
  std::byte bytes[kPageSize] = {};
};

sgx::Tcs make_tcs(std::uint64_t frames, std::uint64_t block) {
  sgx::Tcs tcs;
  tcs.ssa_offset = frames;
  tcs.ssa_count = 2;
  tcs.entry_offset = SE_CODE;
  tcs.fs_offset = tcs.gs_offset = block;
  tcs.fs_limit = tcs.gs_limit = 0xffffffff;
  return tcs;
}

sgx::CreateParameters parameters() {
  return {.size = SE_SIZE,
          .ssa_frame_size = 1,
          .misc_select = sgx::kMiscExInfo,
          .attributes = {sgx::attribute::kMode64Bit, sgx::xfrm::kLegacy}};
}

}  // namespace

const std::vector<Segment>& segments() {
  static const std::vector<Segment> all = [] {
    static Page threads[2];
    static const Page zeros[4];
    const sgx::Tcs tcs[2] = {make_tcs(SE_SSA, SE_DATA), make_tcs(SE_SSA + 2 * kPageSize, SE_DATA2)};
    std::memcpy(threads, tcs, sizeof(tcs));
    const auto pages = [](std::size_t count) { return std::as_bytes(std::span(zeros)).first(count * kPageSize); };
    return std::vector<Segment>{
        {SE_TCS, SecinfoFlags::make(PageType::kTcs, 0), std::as_bytes(std::span(threads))},
        {SE_CODE, SecinfoFlags::make(PageType::kReg, SecinfoFlags::kR | SecinfoFlags::kX),
         ByteView(coffer_small_code_begin, kPageSize)},
        {SE_DATA, SecinfoFlags::make(PageType::kReg, kRw), pages(1)},
        {SE_SSA, SecinfoFlags::make(PageType::kReg, kRw), pages(4)},
        {SE_DATA2, SecinfoFlags::make(PageType::kReg, kRw), pages(1)},
    };
  }();
  return all;
}

sgx::Secs make_secs(std::uint64_t base) {
  sgx::Secs secs;
  secs.size = SE_SIZE;
  secs.base_address = base;
  secs.ssa_frame_size = parameters().ssa_frame_size;
  secs.misc_select = parameters().misc_select;
  secs.attributes = parameters().attributes;
  return secs;
}

sgx::Sigstruct make_sigstruct(const std::function<void(sgx::Sigstruct&)>& change) {
  sgx::MeasuringBuilder builder;
  auto key = sgx::SigningKey::from_pem(sgx::testing::kTestKey);
  if (!key || !builder.create(parameters())) std::abort();
  for (const Segment& segment : segments()) {
    if (!builder.add_pages(segment.offset, segment.flags, segment.content, sgx::kExtendAll)) std::abort();
  }
  sgx::Sigstruct sigstruct;
  sgx::set_fixed_fields(sigstruct);
  sigstruct.date = 0x20260101;
  sigstruct.misc_select = parameters().misc_select;
  sigstruct.misc_mask = ~0u;
  sigstruct.attributes = parameters().attributes;
  sigstruct.attribute_mask = {~0ull, ~0ull};
  sigstruct.enclave_hash = builder.mrenclave();
  if (change) change(sigstruct);
  if (!sgx::sign(sigstruct, *key)) std::abort();
  return sigstruct;
}

std::uint64_t reserve_elrange() {
  void* area = ::mmap(nullptr, 2 * SE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (area == MAP_FAILED) std::abort();
  return (reinterpret_cast<std::uint64_t>(area) + SE_SIZE - 1) & ~std::uint64_t{SE_SIZE - 1};
}

long build(const Control& control, std::uint64_t base) {
  const sgx::Secs secs = make_secs(base);
  sgx_enclave_create create{.src = reinterpret_cast<std::uint64_t>(&secs)};
  if (const long answer = control(SGX_IOC_ENCLAVE_CREATE, &create); answer != 0) return answer;
  for (const Segment& segment : segments()) {
    const sgx::Secinfo secinfo{.flags = segment.flags};
    sgx_enclave_add_pages add{};
    add.src = reinterpret_cast<std::uint64_t>(segment.content.data());
    add.offset = segment.offset;
    add.length = segment.content.size();
    add.secinfo = reinterpret_cast<std::uint64_t>(&secinfo);
    add.flags = SGX_PAGE_MEASURE;
    if (const long answer = control(SGX_IOC_ENCLAVE_ADD_PAGES, &add); answer != 0) return answer;
  }
  const sgx::Sigstruct sigstruct = make_sigstruct();
  sgx_enclave_init init{.sigstruct = reinterpret_cast<std::uint64_t>(&sigstruct)};
  return control(SGX_IOC_ENCLAVE_INIT, &init);
}

int enter(EnterFunction function, Call& call, sgx_enclave_run& run) {
  std::uint64_t lost = 0;
  const int result = coffer_small_call(function, &call, &run, &lost);
  if (lost != 0) std::abort();
  return result;
}

}  // namespace coffer::emulate::testing
