#include "enclave/kernel/core/file_space.h"

#include <sys/mman.h>

#include <new>

#include "enclave/kernel/core/image.h"
#include "enclave/kernel/fs/shared_mappings.h"

namespace coffer::kernel {

namespace {

class FileSpace final : public fs::MappingMemory {
 public:
  std::uint64_t reserve(std::size_t size) override {
    const auto made = address_space().map(0, size, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE);
    return made ? *made : 0;
  }
  fs::Expected<void> reserve_at(std::uint64_t address, std::size_t size, bool replace) override {
    const int fixed = replace ? MAP_FIXED : MAP_FIXED_NOREPLACE;
    const auto made = address_space().map(address, size, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE | fixed);
    if (!made) return fs::error(made.error());
    return {};
  }
  void release(std::uint64_t address, std::size_t size) override { (void)address_space().unmap(address, size); }
  void empty(std::uint64_t address, std::size_t size) override {
    (void)address_space().advise(address, size, MADV_DONTNEED);
    (void)address_space().protect(address, size, PROT_NONE);
  }
  bool protect(std::uint64_t address, std::size_t size, int protection) override {
    return address_space().protect(address, size, protection).has_value();
  }
  bool prepare(std::uint64_t address, std::size_t size, bool write) override {
    return address_space().prepare_access(address, size, write);
  }
};
alignas(FileSpace) std::byte place[sizeof(FileSpace)];  // the kernel has no static constructors

}  // namespace

void init_file_space() { fs::use_mapping_memory(new (place) FileSpace); }

}  // namespace coffer::kernel
