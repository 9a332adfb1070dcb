// Images signed with the Intel SGX SDK: an ELF file with one or more metadata blocks in its .note.sgxmeta section.
#pragma once

#include "host/image/foreign/foreign_image.h"

namespace coffer::image {

// True where the file is an ELF image with Intel SGX SDK metadata.
[[nodiscard]] bool is_intel_image(ByteView file);

// One enclave for each metadata block. Blocks that loaders of SDK 2.1 and later choose come first: the highest version,
// with the 2.x blocks (which only the first SGX2 loaders read) after all others.
[[nodiscard]] Result<std::vector<std::unique_ptr<ForeignEnclave>>> open_intel(std::vector<std::byte> file,
                                                                              Limits limits);

}  // namespace coffer::image
