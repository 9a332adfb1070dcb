// Hostile Enclave.config.xml and oesign configurations: settings within their bounds, or one line that names the file.
#include <cstdlib>
#include <string>

#include "compat/openenclave/host/image.h"
#include "compat/sgxsdk/tools/enclave_config.h"

namespace {

void one_line(const std::string& message, std::string_view name) {
  if (message.find('\n') != std::string::npos || message.find(name) == std::string::npos) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = coffer::sgxsdk::parse_enclave_config(text, "Enclave.config.xml");
  if (!config) {
    one_line(config.error().message, "Enclave.config.xml");
  } else {
    for (const std::string& each : config->warnings) one_line(each, "Enclave.config.xml");
    const auto settings = coffer::sgxsdk::image_settings(*config);
    if (settings.threads == 0 || settings.stack < coffer::image::kMinStack) std::abort();
  }

  coffer::openenclave::Properties properties;
  const auto applied = coffer::openenclave::apply_configuration(text, "enclave.conf", properties);
  if (!applied) {
    one_line(applied.error().message, "enclave.conf");
  } else if (const auto checked = coffer::openenclave::check_properties(properties, "enclave"); !checked) {
    one_line(checked.error().message, "enclave");
  }
  const auto elf = std::as_bytes(std::span(data, size));
  if (const auto found = coffer::openenclave::read_oeinfo(elf, "enclave"); !found) {
    one_line(found.error().message, "enclave");
  }
  return 0;
}
