#include "compat/openenclave/enclave/settings.h"

#include <openenclave/log.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "compat/openenclave/protocol.h"

namespace coffer::openenclave {
namespace {

constexpr std::size_t kPage = 4096, kLeastStack = 256 * 1024;

std::string_view variable(std::string_view name) {
  for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    if (text.size() > name.size() && text.starts_with(name) && text[name.size()] == '=') {
      return text.substr(name.size() + 1);
    }
  }
  return {};
}

std::uint64_t number(std::string_view name, std::uint64_t otherwise) {
  const std::string_view text = variable(name);
  std::uint64_t value = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9' || value > (UINT64_MAX - 9) / 10) return otherwise;
    value = value * 10 + static_cast<std::uint64_t>(digit - '0');
  }
  return text.empty() ? otherwise : value;
}

EnclaveSettings read() {
  EnclaveSettings read;
  read.heap_pages = number(kHeapPages, 0);
  read.stack_pages = number(kStackPages, 0);
  read.tcs = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(number(kTcsCount, 1), 1, 1024));
  read.handle = number(kHandle, 0);
  read.log_level =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(number(kLogLevel, OE_LOG_LEVEL_ERROR), OE_LOG_LEVEL_VERBOSE));
  return read;
}

}  // namespace

const EnclaveSettings& settings() {
  static const EnclaveSettings read_once = read();
  return read_once;
}

std::size_t stack_bytes() {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 30;
  return std::max<std::size_t>(std::min(settings().stack_pages, kMost / kPage) * kPage, kLeastStack);
}

}  // namespace coffer::openenclave
