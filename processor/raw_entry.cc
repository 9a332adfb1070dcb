#include "processor/raw_entry.h"

#include <sys/mman.h>

#include <array>
#include <atomic>
#include <mutex>

#include "processor/entry.h"
#include "processor/lanes.h"

extern "C" void coffer_resume_raw();

namespace coffer::processor {

namespace {

constexpr std::size_t kMaxEnclaves = 256;
struct Published {
  std::atomic<SoftEnclave*> enclave{nullptr};
  ExitSites sites;
};
std::array<Published, kMaxEnclaves> enclaves;
ThreadState nobody;
std::atomic<std::size_t> enclaves_end{0};
std::mutex publishing;
RawHooks hooks;

void set(ucontext_t* context, int index, std::uint64_t value) {
  context->uc_mcontext.gregs[index] = static_cast<greg_t>(value);
}
std::uint64_t get(const ucontext_t* context, int index) {
  return static_cast<std::uint64_t>(context->uc_mcontext.gregs[index]);
}

RawFault fault_of(const SoftEnclave& enclave, const LeafOutcome& outcome) {
  if (outcome.fault != LeafOutcome::Fault::kPageFault) return {sgx::vector::kGeneralProtection, 0, 0};
  return {sgx::vector::kPageFault, enclave.page_fault_code(outcome.fault_address, 0x4), outcome.fault_address};
}

Published* published_at(std::uint64_t address) {
  const std::size_t end = enclaves_end.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < end; ++i) {
    SoftEnclave* enclave = enclaves[i].enclave.load(std::memory_order_acquire);
    if (enclave != nullptr && enclave->contains(address)) return &enclaves[i];
  }
  return nullptr;
}

// Before the thread runs: its FS base is its own from now on, or nobody's.
void note_fs_base(const ExitSites& sites, ThreadState& thread) {
  if (sites.threads == nullptr || thread.tcs.fs_offset >= sites.size) return;
  std::atomic_ref<ThreadState*> place(sites.threads[thread.tcs.fs_offset / sgx::kPageSize]);
  ThreadState* expected = nullptr;
  if (!place.compare_exchange_strong(expected, &thread) && expected != &thread) place.store(&nobody);
}

// The leaf's checks; where an SSA frame is not in the EPC, the operating system's page fault and the leaf again.
LeafOutcome begin_leaf(SoftEnclave& enclave, bool enter, std::uint64_t tcs_offset, Lane** lane) {
  // A frame that is there all the same, as often as this, is refused for another reason than its absence.
  constexpr int kTries = 64;
  for (int tries = 0;; ++tries) {
    const LeafOutcome outcome =
        enter ? begin_enter(enclave, tcs_offset, lane) : begin_resume(enclave, tcs_offset, lane);
    const bool of_tcs = outcome.fault_address == enclave.base() + tcs_offset;  // which never leaves
    if (outcome.ok() || of_tcs || tries == kTries) return outcome;
    const SignalsHeld held;
    if (!bring_frame(enclave, outcome)) return outcome;
  }
}

// EENTER's or ERESUME's first half, for the registers of ordinary code.
bool begin(std::uint64_t leaf, std::uint64_t tcs, std::uint64_t aep, std::uint64_t stack, std::uint64_t frame_pointer,
           Lane** lane, RawFault* fault) {
  const Published* published = published_at(tcs);
  SoftEnclave* enclave = published == nullptr ? nullptr : published->enclave.load();
  if (enclave == nullptr) {  // no EPC page
    *fault = {sgx::vector::kPageFault, 0x4, tcs};
    return false;
  }
  const LeafOutcome outcome = begin_leaf(*enclave, leaf == SGX_ENCLU_EENTER, tcs - enclave->base(), lane);
  if (!outcome.ok()) {
    *fault = fault_of(*enclave, outcome);
    return false;
  }
  note_fs_base(published->sites, *(*lane)->thread);
  (*lane)->raw = true;
  (*lane)->aep = aep;
  if ((*lane)->at_entry) {
    (*lane)->ssa_gpr->ursp = stack;
    (*lane)->ssa_gpr->urbp = frame_pointer;
  }
  (*lane)->host_rsp = (*lane)->ssa_gpr->ursp;
  (*lane)->host_rbp = (*lane)->ssa_gpr->urbp;
  return true;
}

}  // namespace

