#include "processor/enclave.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "processor/entry.h"
#include "sgx/sigstruct.h"

namespace coffer::processor {

using sgx::kPageSize;
using sgx::LeafError;
using sgx::PageType;
using sgx::SecinfoFlags;

namespace {

// Address space that costs memory only where it is touched.
template <class T>
T* reserve_table(std::size_t count) {
  void* table =
      ::mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return table == MAP_FAILED ? nullptr : static_cast<T*>(table);
}

// A naturally aligned place for ELRANGE: take twice the size, keep the aligned half. Or the one that is wanted.
void* reserve_elrange(std::uint64_t size, std::uint64_t wanted) {
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  if (wanted != 0) {
    void* place = ::mmap(reinterpret_cast<void*>(wanted), size, PROT_NONE, flags | MAP_FIXED_NOREPLACE, -1, 0);
    return place == MAP_FAILED ? nullptr : place;
  }
  void* area = ::mmap(nullptr, 2 * size, PROT_NONE, flags, -1, 0);
  if (area == MAP_FAILED) return nullptr;
  const auto begin = reinterpret_cast<std::uintptr_t>(area);
  const std::uintptr_t aligned = (begin + size - 1) & ~(size - 1);
  if (aligned > begin) ::munmap(area, aligned - begin);
  if (begin + size > aligned) ::munmap(reinterpret_cast<void*>(aligned + size), begin + size - aligned);
  return reinterpret_cast<void*>(aligned);
}

int protection_of(SecinfoFlags flags) {
  return (flags.readable() ? PROT_READ : 0) | (flags.writable() ? PROT_WRITE : 0) |
         (flags.executable() ? PROT_EXEC : 0);
}

bool all_zero(ByteView bytes) {
  return bytes.empty() ||
         (bytes[0] == std::byte{0} && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

constexpr std::uint64_t kMaxEnclaveSize = std::uint64_t{1} << 40;

// What this processor has; an attribute that asks for more is refused, as by a CPU without the feature.
constexpr std::uint64_t kSupportedAttributes = sgx::attribute::kKnown & ~sgx::attribute::kCet;

// XFRM must be what XCR0 could be set to: a subset of the machine's, with AVX-512 as a whole and on top of AVX.
bool xfrm_valid(std::uint64_t xfrm) {
  namespace x = sgx::xfrm;
  const std::uint64_t avx512 = xfrm & x::kAvx512;
  return (xfrm & x::kLegacy) == x::kLegacy && (xfrm & ~machine_xfrm()) == 0 &&
         (avx512 == 0 || (avx512 == x::kAvx512 && (xfrm & x::kAvx) != 0));
}

// ECREATE's checks on SECS (SDM 3D 40.3, ECREATE).
bool create_parameters_valid(const sgx::CreateParameters& p) {
  const bool has_configuration = p.config_id != sgx::Bytes<64>{} || p.config_svn != 0;
  if (has_configuration && (p.attributes.flags & sgx::attribute::kKss) == 0) return false;
  const std::uint64_t frame_bytes = std::uint64_t{p.ssa_frame_size} * kPageSize;
  return std::has_single_bit(p.size) && p.size >= 2 * kPageSize && p.size <= kMaxEnclaveSize && p.ssa_frame_size != 0 &&
         frame_bytes <= p.size && (p.attributes.flags & ~kSupportedAttributes) == 0 &&
         (p.attributes.flags & sgx::attribute::kInit) == 0 && (p.attributes.flags & sgx::attribute::kMode64Bit) != 0 &&
         xfrm_valid(p.attributes.xfrm) && (p.misc_select & ~sgx::kMiscExInfo) == 0 &&
         xsave_area_size(p.attributes.xfrm) + sizeof(sgx::GprArea) + sizeof(sgx::ExInfo) <= frame_bytes;
}

}  // namespace

std::uint64_t supported_attributes() { return kSupportedAttributes; }

bool tcs_well_formed(const sgx::Tcs& tcs) {
  constexpr std::uint64_t kKnownFlags = sgx::tcs_flag::kDebugOptIn | sgx::tcs_flag::kAexNotify;
  return tcs.ssa_offset % kPageSize == 0 && tcs.fs_offset % kPageSize == 0 && tcs.gs_offset % kPageSize == 0 &&
         (tcs.flags & ~kKnownFlags) == 0;
}

bool tcs_reserved_clear(const sgx::Tcs& tcs) {
  return tcs.cet_ssa_offset == 0 && tcs.previous_ssp == 0 &&
         std::ranges::all_of(tcs.reserved, [](std::uint8_t b) { return b == 0; });
}

Result<std::unique_ptr<SoftEnclave>> SoftEnclave::make(const EnclaveConfig& config,
                                                       std::shared_ptr<const KeySource> vault) {
  auto epc = Epc::create(config.epc_size, config.want_secret_memory, config.warm, config.share);
  if (!epc) return std::unexpected(epc.error());
  return std::unique_ptr<SoftEnclave>(new SoftEnclave(config, std::move(*epc), std::move(vault)));
}

SoftEnclave::SoftEnclave(const EnclaveConfig& config, Epc epc, std::shared_ptr<const KeySource> vault)
    : config_(config), vault_(std::move(vault)), epc_(std::move(epc)) {}

SoftEnclave::~SoftEnclave() {
  if (!created_) return;
  const std::size_t pages = secs_.size / kPageSize;
  if (version_pages_ != nullptr) ::munmap(version_pages_, std::size_t{epc_.frame_count()} * kPageSize);
  if (config_.want_secret_memory) {
    // Frames of memfd_secret go back to the machine with the mapping; what stood in ordinary memory is wiped first.
    for (std::uint32_t frame = 0; frame < epc_.frame_count(); ++frame) {
      const EpcmEntry& entry = epc_.entry(frame);
      const bool left = !entry.valid && epc_.dirty(frame, Backing::kPlain);
      if (left || (entry.valid && !entry.pending && entry.written && entry.backing == Backing::kPlain)) {
        epc_.memory().discard_plain(frame, 1);
      }
    }
  }
  if (config_.host_pages == nullptr) ::munmap(reinterpret_cast<void*>(base()), secs_.size);
  ::munmap(frames_, pages * sizeof(*frames_));
  ::munmap(static_cast<void*>(thread_table_), pages * sizeof(*thread_table_));
}

Result<LeafOutcome> SoftEnclave::ecreate(const sgx::CreateParameters& p, std::uint64_t base_address) {
  const std::scoped_lock guard(lock_);
  if (created_ || !create_parameters_valid(p)) return general_protection();
  if (config_.host_pages != nullptr) {
    if (base_address % p.size != 0) return general_protection();
    epc_.memory().follow(config_.host_pages, base_address);
  } else if (p.base % p.size != 0) {
    return general_protection();
  } else if (void* elrange = reserve_elrange(p.size, p.base); elrange != nullptr) {
    base_address = reinterpret_cast<std::uint64_t>(elrange);
  } else if (p.base != 0) {
    return input_error(
        "the addresses that an image with SANITIZE needs are taken in this process: run one such enclave at a time, "
        "or with COFFER_RUNG=process");
  } else {
    return fail(ErrorKind::kSystem, "no room for an enclave of " + std::to_string(p.size) +
                                        " bytes in this process's address space (ulimit -v?)");
  }
  frames_ = reserve_table<std::uint32_t>(p.size / kPageSize);
  thread_table_ = reserve_table<ThreadState*>(p.size / kPageSize);
  if (frames_ == nullptr || thread_table_ == nullptr) return fail(ErrorKind::kSystem, "no memory for the page tables");
  secs_.size = p.size;
  secs_.base_address = base_address;
  secs_.ssa_frame_size = p.ssa_frame_size;
  secs_.misc_select = p.misc_select;
  secs_.attributes = p.attributes;
  secs_.config_id = p.config_id;
  secs_.config_svn = p.config_svn;
  measurement_.ecreate(p.ssa_frame_size, p.size);
  gate_ = {coffer_gate, base(), size(), thread_table_, coffer_exit_gate};
  created_ = true;
  return LeafOutcome{};
}

LeafOutcome SoftEnclave::check_page_addition(std::uint64_t offset, SecinfoFlags flags) const {
  const bool type_ok = flags.type() == PageType::kReg || flags.type() == PageType::kTcs;
  const bool permissions_ok = !flags.writable() || flags.readable();
  if (!created_ || offset % kPageSize != 0 || !type_ok || !permissions_ok || (flags.value & ~0xff07ull) != 0) {
    return general_protection();
  }
  if (!range_fits(offset, kPageSize, secs_.size)) return general_protection();
  if (!vacant(offset / kPageSize)) return page_fault(base() + offset);
  return {};
}

LeafOutcome SoftEnclave::eadd(std::uint64_t offset, SecinfoFlags flags, ByteView content, sgx::ExtendMask extend) {
  const std::scoped_lock guard(lock_);
  if (initialised() || content.empty() || content.size() % kPageSize != 0) return general_protection();
  for (std::uint64_t at = 0; at < content.size(); at += kPageSize) {
    if (auto checked = check_page_addition(offset + at, flags); !checked.ok()) return checked;
  }
  if (flags.type() == PageType::kTcs) {
    // Permissions of a TCS are forced to none in the EPCM, and are measured so.
    flags = SecinfoFlags::make(PageType::kTcs, 0);
    for (std::uint64_t at = 0; at < content.size(); at += kPageSize) {
      if (auto added = add_thread(offset + at, content.subspan(at, kPageSize)); !added.ok()) return added;
    }
  } else if (auto added = add_run(offset, flags, content); !added.ok()) {
    return added;
  }
  for (std::uint64_t at = 0; at < content.size(); at += kPageSize) {
    measurement_.eadd(offset + at, flags);
    // What EEXTEND measures is the page as it is in the EPC.
    const ThreadState* thread = thread_at(offset + at);
    const ByteView page = thread != nullptr ? bytes_of(thread->tcs) : content.subspan(at, kPageSize);
    for (unsigned chunk = 0; chunk < kPageSize / sgx::kExtendSize; ++chunk) {
      if ((extend >> chunk & 1) == 0) continue;
      const std::uint64_t where = chunk * sgx::kExtendSize;
      measurement_.eextend(offset + at + where, page.subspan(where).first<sgx::kExtendSize>());
    }
  }
  return {};
}

LeafOutcome SoftEnclave::eextend(std::uint64_t offset) {
  const std::scoped_lock guard(lock_);
  if (!created_ || initialised() || offset % sgx::kExtendSize != 0 || !range_fits(offset, sgx::kExtendSize, size())) {
    return general_protection();
  }
  const std::uint64_t page = offset & ~(kPageSize - 1);
  const std::uint32_t slot = *frame_slot(page);
  if (slot == 0) return page_fault(base() + offset);
  if (ThreadState* thread = thread_at(page); thread != nullptr) {
    measurement_.eextend(offset, bytes_of(thread->tcs).subspan(offset - page).first<sgx::kExtendSize>());
    return {};
  }
  if ((epc_.entry(slot - 1).permissions & SecinfoFlags::kR) == 0) return general_protection();
  if (epc_.entry(slot - 1).hidden || epc_.entry(slot - 1).blocked) return page_fault(base() + offset);
  const ByteView chunk(reinterpret_cast<const std::byte*>(base() + offset), sgx::kExtendSize);
  measurement_.eextend(offset, chunk.first<sgx::kExtendSize>());
  return {};
}

LeafOutcome SoftEnclave::add_run(std::uint64_t offset, SecinfoFlags flags, ByteView content) {
  while (!content.empty()) {
    auto run = epc_.allocate(static_cast<std::uint32_t>(content.size() / kPageSize));
    if (!run) return page_fault(base() + offset);  // the driver would have to evict; the EPC is full
    const std::size_t bytes = std::size_t{run->count} * kPageSize;
    if (!place_content(offset, flags, *run, content.first(bytes))) return general_protection();
    content = content.subspan(bytes);
    offset += bytes;
  }
  return {};
}

bool SoftEnclave::place_content(std::uint64_t offset, SecinfoFlags flags, const Epc::Run& run, ByteView content) {
  const bool writable = flags.writable() && !flags.executable();
  ProtectedMemory& memory = epc_.memory();
  // A page that the host has not mapped yet cannot be written where it will stand.
  const bool fill_first = !writable || config_.host_pages != nullptr;
  bool dirty = false;
  for (std::uint32_t i = 0; i < run.count; ++i) dirty |= epc_.dirty(run.first + i, Backing::kPlain);
  if (fill_first && (dirty || !all_zero(content)) && !memory.fill_plain(run.first, content)) return false;
  auto backing = memory.map(base() + offset, run.first, run.count, protection_of(flags),
                            writable ? Backing::kSecret : Backing::kPlain);
  if (!backing) return false;
  for (std::uint32_t i = 0; i < run.count; ++i) {
    const std::uint64_t at = std::uint64_t{i} * kPageSize;
    const ByteView page = content.subspan(at, kPageSize);
    // A frame that is zero needs no touch for a zero page: its memory is made when the enclave first uses it.
    if (!fill_first && (epc_.dirty(run.first + i, *backing) || !all_zero(page))) {
      std::memcpy(reinterpret_cast<void*>(base() + offset + at), page.data(), kPageSize);
    }
    epc_.clean(run.first + i, *backing);
    epc_.entry(run.first + i) = {.linear_offset = offset + at,
                                 .type = PageType::kReg,
                                 .permissions = static_cast<std::uint8_t>(flags.permissions()),
                                 .valid = true,
                                 .written = flags.writable(),
                                 .backing = *backing,
                                 .mapped = static_cast<std::uint8_t>(flags.permissions())};
    *frame_slot(offset + at) = run.first + i + 1;
  }
  pages_added_ += run.count;
  return true;
}

LeafOutcome SoftEnclave::add_thread(std::uint64_t offset, ByteView content) {
  sgx::Tcs tcs;
  std::memcpy(&tcs, content.data(), sizeof(tcs));
  // EADD makes the processor's own fields zero, whatever the source page says.
  tcs.state = 0;
  tcs.flags &= ~sgx::tcs_flag::kDebugOptIn;
  tcs.current_ssa = 0;
  tcs.aep = 0;
  if (!tcs_well_formed(tcs) || !tcs_reserved_clear(tcs)) return general_protection();
  auto run = epc_.allocate(1);
  if (!run) return page_fault(base() + offset);
  epc_.entry(run->first) = {.linear_offset = offset, .type = PageType::kTcs, .valid = true};
  *frame_slot(offset) = run->first + 1;
  ThreadState& thread = thread_for(offset);
  thread.tcs = tcs;
  thread.well_formed = true;
  thread.valid = true;
  thread_table_[offset / kPageSize] = &thread;
  ++pages_added_;
  return {};
}

LeafOutcome SoftEnclave::check_signature(const sgx::Sigstruct& s) const {
  if (LeafError error = sgx::verify(s); error != LeafError::kSuccess) return leaf_error(error);
  if (!(s.enclave_hash == measurement_.value())) return leaf_error(LeafError::kInvalidMeasurement);
  const auto& a = secs_.attributes;
  const auto differs = [](std::uint64_t have, std::uint64_t want, std::uint64_t mask) {
    return (have & mask) != (want & mask);
  };
  if (differs(a.flags, s.attributes.flags, s.attribute_mask.flags) ||
      differs(a.xfrm, s.attributes.xfrm, s.attribute_mask.xfrm) ||
      differs(secs_.misc_select, s.misc_select, s.misc_mask)) {
    return leaf_error(LeafError::kInvalidAttribute);
  }
  // Keys that only a platform's own enclaves may have are for whom the device layer has permitted them.
  constexpr std::uint64_t kPlatformKeys = sgx::attribute::kProvisionKey | sgx::attribute::kEinitTokenKey;
  if ((a.flags & kPlatformKeys & ~permitted_attributes_) != 0) {
    return leaf_error(LeafError::kInvalidAttribute);
  }
  const bool has_kss_ids = s.isv_family_id != sgx::Bytes<16>{} || s.isv_ext_prod_id != sgx::Bytes<16>{};
  if (has_kss_ids && (a.flags & sgx::attribute::kKss) == 0) return leaf_error(LeafError::kInvalidAttribute);
  return {};
}

LeafOutcome SoftEnclave::einit(const sgx::Sigstruct& s) {
  const std::scoped_lock guard(lock_);
  if (!created_ || initialised()) return general_protection();
  if (auto checked = check_signature(s); !checked.ok()) return checked;
  if (config_.debug_only && !debug()) return leaf_error(LeafError::kInvalidAttribute);
  secs_.mrenclave = s.enclave_hash;
  secs_.mrsigner = sgx::mrsigner_of(s);
  secs_.isv_prod_id = s.isv_prod_id;
  secs_.isv_svn = s.isv_svn;
  // Where a processor keeps the KSS identities inside SECS is its own affair; this one uses the first reserved bytes.
  std::memcpy(secs_.reserved4.data(), s.isv_family_id.data(), 16);
  std::memcpy(secs_.reserved4.data() + 16, s.isv_ext_prod_id.data(), 16);
  secs_.attributes.flags |= sgx::attribute::kInit;
  vault_->bind(secs_);
  initialised_.store(true, std::memory_order_release);
  return {};
}

LeafOutcome SoftEnclave::eaug(std::uint64_t offset, std::uint32_t count, std::uint32_t* added) {
  const std::scoped_lock guard(lock_);
  return eaug_locked(offset, count, added);
}

LeafOutcome SoftEnclave::eaug_locked(std::uint64_t offset, std::uint32_t count, std::uint32_t* added) {
  *added = 0;
  if (!initialised() || offset % kPageSize != 0 || !range_fits(offset, std::uint64_t{count} * kPageSize, size())) {
    return general_protection();
  }
  count = static_cast<std::uint32_t>(std::min<std::uint64_t>(count, pages_left()));
  while (*added < count) {
    std::uint64_t at = offset + std::uint64_t{*added} * kPageSize;
    if (!vacant(at / kPageSize)) return page_fault(base() + at);
    std::uint32_t wanted = 1;
    while (*added + wanted < count && vacant(at / kPageSize + wanted)) ++wanted;
    auto run = epc_.allocate(wanted);
    if (!run) return {};
    auto backing = map_pending(at, *run);
    if (!backing) return general_protection();
    for (std::uint32_t i = 0; i < run->count; ++i, at += kPageSize) {
      epc_.entry(run->first + i) = {.linear_offset = at,
                                    .type = PageType::kReg,
                                    .permissions = SecinfoFlags::kR | SecinfoFlags::kW,
                                    .valid = true,
                                    .pending = true,
                                    .written = true,
                                    .backing = *backing};
      *frame_slot(at) = run->first + i + 1;
    }
    *added += run->count;
    added_later_ += run->count;
    pages_added_ += run->count;
  }
  return {};
}

std::uint64_t SoftEnclave::pages_left() const {
  const std::uint64_t limit = config_.page_limit / kPageSize;
  if (limit == 0) return ~std::uint64_t{0};
  return limit > pages_added_ ? limit - pages_added_ : 0;
}

Result<Backing> SoftEnclave::map_pending(std::uint64_t offset, const Epc::Run& run) {
  // Pending pages are mapped without access: touching one faults until EACCEPT, as it must.
  ProtectedMemory& memory = epc_.memory();
  bool dirty = false;
  for (std::uint32_t i = 0; i < run.count; ++i) dirty |= epc_.dirty(run.first + i, Backing::kSecret);
  for (std::uint32_t i = 0; i < run.count; ++i) dirty |= epc_.dirty(run.first + i, Backing::kPlain);
  if (!dirty) return memory.map(base() + offset, run.first, run.count, PROT_NONE, Backing::kSecret);
  auto window = memory.open_window(run.first, run.count, Backing::kSecret);
  if (!window) return std::unexpected(window.error());
  for (std::uint32_t i = 0; i < run.count; ++i) {
    if (!epc_.dirty(run.first + i, window->backing)) continue;
    std::memset(window->bytes + std::size_t{i} * kPageSize, 0, kPageSize);
    epc_.clean(run.first + i, window->backing);
  }
  if (auto moved = memory.move_window(*window, base() + offset, PROT_NONE); !moved) {
    ProtectedMemory::close_window(*window);
    return std::unexpected(moved.error());
  }
  return window->backing;
}

ThreadState* SoftEnclave::thread_at(std::uint64_t offset) const {
  return offset % kPageSize == 0 && offset < size() ? thread_table_[offset / kPageSize] : nullptr;
}

bool SoftEnclave::pages_allow(std::uint64_t offset, std::uint64_t length, std::uint8_t permissions) const {
  if (length == 0 || !range_fits(offset, length, size())) return false;
  for (std::uint64_t page = offset / kPageSize; page <= (offset + length - 1) / kPageSize; ++page) {
    if (frames_[page] == 0) return false;
    const EpcmEntry& entry = epc_.entry(frames_[page] - 1);
    if (!accessible(entry) || (entry.permissions & permissions) != permissions) return false;
    if (!host_allows(page * kPageSize, protection_of({permissions}))) return false;
  }
  return true;
}

LeafOutcome SoftEnclave::missed(std::uint64_t offset) const {
  LeafOutcome outcome = page_fault(base() + offset);
  outcome.unseen = offset < size() && gone(offset / kPageSize);
  return outcome;
}

bool SoftEnclave::patch_code(std::uint64_t offset, ByteView code) {
  const std::scoped_lock guard(lock_);
  if (!pages_allow(offset, code.size(), SecinfoFlags::kX)) return false;
  while (!code.empty()) {
    const std::size_t in_page = offset % kPageSize;
    const std::size_t piece = std::min<std::size_t>(code.size(), kPageSize - in_page);
    const std::uint32_t frame = *frame_slot(offset) - 1;
    if (!epc_.memory().patch_plain(frame, in_page, code.first(piece))) return false;
    code = code.subspan(piece);
    offset += piece;
  }
  return true;
}

SoftEnclave::Copied SoftEnclave::copy_out(std::uint64_t offset, std::span<std::byte> to,
                                          std::uint8_t permissions) const {
  const std::scoped_lock guard(lock_);
  if (pages_allow(offset, to.size(), permissions)) {
    std::memcpy(to.data(), reinterpret_cast<const void*>(base() + offset), to.size());
    return Copied::kYes;
  }
  if (to.empty() || !range_fits(offset, to.size(), size())) return Copied::kRefused;
  for (std::uint64_t page = offset / kPageSize; page <= (offset + to.size() - 1) / kPageSize; ++page) {
    if (gone(page) && !vacant(page)) return Copied::kAway;
  }
  return Copied::kRefused;
}

std::string SoftEnclave::missing_protection() const {
  const std::scoped_lock guard(lock_);
  return epc_.memory().missing();
}

SoftEnclave::Usage SoftEnclave::usage() const {
  const std::scoped_lock guard(lock_);
  return {epc_.frame_count(), epc_.used_count(), added_later_};
}

}  // namespace coffer::processor
