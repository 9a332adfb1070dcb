#include "enclave/kernel/fs/shared_mappings.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "enclave/kernel/support/crypto.h"

namespace coffer::kernel::fs {

namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kLargestFile = std::numeric_limits<std::int64_t>::max();
// A file's first mapping reserves room around it, so that later ones of the same file find their place: from the
// file's begin where that is near, and as much behind the mapping as lies before its end, but at least this.
constexpr std::uint64_t kNearBegin = std::uint64_t{64} << 20;
constexpr std::uint64_t kRoomBehind = std::uint64_t{1} << 20;
constexpr std::uint16_t kMostUses = 0xffff;

using Digest = std::array<std::byte, kSha256Size>;
using Buffer = std::array<std::byte, kPage>;

struct PageRange {
  std::uint64_t begin = 0, end = 0;  // pages of the file
};

// What a page held when it and the file were last the same. `uses`: mappings of it; 0: it is not there.
struct Page {
  std::uint16_t uses = 0;
  Digest digest{};
};

// Part of a file that has its place in memory.
struct Span {
  Ref<Description> file;  // writable, where any mapping's was
  Description::Identity identity;
  PageRange range;
  std::uint64_t address = 0;
  std::vector<Page> pages;
  std::uint64_t used = 0;  // pages with uses

