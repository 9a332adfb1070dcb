// Hostile coffer.toml and cofferd.toml files: settings that hold what the documentation says, or one line that names
// the file.
#include <cstdlib>

#include "host/image/settings.h"
#include "node/settings.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace coffer::image;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto daemons = coffer::node::parse_settings(text, "cofferd.toml", coffer::node::default_settings(1 << 30));
  if (!daemons) {
    const std::string& message = daemons.error().message;
    if (message.find('\n') != std::string::npos || !message.starts_with("cofferd.toml:")) std::abort();
  }
  auto settings = parse_settings(text, "coffer.toml", "/project");
  if (!settings) {
    const std::string& message = settings.error().message;
    if (message.find('\n') != std::string::npos || !message.starts_with("coffer.toml:")) std::abort();
    return 0;
  }
  if (settings->threads == 0 || settings->stack < kMinStack || settings->heap_max > kMaxHeap) std::abort();
  if (settings->environment_any && !settings->debug) std::abort();
  for (const auto& mount : settings->mounts) {
    if (!mount.path.starts_with('/')) std::abort();
  }
  return 0;
}
