// SGXS streams: the records that a measurement hashes, one after another, with the pages' bytes (Fortanix's tools).
#pragma once

#include "host/image/foreign/foreign_image.h"

namespace coffer::image {

[[nodiscard]] bool is_sgxs_stream(ByteView file);

// Chunks may be unmeasured; the measured ones of a page must follow it in ascending order, as every tool writes them.
[[nodiscard]] Result<std::vector<std::unique_ptr<ForeignEnclave>>> open_sgxs(std::vector<std::byte> file,
                                                                             std::optional<sgx::Sigstruct> sigstruct,
                                                                             Limits limits);

}  // namespace coffer::image
