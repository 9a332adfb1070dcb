// Writes one JSON text (RFC 8259) without white space. Only writing: reading is nlohmann-json's work, which is not
// linked into every enclave that has something to say. Not thread-safe; whoever uses it keeps the nesting right.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace coffer::attest {

// Bytes of the UTF-8 sequence at the front of `text`, which is not empty (RFC 3629, 4), or 0 where it is none.
[[nodiscard]] std::size_t utf8_length(std::string_view text);

class JsonText {
 public:
  void begin_object() { open('{'); }
  void end_object() { close('}'); }
  void begin_array() { open('['); }
  void end_array() { close(']'); }
  // Of the next value, inside an object.
  void name(std::string_view name);
  void value(bool value) { word(value ? "true" : "false"); }
  void value(std::int64_t value) { word(std::to_string(value)); }
  void value(std::uint64_t value) { word(std::to_string(value)); }
  // Bytes that are not UTF-8 are written as U+FFFD.
  void value(std::string_view text);
  void value(const std::string& text) { value(std::string_view(text)); }
  void value(const char* text) { value(std::string_view(text)); }
  void null() { word("null"); }
  // A JSON text that somebody else wrote.
  void raw(std::string_view json) { word(json); }

  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  void open(char bracket);
  void close(char bracket);
  void word(std::string_view word);
  void comma();
  void quoted(std::string_view text);
  std::string text_;
  bool comma_ = false;
};

}  // namespace coffer::attest
