#include "compat/openenclave/host/log.h"

#include <openenclave/host.h>
#include <openenclave/internal/trace.h>
#include <openenclave/trace.h>
#include <pthread.h>
#include <sys/time.h>

#include <array>
#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <mutex>
#include <string_view>

#include "compat/openenclave/host/enclave.h"
#include "compat/openenclave/protocol.h"

namespace coffer::openenclave {
namespace {

// $OE_LOG_LEVEL; what is no level counts as ERROR, as in Open Enclave.
oe_log_level_t level_of_environment() {
  constexpr std::array<std::string_view, OE_LOG_LEVEL_MAX> kNames = {"NONE",    "FATAL", "ERROR",
                                                                     "WARNING", "INFO",  "VERBOSE"};
  const char* set = std::getenv("OE_LOG_LEVEL");
  for (std::size_t level = 0; set != nullptr && level < kNames.size(); ++level) {
    if (kNames.at(level) == set) return static_cast<oe_log_level_t>(level);
  }
  return OE_LOG_LEVEL_ERROR;
}

std::atomic<oe_log_level_t>& level_in_force() {
  static std::atomic<oe_log_level_t> level{level_of_environment()};
  return level;
}

struct Callback {
  oe_log_callback_t function = nullptr;
  void* context = nullptr;
};
std::mutex callback_lock;
Callback callback;

void print(bool is_enclave, const std::tm& time, long microseconds, oe_log_level_t level, std::uint64_t thread,
           const char* message) {
  std::array<char, 32> stamp{};
  std::strftime(stamp.data(), stamp.size(), "%Y-%m-%dT%H:%M:%S%z", &time);
  std::printf("%s.%06ldZ [(%s)%s] tid(0x%llx) | %s", stamp.data(), microseconds, is_enclave ? "E" : "H",
              oe_log_level_strings[level], static_cast<unsigned long long>(thread), message);
}

}  // namespace

oe_log_level_t log_level() { return level_in_force().load(); }

void log_message(bool is_enclave, oe_log_level_t level, const std::string& message) {
  if (level == OE_LOG_LEVEL_NONE || level > log_level()) return;
  timeval now = {};
  ::gettimeofday(&now, nullptr);
  std::tm time = {};
  ::gmtime_r(&now.tv_sec, &time);
  const auto thread = static_cast<std::uint64_t>(::pthread_self());
  Callback to;
  {
    const std::scoped_lock held(callback_lock);
    to = callback;
  }
  if (to.function != nullptr) {
    to.function(to.context, is_enclave, &time, now.tv_usec, level, thread, message.c_str());
  } else {
    print(is_enclave, time, now.tv_usec, level, thread, message.c_str());
  }
}

void log(oe_log_level_t level, const std::string& line) { log_message(false, level, line + "\n"); }

}  // namespace coffer::openenclave

using namespace coffer::openenclave;

extern "C" {

oe_result_t oe_log_set_callback(void* context, oe_log_callback_t function) {
  const std::scoped_lock held(callback_lock);
  callback = {function, context};
  return OE_OK;
}

oe_result_t oe_set_host_log_level(oe_log_level_t level) {
  if (level >= OE_LOG_LEVEL_MAX) return OE_INVALID_PARAMETER;
  level_in_force() = level;
  return OE_OK;
}

oe_result_t oe_set_enclave_log_level(oe_enclave_t* enclave, uint32_t level) {
  if (enclave == nullptr || level >= OE_LOG_LEVEL_MAX) return OE_INVALID_PARAMETER;
  const LogLevel to{level};
  std::size_t written = 0;
  return call(*enclave, kSetLogLevel, std::as_bytes(std::span(&to, 1)), {}, written);
}

oe_log_level_t oe_get_current_logging_level(void) { return log_level(); }

oe_result_t oe_log(oe_log_level_t level, const char* fmt, ...) {
  if (fmt == nullptr || level >= OE_LOG_LEVEL_MAX) return OE_INVALID_PARAMETER;
  if (level > log_level()) return OE_OK;
  std::array<char, OE_LOG_MESSAGE_LEN_MAX> text{};
  va_list arguments;
  va_start(arguments, fmt);
  const int length = std::vsnprintf(text.data(), text.size(), fmt, arguments);
  va_end(arguments);
  if (length < 0) return OE_FAILURE;
  log_message(false, level, text.data());
  return OE_OK;
}

}  // extern "C"
