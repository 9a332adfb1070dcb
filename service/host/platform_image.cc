#include "service/host/platform_image.h"

#include "host/image/platform_signer.h"
#include "host/parts.h"

namespace coffer::service {

Result<FileDescriptor> platform_image(std::string_view name) {
  const auto part = host::find_part(name);
  if (!part) return std::unexpected(part.error());
  auto file = read_file(*part);
  if (!file) return std::unexpected(file.error());
  const auto key = image::platform_signing_key("services");
  if (!key) return std::unexpected(key.error());
  return image::sign_in_memory(*file, part->string(), *key);
}

}  // namespace coffer::service
