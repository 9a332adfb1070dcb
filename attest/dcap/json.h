// Reads JSON (RFC 8259) without changing it: every value knows the text that it came as, which is what signatures of
// collateral are over. Values point into the text, which stays the caller's. Nesting is bounded; memory is bounded by
// the text's length. Immutable once parsed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace coffer::attest::dcap {

enum class JsonKind : std::uint8_t { kNull, kBoolean, kNumber, kString, kArray, kObject };

class JsonDocument;

// A value of a document, which must outlive it.
class JsonValue {
 public:
  [[nodiscard]] JsonKind kind() const;
  [[nodiscard]] std::string_view raw() const;  // as it stands in the text
  // The first member of this name; nothing where there is none or this is no object. Names are compared as they stand,
  // so a name written with escapes is never found.
  [[nodiscard]] std::optional<JsonValue> find(std::string_view name) const;
  [[nodiscard]] std::size_t size() const;                // elements of an array; 0 otherwise
  [[nodiscard]] std::optional<JsonValue> first() const;  // of an array
  [[nodiscard]] std::optional<JsonValue> next() const;   // the element after this one
  // A whole number of 0 to 2^32-1, written with digits only.
  [[nodiscard]] std::optional<std::uint32_t> number() const;
  // A string that has no escapes.
  [[nodiscard]] std::optional<std::string_view> text() const;
  // Any string, with its escapes resolved to UTF-8.
  [[nodiscard]] std::optional<std::string> unescaped() const;

 private:
  friend class JsonDocument;
  JsonValue(const JsonDocument* document, std::uint32_t index) : document_(document), index_(index) {}
  const JsonDocument* document_;
  std::uint32_t index_;
};

class JsonDocument {
 public:
  static constexpr int kDeepest = 32;
  static constexpr std::size_t kLongest = 4U << 20U;  // bytes of text

  // `what` begins the message of an error, which says where.
  [[nodiscard]] static Result<JsonDocument> parse(std::string_view text, std::string_view what);
  [[nodiscard]] JsonValue root() const { return {this, 0}; }

 private:
  friend class JsonValue;
  friend class JsonScanner;
  struct Node {
    JsonKind kind = JsonKind::kNull;
    std::uint32_t begin = 0;  // of the raw text
    std::uint32_t end = 0;
    std::uint32_t next = 0;        // index of the next sibling; 0 at the end
    std::uint32_t child = 0;       // index of the first child; 0 where there is none
    std::uint32_t name_begin = 0;  // of a member: its name, between the quotes
    std::uint32_t name_end = 0;
  };
  std::string_view text_;
  std::vector<Node> nodes_;
};

// The text without the white space between its tokens.
[[nodiscard]] std::string without_white_space(std::string_view json);

}  // namespace coffer::attest::dcap
