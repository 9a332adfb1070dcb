// One enclave on the software processor: its SECS, its pages, its threads, and the leaf functions on them (Intel SDM
// volume 3D, chapters 36-40). ENCLS leaves are methods that the device side calls (enclave.cc, page_leaves.cc,
// debug_leaves.cc); ENCLU leaves that stay inside are methods that the gate and the trap handler call (leaves.cc,
// accept_leaves.cc); EENTER, ERESUME and EEXIT are in entry.h.
//
// Thread-safety: every method may be called from any thread once ecreate has succeeded; the EPCM's lock is inside.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "boundary/counters.h"
#include "processor/epc.h"
#include "processor/host_pages.h"
#include "processor/keys.h"
#include "processor/page_cipher.h"
#include "processor/page_supply.h"
#include "processor/tracking.h"
#include "sgx/builder.h"

namespace coffer::processor {

struct Lane;

// What a leaf did: an error code in RAX, or a fault instead of completing. Success where both are clear.
struct LeafOutcome {
  enum class Fault : std::uint8_t { kNone, kGeneralProtection, kPageFault };
  sgx::LeafError error = sgx::LeafError::kSuccess;
  Fault fault = Fault::kNone;
  std::uint64_t fault_address = 0;
  bool unseen = false;  // of a page fault: the page was not there, or on its way out; the leaf never saw its state

  [[nodiscard]] bool ok() const { return error == sgx::LeafError::kSuccess && fault == Fault::kNone; }
};
[[nodiscard]] inline LeafOutcome leaf_error(sgx::LeafError error) { return {.error = error}; }
[[nodiscard]] inline LeafOutcome general_protection() { return {.fault = LeafOutcome::Fault::kGeneralProtection}; }
[[nodiscard]] inline LeafOutcome page_fault(std::uint64_t address) {
  return {.fault = LeafOutcome::Fault::kPageFault, .fault_address = address};
}

// A TCS page's contents, kept by the processor: on hardware no software can read or write them either.
struct ThreadState {
  // The logical processor inside, while busy; first, because entry.S reads it. Whoever interrupts looks at it unasked.
  std::atomic<Lane*> lane{nullptr};
  std::uint64_t left_fs = 0;  // the FS base of an EEXIT through the exit gate, for the next EENTER; 0: none
  std::uint64_t offset = 0;   // of the TCS page in ELRANGE
  sgx::Tcs tcs;
  std::atomic<bool> busy{false};                // a logical processor is inside
  std::atomic<std::uint64_t> entered_epoch{0};  // Tracking::epoch() of its last EENTER or ERESUME
  std::atomic<bool> valid{false};  // the EPCM takes it for an accepted TCS page; looked at after `busy` was taken
  bool well_formed = false;        // TCS fields that each entry checks
  // The SSA frame that was last found usable, and SoftEnclave's page generation then. The owner of `busy` has them.
  std::uint64_t checked_generation = 0;
  std::uint32_t checked_frame = 0;
};

// CSSA of a TCS whose `busy` the caller holds. EBLOCK and EWB look at it meanwhile, from other threads.
inline void set_cssa(sgx::Tcs& tcs, std::uint32_t cssa) {
  std::atomic_ref(tcs.current_ssa).store(cssa, std::memory_order_relaxed);
}

// The checks of a TCS that each EENTER makes too, and the one of its reserved bytes. No processor here has CET.
[[nodiscard]] bool tcs_well_formed(const sgx::Tcs& tcs);
[[nodiscard]] bool tcs_reserved_clear(const sgx::Tcs& tcs);

// The ATTRIBUTES flags that ECREATE takes, as CPUID leaf 12H tells them.
[[nodiscard]] std::uint64_t supported_attributes();

struct EnclaveConfig {
  std::uint64_t epc_size = 0;    // bytes
  std::uint64_t page_limit = 0;  // bytes: what EADD and EAUG may add, in the EPC and outside; 0: no limit but the EPC's
  bool want_secret_memory = true;
  std::shared_ptr<const WarmMemory> warm = nullptr;
  std::shared_ptr<EpcShare> share = nullptr;  // of the EPC, where other enclaves take from it too
  bool debug_only = false;                    // refuse production enclaves at EINIT: the rung protects nothing
  // The mappings of a program that owns ELRANGE itself; null where this class does. Outlives the enclave.
  const HostPages* host_pages = nullptr;
  // EMODPE, EACCEPTCOPY and EMODPR may give pages an executable mapping after EINIT; with host_pages they may anyway.
  // False in a cell, whose filter lets nothing become executable: the EPCM follows the leaf there, but the page faults
  // when it is executed.
  bool new_code = false;
};

// How the fast path's gate finds its way: at a fixed address while the enclave lives; read by entry.S.
struct GateDescriptor {
  void (*gate)();
  std::uint64_t base;
  std::uint64_t size;
  ThreadState** threads;  // by page number in ELRANGE; null where the page is no TCS
  void (*exit)();         // for sites that only ever are EEXIT
};

// A place for the version of a page outside of the EPC: a slot of a VA page.
struct VersionSlot {
  std::uint32_t page = 0;  // what EPA gave
  std::uint32_t index = 0;
  static constexpr std::uint32_t kSlotsOfPage = sgx::kPageSize / 8;
};

// What EWB leaves outside and ELD takes back. The host's: changed in any way, it is refused.
struct EvictedPage {
  std::uint64_t linear_address = 0;  // PAGEINFO.LINADDR
  sgx::Pcmd pcmd;
  std::byte* content = nullptr;  // one encrypted page
};

class SoftEnclave {
 public:
  [[nodiscard]] static Result<std::unique_ptr<SoftEnclave>> make(const EnclaveConfig& config,
                                                                 std::shared_ptr<const KeySource> vault);
  ~SoftEnclave();
  SoftEnclave(const SoftEnclave&) = delete;
  SoftEnclave& operator=(const SoftEnclave&) = delete;

