#include "processor/testing/test_enclave.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>

#include "sgx/test_keys.h"

extern "C" {
extern const std::byte coffer_test_code_begin[];
extern const std::byte coffer_test_code_end[];
struct CofferTestFault {
  std::uint32_t offset, length;
};
extern const CofferTestFault coffer_test_faults[];
}

namespace coffer::processor::testing {

using sgx::kPageSize;
using sgx::PageType;
using sgx::SecinfoFlags;

namespace {

constexpr std::uint64_t kR = SecinfoFlags::kR;
constexpr std::uint64_t kRw = SecinfoFlags::kR | SecinfoFlags::kW;
constexpr std::uint64_t kRx = SecinfoFlags::kR | SecinfoFlags::kX;

// A broken helper is no test result.
void require(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "test enclave: %s\n", what);
  std::abort();
}

const sgx::SigningKey& test_key() {
  static const sgx::SigningKey key = [] {
    auto read = sgx::SigningKey::from_pem(sgx::testing::kTestKey);
    require(read.has_value(), "the test key cannot be read");
    return std::move(*read);
  }();
  return key;
}

std::vector<std::byte> layout_page(const TestEnclaveOptions& options) {
  boundary::ImageLayout layout;
  layout.size = TE_SIZE;
  layout.layout_offset = TE_LAYOUT;
  layout.layout_size = kPageSize;
  std::vector<std::byte> blob;
  if (options.layout) options.layout(layout, blob);
  std::vector<std::byte> page(kPageSize);
  std::memcpy(page.data(), &layout, sizeof(layout));
  require(sizeof(layout) + blob.size() <= page.size(), "the layout's blob is larger than its page");
  std::ranges::copy(blob, page.begin() + sizeof(layout));
  return page;
}

// Adds pages to the enclave and to what will be signed; false where EADD refused.
class Adder {
 public:
  Adder(TestEnclave& made, sgx::MeasuringBuilder& builder) : made_(made), builder_(builder) {}
  [[nodiscard]] bool operator()(std::uint64_t offset, SecinfoFlags flags, ByteView content) {
    made_.last = made_.enclave->eadd(offset, flags, content, sgx::kExtendAll);
    if (!made_.last.ok()) return false;
    require(builder_.add_pages(offset, flags, content, sgx::kExtendAll).has_value(), "measuring refused a page");
    return true;
  }

 private:
  TestEnclave& made_;
  sgx::MeasuringBuilder& builder_;
};

bool add_everything(const TestEnclaveOptions& options, Adder add) {
  const std::vector<std::byte> zeros(std::size_t{6} * kPageSize);
  const std::vector<std::byte> read_only(kPageSize, std::byte{options.difference});
  const auto pages = [&](std::size_t count) { return ByteView(zeros).first(count * kPageSize); };
  if (!add(0, SecinfoFlags::make(PageType::kReg, kRx), test_code()) ||
      !add(TE_LAYOUT, SecinfoFlags::make(PageType::kReg, kR), layout_page(options)) ||
      !add(TE_DATA, SecinfoFlags::make(PageType::kReg, kRw), pages(4)) ||
      !add(TE_READONLY, SecinfoFlags::make(PageType::kReg, kR), read_only)) {
    return false;
  }
  for (std::uint32_t thread = 0; thread < options.threads; ++thread) {
    const std::uint64_t block = thread_offset(thread);
    const sgx::Tcs tcs = make_tcs(options, thread);
    if (!add(block, SecinfoFlags::make(PageType::kTcs, 0), bytes_of(tcs)) ||
        !add(block + TE_SSA, SecinfoFlags::make(PageType::kReg, kRw),
             pages(std::size_t{options.ssa_count} * options.ssa_frame_size)) ||
        !add(block + TE_BLOCK, SecinfoFlags::make(PageType::kReg, kRw), pages(2))) {
      return false;
    }
  }
  return true;
}

sgx::Sigstruct describe(const TestEnclaveOptions& options, const sgx::MeasuringBuilder& builder) {
  sgx::Sigstruct sigstruct;
  sgx::set_fixed_fields(sigstruct);
  sigstruct.date = 0x20260101;
  sigstruct.misc_select = options.misc_select;
  sigstruct.misc_mask = ~0u;
  sigstruct.attributes = builder.parameters().attributes;
  sigstruct.attribute_mask = {~0ull, ~0ull};
  sigstruct.enclave_hash = builder.mrenclave();
  sigstruct.isv_prod_id = options.isv_prod_id;
  sigstruct.isv_svn = options.isv_svn;
  sigstruct.isv_family_id.fill(options.family_id);
  sigstruct.isv_ext_prod_id.fill(options.family_id);
  if (options.before_signing) options.before_signing(sigstruct);
  require(sgx::sign(sigstruct, test_key()).has_value(), "signing failed");
  if (options.after_signing) options.after_signing(sigstruct);
  return sigstruct;
}

}  // namespace

