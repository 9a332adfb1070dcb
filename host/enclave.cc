// The public API of <coffer/host.h> over the runtime.
#include <coffer/host.h>

#include "host/loader.h"
#include "host/runtime.h"

namespace coffer {

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
  auto rung = host::make_rung(*image, options);
  if (!rung) return std::unexpected(rung.error());
  auto runtime = host::build_enclave(std::move(*image), std::move(*rung), options.fast_paths);
  if (!runtime) return fail(runtime.error().kind, path.string() + ": " + runtime.error().message);
  auto state = std::make_unique<State>();
  state->runtime = std::move(*runtime);
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

bool Enclave::raise(int signal) { return state_->runtime->raise(signal); }
void Enclave::set_spin(std::chrono::nanoseconds spin) { state_->runtime->rung().set_spin(spin); }
std::vector<std::string> Enclave::missing_protections() const { return state_->runtime->rung().missing_protections(); }
void Enclave::destroy() { state_->runtime->destroy(); }

}  // namespace coffer