  // --- ENCLS
  // Reserves ELRANGE at a place of its own choosing (SECS.BASEADDR); with host_pages it stands at `base`, which is
  // aligned to its size, and nothing is reserved. Result: the machine refused addresses or memory.
  [[nodiscard]] Result<LeafOutcome> ecreate(const sgx::CreateParameters& parameters, std::uint64_t base = 0);
  // EADD of each page of `content` and EEXTEND of the chunks in `extend`, page by page as EnclaveBuilder says.
  [[nodiscard]] LeafOutcome eadd(std::uint64_t offset, sgx::SecinfoFlags flags, ByteView content,
                                 sgx::ExtendMask extend);
  [[nodiscard]] LeafOutcome eextend(std::uint64_t offset);
  [[nodiscard]] LeafOutcome einit(const sgx::Sigstruct& sigstruct);
  // Before EINIT, which otherwise refuses PROVISIONKEY and EINITTOKEN_KEY: these attributes are for this enclave, as
  // Linux's SGX_IOC_ENCLAVE_PROVISION says for PROVISIONKEY.
  void permit_attributes(std::uint64_t attributes) { permitted_attributes_ |= attributes; }
  // EREMOVE: a trimmed and accepted page at any time, any other while nobody is inside (ENCLAVE_ACT).
  [[nodiscard]] LeafOutcome eremove(std::uint64_t offset);
  // Pending, zeroed, RW REG pages at [offset, offset + 4096 * count), as far as the EPC has room; 0 pages: it is full.
  [[nodiscard]] LeafOutcome eaug(std::uint64_t offset, std::uint32_t count, std::uint32_t* added);
  // EMODPR: takes away what `flags` (R, W, X) does not name. EMODT: `flags` names TCS or TRIM. Both for `count`
  // neighbouring pages, once a page, up to the first that does not succeed; *changed pages were.
  [[nodiscard]] LeafOutcome emodpr(std::uint64_t offset, const sgx::Secinfo& secinfo, std::uint32_t count = 1,
                                   std::uint32_t* changed = nullptr);
  [[nodiscard]] LeafOutcome emodt(std::uint64_t offset, const sgx::Secinfo& secinfo, std::uint32_t count = 1,
                                  std::uint32_t* changed = nullptr);
  [[nodiscard]] LeafOutcome etrack();
  // Eight bytes at an offset that is a multiple of eight, of DEBUG enclaves only, whatever the page's permissions.
  [[nodiscard]] LeafOutcome edbgrd(std::uint64_t offset, std::uint64_t* value);
  [[nodiscard]] LeafOutcome edbgwr(std::uint64_t offset, std::uint64_t value);

