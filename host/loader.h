// From a parsed image to an enclave that can start, in two steps: which rung carries it, and building it there.
#pragma once

#include <coffer/host.h>

#include <memory>

#include "host/runtime.h"

namespace coffer::host {

// Sizes for a rung that takes `image`: the EPC as the options or the image say, the arena for its threads and calls.
[[nodiscard]] RungOptions rung_options(const image::CofferImage& image, const LoadOptions& options);

// The rung that the options name. Refused: a production image on the rung inline.
[[nodiscard]] Result<std::unique_ptr<Rung>> make_rung(const image::CofferImage& image, const LoadOptions& options);

// Adds the image's pages, initialises the enclave and, where asked, applies the fast paths. Input error: a
// configuration for an image without KSS.
[[nodiscard]] Result<std::unique_ptr<Runtime>> build_enclave(image::CofferImage image, std::unique_ptr<Rung> rung,
                                                             const LoadOptions& options);

}  // namespace coffer::host
