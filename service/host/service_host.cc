#include "service/host/service_host.h"

#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>
#include <vector>

#include "base/file.h"
#include "service/host/blob_file.h"
#include "service/host/carrier.h"
#include "service/wire/protocol.h"

namespace coffer::service {
namespace {

constexpr std::size_t kBuffer = kMostBytes + 256;
constexpr std::chrono::milliseconds kTickTime{100};
constexpr std::size_t kMostFile = std::size_t{8} << 20;

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

CallResult give(const HostCall& call, std::span<const std::byte> bytes) {
  if (bytes.size() > call.output.size()) return {.status = static_cast<std::int64_t>(bytes.size())};
  std::ranges::copy(bytes, call.output.begin());
  return {.status = static_cast<std::int64_t>(bytes.size()), .written = bytes.size()};
}

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written <= 0) return;  // a log that nobody takes is no reason to stop
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

struct ServiceHost::State {
  explicit State(const ServiceOptions& given) : options(given) {}
  ~State() { stop(); }

  const ServiceOptions options;
  std::optional<BlobFile> blobs;
  std::optional<Enclave> enclave;
  FileDescriptor listener;
  std::vector<std::unique_ptr<Carrier>> carriers;
  std::vector<std::thread> threads;
  std::string answer;
  std::mutex mutex;
  std::condition_variable changed;
  bool stopping = false;
  std::uint32_t open = 0, busy = 0;
  std::uint64_t ticks = 0;

  Result<void> begin();
  Result<void> configure();
  Result<void> carry();
  void tick();
  void stop();
  CallResult serve(const HostCall& call);
  Result<std::vector<std::byte>> file(const std::string& name) const;
  std::vector<std::byte> index() const;
};

CallResult ServiceHost::State::serve(const HostCall& call) {
  switch (static_cast<HostRequest>(call.index)) {
    case HostRequest::kBlobGet: {
      if (call.input.size() > kLongestBlobName) return {.status = kRefused};
      const auto blob = blobs->get(text_of(call.input));
      if (!blob) write_all(options.log, blob.error().message + "\n");
      if (!blob) return {.status = kFailed};
      return *blob ? give(call, **blob) : CallResult{.status = kNoBlob};
    }
    case HostRequest::kBlobApply: {
      const std::vector<std::byte> copy(call.input.begin(), call.input.end());
      const auto changes = decode_batch(copy);
      if (!changes) return {.status = kRefused};
      const auto done = blobs->apply(*changes);
      if (!done) write_all(options.log, done.error().message + "\n");
      return {.status = done ? 0 : kFailed};
    }
    case HostRequest::kFile: {
      const auto found = file(text_of(call.input.first(std::min<std::size_t>(call.input.size(), 256))));
      return found ? give(call, *found) : CallResult{.status = kNoBlob};
    }
  }
  return {.status = kRefused};
}

// The names of what is there, one a line.
std::vector<std::byte> ServiceHost::State::index() const {
  std::string names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(options.files, error)) {
    if (entry.is_regular_file(error)) names += entry.path().filename().string() + "\n";
  }
  const auto bytes = std::as_bytes(std::span(names));
  return {bytes.begin(), bytes.end()};
}

// Of the folder itself: the enclave has no business elsewhere.
Result<std::vector<std::byte>> ServiceHost::State::file(const std::string& name) const {
  if (options.files.empty() || name.empty() || name.starts_with('.') || name.find('/') != std::string::npos ||
      name.find('\0') != std::string::npos) {
    return input_error("there is no such file");
  }
  if (name == "index") return index();
  return read_file(options.files / name, kMostFile);
}

Result<void> ServiceHost::State::begin() {
  auto opened = BlobFile::open(options.store);
  if (!opened) return std::unexpected(opened.error());
  blobs.emplace(std::move(*opened));
  auto socket = listen_tcp(options.address, options.port);
  if (!socket) return std::unexpected(socket.error());
  listener = std::move(*socket);
  auto loaded = Enclave::load(options.image, {.rung = options.rung});
  if (!loaded) return std::unexpected(loaded.error());
  enclave.emplace(std::move(*loaded));
  enclave->serve_host_calls([this](const HostCall& call) { return serve(call); });
  if (auto started = enclave->start({.name = options.name}); !started) return started;
  if (auto serving = enclave->wait_until_serving(); !serving) return serving;
  if (auto configured = configure(); !configured) return configured;
  return carry();
}