  // --- ENCLS: paging (paging.cc). Forms for many pages do what the leaf does page by page, stop at the first that does
  // not succeed, and say in *done how many did.
  // Makes the key that EWB encrypts with, and takes the driver that brings pages back (null: nobody does); it must
  // outlive the last entry. Before the first thread enters. set_supply(): the driver of an enclave that is not paged.
  [[nodiscard]] Result<void> enable_paging(PageSupply* supply);
  [[nodiscard]] PageSupply* supply() const { return supply_; }
  void set_supply(PageSupply* supply) { supply_ = supply; }
  // EADD and EAUG may bring more pages than the EPC has.
  [[nodiscard]] bool may_exceed_epc() const { return page_limit() > epc_.frame_count() || config_.share != nullptr; }
  [[nodiscard]] std::uint64_t page_limit() const { return config_.page_limit / sgx::kPageSize; }  // pages
  // A free page of the EPC becomes a VA page with empty slots.
  [[nodiscard]] LeafOutcome epa(std::uint32_t* page);
  [[nodiscard]] LeafOutcome eremove_versions(std::uint32_t page);
  [[nodiscard]] LeafOutcome eblock(std::uint64_t offset, std::uint32_t count, std::uint32_t* done);
  // pages[i] is filled from the page at offset + 4096 * i; its `content` says where to.
  [[nodiscard]] LeafOutcome ewb(std::uint64_t offset, std::span<EvictedPage> pages, std::span<const VersionSlot> slots,
                                std::uint32_t* done);
  enum class Loading : std::uint8_t { kUnblocked, kBlocked };  // ELDU, ELDB
  [[nodiscard]] LeafOutcome eld(Loading kind, std::span<const EvictedPage> pages, std::span<const VersionSlot> slots,
                                std::uint32_t* done);

  // Has the driver bring pages of the enclave that stand outside, for what the processor itself is about to read while
  // no thread is inside. What cannot be brought stays where it is.
  void bring(std::uint64_t offset, std::uint64_t length) const;

  // --- for the driver of paging
  // The threads that are inside hold no translation from before now. On hardware the driver interrupts every logical
  // processor to make it so; here EBLOCK changes the process's own page tables, and the operating system has done that
  // interrupting when it returns. As if every thread inside had left by AEX and come back.
  void translations_flushed();
  // Pages that may leave the EPC, neighbours in the EPC and in the enclave, the first in `frame`: REG or TRIM, not the
  // SSA frame that a thread inside would use, executable only with host_pages. count 0: the frame holds none, and there
  // is none before `next`.
  struct FrameRun {
    std::uint64_t offset = 0;
    std::uint32_t count = 0;
    bool hidden = false;     // all of them or none
    std::uint32_t next = 0;  // the frame behind
  };
  [[nodiscard]] FrameRun evictable_run(std::uint32_t frame, std::uint32_t longest) const;
  [[nodiscard]] std::uint32_t free_frames() const;
  // Takes the translations of pages away, so that the next access to one of them is a fault that says that it is used;
  // gives them back. Pages that cannot be hidden are left as they are.
  void hide(std::uint64_t offset, std::uint32_t count);
  void reveal(std::uint64_t offset, std::uint32_t count);
  // Makes sure that a page's mapping is what the EPCM says; false where the machine refuses.
  [[nodiscard]] bool restore(std::uint64_t offset);
  enum class PageState : std::uint8_t {
    kAbsent,   // no page of the EPC
    kHidden,   // there, without a translation
    kBlocked,  // there, and EBLOCK has closed it
    kAllowed,  // there, and the EPCM allows the access
    kRefused,  // there, and the EPCM does not
  };
  [[nodiscard]] PageState page_state(std::uint64_t offset, std::uint8_t permissions) const;

  // --- ENCLU, for the enclave itself. Addresses are linear.
  [[nodiscard]] LeafOutcome ereport(std::uint64_t target_info, std::uint64_t report_data, std::uint64_t output);
  [[nodiscard]] LeafOutcome egetkey(std::uint64_t request, std::uint64_t output);
  // `count` neighbouring pages with one SECINFO: EACCEPT once a page, stopping at the first that does not succeed.
  // Pages that are not there yet are added as the operating system does on a page fault in a growable enclave.
  [[nodiscard]] LeafOutcome eaccept(std::uint64_t secinfo, std::uint64_t address, std::uint64_t count);
  [[nodiscard]] LeafOutcome eacceptcopy(std::uint64_t secinfo, std::uint64_t destination, std::uint64_t source);
  // As eaccept: EMODPE of `count` neighbouring pages.
  [[nodiscard]] LeafOutcome emodpe(std::uint64_t secinfo, std::uint64_t address, std::uint64_t count);

