#include "attest/dcap/json.h"

namespace coffer::attest::dcap {

namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::optional<unsigned> hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

std::optional<unsigned> hex4(std::string_view text) {
  if (text.size() < 4) return std::nullopt;
  unsigned value = 0;
  for (const char c : text.substr(0, 4)) {
    const auto digit = hex_digit(c);
    if (!digit) return std::nullopt;
    value = value << 4U | *digit;
  }
  return value;
}

void append_utf8(std::string& out, unsigned point) {
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xc0U | point >> 6U);
    out += static_cast<char>(0x80U | (point & 0x3fU));
  } else if (point < 0x10000) {
    out += static_cast<char>(0xe0U | point >> 12U);
    out += static_cast<char>(0x80U | (point >> 6U & 0x3fU));
    out += static_cast<char>(0x80U | (point & 0x3fU));
  } else {
    out += static_cast<char>(0xf0U | point >> 18U);
    out += static_cast<char>(0x80U | (point >> 12U & 0x3fU));
    out += static_cast<char>(0x80U | (point >> 6U & 0x3fU));
    out += static_cast<char>(0x80U | (point & 0x3fU));
  }
}

}  // namespace

// One pass over the text.
class JsonScanner {
 public:
  JsonScanner(std::string_view text, JsonDocument& document) : text_(text), document_(document) {}

  bool scan() {
    skip_space();
    if (!value(1)) return false;
    skip_space();
    return at_ == text_.size();
  }
  [[nodiscard]] std::size_t position() const { return at_; }

 private:
  using Node = JsonDocument::Node;

  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }
  bool take(char wanted) {
    skip_space();
    if (peek() != wanted) return false;
    ++at_;
    skip_space();
    return true;
  }

  bool value(int depth) {
    const std::size_t index = document_.nodes_.size();
    document_.nodes_.push_back({.begin = static_cast<std::uint32_t>(at_)});
    const std::optional<JsonKind> kind = contents(depth, index);
    if (!kind) return false;
    Node& node = document_.nodes_[index];
    node.kind = *kind;
    node.end = static_cast<std::uint32_t>(at_);
    return true;
  }

  std::optional<JsonKind> contents(int depth, std::size_t index) {
    switch (peek()) {
      case '{':
        return children(depth, index, '}', true) ? std::optional(JsonKind::kObject) : std::nullopt;
      case '[':
        return children(depth, index, ']', false) ? std::optional(JsonKind::kArray) : std::nullopt;
      case '"':
        return string() ? std::optional(JsonKind::kString) : std::nullopt;
      case 't':
        return word("true") ? std::optional(JsonKind::kBoolean) : std::nullopt;
      case 'f':
        return word("false") ? std::optional(JsonKind::kBoolean) : std::nullopt;
      case 'n':
        return word("null") ? std::optional(JsonKind::kNull) : std::nullopt;
      default:
        return number() ? std::optional(JsonKind::kNumber) : std::nullopt;
    }
  }

  bool children(int depth, std::size_t parent, char closing, bool named) {
    if (depth >= JsonDocument::kDeepest) return false;
    ++at_;
    skip_space();
    if (peek() == closing) {
      ++at_;
      return true;
    }
    std::size_t last = 0;
    while (true) {
      std::size_t name_begin = 0;
      std::size_t name_end = 0;
      if (named) {
        name_begin = at_ + 1;
        if (!string()) return false;
        name_end = at_ - 1;
        if (!take(':')) return false;
      }
      const std::size_t child = document_.nodes_.size();
      if (!value(depth + 1)) return false;
      Node& node = document_.nodes_[child];
      node.name_begin = static_cast<std::uint32_t>(name_begin);
      node.name_end = static_cast<std::uint32_t>(name_end);
      std::uint32_t& link = last == 0 ? document_.nodes_[parent].child : document_.nodes_[last].next;
      link = static_cast<std::uint32_t>(child);
      last = child;
      if (take(',')) continue;
      if (peek() != closing) return false;
      ++at_;
      return true;
    }
  }

  bool string() {
    if (peek() != '"') return false;
    for (++at_; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '"') {
        ++at_;
        return true;
      }
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c != '\\') continue;
      ++at_;
      const char escape = peek();
      if (escape == 'u') {
        if (!hex4(text_.substr(at_ + 1))) return false;
        at_ += 4;
      } else if (std::string_view("\"\\/bfnrt").find(escape) == std::string_view::npos || escape == '\0') {
        return false;
      }
    }
    return false;
  }

  bool word(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  bool digits() {
    const std::size_t begin = at_;
    while (is_digit(peek())) ++at_;
    return at_ > begin;
  }
  bool number() {
    if (peek() == '-') ++at_;
    if (peek() == '0') {
      ++at_;
    } else if (!digits()) {
      return false;
    }
    if (peek() == '.') {
      ++at_;
      if (!digits()) return false;
    }
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      if (!digits()) return false;
    }
    return true;
  }

  std::string_view text_;
  JsonDocument& document_;
  std::size_t at_ = 0;
};