  [[nodiscard]] std::uint64_t address_of(std::uint64_t page) const { return address + (page - range.begin) * kPage; }
  [[nodiscard]] Page& page(std::uint64_t number) { return pages[number - range.begin]; }
  [[nodiscard]] std::byte* memory(std::uint64_t page) const { return reinterpret_cast<std::byte*>(address_of(page)); }
  [[nodiscard]] std::uint64_t size() const { return (range.end - range.begin) * kPage; }
  // The part of [begin, end) bytes of the file that lies in this span, in whole pages.
  [[nodiscard]] PageRange part(std::uint64_t begin, std::uint64_t end) const {
    const std::uint64_t first = std::max(begin / kPage, range.begin);
    const std::uint64_t last = std::min(end / kPage + (end % kPage != 0 ? 1 : 0), range.end);
    return {first, std::max(first, last)};
  }
  // The part of an address range, in pages of the file.
  [[nodiscard]] PageRange part_at(std::uint64_t from, std::uint64_t length) const {
    const std::uint64_t first = from <= address ? 0 : std::min((from - address) / kPage, range.end - range.begin);
    const std::uint64_t behind = from + std::min(length, ~std::uint64_t{0} - kPage - from) + kPage - 1;
    const std::uint64_t last = behind <= address ? 0 : std::min((behind - address) / kPage, range.end - range.begin);
    return {range.begin + first, range.begin + std::max(first, last)};
  }
};

constinit SleepLock lock;  // guards what follows, and is held while contents move
constinit std::vector<Span>* spans = nullptr;
constinit std::atomic<bool> any{false};
constinit MappingMemory* memory = nullptr;

bool nothing_mapped() { return !any.load(std::memory_order_acquire); }

Digest digest_of(const Buffer& buffer) {
  Digest digest;
  sha256(buffer, digest);
  return digest;
}

// Copies a page of the program's, which may change at the same time. False where it cannot be read.
bool copy_page(const Span& span, std::uint64_t page, Buffer& buffer) {
  if (!memory->prepare(span.address_of(page), kPage, false)) return false;
  std::memcpy(buffer.data(), span.memory(page), kPage);
  return true;
}

Expected<void> write_whole(Description& file, std::uint64_t offset, std::span<const std::byte> from) {
  while (!from.empty()) {
    const auto count = file.file().write_at(offset, from);
    if (!count) return error(count.error());
    if (*count == 0 || *count > from.size()) return error(EIO);
    offset += *count;
    from = from.subspan(*count);
  }
  return {};
}

// Writes back what was changed in the pages; what lies behind the file's end has no place there. Goes on after an
// error, and returns the first.
Expected<void> write_back(Span& span, PageRange range) {
  if (!span.file->writable() || range.begin == range.end) return {};
  const auto status = span.file->file().status();
  if (!status) return error(status.error());
  Expected<void> result;
  Buffer buffer;
  for (std::uint64_t number = range.begin; number < range.end; ++number) {
    Page& page = span.page(number);
    if (page.uses == 0 || number * kPage >= status->size || !copy_page(span, number, buffer)) continue;
    const Digest digest = digest_of(buffer);
    if (digest == page.digest) continue;
    const std::uint64_t length = std::min(kPage, status->size - number * kPage);
    auto written = write_whole(*span.file, number * kPage, std::span(buffer).first(length));
    if (written) {
      page.digest = digest;
    } else if (result) {
      result = written;
    }
  }
  return result;
}

// The file's bytes as they are stored; zeros behind its end.
Expected<void> read_page(Description& file, std::uint64_t page, Buffer& buffer) {
  std::size_t done = 0;
  while (done < kPage) {
    const auto count = file.file().read_at(page * kPage + done, std::span(buffer).subspan(done));
    if (!count) return error(count.error() == EISDIR ? ENODEV : count.error());
    if (*count > kPage - done) return error(EIO);
    if (*count == 0) break;
    done += *count;
  }
  std::fill(buffer.begin() + static_cast<std::ptrdiff_t>(done), buffer.end(), std::byte{0});
  return {};
}

// Drops one use of each page that has one; the pages were written back before. What nobody uses any more goes, run by
// run, unless all of the span does.
void drop(Span& span, PageRange range) {
  std::vector<PageRange> gone;
  for (std::uint64_t number = range.begin; number < range.end; ++number) {
    Page& page = span.page(number);
    if (page.uses == 0) continue;
    --page.uses;
    if (page.uses != 0) continue;
    --span.used;
    if (gone.empty() || gone.back().end != number) gone.push_back({number, number});
    ++gone.back().end;
  }
  if (span.used == 0) return;
  for (const PageRange run : gone) memory->empty(span.address_of(run.begin), (run.end - run.begin) * kPage);
}

Expected<void> take(Span& span, PageRange range, Description& file, int protection) {
  for (std::uint64_t number = range.begin; number < range.end; ++number) {
    if (span.page(number).uses == kMostUses) return error(ENOMEM);
  }
  Buffer buffer;
  for (std::uint64_t number = range.begin; number < range.end; ++number) {
    Page& page = span.page(number);
    Expected<void> good;
    if (page.uses == 0) {
      good = read_page(file, number, buffer);
      const bool room = good && memory->protect(span.address_of(number), kPage, PROT_READ | PROT_WRITE) &&
                        memory->prepare(span.address_of(number), kPage, true);
      if (good && !room) good = error(ENOMEM);
      if (good) {
        std::memcpy(span.memory(number), buffer.data(), kPage);
        page.digest = digest_of(buffer);
        ++span.used;
      } else {
        memory->empty(span.address_of(number), kPage);
      }
    }
    if (!good) {
      drop(span, {range.begin, number});
      return good;
    }
    ++page.uses;
  }
  // One address cannot allow one mapping more than the other: all of them allow what the last one does, and writing
  // stays where any mapping wanted it.
  const bool all_new = std::all_of(span.pages.begin() + static_cast<std::ptrdiff_t>(range.begin - span.range.begin),
                                   span.pages.begin() + static_cast<std::ptrdiff_t>(range.end - span.range.begin),
                                   [](const Page& page) { return page.uses == 1; });
  if (!all_new && (protection & PROT_WRITE) == 0) return {};
  if (memory->protect(span.address_of(range.begin), (range.end - range.begin) * kPage, protection)) return {};
  drop(span, range);
  return error(ENOMEM);
}

void forget_if_unused(std::size_t index) {
  Span& span = (*spans)[index];
  if (span.used != 0) return;
  memory->release(span.address, span.size());
  spans->erase(spans->begin() + static_cast<std::ptrdiff_t>(index));
  any.store(!spans->empty(), std::memory_order_release);
}

bool lies_within(const Span& span, std::uint64_t address, std::uint64_t length) {
  return span.address >= address && span.address + span.size() <= address + length &&
         std::all_of(span.pages.begin(), span.pages.end(), [](const Page& page) { return page.uses <= 1; });
}

// The spans go, but not their memory, which nobody else may get before the range is somebody's anew.
bool make_way(std::uint64_t address, std::uint64_t length) {
  const auto touches = [&](const Span& span) {
    const PageRange part = span.part_at(address, length);
    return part.begin != part.end;
  };
  for (const Span& span : *spans) {
    if (touches(span) && !lies_within(span, address, length)) return false;
  }
  for (Span& span : *spans) {
    // Like munmap(), this has no way to say that contents were lost.
    if (touches(span)) ignore_failure(write_back(span, span.range));
  }
  std::erase_if(*spans, touches);
  any.store(!spans->empty(), std::memory_order_release);
  return true;
}

Expected<std::size_t> add_span(Span span) {
  span.pages.resize(span.range.end - span.range.begin);
  spans->push_back(std::move(span));
  any.store(true, std::memory_order_release);
  return spans->size() - 1;
}

// The span for pages that are to stand at an address: the one that has them there, without what is mapped of them, or a
// new one for them alone.
Expected<std::size_t> span_at(Description& file, const Description::Identity& identity, PageRange wanted,
                              const FixedPlace& place) {
  if (spans == nullptr) spans = new std::vector<Span>;
  const std::uint64_t size = (wanted.end - wanted.begin) * kPage;
  const auto is_there = [&](const Span& span) {
    return span.identity == identity && wanted.begin >= span.range.begin && wanted.end <= span.range.end &&
           span.address_of(wanted.begin) == place.address;
  };
  const auto there = std::find_if(spans->begin(), spans->end(), is_there);
  if (there != spans->end()) {
    if (!place.replace) return error(EEXIST);
    ignore_failure(write_back(*there, wanted));
    drop(*there, wanted);
    return static_cast<std::size_t>(there - spans->begin());
  }
  if (place.replace && !make_way(place.address, size)) return error(ENOMEM);
  for (const Span& span : *spans) {
    if (span.identity == identity && wanted.begin < span.range.end && span.range.begin < wanted.end)
      return error(ENOMEM);
  }
  if (auto reserved = memory->reserve_at(place.address, size, place.replace); !reserved) return error(reserved.error());
  return add_span({.file = Ref<Description>(&file), .identity = identity, .range = wanted, .address = place.address});
}

// The span for the pages; a new one where the file has none there. ENOMEM where they lie partly in one.
Expected<std::size_t> span_for(Description& file, const Description::Identity& identity, PageRange wanted) {
  if (spans == nullptr) spans = new std::vector<Span>;
  PageRange range{wanted.begin * kPage <= kNearBegin ? 0 : wanted.begin, 0};
  range.end = wanted.end + std::max(wanted.end - range.begin, kRoomBehind / kPage);
  for (std::size_t i = 0; i < spans->size(); ++i) {
    Span& span = (*spans)[i];
    if (span.identity != identity) continue;
    if (wanted.begin >= span.range.begin && wanted.end <= span.range.end) return i;
    if (wanted.begin < span.range.end && span.range.begin < wanted.end) return error(ENOMEM);
    // The room around it ends where another's begins.
    if (span.range.begin >= wanted.end) range.end = std::min(range.end, span.range.begin);
    if (span.range.end <= wanted.begin) range.begin = std::max(range.begin, span.range.end);
  }
  const std::uint64_t address = memory->reserve((range.end - range.begin) * kPage);
  if (address == 0) return error(ENOMEM);
  return add_span({.file = Ref<Description>(&file), .identity = identity, .range = range, .address = address});
}

// Calls visit(span, pages) for what is mapped of bytes [begin, end) of the file.
template <class Visit>
Expected<void> for_parts(const Description::Identity& identity, std::uint64_t begin, std::uint64_t end, Visit visit) {
  Expected<void> result;
  if (spans == nullptr) return result;
  for (Span& span : *spans) {
    if (span.identity != identity) continue;
    auto visited = visit(span, span.part(begin, end));
    if (!visited && result) result = visited;
  }
  return result;
}

// The mappings take over what was written to the file, which they were written back to before.
Expected<void> show(Span& span, PageRange range, std::uint64_t offset, std::span<const std::byte> data) {
  Buffer buffer;
  for (std::uint64_t number = range.begin; number < range.end; ++number) {
    Page& page = span.page(number);
    if (page.uses == 0) continue;
    const std::uint64_t begin = std::max(offset, number * kPage);
    const std::uint64_t end = std::min(offset + data.size(), (number + 1) * kPage);
    const auto piece = data.subspan(begin - offset, end - begin);
    // What the program writes at the same time makes the page differ from the digest, and so is not lost.
    if (auto read = read_page(*span.file, number, buffer); !read) return read;
    page.digest = digest_of(buffer);
    if (memory->prepare(span.address_of(number), kPage, true)) {
      std::memcpy(span.memory(number) + begin % kPage, piece.data(), piece.size());
    } else if (memory->prepare(span.address_of(number), kPage, false)) {
      if (!memory->protect(span.address_of(number), kPage, PROT_READ | PROT_WRITE)) return error(ENOMEM);
      std::memcpy(span.memory(number) + begin % kPage, piece.data(), piece.size());
      if (!memory->protect(span.address_of(number), kPage, PROT_READ)) return error(ENOMEM);
    }
  }
  return {};
}

Expected<void> write_back_part(Span& span, PageRange range) { return write_back(span, range); }

}  // namespace

