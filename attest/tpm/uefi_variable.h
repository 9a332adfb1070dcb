// What UEFI writes into event logs: GUIDs, texts, variables, device paths, partition tables. Everything reads within
// the bytes given, and answers nothing where they are not of the form.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <coffer/attest/claims.h>

#include "base/bytes.h"

namespace coffer::attest::tpm {

inline constexpr std::size_t kGuidSize = 16;
// "8be4df61-93ca-11d2-aa0d-00e098032b8c"; `guid` has 16 bytes, mixed-endian as in UEFI.
[[nodiscard]] std::string guid_text(ByteView guid);

// UTF-16 little-endian to UTF-8, up to the first zero; what is not Unicode becomes U+FFFD. At most `most` characters.
[[nodiscard]] std::string text_of_utf16(ByteView bytes, std::size_t most = 2048);
// Printable characters up to the first zero, '?' for others. At most `most` characters.
[[nodiscard]] std::string text_of_ascii(ByteView bytes, std::size_t most = 4096);

// UEFI_VARIABLE_DATA (PC Client Platform Firmware Profile, 10.2.6).
struct UefiVariable {
  ByteView guid;
  ByteView name;     // UTF-16
  ByteView content;  // as the firmware had it
};
[[nodiscard]] std::optional<UefiVariable> read_variable(ByteView data);
[[nodiscard]] bool is_global(const UefiVariable& variable);  // EFI_GLOBAL_VARIABLE

// What a signature database holds (UEFI 2.10, 32.4.1): {"x509":2,"sha256":77,...}, counted by kind.
[[nodiscard]] std::optional<Claims> describe_signatures(ByteView content);
// An EFI_LOAD_OPTION (UEFI 2.10, 3.1.3): its description and where it leads.
[[nodiscard]] std::optional<Claims> describe_load_option(ByteView content);

}  // namespace coffer::attest::tpm
