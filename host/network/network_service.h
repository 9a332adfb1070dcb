// The host's side of the requests for sockets and waiting (boundary/calls.h, boundary/network.h).
//
// The enclave asks, and is not believed: addresses are held against the rules that the image declares, and against the
// narrower ones that the host was started with, handles and lengths are checked, and the number of open handles is
// bounded. No socket ever blocks a thread that cannot be woken.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "boundary/calls.h"
#include "boundary/network.h"
#include "host/files/file_service.h"
#include "host/network/waits.h"

namespace coffer::host {

class NetworkService {
 public:
  // The streams are those of the file service: they can be waited for. Borrowed.
  explicit NetworkService(FileService::Streams streams, std::size_t max_handles = 65536);
  ~NetworkService();
  NetworkService(const NetworkService&) = delete;
  NetworkService& operator=(const NetworkService&) = delete;

  // What the image declares. Before the enclave starts; without it there are no sockets.
  void allow(std::span<const boundary::NetworkRule> declared);
  // What of it this host permits: an address has to meet both.
  void narrow(std::span<const boundary::NetworkRule> permitted);

  // True for the requests that serve() answers.
  [[nodiscard]] static bool serves(boundary::Request request);

  // Serves one request of enclave thread `thread`; `exchange` is that thread's exchange area. Blocks only in Waits.
  // Thread-safe. Never throws for anything that the enclave can send: the answer is a negative errno.
  [[nodiscard]] Answer serve(boundary::Request request, const RequestArguments& arguments,
                             std::span<std::byte> exchange, std::uint32_t thread);

  // Every wait of the enclave ends, now and later: the enclave has ended.
  void cancel_waits() { waits_.cancel(); }

 private:
  struct Socket;
  struct Poller;
  struct Entry;
  struct Call;

  Answer serve_socket(const Call& call, Socket& socket);
  Answer open_socket(const Call& call);
  Answer open_poller();
  Answer close(std::uint64_t handle);
  Answer bind(const Call& call, Socket& socket);
  Answer accept(const Call& call, Socket& socket);
  Answer connect(const Call& call, Socket& socket);
  Answer send(const Call& call, Socket& socket);
  Answer receive(const Call& call, Socket& socket);
  Answer set_option(const Call& call, const Socket& socket);
  Answer get_option(const Call& call, const Socket& socket);
  Answer name(const Call& call, const Socket& socket);
  Answer wait_for(const Call& call);
  Answer wait_poller(const Call& call, const std::shared_ptr<Poller>& poller);
  int change(const boundary::PollerChange& change, const std::shared_ptr<Poller>& poller);
  Answer put_events(const Call& call, Poller& poller, std::span<const struct epoll_event> found);

  [[nodiscard]] bool permits(boundary::NetworkDirection direction, const boundary::NetworkAddress& address) const;
  int check_address(const Call& call, const Socket& socket, boundary::NetworkDirection direction, std::uint64_t size,
                    struct sockaddr_storage* address) const;
  Entry find(std::uint64_t handle);
  std::int64_t insert(Entry entry);
  // The descriptor behind a handle of a socket, a poller or a stream; -1. `keep` holds it open.
  int descriptor_of(std::int32_t handle, Entry* keep);

  const FileService::Streams streams_;
  const std::size_t max_handles_;
  std::vector<boundary::NetworkRule> declared_;                  // not changed while the enclave runs
  std::optional<std::vector<boundary::NetworkRule>> permitted_;  // nor this
  Waits waits_;
  std::mutex mutex_;            // guards what follows
  std::vector<Entry> entries_;  // index = handle - kFirstSocketHandle
  std::vector<std::uint32_t> free_;
};

}  // namespace coffer::host
