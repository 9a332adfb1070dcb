#include "attest/tpm/binding.h"

#include <algorithm>
#include <array>

#include "attest/tpm/uefi_variable.h"

namespace coffer::attest::tpm {

namespace {

// Types whose digest is of the whole data, by the profile.
bool digests_its_data(EventType type) {
  constexpr std::array kTypes{
      EventType::kSeparator,
      EventType::kAction,
      EventType::kCrtmVersion,
      EventType::kOmitBootDeviceEvents,
      EventType::kGpt,
      EventType::kGpt2,
      EventType::kVariableDriverConfig,
      EventType::kVariableBoot,
      EventType::kEfiAction,
      EventType::kVariableBoot2,
      EventType::kVariableAuthority,
      EventType::kHcrtm,
  };
  return std::ranges::find(kTypes, type) != kTypes.end();
}

bool is_variable(EventType type) {
  return type == EventType::kVariableDriverConfig || type == EventType::kVariableBoot ||
         type == EventType::kVariableBoot2 || type == EventType::kVariableAuthority;
}

// The part of the text that boot loaders measure: GRUB leaves out "grub_cmd: " and the like, and the zero at the end.
std::array<ByteView, 3> measured_texts(ByteView data) {
  ByteView text = data;
  while (!text.empty() && text.back() == std::byte{0}) text = text.first(text.size() - 1);
  ByteView after_name = text;
  for (std::size_t index = 0; index + 2 < text.size() && index < 32; ++index) {
    if (text[index] == std::byte{':'} && text[index + 1] == std::byte{' '}) {
      after_name = text.subspan(index + 2);
      break;
    }
  }
  // As it was, so that a terminating zero that was measured counts too.
  return {text, after_name, data.subspan(text.size() - after_name.size())};
}

}  // namespace

std::string_view name_of(Binding binding) {
  switch (binding) {
    case Binding::kProven:
      return "proven";
    case Binding::kDescription:
      return "description";
    case Binding::kDiffers:
      return "differs";
  }
  return {};
}

Binding binding_of(const EventLog& log, const Event& event, Hasher& hasher) {
  if (event.type == EventType::kNoAction) return Binding::kDescription;
  const ByteView expected = log.digest(event, hasher.hash());
  const auto is_of = [&](ByteView bytes) {
    const auto digest = hasher.digest(bytes);
    return digest && std::ranges::equal(digest->view(), expected);
  };
  const bool promised = digests_its_data(event.type);
  if (expected.empty()) return promised ? Binding::kDiffers : Binding::kDescription;
  if (is_of(event.data)) return Binding::kProven;
  if (is_variable(event.type)) {
    // Firmware of the profile before 1.06 measures a variable's content alone, for boot variables as it should.
    const auto variable = read_variable(event.data);
    if (variable && event.type != EventType::kVariableDriverConfig && is_of(variable->content)) return Binding::kProven;
  }
  if (event.type == EventType::kIpl || event.type == EventType::kCompactHash || event.type == EventType::kEventTag) {
    if (std::ranges::any_of(measured_texts(event.data), is_of)) return Binding::kProven;
  }
  return promised ? Binding::kDiffers : Binding::kDescription;
}

}  // namespace coffer::attest::tpm