  // What the carrier passes on of the enclave's request for a counter (boundary/monotonic_counters.h).
  [[nodiscard]] boundary::CounterAnswer counter(const boundary::CounterQuestion& question) const {
    return vault_->counter(secs_, question);
  }

  // --- what the entry code and the device side ask
  [[nodiscard]] std::uint64_t base() const { return secs_.base_address; }
  [[nodiscard]] std::uint64_t size() const { return secs_.size; }
  [[nodiscard]] bool contains(std::uint64_t address, std::uint64_t length = 1) const {
    return address >= base() && range_fits(address - base(), length, size());
  }
  [[nodiscard]] bool initialised() const { return initialised_.load(std::memory_order_acquire); }
  [[nodiscard]] bool debug() const { return (secs_.attributes.flags & sgx::attribute::kDebug) != 0; }
  [[nodiscard]] const sgx::Secs& secs() const { return secs_; }
  // The TCS at `offset`, or null.
  [[nodiscard]] ThreadState* thread_at(std::uint64_t offset) const;
  // True where every page of the range is a valid, accepted REG page with these permissions (SecinfoFlags bits).
  [[nodiscard]] bool pages_allow(std::uint64_t offset, std::uint64_t length, std::uint8_t permissions) const;
  // #PF of a leaf at ELRANGE's byte `offset`, which says whether the leaf has seen the page. Under the lock.
  [[nodiscard]] LeafOutcome missed(std::uint64_t offset) const;
  // EENTER's and ERESUME's check of an SSA frame of `thread`, whose `busy` the caller holds: readable and writable REG
  // pages. Looked at anew only after pages have changed.
  [[nodiscard]] bool frame_usable(ThreadState& thread, std::uint32_t frame) const;
  // The bounds of an SSA frame in ELRANGE.
  [[nodiscard]] std::uint64_t frame_size() const { return std::uint64_t{secs_.ssa_frame_size} * sgx::kPageSize; }
  [[nodiscard]] std::uint64_t frame_offset(const ThreadState& thread, std::uint32_t frame) const {
    return thread.tcs.ssa_offset + frame * frame_size();
  }
  // Copies what stands there, where every page of the range allows this; nobody takes one away meanwhile. kAway: one is
  // outside of the EPC or on its way.
  enum class Copied : std::uint8_t { kYes, kRefused, kAway };
  [[nodiscard]] Copied copy_out(std::uint64_t offset, std::span<std::byte> to, std::uint8_t permissions) const;
  // Every change of an EPCM entry or of a frame's place that an entering thread must not miss ends with this call,
  // under the lock, and before the change asks who is inside.
  // ETRACK's new epoch and a change of a TCS are such changes too: entries that find the same generation check no more.
  void pages_changed() { page_generation_.fetch_add(1); }
  [[nodiscard]] const std::atomic<std::uint64_t>& page_generation() const { return page_generation_; }
  // The error code of a #PF at `address` as the architecture has it: P, W/R, U and I, and SGX (bit 15) where the EPCM
  // refuses what the mapping allows. `error_code` has the access (W/R, I) as the machine tells it.
  [[nodiscard]] std::uint32_t page_fault_code(std::uint64_t address, std::uint32_t error_code) const;
  // The epoch that changed pages note now; whether ETRACK and the threads that were inside have left it behind
  // (tracking.h); the TCSs, by offset, of threads inside that have not.
  [[nodiscard]] std::uint64_t epoch() const { return tracking_.epoch(); }
  [[nodiscard]] bool tracked_since(std::uint64_t epoch) const;
  [[nodiscard]] std::vector<std::uint64_t> threads_inside_since(std::uint64_t epoch) const;
  [[nodiscard]] const GateDescriptor* gate() const { return &gate_; }
  [[nodiscard]] std::string missing_protection() const;

  // Writes into measured code after EINIT, for fast paths only: the measurement stands. False where the page is not
  // executable or not there.
  [[nodiscard]] bool patch_code(std::uint64_t offset, ByteView code);