std::shared_ptr<const KeyVault> test_vault() {
  static const auto vault = [] {
    auto fuses = Fuses::ephemeral();
    require(fuses.has_value(), "no fuses");
    return std::make_shared<const KeyVault>(std::move(*fuses));
  }();
  return vault;
}

ByteView test_code() {
  static const std::vector<std::byte> code = [] {
    std::vector<std::byte> bytes(coffer_test_code_begin, coffer_test_code_end);
    bytes.resize((bytes.size() + kPageSize - 1) / kPageSize * kPageSize);
    require(bytes.size() <= TE_LAYOUT, "the code reaches into the layout page");
    return bytes;
  }();
  return code;
}

std::uint64_t thread_offset(std::uint32_t thread) { return TE_THREADS + std::uint64_t{thread} * TE_STRIDE; }

sgx::CreateParameters create_parameters(const TestEnclaveOptions& options) {
  return {.size = TE_SIZE,
          .ssa_frame_size = options.ssa_frame_size,
          .misc_select = options.misc_select,
          .attributes = {options.attributes, options.xfrm == 0 ? machine_xfrm() : options.xfrm}};
}

sgx::Tcs make_tcs(const TestEnclaveOptions& options, std::uint32_t thread) {
  sgx::Tcs tcs;
  tcs.ssa_offset = thread_offset(thread) + TE_SSA;
  tcs.ssa_count = options.ssa_count;
  tcs.entry_offset = 0;
  tcs.fs_offset = TE_DATA;
  tcs.gs_offset = thread_offset(thread) + TE_BLOCK;
  tcs.fs_limit = tcs.gs_limit = 0xfff;
  if (options.tcs) options.tcs(tcs);
  return tcs;
}

UnsignedEnclave build_before_einit(const TestEnclaveOptions& options) {
  UnsignedEnclave result;
  TestEnclave& made = result.built;
  auto enclave = SoftEnclave::make({.epc_size = options.epc_size,
                                    .page_limit = options.page_limit,
                                    .want_secret_memory = options.secret_memory,
                                    .debug_only = options.debug_only,
                                    .new_code = options.new_code},
                                   test_vault());
  require(enclave.has_value(), "no EPC");
  made.enclave = std::move(*enclave);
  const sgx::CreateParameters parameters = create_parameters(options);
  auto created = made->ecreate(parameters);
  require(created.has_value(), "the machine refused ECREATE");
  made.last = *created;
  if (!made.last.ok()) return result;
  sgx::MeasuringBuilder builder;
  require(builder.create(parameters).has_value(), "measuring refused ECREATE");
  if (add_everything(options, Adder(made, builder))) result.sigstruct = describe(options, builder);
  return result;
}

TestEnclave build(const TestEnclaveOptions& options) {
  UnsignedEnclave ready = build_before_einit(options);
  if (ready.built.last.ok()) ready.built.last = ready.built->einit(ready.sigstruct);
  return std::move(ready.built);
}

void use_traps() { require(install_traps(SyscallTrap::kUserDispatch).has_value(), "the traps cannot be installed"); }

Entered enter(const TestEnclave& enclave, const Registers& in, std::uint32_t thread) {
  Entered result{.outcome = {}, .out = in};
  result.outcome = eenter(*enclave.enclave, thread_offset(thread), result.out);
  return result;
}

Entered resume(const TestEnclave& enclave, std::uint32_t thread) {
  Entered result;
  result.outcome = eresume(*enclave.enclave, thread_offset(thread), result.out);
  return result;
}

Entered leaf(const TestEnclave& enclave, std::uint64_t rax, std::uint64_t rbx, std::uint64_t rcx, std::uint64_t rdx) {
  return enter(enclave, {TE_CMD_LEAF, rax, rbx, rcx, rdx});
}

Fault fault_of(std::uint32_t body) { return {coffer_test_faults[body].offset, coffer_test_faults[body].length}; }

std::uint64_t vector_level(std::uint64_t xfrm) {
  if ((xfrm & sgx::xfrm::kAvx512) == sgx::xfrm::kAvx512) return 2;
  return (xfrm & sgx::xfrm::kAvx) != 0 ? 1 : 0;
}

