#include "enclave/sdk/sanitizer/inside/text.h"

#include <sys/syscall.h>
#include <unistd.h>

namespace coffer::sanitizer {

void Text::put(char c) {
  if (used_ == sizeof(buffer_)) flush();
  buffer_[used_++] = c;
}

void Text::flush() {
  std::size_t done = 0;
  while (done < used_) {
    const long wrote = syscall(SYS_write, STDERR_FILENO, buffer_ + done, used_ - done);
    if (wrote <= 0) break;
    done += static_cast<std::size_t>(wrote);
  }
  used_ = 0;
}

Text& Text::operator<<(const char* text) {
  for (; *text != '\0'; ++text) put(*text);
  return *this;
}

Text& Text::operator<<(std::uint64_t number) {
  constexpr std::uint64_t kBase = 10;
  char digits[20];
  std::size_t count = 0;
  do {
    digits[count++] = static_cast<char>('0' + number % kBase);
    number /= kBase;
  } while (number != 0);
  while (count != 0) put(digits[--count]);
  return *this;
}

Text& Text::operator<<(Hex number) {
  *this << "0x";
  unsigned shift = 60;
  while (shift != 0 && number.value >> shift == 0) shift -= 4;
  for (;; shift -= 4) {
    put("0123456789abcdef"[number.value >> shift & 0xf]);
    if (shift == 0) return *this;
  }
}

}  // namespace coffer::sanitizer