  // --- with host_pages
  // The mappings over [offset, offset + length), whole pages, have changed: shows the enclave's pages there as they now
  // allow. What is not mapped any more is left to its new owner.
  void host_pages_changed(std::uint64_t offset, std::uint64_t length);
  // A page fault at `address`, as the operating system's handler takes it: has the driver bring the page where the
  // access is one that the mapping allows, or, with `may_add`, add it where there is none. True where the access is
  // worth another try; false where the fault is for the program.
  [[nodiscard]] bool demand_page(std::uint64_t address, std::uint32_t error_code, bool may_add);
  // Whether the host's mapping of the page allows this: PROT_* bits.
  [[nodiscard]] bool host_allows(std::uint64_t offset, int protection) const;
  [[nodiscard]] bool host_maps_pages() const { return config_.host_pages != nullptr; }
  // What the EPCM says of the page at `offset`; nothing where none is there.
  [[nodiscard]] std::optional<EpcmEntry> page_at(std::uint64_t offset) const;

  struct Usage {
    std::uint64_t epc_pages, used_pages, added_later_pages;
  };
  [[nodiscard]] Usage usage() const;

 private:
  SoftEnclave(const EnclaveConfig& config, Epc epc, std::shared_ptr<const KeySource> vault);

  [[nodiscard]] LeafOutcome check_page_addition(std::uint64_t offset, sgx::SecinfoFlags flags) const;
  [[nodiscard]] LeafOutcome add_run(std::uint64_t offset, sgx::SecinfoFlags flags, ByteView content);
  [[nodiscard]] bool place_content(std::uint64_t offset, sgx::SecinfoFlags flags, const Epc::Run& run,
                                   ByteView content);
  [[nodiscard]] LeafOutcome add_thread(std::uint64_t offset, ByteView content);
  [[nodiscard]] LeafOutcome check_signature(const sgx::Sigstruct& sigstruct) const;
  [[nodiscard]] LeafOutcome accept_one(std::uint64_t offset, sgx::SecinfoFlags wanted);
  [[nodiscard]] LeafOutcome accept_thread(std::uint64_t offset);
  [[nodiscard]] LeafOutcome add_missing(std::uint64_t offset, std::uint32_t most);
  // EMODPR's and EMODT's walk: `change` for each page, until one cannot be changed; #GP where the leaf is not
  // `possible`.
  template <class Change>
  [[nodiscard]] LeafOutcome modify_pages(std::uint64_t offset, std::uint32_t count, std::uint32_t* changed,
                                         bool possible, Change change);
  [[nodiscard]] LeafOutcome restrict_one(std::uint64_t offset, std::uint8_t permissions);
  [[nodiscard]] LeafOutcome retype_one(std::uint64_t offset, sgx::PageType type);
  [[nodiscard]] bool copy_thread(std::uint64_t offset);
  [[nodiscard]] ThreadState& thread_for(std::uint64_t offset);
  [[nodiscard]] bool wipe(std::uint64_t offset, EpcmEntry& entry);
  [[nodiscard]] LeafOutcome debug_target(std::uint64_t offset, EpcmEntry** entry);
  // Whether the EPCM lets the enclave use the page at all.
  [[nodiscard]] static bool accessible(const EpcmEntry& entry) {
    return entry.type == sgx::PageType::kReg && !entry.pending && !entry.modified && !entry.blocked && !entry.hidden;
  }
  // What a page's mapping shall allow as far as the EPCM goes: SecinfoFlags R, W, X.
  [[nodiscard]] std::uint8_t mapping_of(const EpcmEntry& entry) const;
  // Makes the mappings of the pages at [first, end) what the EPCM says; false where the machine refuses.
  [[nodiscard]] bool refresh(std::uint64_t first, std::uint64_t end);
  // Opens a page's mapping for the processor itself, whatever the EPCM says, until refresh().
  [[nodiscard]] bool open_page(std::uint64_t offset, EpcmEntry& entry, std::uint8_t permissions);
  // Reads and writes inside one page, whatever the EPCM and the host's mappings say. False where no page is there or
  // the machine refuses.
  [[nodiscard]] bool read_page(std::uint64_t offset, std::span<std::byte> to);
  [[nodiscard]] bool write_page(std::uint64_t offset, ByteView from);
  friend class FrameAccess;
  [[nodiscard]] std::uint32_t* frame_slot(std::uint64_t offset) const { return &frames_[offset / sgx::kPageSize]; }
  // Code that left could not come back where nothing may become executable.
  [[nodiscard]] bool may_go_out(const EpcmEntry& entry) const {
    return (entry.permissions & sgx::SecinfoFlags::kX) == 0 || config_.host_pages != nullptr;
  }
  [[nodiscard]] LeafOutcome eaug_locked(std::uint64_t offset, std::uint32_t count, std::uint32_t* added);
  // Maps `run` as pending pages at `offset`, zeroed.
  [[nodiscard]] Result<Backing> map_pending(std::uint64_t offset, const Epc::Run& run);
  // No page is there and none of the enclave's stands outside.
  [[nodiscard]] bool vacant(std::uint64_t page) const {
    return frames_[page] == 0 && (supply_ == nullptr || !supply_->holds(page * sgx::kPageSize));
  }
  // Not a page that leaves and accesses find there: absent, or about to go.
  [[nodiscard]] bool gone(std::uint64_t page) const {
    return frames_[page] == 0 || epc_.entry(frames_[page] - 1).hidden || epc_.entry(frames_[page] - 1).blocked;
  }
  [[nodiscard]] std::uint64_t pages_left() const;  // until config_.page_limit

