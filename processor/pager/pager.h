// The driver of EPC paging: what an operating system's SGX driver does where an enclave has more pages than the EPC.
//
// When a page is wanted and the EPC is full, victims leave by EBLOCK, ETRACK and EWB into ordinary memory outside of
// ELRANGE, encrypted, and come back by ELDU when the enclave, or a leaf on its behalf, touches them. It is untrusted as
// a driver is: what it keeps is authenticated by the processor, and what it may do wrong is to lose pages.
//
// Victims are chosen by a clock with two hands over the EPC's frames: the first takes the translations of pages away,
// the second, a share of the EPC behind, evicts what was not touched in between. docs/performance.md has the figures.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "processor/enclave.h"
#include "processor/pager/page_store.h"

namespace coffer::processor {

// Since the enclave was made. Pages are of 4 KiB.
struct PagingCounters {
  std::uint64_t pages_in = 0;        // ELDU
  std::uint64_t pages_out = 0;       // EWB
  std::uint64_t faults = 0;          // touches of a page that was outside
  std::uint64_t second_chances = 0;  // touches of a page that was to go next
  std::uint64_t epc_pages = 0;
  std::uint64_t epc_pages_used = 0;
  std::uint64_t pages_outside = 0;
};

class Pager;

// The enclaves of one EPC: each has its own pager, and whoever needs frames empties them in turn, as if one clock went
// over all of them.
class PagerGroup {
 public:
  // bytes of EPC; enclaves are made with share().
  explicit PagerGroup(std::uint64_t epc_size)
      : share_(std::make_shared<EpcShare>(static_cast<std::uint32_t>(epc_size / sgx::kPageSize))) {}
  [[nodiscard]] const std::shared_ptr<EpcShare>& share() const { return share_; }

 private:
  friend class Pager;
  PagerGroup() = default;  // of one enclave whose EPC is its own
  std::shared_ptr<EpcShare> share_;
  std::mutex lock_;  // of all of its pagers
  std::vector<Pager*> pagers_;
  std::size_t hand_ = 0;  // whose frames the clock is at
};

// For those who operate the enclave.
[[nodiscard]] boundary::EpcCounters epc_counters(const SoftEnclave& enclave, const Pager& pager);

struct PagerOptions {
  std::uint32_t cluster = 16;  // pages that come and go together where they are neighbours; a power of two
  std::uint32_t ahead = 64;    // most pages that are brought in at once by an access that walks upwards
  std::uint32_t watched = 4;   // one part in so many of the EPC is between the hands; 0: plain first in, first out
};

// Thread-safe.
class Pager final : public PageSupply {
 public:
  // After ECREATE and before the first page. Where the enclave's pages cannot be more than the EPC's, no page ever
  // leaves, and what paging takes is not made. The enclave must outlive the pager, and nobody may be inside when the
  // pager goes.
  [[nodiscard]] static Result<std::unique_ptr<Pager>> attach(SoftEnclave& enclave, const PagerOptions& options = {},
                                                             std::shared_ptr<PagerGroup> group = nullptr);
  ~Pager() override;
  Pager(const Pager&) = delete;
  Pager& operator=(const Pager&) = delete;

  // EADD of pages, with room made for them first. As SoftEnclave::eadd; #PF where the EPC cannot be emptied so far.
  [[nodiscard]] LeafOutcome add_pages(std::uint64_t offset, sgx::SecinfoFlags flags, ByteView content,
                                      sgx::ExtendMask extend);
  // Brings the page at `offset` into the EPC where it stands outside, and calls `action` before any page can leave.
  template <class Action>
  auto with_page(std::uint64_t offset, Action action) {
    const std::scoped_lock guard(lock_);
    if (place_of(offset / sgx::kPageSize) != kNoPlace) (void)load(offset / sgx::kPageSize);
    return action();
  }
  // After EINIT. An input error where so little of the EPC can be paged that a program could not run.
  [[nodiscard]] Result<void> check_size() const;

  [[nodiscard]] FaultAnswer resolve(const PageFault& fault) override;
  [[nodiscard]] bool holds(std::uint64_t offset) const override;

  [[nodiscard]] PagingCounters counters() const;

 private:
  static constexpr std::uint32_t kMostAtOnce = 64;
  static constexpr std::uint32_t kStreams = 4;
  struct Range {
    std::uint64_t first = 0;  // page number
    std::uint32_t count = 0;
  };
  struct Stream {  // an access that walks upwards
    std::uint64_t next = 0;
    std::uint32_t window = 0;
  };

  struct Victim {
    Pager* pager;
    SoftEnclave::FrameRun run;
  };

  Pager(SoftEnclave& enclave, const PagerOptions& options, bool paged, std::uint32_t frames,
        std::shared_ptr<PagerGroup> group);

  // All with lock_ held. Pages are page numbers in ELRANGE.
  [[nodiscard]] std::uint32_t make_room(std::uint32_t pages);
  [[nodiscard]] std::optional<Victim> next_victim();
  // Moves the hand that evicts over one run; *passed frames were in it.
  [[nodiscard]] SoftEnclave::FrameRun step(std::uint32_t* passed);
  void lead_on();
  [[nodiscard]] std::uint32_t evict(std::uint64_t first, std::uint32_t count);
  void keep_version_slots();
  [[nodiscard]] FaultAnswer load(std::uint64_t page);
  [[nodiscard]] Range plan_load(std::uint64_t page);
  [[nodiscard]] std::uint32_t load_range(const Range& range);
  [[nodiscard]] FaultAnswer grow(std::uint64_t page, std::uint32_t count);
  void show(std::uint64_t page);

  [[nodiscard]] std::uint32_t place_of(std::uint64_t page) const;  // PageStore's; kNoPlace: not outside
  void set_place(std::uint64_t page, std::uint32_t place);

  SoftEnclave& enclave_;
  PagerOptions options_;
  bool paged_;
  std::uint32_t frames_;
  std::uint64_t pages_;  // of ELRANGE
  std::shared_ptr<PagerGroup> group_;
  std::mutex& lock_ = group_->lock_;
  std::uint32_t* places_ = nullptr;  // by page: where it stands in the store + 1
  PageStore store_;
  std::uint32_t back_ = 0;  // the hand that evicts
  std::uint32_t lead_ = 0;  // how many frames the hand that hides is before it
  std::array<Stream, kStreams> streams_;
  std::uint32_t next_stream_ = 0;
  std::atomic<std::uint64_t> in_{0}, out_{0}, faults_{0}, second_chances_{0};
};

}  // namespace coffer::processor
