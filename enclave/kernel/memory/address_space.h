// The enclave's own address space: brk, mmap, mprotect, munmap, mremap, madvise over the heap range of the image, with
// pages committed on demand. Freestanding; hosted unit tests use a fake PageSource over ordinary memory.
//
// Pages come with EAUG/EACCEPT through PageSource: what munmap frees is zeroed at once and reused, and what nobody has
// reused for a while release_unused() gives back. Fresh pages are zero. A page that is not committed faults, and the
// fault handler asks handle_fault(); executable mappings are refused (W^X, measured code only). Thread-safe; only
// protecting committed pages and giving pages back ask the host. Committing happens outside of the lock; freeing holds
// it for at most a megabyte's zeroing at a time, but moving (remap, MAP_FIXED over a mapping) for as long as it takes.
//
// protect() changes what the processor allows of committed pages too: rights go by EMODPR and EACCEPT, which asks the
// host and holds the lock meanwhile, and come back by EMODPE. What the bookkeeping cannot do: a page that is committed
// because it was read in a mapping that is not writable stays writable for the processor. PROT_EXEC is refused with
// EACCES.
//
// The range: [bookkeeping | brk area, growing up | mappings, first fit from low addresses ... | the kernel's own, from
// the top]. Mappings may use the brk area once theirs is full; brk then stops at them, as Linux does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>

namespace coffer::kernel {

class PageSource {
 public:
  virtual ~PageSource() = default;
  // EACCEPTs zeroed RW pages at [address, address + size), page-aligned, not committed yet. False: the EPC is
  // exhausted.
  virtual bool commit(std::uintptr_t address, std::size_t size) = 0;
  // Leaves committed pages with `protection` (of what they have; PROT_NONE or PROT_READ) for every access, the kernel's
  // too. False where the host did not do it; extend() then makes them what they were.
  virtual bool restrict(std::uintptr_t address, std::size_t size, int protection) = 0;
  // Gives committed pages `protection` (PROT_READ, and PROT_WRITE or PROT_EXEC) beside what they have.
  virtual void extend(std::uintptr_t address, std::size_t size, int protection) = 0;
  // Gives committed pages that nobody needs back to the platform, from the first on; how many bytes, which commit() can
  // then make anew. 0 where the host does not do it.
  virtual std::size_t release(std::uintptr_t address, std::size_t size) = 0;
};

class AddressSpace {
 public:
  // [base, base + size) is page-aligned and belongs to this object alone; what exceeds kMaxSize is not used. Panics
  // where the range is too small or its first pages cannot be committed. At most kMaxMappings mappings (map() and what
  // splits mappings answer ENOMEM beyond it, as Linux does). The source must outlive the object.
  static constexpr std::size_t kMaxSize = std::size_t{1} << 38;
  static constexpr std::size_t kMinSize = std::size_t{16} * 4096;
  static constexpr std::uint32_t kMaxMappings = 65530;
  AddressSpace(std::uintptr_t base, std::size_t size, PageSource& source);
  ~AddressSpace();
  AddressSpace(const AddressSpace&) = delete;
  AddressSpace& operator=(const AddressSpace&) = delete;

  template <class T>
  using Expected = std::expected<T, int>;  // positive errno

  // Linux semantics. `protection` and `flags` are the ABI's PROT_* and MAP_*; anonymous memory only (file mappings are
  // made above: map anonymous, then fill). MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_POPULATE, MAP_NORESERVE, MAP_GROWSDOWN
  // (plain), MAP_STACK, hints. Fixed addresses outside the range: ENOMEM (EEXIST for NOREPLACE over a mapping).
  // MAP_ANONYMOUS is not looked at. unmap() and remap() outside the range: EINVAL, EFAULT. Where protect() refuses,
  // nothing has changed (Linux changes what lies before the hole).
  [[nodiscard]] Expected<std::uintptr_t> map(std::uintptr_t hint, std::size_t size, int protection, int flags);
  [[nodiscard]] Expected<void> unmap(std::uintptr_t address, std::size_t size);
  [[nodiscard]] Expected<void> protect(std::uintptr_t address, std::size_t size, int protection);
  // From now on protect() makes memory executable that is not writable; all of it is committed then. Before there are
  // threads.
  void allow_code();
  [[nodiscard]] Expected<std::uintptr_t> remap(std::uintptr_t address, std::size_t old_size, std::size_t new_size,
                                               int flags, std::uintptr_t new_address);
  [[nodiscard]] Expected<void> advise(std::uintptr_t address, std::size_t size, int advice);
  // Returns the new break, or the old one where it cannot be (as the system call does). 0 asks.
  [[nodiscard]] std::uintptr_t set_break(std::uintptr_t address);

  enum class FaultResult { kCommitted, kProtection, kUnmapped, kOutOfMemory };
  // A #PF at `address`. Commits a run of pages around it (growing with sequential faults, never over the mapping's
  // edge) where the mapping allows the access. A page that another thread committed meanwhile is kCommitted.
  [[nodiscard]] FaultResult handle_fault(std::uintptr_t address, bool write);

  // True where [address, address + size) lies in mappings that allow the access; pages are committed by the call, so
  // that the kernel itself can touch them without a fault.
  [[nodiscard]] bool prepare_access(std::uintptr_t address, std::size_t size, bool write);
  // A number that changes whenever something that was accessible may have ceased to be: mappings removed or protected.
  // What prepare_access() allowed before stays so while the number does. Never 0.
  [[nodiscard]] std::uint64_t changes() const;
  // Memory outside of this object lost rights: changes() counts that too.
  void note_change();
  // The range belongs to this object (mapped or not).
  [[nodiscard]] bool owns(std::uintptr_t address, std::size_t size) const;

  // Whether the page at `address`, which belongs to this object, is committed (mincore).
  [[nodiscard]] bool is_committed(std::uintptr_t address) const;

  // Zeroed committed pages for the kernel itself, from the top of the range; the calls above cannot touch them. nullptr
  // where there is no room or no EPC. `size` is rounded up to pages. release_kernel() zeroes them and gives them back.
  [[nodiscard]] void* map_kernel(std::size_t size);
  void release_kernel(void* address, std::size_t size);

  // Pages that nobody has, or that MADV_DONTNEED emptied, go back to the platform once nobody has wanted them from one
  // call of release_unused() to the next; a few are always kept. To be called now and then, while has_unused() says
  // that it may be worth it. Both ask the host, so not from a fault handler.
  void release_unused();
  [[nodiscard]] bool has_unused() const;
  // Gives back up to `size` bytes of pages that nobody has, at once, where the EPC is at its end. False: there are
  // none.
  [[nodiscard]] bool reclaim(std::size_t size);
  [[nodiscard]] bool can_reclaim() const;

  // Bytes: in mappings (the kernel's too); committed pages, bookkeeping included; of these, zeroed pages in no mapping.
  struct Usage {
    std::size_t mapped, committed, committed_free;
  };
  [[nodiscard]] Usage usage() const;

  // Calls visit(context, begin, end, protection, flags) for every mapping of the application in ascending order (for
  // /proc/self/maps). `flags`: MAP_SHARED, MAP_PRIVATE, MAP_GROWSDOWN, MAP_STACK, MAP_NORESERVE, and kBreakMapping for
  // the brk area. No lock is held during a call.
  static constexpr int kBreakMapping = 1 << 30;
  using Visitor = void (*)(void* context, std::uintptr_t begin, std::uintptr_t end, int protection, int flags);
  void visit_mappings(Visitor visit, void* context) const;

 private:
  struct State;
  State* state_;  // lives in the first committed pages of the range itself
};

}  // namespace coffer::kernel
