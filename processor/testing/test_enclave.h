// Builds, signs and initialises the enclave of test_enclave.S for the processor's tests.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "boundary/image_layout.h"
#include "processor/enclave.h"
#include "processor/entry.h"
#include "processor/testing/test_enclave_layout.h"
#include "sgx/builder.h"
#include "sgx/sigstruct.h"

namespace coffer::processor::testing {

struct TestEnclaveOptions {
  std::uint64_t attributes = sgx::attribute::kMode64Bit | sgx::attribute::kDebug;
  std::uint64_t xfrm = 0;  // 0: all that the machine has
  std::uint32_t misc_select = sgx::kMiscExInfo;
  std::uint32_t ssa_frame_size = 1;  // pages
  std::uint32_t ssa_count = 2;
  std::uint32_t threads = 1;
  std::uint64_t epc_size = TE_SIZE;
  std::uint64_t page_limit = 0;
  bool secret_memory = true;
  bool debug_only = false;
  bool new_code = false;
  std::uint16_t isv_prod_id = 7;
  std::uint16_t isv_svn = 3;
  std::uint8_t family_id = 0;   // not 0: both KSS identities, every byte this one
  std::uint8_t difference = 0;  // in the read-only page: another measurement
  std::function<void(boundary::ImageLayout&, std::vector<std::byte>& blob)> layout;
  std::function<void(sgx::Tcs&)> tcs;
  std::function<void(sgx::Sigstruct&)> before_signing, after_signing;
};

[[nodiscard]] std::shared_ptr<const KeyVault> test_vault();  // one for the process
[[nodiscard]] ByteView test_code();                          // whole pages
[[nodiscard]] std::uint64_t thread_offset(std::uint32_t thread = 0);
[[nodiscard]] sgx::CreateParameters create_parameters(const TestEnclaveOptions& options);
[[nodiscard]] sgx::Tcs make_tcs(const TestEnclaveOptions& options, std::uint32_t thread = 0);

struct TestEnclave {
  std::unique_ptr<SoftEnclave> enclave;
  LeafOutcome last;  // of EINIT, or of the leaf before that failed
  // A value in the enclave's writable pages, which the test process can reach: it is not under test that it cannot.
  template <class T>
  [[nodiscard]] T& at(std::uint64_t offset) const {
    return *reinterpret_cast<T*>(enclave->base() + offset);
  }
  template <class T>
  [[nodiscard]] T& data(std::uint64_t offset) const {
    return at<T>(TE_DATA + offset);
  }
  [[nodiscard]] std::uint64_t address(std::uint64_t offset) const { return enclave->base() + offset; }
  [[nodiscard]] SoftEnclave* operator->() const { return enclave.get(); }
};

// Everything up to, without, EINIT. The SIGSTRUCT is what would be given to it.
struct UnsignedEnclave {
  TestEnclave built;
  sgx::Sigstruct sigstruct;
};
[[nodiscard]] UnsignedEnclave build_before_einit(const TestEnclaveOptions& options = {});
[[nodiscard]] TestEnclave build(const TestEnclaveOptions& options = {});

// Installs the traps of rung `inline`, once.
void use_traps();

// EENTER with these registers. The result's registers are those of EEXIT.
struct Entered {
  EnterOutcome outcome;
  Registers out;
};
[[nodiscard]] Entered enter(const TestEnclave& enclave, const Registers& in, std::uint32_t thread = 0);
[[nodiscard]] Entered resume(const TestEnclave& enclave, std::uint32_t thread = 0);
// TE_CMD_LEAF. Operands are linear addresses.
[[nodiscard]] Entered leaf(const TestEnclave& enclave, std::uint64_t rax, std::uint64_t rbx, std::uint64_t rcx,
                           std::uint64_t rdx = 0);

// A body's faulting instruction: where, from the enclave's base, and how many bytes.
struct Fault {
  std::uint64_t offset;
  std::uint64_t length;
};
[[nodiscard]] Fault fault_of(std::uint32_t body);

// 0: SSE, 1: AVX, 2: AVX-512, as far as XFRM goes.
[[nodiscard]] std::uint64_t vector_level(std::uint64_t xfrm);

// General registers in the order of TE_REGS_IN.
enum Register {
  kRax,
  kRcx,
  kRdx,
  kRbx,
  kRsp,
  kRbp,
  kRsi,
  kRdi,
  kR8,
  kR10 = 10,
  kR11 = 11,
  kR15 = 15,
  kFlags = 16,
  kRegisterCount = 17
};

// Puts patterns made from `seed` in the data pages for TE_CMD_PATTERN; MXCSR, FCW and the mask registers get the values
// that the watching bodies expect.
void set_patterns(const TestEnclave& enclave, std::uint64_t seed);
// Names the first register whose stored value differs from its pattern; empty where none does. `but`: general registers
// that may differ, one bit each.
[[nodiscard]] std::string compare_patterns(const TestEnclave& enclave, std::uint32_t but = 0);

// Interrupts the thread that is inside, again and again with pauses, until `done`.
void interrupt_until(const std::function<bool()>& done, const TestEnclave& enclave, std::uint32_t thread = 0);

[[nodiscard]] sgx::GprArea& ssa_gpr(const TestEnclave& enclave, std::uint32_t frame = 0, std::uint32_t thread = 0);
[[nodiscard]] std::byte* ssa_frame(const TestEnclave& enclave, std::uint32_t frame = 0, std::uint32_t thread = 0);

}  // namespace coffer::processor::testing
