#include "host/loader.h"

#include <cstring>

#include "boundary/calls.h"
#include "boundary/slot.h"
#include "processor/entry.h"

namespace coffer::host {

namespace {

constexpr std::uint64_t kArenaRoom = std::uint64_t{2} << 20;  // start block, staging

Result<void> configure(sgx::CreateParameters& parameters, const LoadOptions& options) {
  std::memcpy(parameters.config_id.data(), options.config_id.data(), parameters.config_id.size());
  parameters.config_svn = options.config_svn;
  const bool configured = parameters.config_id != sgx::Bytes<64>{} || parameters.config_svn != 0;
  if (!configured || (parameters.attributes.flags & sgx::attribute::kKss) != 0) return {};
  return input_error(
      "a configuration (CONFIGID, CONFIGSVN) is for images with key separation; give it a family_id or an "
      "extended_product_id in coffer.toml and sign it again");
}

Result<void> build(Rung& rung, const image::CofferImage& image, std::byte* exchange, const LoadOptions& options) {
  sgx::CreateParameters parameters = image.parameters();
  parameters.attributes.xfrm &= processor::machine_xfrm();
  if (auto configured = configure(parameters, options); !configured) return configured;
  if (auto described = image.describe(rung, parameters); !described) return described;
  const boundary::ImageLayout& layout = image.layout();
  const ThreadPlan threads{layout.thread_offset, boundary::kThreadStride, layout.thread_count, exchange};
  if (auto initialised = rung.init(image.sigstruct(), threads); !initialised) return initialised;
  return options.fast_paths ? rung.apply_fast_paths(layout.layout_offset) : rung.apply_traps(layout.layout_offset);
}

}  // namespace

RungOptions rung_options(const image::CofferImage& image, const LoadOptions& options) {
  const boundary::ImageLayout& layout = image.layout();
  const std::uint64_t page_limit = layout.heap_offset + layout.heap_limit;
  return {.epc_size = options.epc_size != 0 ? options.epc_size : page_limit,
          .page_limit = page_limit,
          .arena_size = kArenaRoom + options.shared_memory +
                        layout.thread_count * (sizeof(boundary::ExchangeArea) + sizeof(boundary::Slot) +
                                               sizeof(boundary::CarrierCounters))};
}

Result<std::unique_ptr<Rung>> make_rung(const image::CofferImage& image, const LoadOptions& options) {
  const bool sanitized = (image.layout().flags & boundary::kLayoutSanitized) != 0;
  if (sanitized && !image.debug()) {
    return refused(
        "the image looks for memory errors and tells whoever listens what it finds, so it runs as a debug enclave "
        "only; "
        "launch it for debugging or sign it with --debug");
  }
  const RungOptions sizes = rung_options(image, options);
  if (options.rung == RungKind::kProcess) return make_process_rung(sizes);
  if (options.rung == RungKind::kSgx) {
    if (options.epc_size == 0) return make_sgx_rung(sizes);
    return input_error("the rung sgx has the machine's EPC, which the operating system shares out; leave --epc out");
  }
  if (!image.debug()) {
    return refused(
        "the rung inline takes DEBUG images only, because it protects nothing; sign with --debug or use "
        "--rung process");
  }
  return make_inline_rung(sizes);
}

Result<std::unique_ptr<Runtime>> build_enclave(image::CofferImage image, std::unique_ptr<Rung> rung,
                                               const LoadOptions& options) {
  std::byte* exchange = rung->arena().allocate(image.layout().thread_count * sizeof(boundary::ExchangeArea));
  if (exchange == nullptr) return fail(ErrorKind::kSystem, "the arena is too small for the image's threads");
  if (auto built = build(*rung, image, exchange, options); !built) return std::unexpected(built.error());
  return std::make_unique<Runtime>(std::move(image), std::move(rung), exchange);
}

}  // namespace coffer::host
