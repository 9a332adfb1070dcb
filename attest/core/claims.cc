#include <coffer/attest/claims.h>

#include <algorithm>
#include <limits>
#include <type_traits>

#include "attest/core/json_text.h"
#include "base/hex.h"

namespace coffer::attest {

ClaimValue::ClaimValue(std::uint64_t value) {
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (value <= kMost) {
    storage_ = static_cast<std::int64_t>(value);
  } else {
    storage_ = value;
  }
}

bool Claims::operator==(const Claims&) const = default;

void Claims::set(std::string_view name, ClaimValue value) {
  const auto found = std::ranges::find(entries_, name, &Entry::first);
  if (found != entries_.end()) {
    found->second = std::move(value);
  } else {
    entries_.emplace_back(std::string(name), std::move(value));
  }
}

void Claims::set_hex(std::string_view name, std::span<const std::byte> bytes) { set(name, to_hex(bytes)); }

const ClaimValue* Claims::find(std::string_view name) const {
  const auto found = std::ranges::find(entries_, name, &Entry::first);
  return found != entries_.end() ? &found->second : nullptr;
}

void Claims::merge(const Claims& others) {
  for (const auto& [name, value] : others) set(name, value);
}

namespace {

void write(const Claims& claims, JsonText& out);

void write(const ClaimValue& value, JsonText& out) {
  std::visit(
      [&out](const auto& held) {
        using T = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<T, Claims>) {
          write(held, out);
        } else if constexpr (std::is_same_v<T, ClaimValue::List>) {
          out.begin_array();
          for (const ClaimValue& element : held) write(element, out);
          out.end_array();
        } else {
          out.value(held);
        }
      },
      value.storage());
}

void write(const Claims& claims, JsonText& out) {
  out.begin_object();
  for (const auto& [name, value] : claims) {
    out.name(name);
    write(value, out);
  }
  out.end_object();
}

}  // namespace

std::string to_json(const ClaimValue& value) {
  JsonText out;
  write(value, out);
  return out.take();
}

std::string to_json(const Claims& claims) {
  JsonText out;
  write(claims, out);
  return out.take();
}

}  // namespace coffer::attest