  // paging.cc
  [[nodiscard]] std::uint64_t* version_at(const VersionSlot& slot) const;  // null: no VA page
  [[nodiscard]] LeafOutcome eblock_one(std::uint64_t offset);
  [[nodiscard]] LeafOutcome check_eviction(std::uint64_t offset, const VersionSlot& slot) const;
  [[nodiscard]] bool seal_page(std::uint64_t offset, EvictedPage& page, std::uint64_t version);
  [[nodiscard]] LeafOutcome check_loading(const EvictedPage& page, const VersionSlot& slot) const;
  [[nodiscard]] LeafOutcome load_run(Loading kind, std::span<const EvictedPage> pages,
                                     std::span<const VersionSlot> slots, std::uint32_t* done);
  [[nodiscard]] LeafOutcome load_frames(Loading kind, const Epc::Run& run, std::span<const EvictedPage> pages,
                                        std::span<const VersionSlot> slots, std::uint32_t* done);
  [[nodiscard]] bool in_use_as_ssa(std::uint64_t offset) const;
  EnclaveConfig config_;
  std::shared_ptr<const KeySource> vault_;
  mutable std::mutex lock_;  // Epc, frames_, threads_
  Epc epc_;
  sgx::Secs secs_;
  sgx::Measurement measurement_;
  bool created_ = false;
  std::atomic<bool> initialised_{false};
  std::uint32_t* frames_ = nullptr;       // by page number: frame + 1, 0 for none; reserved lazily, as large as ELRANGE
  ThreadState** thread_table_ = nullptr;  // by page number
  std::vector<std::unique_ptr<ThreadState>> threads_;  // never freed before the enclave: entries may still look at them
  Tracking tracking_;
  std::atomic<std::uint64_t> page_generation_{1};
  GateDescriptor gate_{};
  std::uint64_t added_later_ = 0;
  std::uint64_t permitted_attributes_ = 0;
  std::uint64_t pages_added_ = 0;  // by EADD and EAUG, less what EREMOVE took

  PageSupply* supply_ = nullptr;
  std::unique_ptr<PageCipher> cipher_;  // null: no paging
  std::uint64_t next_version_ = 1;
  std::uint64_t enclave_id_ = 0;
  std::byte* version_pages_ = nullptr;  // addresses for every frame as a VA page
};

// The SSA frame of a thread that is inside, for an asynchronous exit: it was checked at the entry, and the state is
// saved there whatever has become of the pages' permissions since. While one of these lives, nobody changes a page.
// false: no page is there, which tracking should have kept from happening.
class FrameAccess {
 public:
  FrameAccess(SoftEnclave& enclave, std::uint64_t offset) : enclave_(enclave), guard_(enclave.lock_), offset_(offset) {}
  // At `at` bytes into the frame.
  [[nodiscard]] bool read(std::uint64_t at, std::span<std::byte> to) const;
  [[nodiscard]] bool write(std::uint64_t at, ByteView from) const;

 private:
  SoftEnclave& enclave_;
  std::scoped_lock<std::mutex> guard_;
  std::uint64_t offset_;
};

}  // namespace coffer::processor
