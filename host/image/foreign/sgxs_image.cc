#include "host/image/foreign/sgxs_image.h"

#include <array>
#include <cstring>

#include "host/image/foreign/page_writer.h"

namespace coffer::image {

namespace {

using sgx::kExtendSize;
using sgx::kPageSize;

// The first eight bytes of a record, read as a number.
constexpr std::uint64_t kCreateTag = 0x0045544145524345;      // "ECREATE"
constexpr std::uint64_t kUnsizedTag = 0x0044455a49534e55;     // "UNSIZED": a stream whose size was never filled in
constexpr std::uint64_t kAddTag = 0x0000000044444145;         // "EADD"
constexpr std::uint64_t kExtendTag = 0x00444e4554584545;      // "EEXTEND"
constexpr std::uint64_t kUnmeasuredTag = 0x44525341454d4e55;  // "UNMEASRD": content that is loaded, not measured

struct CreateRecord {
  std::uint64_t tag = 0;
  std::uint32_t ssa_frame_size = 0;
  std::uint32_t size_low = 0, size_high = 0;
  std::uint32_t reserved[11] = {};

  [[nodiscard]] std::uint64_t size() const { return std::uint64_t{size_high} << 32 | size_low; }
};

struct PageRecord {  // EADD; EEXTEND and UNMEASRD have no flags, and 256 bytes behind them
  std::uint64_t tag = 0;
  std::uint64_t offset = 0;
  std::uint64_t flags = 0;
  std::uint64_t reserved[5] = {};
};
static_assert(sizeof(CreateRecord) == 64 && sizeof(PageRecord) == 64);

template <class Record>
bool reserved_is_zero(const Record& record) {
  for (const auto value : record.reserved) {
    if (value != 0) return false;
  }
  return true;
}

std::unexpected<Error> damaged(const char* what, std::size_t position) {
  return input_error(std::string("the SGXS stream is damaged at byte ") + std::to_string(position) + ": " + what);
}

struct Page {
  std::uint64_t offset = 0;
  sgx::SecinfoFlags flags;
  std::array<std::byte, kPageSize> content{};
  sgx::ExtendMask extend = 0;
};

class SgxsEnclave final : public ForeignEnclave {
 public:
  SgxsEnclave(std::vector<std::byte> stream, std::optional<sgx::Sigstruct> sigstruct, Limits limits)
      : stream_(std::move(stream)), sigstruct_(sigstruct), limits_(limits) {}

  [[nodiscard]] std::string_view format() const override { return "sgxs"; }
  [[nodiscard]] const sgx::Sigstruct* sigstruct() const override { return sigstruct_ ? &*sigstruct_ : nullptr; }

  [[nodiscard]] Result<void> describe(sgx::EnclaveBuilder& builder) const override {
    ByteReader reader(stream_);
    if (auto created = create(reader, builder); !created) return created;
    std::optional<Page> page;
    std::uint64_t pages_left = limits_.pages;
    while (reader.remaining() != 0) {
      const std::size_t position = reader.position();
      const auto record = reader.read<PageRecord>();
      if (!record) return damaged("a record is cut short", position);
      if (!reserved_is_zero(*record)) return damaged("a record's reserved bytes are not zero", position);
      if (record->tag == kAddTag) {
        if (auto added = flush(page, builder); !added) return added;
        if (record->offset % kPageSize != 0) return damaged("a page does not begin on a page boundary", position);
        if (pages_left-- == 0) return damaged("it adds more pages than can be measured", position);
        page.emplace();
        page->offset = record->offset;
        page->flags.value = record->flags;
        continue;
      }
      if (record->tag != kExtendTag && record->tag != kUnmeasuredTag) {
        return damaged("a record's tag is unknown", position);
      }
      if (record->flags != 0) return damaged("a record's reserved bytes are not zero", position);
      const auto chunk = reader.take(kExtendSize);
      if (!chunk) return damaged("a chunk is cut short", position);
      if (!page) return damaged("a chunk comes before any page", position);
      if (auto stored = store(*page, *record, *chunk, position); !stored) return stored;
    }
    return flush(page, builder);
  }

 private:
  [[nodiscard]] Result<void> create(ByteReader& reader, sgx::EnclaveBuilder& builder) const {
    const auto record = reader.read<CreateRecord>();
    if (!record) return damaged("it is shorter than a record", 0);
    if (record->tag == kUnsizedTag) {
      return input_error("the SGXS stream states no enclave size, so it has no measurement; convert it first");
    }
    if (record->tag != kCreateTag || !reserved_is_zero(*record)) return damaged("it does not begin with ECREATE", 0);
    sgx::CreateParameters parameters;
    parameters.size = record->size();
    parameters.ssa_frame_size = record->ssa_frame_size;
    if (sigstruct_) {
      parameters.misc_select = sigstruct_->misc_select;
      parameters.attributes = sigstruct_->attributes;
      parameters.attributes.flags &= ~sgx::attribute::kInit;
    }
    return builder.create(parameters);
  }

  [[nodiscard]] static Result<void> store(Page& page, const PageRecord& record, ByteView chunk, std::size_t position) {
    if (record.offset % kExtendSize != 0 || record.offset < page.offset || record.offset - page.offset >= kPageSize) {
      return damaged("a chunk does not belong to the page before it", position);
    }
    const std::uint64_t inside = record.offset - page.offset;
    if (record.tag == kExtendTag) {
      const auto bit = static_cast<unsigned>(inside / kExtendSize);
      if (page.extend >> bit != 0) return damaged("a page's chunks are not in ascending order", position);
      page.extend = static_cast<sgx::ExtendMask>(page.extend | 1u << bit);
    }
    std::memcpy(page.content.data() + inside, chunk.data(), chunk.size());
    return {};
  }

  [[nodiscard]] static Result<void> flush(const std::optional<Page>& page, sgx::EnclaveBuilder& builder) {
    if (!page) return {};
    return builder.add_pages(page->offset, page->flags, page->content, page->extend);
  }

  std::vector<std::byte> stream_;
  std::optional<sgx::Sigstruct> sigstruct_;
  Limits limits_;
};

}  // namespace

bool is_sgxs_stream(ByteView file) {
  ByteReader reader(file);
  const auto tag = reader.read<std::uint64_t>();
  return tag && (*tag == kCreateTag || *tag == kUnsizedTag);
}

Result<std::vector<std::unique_ptr<ForeignEnclave>>> open_sgxs(std::vector<std::byte> file,
                                                               std::optional<sgx::Sigstruct> sigstruct, Limits limits) {
  std::vector<std::unique_ptr<ForeignEnclave>> enclaves;
  enclaves.push_back(std::make_unique<SgxsEnclave>(std::move(file), sigstruct, limits));
  return enclaves;
}

}  // namespace coffer::image