Result<void> ServiceHost::State::configure() {
  std::vector<std::byte> out(64 << 10);
  const auto done = enclave->call(static_cast<std::uint64_t>(Order::kConfigure),
                                  std::as_bytes(std::span(options.configuration)), out);
  if (!done) return std::unexpected(done.error());
  answer = text_of(std::span(out).first(done->written));
  if (done->status == 0) return {};
  // What the enclave says of its store is an answer; all else is a mistake in what it was given.
  const bool store = answer.find("store") != std::string::npos;
  return fail(store ? ErrorKind::kRefused : ErrorKind::kInput,
              answer.empty() ? "the service cannot be configured" : answer);
}

Result<void> ServiceHost::State::carry() {
  for (unsigned i = 0; i < options.carriers; ++i) {
    auto* in = static_cast<std::byte*>(enclave->allocate_shared(kBuffer));
    auto* out = static_cast<std::byte*>(enclave->allocate_shared(kBuffer));
    if (in == nullptr || out == nullptr) return fail(ErrorKind::kSystem, "there is no shared memory for the service");
    carriers.push_back(std::make_unique<Carrier>(
        listener.get(), i, options.carriers, options.connections / options.carriers, std::span(in, kBuffer),
        std::span(out, kBuffer),
        [this](std::span<const std::byte> from, std::span<std::byte> to) -> std::size_t {
          const auto done = enclave->call(static_cast<std::uint64_t>(Order::kDeliver), from, to);
          return done && done->status == 0 ? done->written : 0;
        },
        [this](std::uint64_t connection) {
          const DeliverHeader header{.connection = connection};
          (void)enclave->call(static_cast<std::uint64_t>(Order::kDisconnect), std::as_bytes(std::span(&header, 1)), {});
        }));
  }
  for (const auto& carrier : carriers) threads.emplace_back([&carrier = *carrier] { carrier.run(); });
  threads.emplace_back([this] { tick(); });
  return {};
}

void ServiceHost::State::tick() {
  std::vector<std::byte> out(kBuffer);
  std::unique_lock lock(mutex);
  while (true) {
    const bool last = stopping;  // one more after the end, for its log
    lock.unlock();
    const auto done = enclave->call(static_cast<std::uint64_t>(Order::kTick), {}, out);
    TickAnswer answered;
    std::vector<std::uint64_t> closing;
    if (done && done->status == 0 && done->written >= sizeof(answered)) {
      std::memcpy(&answered, out.data(), sizeof(answered));
      const std::size_t numbers = std::size_t{answered.closing} * sizeof(std::uint64_t);
      if (numbers + answered.log_bytes + sizeof(answered) <= done->written) {
        closing.resize(answered.closing);
        if (numbers != 0) std::memcpy(closing.data(), out.data() + sizeof(answered), numbers);
        write_all(options.log, text_of(std::span(out).subspan(sizeof(answered) + numbers, answered.log_bytes)));
      }
    }
    if (!closing.empty()) {
      for (const auto& carrier : carriers) carrier->nudge(closing);
    }
    lock.lock();
    open = answered.open;
    busy = answered.busy;
    ++ticks;
    changed.notify_all();
    if (last || !done) return;
    changed.wait_for(lock, kTickTime, [this] { return stopping; });
  }
}

void ServiceHost::State::stop() {
  {
    const std::lock_guard lock(mutex);
    stopping = true;
    changed.notify_all();
  }
  for (const auto& carrier : carriers) carrier->stop();
  for (std::thread& thread : threads) thread.join();
  threads.clear();
  if (enclave) enclave->destroy();
}

ServiceHost::ServiceHost(std::unique_ptr<State> state) : state_(std::move(state)) {}
ServiceHost::ServiceHost(ServiceHost&&) noexcept = default;
ServiceHost& ServiceHost::operator=(ServiceHost&&) noexcept = default;
ServiceHost::~ServiceHost() = default;

Result<ServiceHost> ServiceHost::start(const ServiceOptions& options) {
  auto state = std::make_unique<State>(options);
  if (auto begun = state->begin(); !begun) return std::unexpected(begun.error());
  return ServiceHost(std::move(state));
}

std::uint16_t ServiceHost::port() const { return port_of(state_->listener.get()); }
const std::string& ServiceHost::answer() const { return state_->answer; }

std::optional<std::string> ServiceHost::ended() const {
  const auto status = state_->enclave->exit_status();
  if (!status) return std::nullopt;
  return status->signal != 0 ? "the enclave died: " + status->detail
                             : "the enclave ended with " + std::to_string(status->code);
}

bool ServiceHost::drain(std::chrono::milliseconds longest) {
  for (const auto& carrier : state_->carriers) carrier->stop_accepting();
  (void)state_->enclave->call(static_cast<std::uint64_t>(Order::kDrain), {}, {});
  std::unique_lock lock(state_->mutex);
  const std::uint64_t since = state_->ticks;
  return state_->changed.wait_for(lock, longest, [&] { return state_->ticks > since + 1 && state_->open == 0; });
}

}  // namespace coffer::service
