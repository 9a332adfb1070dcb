// Options by the names that users of AddressSanitizer and LeakSanitizer know.
#include <cstdlib>
#include <string_view>

#include "enclave/sdk/sanitizer/inside/runtime.h"
#include "enclave/sdk/sanitizer/inside/text.h"

// A program's own; absent where it has none.
extern "C" __attribute__((weak)) const char* __asan_default_options();
extern "C" __attribute__((weak)) const char* __lsan_default_options();

namespace coffer::sanitizer {

constinit Options options;

namespace {

// Nothing for what is no number.
bool number_of(std::string_view text, int* number) {
  constexpr int kMost = 1'000'000, kBase = 10;
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9' || value > kMost) return false;
    value = value * kBase + (c - '0');
  }
  if (text == "true" || text == "false") value = text == "true" ? 1 : 0;
  *number = value;
  return !text.empty();
}

bool set(std::string_view name, std::string_view text, bool leaks_only) {
  if (text == "true") text = "1";
  if (text == "false") text = "0";
  int value = 0;
  if (!number_of(text, &value)) return false;
  constexpr int kMostStatus = 255;
  if (name == "exitcode" && value <= kMostStatus) {
    options.leak_exit_code = value;
    if (!leaks_only) options.exit_code = value;
  } else if (name == "detect_leaks") {
    options.detect_leaks = value != 0;
  } else if (name == "halt_on_error") {
    options.halt_on_error = value != 0;
  } else if (name == "abort_on_error") {
    options.abort_on_error = value != 0;
  } else if (name == "fast_unwind_on_malloc") {
    options.fast_unwind = value != 0;
  } else if (name == "quarantine_size_mb") {
    heap.set_quarantine(static_cast<std::size_t>(value) << 20);
  } else {
    return false;
  }
  return true;
}

void read(const char* where, const char* text, bool leaks_only) {
  if (text == nullptr) return;
  std::string_view rest(text);
  while (!rest.empty()) {
    const std::size_t end = rest.find_first_of(": ,");
    const std::string_view one = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (one.empty()) continue;
    const std::size_t equals = one.find('=');
    if (equals != std::string_view::npos && set(one.substr(0, equals), one.substr(equals + 1), leaks_only)) continue;
    Text note;
    note << "AddressSanitizer: note: " << where << ": not known here, or no such value: ";
    for (const char c : one) {
      const char letter[2] = {c, '\0'};
      note << letter;
    }
    note << "\n";
  }
}

}  // namespace

void read_options() {
  if (__asan_default_options != nullptr) read("__asan_default_options", __asan_default_options(), false);
  if (__lsan_default_options != nullptr) read("__lsan_default_options", __lsan_default_options(), true);
  read("ASAN_OPTIONS", std::getenv("ASAN_OPTIONS"), false);
  read("LSAN_OPTIONS", std::getenv("LSAN_OPTIONS"), true);
}

}  // namespace coffer::sanitizer
