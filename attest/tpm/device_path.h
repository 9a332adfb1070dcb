// UEFI device paths as text (UEFI 2.10, chapter 10).
#pragma once

#include <string>

#include "base/bytes.h"

namespace coffer::attest::tpm {

// "PciRoot(0x0)/Pci(0x3,0x0)/HD(1,GPT,...)/File(\EFI\BOOT\BOOTX64.EFI)". Nodes that are not known here are named by
// their type: "Path(3,18)". Where the bytes end in the middle of a node, the text ends with "/...".
[[nodiscard]] std::string device_path_text(ByteView path);

}  // namespace coffer::attest::tpm
