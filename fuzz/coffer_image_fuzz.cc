// Hostile image files: whatever the reader accepts can be described, and all it hands out lies inside the file.
#include <cstdlib>

#include "host/image/coffer_image.h"

namespace {

// Takes what an image gives to a processor, and checks what a processor may rely on.
class CheckingBuilder final : public coffer::sgx::EnclaveBuilder {
 public:
  coffer::Result<void> create(const coffer::sgx::CreateParameters& parameters) override {
    size_ = parameters.size;
    return {};
  }
  coffer::Result<void> add_pages(std::uint64_t offset, coffer::sgx::SecinfoFlags flags, coffer::ByteView content,
                                 coffer::sgx::ExtendMask) override {
    if (offset < end_ || content.empty() || content.size() % 4096 != 0) std::abort();
    if (!coffer::range_fits(offset, content.size(), size_)) std::abort();
    if (flags.writable() && flags.executable()) std::abort();
    end_ = offset + content.size();
    sum_ = sum_ + static_cast<unsigned>(content.front()) + static_cast<unsigned>(content.back());
    return {};
  }

 private:
  std::uint64_t size_ = 0, end_ = 0;
  volatile unsigned sum_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto image = coffer::image::CofferImage::parse(std::as_bytes(std::span(data, size)), "fuzzed");
  if (!image) {
    if (image.error().message.find('\n') != std::string::npos) std::abort();
    return 0;
  }
  CheckingBuilder builder;
  if (!image->describe(builder)) std::abort();
  for (const auto& site : image->sites()) {
    if (coffer::image::patch_of(site).length > 15) std::abort();
  }
  for (const auto& file : image->files()) {
    if (file.path.empty() || file.path.front() != '/') std::abort();
  }
  return image->program_name().empty() ? 1 : 0;
}