Result<JsonDocument> JsonDocument::parse(std::string_view text, std::string_view what) {
  if (text.size() > kLongest) {
    return input_error(std::string(what) + ": longer than " + std::to_string(kLongest) + " bytes");
  }
  JsonDocument document;
  document.text_ = text;
  document.nodes_.reserve(text.size() / 16 + 1);
  JsonScanner scanner(text, document);
  if (!scanner.scan()) {
    return input_error(std::string(what) + ": not JSON, at byte " + std::to_string(scanner.position()));
  }
  return document;
}

JsonKind JsonValue::kind() const { return document_->nodes_[index_].kind; }

std::string_view JsonValue::raw() const {
  const JsonDocument::Node& node = document_->nodes_[index_];
  return document_->text_.substr(node.begin, node.end - node.begin);
}

std::optional<JsonValue> JsonValue::find(std::string_view name) const {
  if (kind() != JsonKind::kObject) return std::nullopt;
  for (std::uint32_t child = document_->nodes_[index_].child; child != 0; child = document_->nodes_[child].next) {
    const JsonDocument::Node& node = document_->nodes_[child];
    if (document_->text_.substr(node.name_begin, node.name_end - node.name_begin) == name) {
      return JsonValue(document_, child);
    }
  }
  return std::nullopt;
}

std::size_t JsonValue::size() const {
  std::size_t count = 0;
  for (auto element = first(); element; element = element->next()) ++count;
  return count;
}

std::optional<JsonValue> JsonValue::first() const {
  const JsonDocument::Node& node = document_->nodes_[index_];
  if (node.kind != JsonKind::kArray || node.child == 0) return std::nullopt;
  return JsonValue(document_, node.child);
}

std::optional<JsonValue> JsonValue::next() const {
  const std::uint32_t sibling = document_->nodes_[index_].next;
  if (sibling == 0) return std::nullopt;
  return JsonValue(document_, sibling);
}

std::optional<std::uint32_t> JsonValue::number() const {
  const std::string_view digits = raw();
  if (kind() != JsonKind::kNumber || digits.size() > 10) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : digits) {
    if (!is_digit(c)) return std::nullopt;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  if (value > 0xffff'ffffU) return std::nullopt;
  return static_cast<std::uint32_t>(value);
}

std::optional<std::string_view> JsonValue::text() const {
  if (kind() != JsonKind::kString) return std::nullopt;
  const std::string_view quoted = raw();
  const std::string_view inner = quoted.substr(1, quoted.size() - 2);
  if (inner.find('\\') != std::string_view::npos) return std::nullopt;
  return inner;
}

std::optional<std::string> JsonValue::unescaped() const {
  if (kind() != JsonKind::kString) return std::nullopt;
  const std::string_view quoted = raw();
  const std::string_view inner = quoted.substr(1, quoted.size() - 2);
  std::string out;
  out.reserve(inner.size());
  for (std::size_t i = 0; i < inner.size(); ++i) {
    if (inner[i] != '\\') {
      out += inner[i];
      continue;
    }
    const char escape = inner[++i];
    if (escape != 'u') {
      constexpr std::string_view kFrom = "\"\\/bfnrt";
      constexpr std::string_view kTo = "\"\\/\b\f\n\r\t";
      out += kTo[kFrom.find(escape)];
      continue;
    }
    unsigned point = *hex4(inner.substr(i + 1));
    i += 4;
    if (point >= 0xd800 && point < 0xe000) {
      const bool pair = point < 0xdc00 && inner.substr(i + 1).starts_with("\\u");
      const auto low = pair ? hex4(inner.substr(i + 3)) : std::nullopt;
      if (!low || *low < 0xdc00 || *low >= 0xe000) return std::nullopt;
      point = 0x10000 + ((point - 0xd800) << 10U) + (*low - 0xdc00);
      i += 6;
    }
    append_utf8(out, point);
  }
  return out;
}

std::string without_white_space(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  bool quoted = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (quoted && c == '\\' && i + 1 < json.size()) {
      out += c;
      out += json[++i];
      continue;
    }
    if (c == '"') quoted = !quoted;
    if (quoted || !is_space(c)) out += c;
  }
  return out;
}

}  // namespace coffer::attest::dcap