bool publish_enclave(SoftEnclave& enclave) {
  const std::scoped_lock guard(publishing);
  for (std::size_t i = 0; i < kMaxEnclaves; ++i) {
    if (enclaves[i].enclave != nullptr) continue;
    const std::size_t bytes = enclave.size() / sgx::kPageSize * sizeof(ThreadState*);
    void* table = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    enclaves[i].sites = {};
    if (table != MAP_FAILED) {
      enclaves[i].sites = {
          .base = enclave.base(), .size = enclave.size(), .threads = static_cast<ThreadState**>(table)};
    }
    enclaves[i].enclave = &enclave;
    if (i >= enclaves_end) enclaves_end = i + 1;
    return true;
  }
  return false;
}

void withdraw_enclave(const SoftEnclave& enclave) {
  const std::scoped_lock guard(publishing);
  for (Published& place : enclaves) {
    if (place.enclave != &enclave) continue;
    place.enclave = nullptr;
    if (place.sites.threads != nullptr) {
      ::munmap(static_cast<void*>(place.sites.threads), place.sites.size / sgx::kPageSize * sizeof(ThreadState*));
    }
    if (place.sites.stub != 0) ::munmap(reinterpret_cast<void*>(place.sites.stub), sgx::kPageSize);
    place.sites = {};
  }
}

SoftEnclave* published_enclave_at(std::uint64_t address) {
  const Published* published = published_at(address);
  return published == nullptr ? nullptr : published->enclave.load();
}

ExitSites* exit_sites_of(const SoftEnclave& enclave) {
  Published* published = published_at(enclave.base());
  return published == nullptr || published->sites.threads == nullptr ? nullptr : &published->sites;
}

void set_raw_hooks(const RawHooks& wanted) { hooks = wanted; }
const RawHooks& raw_hooks() { return hooks; }

bool raw_enclu(ucontext_t* context, RawFault* fault) {
  const std::uint64_t leaf = get(context, REG_RAX) & 0xffffffff;
  if (leaf != SGX_ENCLU_EENTER && leaf != SGX_ENCLU_ERESUME) {
    *fault = {sgx::vector::kGeneralProtection, 0, 0};  // the other leaves are for code inside an enclave
    return false;
  }
  Lane* lane = nullptr;
  if (!begin(leaf, get(context, REG_RBX), get(context, REG_RCX), get(context, REG_RSP), get(context, REG_RBP), &lane,
             fault)) {
    return false;
  }
  if (!lane->at_entry) {
    set(context, REG_RDI, reinterpret_cast<std::uint64_t>(lane));
    set(context, REG_RIP, reinterpret_cast<std::uint64_t>(&coffer_resume_raw));
    return true;
  }
  set(context, REG_RAX, lane->cssa);
  set(context, REG_RCX, get(context, REG_RIP) + 3);
  set(context, REG_RIP, lane->entry);
  lane->inside = 1;
  lane->dispatch |= 1;
  return true;
}

void raw_exit(ucontext_t* context, Lane& lane) {
  set(context, REG_RIP, get(context, REG_RBX));
  set(context, REG_RCX, lane.aep);
  lane.inside = 0;
  lane.dispatch &= ~0xffull;
  end_entry(lane);
}

void raw_asynchronous_exit(ucontext_t* context, Lane& lane) {
  set(context, REG_RAX, SGX_ENCLU_ERESUME);
  set(context, REG_RBX, lane.tcs_address);
  set(context, REG_RCX, lane.aep);
  set(context, REG_RSP, lane.host_rsp);
  set(context, REG_RBP, lane.host_rbp);
  set(context, REG_RIP, lane.aep);
  set(context, REG_EFL, 0x202);
  lane.inside = 0;
  lane.dispatch &= ~0xffull;
  end_entry(lane);
}

// What coffer_raw_enclu has pushed.
struct RawFrame {
  std::uint64_t rax, rbx, rcx, rdx, rsi, rdi, r8, r9, r10, r11, return_address;
};

extern "C" Lane* coffer_raw_prepare(RawFrame* frame, std::uint64_t frame_pointer) {
  Lane* lane = nullptr;
  RawFault fault;
  const auto stack = reinterpret_cast<std::uint64_t>(frame + 1);
  if (begin(frame->rax & 0xffffffff, frame->rbx, frame->rcx, stack, frame_pointer, &lane, &fault)) {
    if (lane->at_entry) frame->rax = SGX_ENCLU_EENTER;  // ERESUME that notifies begins as EENTER does
    return lane;
  }
  frame->rdi = fault.vector;
  frame->rsi = fault.error_code;
  frame->rdx = fault.address;
  frame->return_address = hooks.landing;
  return nullptr;
}

}  // namespace coffer::processor