void set_patterns(const TestEnclave& enclave, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  enclave.data<std::uint64_t>(TE_LEVEL) = vector_level(enclave->secs().attributes.xfrm);
  auto& registers = enclave.data<std::array<std::uint64_t, kRegisterCount>>(TE_REGS_IN);
  for (std::uint64_t& value : registers) value = random();
  registers[kRsp] = 0x0000'1234'5678'9abc;  // no stack at all: neither exits nor resumes may touch it
  registers[kFlags] = 0x202;
  for (std::uint64_t i = 0; i < 7; ++i) {
    enclave.data<std::uint64_t>(TE_X87_IN + 16 * i) = random() | 1ull << 63;
    enclave.data<std::uint16_t>(TE_X87_IN + 16 * i + 8) = static_cast<std::uint16_t>(0x3f00 + random() % 0x100);
  }
  enclave.data<std::uint32_t>(TE_MXCSR_IN) = 0x7f80;       // round to zero
  enclave.data<std::uint16_t>(TE_FCW_IN) = 0x27f;          // 53 bits
  enclave.data<std::uint32_t>(TE_SCRATCH + 8) = 0x5ec7e7;  // what the watching bodies look for through FS
  for (std::uint64_t i = 0; i < 8; ++i) enclave.data<std::uint64_t>(TE_K_IN + 8 * i) = 0xa5a0 + i;
  for (std::uint64_t i = 0; i < 0x800; i += 8) enclave.data<std::uint64_t>(TE_VECTORS_IN + i) = random();
}

std::string compare_patterns(const TestEnclave& enclave, std::uint32_t but) {
  static constexpr std::array<const char*, kRegisterCount> kNames = {"RAX", "RCX", "RDX", "RBX", "RSP",   "RBP",
                                                                     "RSI", "RDI", "R8",  "R9",  "R10",   "R11",
                                                                     "R12", "R13", "R14", "R15", "RFLAGS"};
  for (std::size_t i = 0; i < kRegisterCount; ++i) {
    if ((but >> i & 1) == 0 &&
        enclave.data<std::uint64_t>(TE_REGS_IN + 8 * i) != enclave.data<std::uint64_t>(TE_REGS_OUT + 8 * i)) {
      return kNames[i];
    }
  }
  if (enclave.data<std::uint32_t>(TE_MXCSR_IN) != enclave.data<std::uint32_t>(TE_MXCSR_OUT)) return "MXCSR";
  if (enclave.data<std::uint16_t>(TE_FCW_IN) != enclave.data<std::uint16_t>(TE_FCW_OUT)) return "FCW";
  for (std::uint64_t i = 0; i < 7; ++i) {
    if (std::memcmp(&enclave.data<std::byte>(TE_X87_IN + 16 * i), &enclave.data<std::byte>(TE_X87_OUT + 16 * i), 10) !=
        0) {
      return "ST" + std::to_string(i);
    }
  }
  const std::uint64_t level = enclave.data<std::uint64_t>(TE_LEVEL);
  for (std::uint64_t i = 0; i < (level == 2 ? 32u : 16u); ++i) {
    const std::size_t width = std::size_t{16} << level;
    if (std::memcmp(&enclave.data<std::byte>(TE_VECTORS_IN + 64 * i), &enclave.data<std::byte>(TE_VECTORS_OUT + 64 * i),
                    width) != 0) {
      return "vector register " + std::to_string(i);
    }
  }
  for (std::uint64_t i = 0; level == 2 && i < 8; ++i) {
    if (enclave.data<std::uint16_t>(TE_K_IN + 8 * i) != enclave.data<std::uint16_t>(TE_K_OUT + 8 * i)) {
      return "K" + std::to_string(i);
    }
  }
  return {};
}

std::byte* ssa_frame(const TestEnclave& enclave, std::uint32_t frame, std::uint32_t thread) {
  const std::uint64_t size = std::uint64_t{enclave->secs().ssa_frame_size} * kPageSize;
  return &enclave.at<std::byte>(thread_offset(thread) + TE_SSA + frame * size);
}

void interrupt_until(const std::function<bool()>& done, const TestEnclave& enclave, std::uint32_t thread) {
  while (!done()) {
    (void)interrupt_thread(*enclave.enclave, thread_offset(thread));
    std::this_thread::sleep_for(kInterruptPause);
  }
}

sgx::GprArea& ssa_gpr(const TestEnclave& enclave, std::uint32_t frame, std::uint32_t thread) {
  const std::uint64_t size = std::uint64_t{enclave->secs().ssa_frame_size} * kPageSize;
  return *reinterpret_cast<sgx::GprArea*>(ssa_frame(enclave, frame, thread) + size - sizeof(sgx::GprArea));
}

}  // namespace coffer::processor::testing
