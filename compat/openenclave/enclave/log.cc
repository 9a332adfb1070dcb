// The enclave's logs: to the program's callback, or to the host.
#include <coffer/calls.h>
#include <openenclave/internal/thread.h>
#include <openenclave/internal/trace.h>
#include <openenclave/tracee.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <mutex>

#include "compat/openenclave/enclave/parts.h"
#include "compat/openenclave/enclave/settings.h"
#include "compat/openenclave/protocol.h"

namespace coffer::openenclave {
namespace {

constexpr std::uint32_t kUnset = UINT32_MAX;
std::atomic<std::uint32_t> level{kUnset};  // until it is set, what the host said at the start

std::mutex callback_lock;
oe_enclave_log_callback_t callback = nullptr;
void* callback_context = nullptr;

std::uint32_t level_in_force() {
  const std::uint32_t set = level.load();
  return set == kUnset ? settings().log_level : set;
}

oe_result_t log_to_host(oe_log_level_t of, std::string_view message) {
  const LogLevel head{static_cast<std::uint32_t>(of)};
  const calls::SharedBlock block(sizeof(head) + message.size());
  if (block.bytes().empty()) return OE_OUT_OF_MEMORY;
  std::memcpy(block.bytes().data(), &head, sizeof(head));
  std::memcpy(block.bytes().data() + sizeof(head), message.data(), message.size());
  const auto answer = calls::call_host(kHostLog, block.bytes(), {});
  return answer && answer->status == 0 ? OE_OK : OE_FAILURE;
}

}  // namespace

oe_result_t set_log_level(std::uint32_t to) {
  if (to >= OE_LOG_LEVEL_MAX) return OE_INVALID_PARAMETER;
  level = to;
  return OE_OK;
}

}  // namespace coffer::openenclave

using namespace coffer::openenclave;

extern "C" {

oe_result_t oe_log(oe_log_level_t of, const char* fmt, ...) {
  if (fmt == nullptr || of >= OE_LOG_LEVEL_MAX) return OE_INVALID_PARAMETER;
  if (of == OE_LOG_LEVEL_NONE || static_cast<std::uint32_t>(of) > level_in_force()) return OE_OK;
  std::array<char, OE_LOG_MESSAGE_LEN_MAX> text{};
  va_list arguments;
  va_start(arguments, fmt);
  const int length = std::vsnprintf(text.data(), text.size(), fmt, arguments);
  va_end(arguments);
  if (length < 0) return OE_FAILURE;
  oe_enclave_log_callback_t to = nullptr;
  void* context = nullptr;
  {
    const std::scoped_lock held(callback_lock);
    to = callback;
    context = callback_context;
  }
  if (to == nullptr) {
    return log_to_host(of, {text.data(), std::min<std::size_t>(static_cast<std::size_t>(length), text.size() - 1)});
  }
  to(context, of, oe_thread_self(), text.data());
  return OE_OK;
}

oe_log_level_t oe_get_current_logging_level(void) { return static_cast<oe_log_level_t>(level_in_force()); }

oe_result_t oe_enclave_log_set_callback(void* context, oe_enclave_log_callback_t to) {
  const std::scoped_lock held(callback_lock);
  callback = to;
  callback_context = context;
  return OE_OK;
}

}  // extern "C"
