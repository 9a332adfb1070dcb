// Images signed with Open Enclave's oesign: an ELF file whose .oeinfo section holds the properties and the SIGSTRUCT.
#pragma once

#include "host/image/foreign/foreign_image.h"

namespace coffer::image {

// True where the file is an ELF image with an .oeinfo section.
[[nodiscard]] bool is_open_enclave_image(ByteView file);

// The enclave of an image for release 0.5 or later without a submodule (a second file that is loaded with the image).
// The loading rules changed between releases, and the file does not say which release it is for: where its symbols do
// not decide, the rules are taken that lead to the signed measurement, if any do.
[[nodiscard]] Result<std::vector<std::unique_ptr<ForeignEnclave>>> open_open_enclave(std::vector<std::byte> file,
                                                                                     Limits limits);

}  // namespace coffer::image
