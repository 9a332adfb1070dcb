// The public API of <coffer/host.h> over the runtime.
#include <coffer/host.h>

#include <cstring>

#include "host/runtime.h"

namespace coffer {

namespace {

constexpr std::uint64_t kArenaRoom = std::uint64_t{32} << 20;  // start block, staging, call buffers

std::uint64_t arena_size(const image::CofferImage& image) {
  return kArenaRoom + image.layout().thread_count * (sizeof(boundary::ExchangeArea) + sizeof(std::uint64_t) * 8);
}

Result<std::unique_ptr<host::Rung>> make_rung(const image::CofferImage& image, const LoadOptions& options) {
  const boundary::ImageLayout& layout = image.layout();
  const host::RungOptions rung{.epc_size = options.epc_size != 0 ? options.epc_size : layout.heap_offset + layout.heap_limit,
                               .arena_size = arena_size(image)};
  if (options.rung == RungKind::kProcess) return host::make_process_rung(rung);
  if (!image.debug()) {
    return refused("the rung inline takes DEBUG images only, because it protects nothing; sign with --debug or use "
                   "--rung process");
  }
  return host::make_inline_rung(rung);
}

Result<void> build(host::Rung& rung, const image::CofferImage& image, const LoadOptions& options) {
  sgx::CreateParameters parameters = image.parameters();
  parameters.attributes.xfrm &= processor::machine_xfrm();
  if (auto described = image.describe(rung, parameters); !described) return described;
  const boundary::ImageLayout& layout = image.layout();
  const host::ThreadPlan threads{layout.thread_offset, boundary::kThreadStride, layout.thread_count};
  if (auto initialised = rung.init(image.sigstruct(), threads); !initialised) return initialised;
  return options.fast_paths ? rung.apply_fast_paths(layout.layout_offset) : Result<void>{};
}

}  // namespace

struct Enclave::State {
  std::unique_ptr<host::Runtime> runtime;
};

Enclave::Enclave(std::unique_ptr<State> state) : state_(std::move(state)) {}
Enclave::Enclave(Enclave&&) noexcept = default;
Enclave& Enclave::operator=(Enclave&&) noexcept = default;
Enclave::~Enclave() = default;

Result<Enclave> Enclave::load(const std::filesystem::path& path, const LoadOptions& options) {
  auto image = image::CofferImage::read(path);
  if (!image) return std::unexpected(image.error());
  auto rung = make_rung(*image, options);
  if (!rung) return std::unexpected(rung.error());
  if (auto built = build(**rung, *image, options); !built) {
    return fail(built.error().kind, path.string() + ": " + built.error().message);
  }
  std::byte* exchange = (*rung)->arena().allocate(image->layout().thread_count * sizeof(boundary::ExchangeArea));
  if (exchange == nullptr) return fail(ErrorKind::kSystem, "the arena is too small for the image's threads");
  auto state = std::make_unique<State>();
  state->runtime = std::make_unique<host::Runtime>(std::move(*image), std::move(*rung), exchange);
  return Enclave(std::move(state));
}

Result<ExitStatus> Enclave::run(const RunOptions& options) {
  if (auto started = start(options); !started) return std::unexpected(started.error());
  return wait();
}

Result<void> Enclave::start(const RunOptions& options) { return state_->runtime->start(options); }
Result<ExitStatus> Enclave::wait() { return state_->runtime->wait(); }

Result<CallResult> Enclave::call(std::uint64_t index, std::span<const std::byte> input, std::span<std::byte> output) {
  return state_->runtime->call(index, input, output);
}

void Enclave::set_spin(std::chrono::nanoseconds spin) { state_->runtime->rung().set_spin(spin); }
std::vector<std::string> Enclave::missing_protections() const { return state_->runtime->rung().missing_protections(); }
void Enclave::destroy() { state_->runtime->destroy(); }

}  // namespace coffer