void use_mapping_memory(MappingMemory* to_use) { memory = to_use; }

Expected<std::uint64_t> map_shared(Description& file, std::uint64_t offset, std::uint64_t length, int protection,
                                   std::optional<FixedPlace> place) {
  if (place && place->address % kPage != 0) return error(EINVAL);
  if (length == 0 || offset % kPage != 0) return error(EINVAL);
  if (offset > kLargestFile || length > kLargestFile - offset - kPage) return error(EOVERFLOW);
  if ((protection & PROT_EXEC) != 0) return error(EACCES);
  const bool writes = (protection & PROT_WRITE) != 0;
  if (!file.readable() || (writes && !file.writable())) return error(EACCES);
  if (memory == nullptr || !file.file().seekable()) return error(ENODEV);
  const auto status = file.file().status();
  if (!status) return error(status.error());
  if (!S_ISREG(status->mode)) return error(ENODEV);
  const Description::Identity identity{file.device(), status->inode};
  const PageRange range{offset / kPage, (offset + length + kPage - 1) / kPage};

  LockGuard guard(lock);
  const auto index = place ? span_at(file, identity, range, *place) : span_for(file, identity, range);
  if (!index) return error(index.error());
  Span& span = (*spans)[*index];
  if (file.writable() && !span.file->writable()) span.file = Ref<Description>(&file);
  if (auto taken = take(span, range, file, protection); !taken) {
    forget_if_unused(*index);
    return error(taken.error());
  }
  return span.address_of(range.begin);
}

