// The public API of <coffer/host.h> over the runtime.
#include <coffer/host.h>

#include <atomic>
#include <mutex>

#include "host/edge.h"
#include "host/listing.h"
#include "host/loader.h"
#include "host/runtime.h"

namespace coffer {

struct Enclave::State {
  State(std::unique_ptr<host::Runtime> enclave, host::Provenance from)
      : runtime(std::move(enclave)), provenance(std::move(from)) {
    runtime->serve_host_calls([this](const HostCall& call) { return host::answer_edge_call(edge, call); });
  }
  ~State() {
    // Before it leaves the register: whoever waits for an answer of the cell's then gets none.
    runtime->destroy();
    listing.registration.reset();
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  std::unique_ptr<host::Runtime> runtime;
  host::Provenance provenance;
  std::atomic<const coffer_edge_ocall_table*> edge{nullptr};
  std::mutex lock;  // listing
  host::Listing listing;
};

Enclave::Enclave(std::unique_ptr<State> state) : state_(std::move(state)) {}
Enclave::Enclave(Enclave&&) noexcept = default;
Enclave& Enclave::operator=(Enclave&&) noexcept = default;
Enclave::~Enclave() = default;

Result<Enclave> Enclave::load(const std::filesystem::path& path, const LoadOptions& options) {
  auto image = image::CofferImage::read(path);
  if (!image) return std::unexpected(image.error());
  if (options.debug) {
    if (auto allowed = image->launch_as_debug(); !allowed) {
      return fail(allowed.error().kind, path.string() + ": " + allowed.error().message);
    }
  }
  auto rung = host::make_rung(*image, options);
  if (!rung) return std::unexpected(rung.error());
  auto runtime = host::build_enclave(std::move(*image), std::move(*rung), options);
  if (!runtime) return fail(runtime.error().kind, path.string() + ": " + runtime.error().message);
  host::Runtime& loaded = **runtime;
  loaded.name_functions([path, &loaded](std::uint64_t offset) {
    return host::function_at(host::find_symbol_files(path, loaded.image()), offset);
  });
  if (loaded.rung().shares_process()) loaded.rung().show_symbols(host::find_symbol_files(path, loaded.image()));
  return Enclave(std::make_unique<State>(std::move(*runtime), host::Provenance{path, options.rung}));
}

Result<ExitStatus> Enclave::run(const RunOptions& options) {
  if (auto started = start(options); !started) return std::unexpected(started.error());
  return wait();
}

Result<void> Enclave::start(const RunOptions& options) {
  if (auto started = state_->runtime->start(options); !started) return started;
  const std::scoped_lock guard(state_->lock);
  state_->listing = host::list_enclave(*state_->runtime, state_->provenance, options);
  return {};
}

Result<ExitStatus> Enclave::wait() {
  auto status = state_->runtime->wait();
  const std::scoped_lock guard(state_->lock);
  state_->listing.registration.reset();
  if (!status) return status;
  if (auto crash = state_->runtime->crash_report()) {
    auto kept = host::keep_crash(std::move(*crash), *state_->runtime, state_->provenance, state_->listing);
    if (kept) {
      status->report = *kept;
    } else {
      status->detail += "; no crash report is kept: " + kept.error().message;
    }
  }
  return status;
}

Result<CallResult> Enclave::call(std::uint64_t index, std::span<const std::byte> input, std::span<std::byte> output) {
  return state_->runtime->call(index, input, output);
}

Result<void> Enclave::use_switchless(const Switchless& workers) { return state_->runtime->use_switchless(workers); }
Result<CallResult> Enclave::call_switchless(std::uint64_t index, std::span<const std::byte> input,
                                            std::span<std::byte> output) {
  return state_->runtime->call_switchless(index, input, output);
}
Result<void> Enclave::wait_until_serving() { return state_->runtime->wait_until_serving(); }
std::optional<ExitStatus> Enclave::exit_status() const { return state_->runtime->exit_status(); }
void Enclave::use_edge(const coffer_edge_ocall_table& table) {
  // Looked at first: it is the same at every call of a program, and others read it.
  if (state_->edge.load(std::memory_order_relaxed) != &table) state_->edge.store(&table, std::memory_order_release);
}

void Enclave::serve_host_calls(HostCallHandler handler) { state_->runtime->serve_host_calls(std::move(handler)); }
void* Enclave::allocate_shared(std::size_t size) { return state_->runtime->allocate_shared(size); }
void Enclave::release_shared(void* memory) { state_->runtime->release_shared(memory); }
bool Enclave::is_shared(const void* memory, std::size_t size) const {
  return state_->runtime->rung().reaches(reinterpret_cast<std::uint64_t>(memory), size);
}

bool Enclave::raise(int signal) { return state_->runtime->raise(signal); }
Result<std::string> Enclave::id() const {
  const std::scoped_lock guard(state_->lock);
  if (state_->listing.id.empty()) return input_error("the enclave was not started");
  if (!state_->listing.problem.empty()) return fail(ErrorKind::kSystem, state_->listing.problem);
  return state_->listing.id;
}

Result<std::string> Enclave::status() const {
  const std::scoped_lock guard(state_->lock);
  if (!state_->listing.status) return input_error("the enclave was not started");
  return operate::enclave_json(state_->listing.status());
}

void Enclave::set_spin(std::chrono::nanoseconds spin) { state_->runtime->rung().set_spin(spin); }
std::vector<std::string> Enclave::missing_protections() const { return state_->runtime->rung().missing_protections(); }
void Enclave::destroy() { state_->runtime->destroy(); }

}  // namespace coffer