bool has_shared_mappings() { return !nothing_mapped(); }

bool is_shared_mapping(std::uint64_t address, std::uint64_t length) {
  if (nothing_mapped()) return false;
  LockGuard guard(lock);
  return std::any_of(spans->begin(), spans->end(), [&](const Span& span) {
    const PageRange part = span.part_at(address, length);
    return part.begin != part.end;
  });
}

bool give_way(std::uint64_t address, std::uint64_t length) {
  LockGuard guard(lock);
  return make_way(address, length);
}

void unmap_shared(std::uint64_t address, std::uint64_t length) {
  std::vector<Ref<Description>> last;  // end after the lock
  LockGuard guard(lock);
  for (std::size_t i = spans->size(); i-- > 0;) {
    Span& span = (*spans)[i];
    const PageRange part = span.part_at(address, length);
    if (part.begin == part.end) continue;
    // munmap() has no way to say that contents were lost; msync() and fsync() are for who wants to know.
    ignore_failure(write_back(span, part));
    drop(span, part);
    last.push_back(span.file);
    forget_if_unused(i);
  }
}

Expected<void> protect_shared(std::uint64_t address, std::uint64_t length, int protection) {
  LockGuard guard(lock);
  for (Span& span : *spans) {
    const PageRange part = span.part_at(address, length);
    if (part.begin == part.end) continue;
    if ((protection & PROT_WRITE) != 0 && !span.file->writable()) return error(EACCES);
    for (std::uint64_t page = part.begin; page < part.end; ++page) {
      if (span.page(page).uses == 0) return error(ENOMEM);
    }
    if (auto written = write_back(span, part); !written) return written;
    if (!memory->protect(span.address_of(part.begin), (part.end - part.begin) * kPage, protection)) {
      return error(ENOMEM);
    }
  }
  return {};
}

Expected<void> sync_shared(std::uint64_t address, std::uint64_t length, bool durable) {
  LockGuard guard(lock);
  Expected<void> result;
  for (Span& span : *spans) {
    const PageRange part = span.part_at(address, length);
    if (part.begin == part.end) continue;
    auto written = write_back(span, part);
    if (written && durable && span.file->writable()) written = span.file->file().sync(false);
    if (!written && result) result = written;
  }
  return result;
}

void write_back_all() {
  if (nothing_mapped()) return;
  LockGuard guard(lock);
  for (Span& span : *spans) ignore_failure(write_back(span, span.range));
}

Expected<void> write_back(Description& file) {
  if (nothing_mapped()) return {};
  const auto identity = file.identity();
  if (!identity) return error(identity.error());
  LockGuard guard(lock);
  return for_parts(*identity, 0, kLargestFile, write_back_part);
}

Expected<std::size_t> read_file(Description& file, std::uint64_t offset, std::span<std::byte> into) {
  if (nothing_mapped()) return file.file().read_at(offset, into);
  const auto identity = file.identity();
  if (!identity) return error(identity.error());
  LockGuard guard(lock);
  const std::uint64_t end =
      offset + std::min<std::uint64_t>(into.size(), kLargestFile - std::min(offset, kLargestFile));
  if (auto written = for_parts(*identity, offset, end, write_back_part); !written) return error(written.error());
  return file.file().read_at(offset, into);
}

Expected<std::size_t> write_file(Description& file, std::uint64_t offset, std::span<const std::byte> from) {
  if (nothing_mapped()) return file.file().write_at(offset, from);
  const auto identity = file.identity();
  if (!identity) return error(identity.error());
  LockGuard guard(lock);
  const std::uint64_t end = offset + from.size();
  if (auto written = for_parts(*identity, offset, end, write_back_part); !written) return error(written.error());
  const auto count = file.file().write_at(offset, from);
  if (!count || *count > from.size()) return count;
  const auto shown = for_parts(*identity, offset, offset + *count, [&](Span& span, PageRange part) {
    return show(span, part, offset, from.first(*count));
  });
  if (!shown) return error(shown.error());
  return count;
}

Expected<std::uint64_t> append_to_file(Description& file, std::span<const std::byte> from) {
  if (nothing_mapped()) return file.file().append(from);
  const auto identity = file.identity();
  if (!identity) return error(identity.error());
  LockGuard guard(lock);
  if (auto written = for_parts(*identity, 0, kLargestFile, write_back_part); !written) return error(written.error());
  const auto end = file.file().append(from);
  if (!end || *end < from.size()) return end;
  const std::uint64_t offset = *end - from.size();
  const auto shown =
      for_parts(*identity, offset, *end, [&](Span& span, PageRange part) { return show(span, part, offset, from); });
  if (!shown) return error(shown.error());
  return end;
}

Expected<void> truncate_file(Description& file, std::uint64_t size) {
  if (nothing_mapped()) return file.file().truncate(size);
  const auto identity = file.identity();
  if (!identity) return error(identity.error());
  LockGuard guard(lock);
  if (auto written = for_parts(*identity, 0, kLargestFile, write_back_part); !written) return written;
  if (auto truncated = file.file().truncate(size); !truncated) return truncated;
  static constexpr Buffer kZeros{};
  return for_parts(*identity, std::min(size, kLargestFile), kLargestFile, [&](Span& span, PageRange part) {
    Expected<void> result;
    for (std::uint64_t page = part.begin; page < part.end && result; ++page) {
      const std::uint64_t begin = std::max(size, page * kPage);
      result = show(span, {page, page + 1}, begin, std::span(kZeros).first((page + 1) * kPage - begin));
    }
    return result;
  });
}

}  // namespace coffer::kernel::fs
