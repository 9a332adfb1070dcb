// A small web server in the usual ways: `epoll` (level), `edge` (edge-triggered, oneshot off), `poll`, `select` in one
// thread, `threads` with a blocking thread for each connection. web HOW PORT [REQUESTS]: answers 1 KiB to every request
// on 127.0.0.1:PORT, ends after REQUESTS.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace {

std::string answer;
long left = -1;

[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::exit(1);
}

int listen_on(int port) {
  const int server = ::socket(AF_INET, SOCK_STREAM, 0);
  if (server < 0) give_up("socket");
  const int on = 1;
  if (::setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0) give_up("SO_REUSEADDR");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(server, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) give_up("bind");
  if (::listen(server, 511) != 0) give_up("listen");
  return server;
}

bool send_all(int client, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(client, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
      pollfd waiting{client, POLLOUT, 0};
      ::poll(&waiting, 1, -1);
      continue;
    }
    if (sent <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

// What has come from each client and was not answered yet.
std::map<int, std::string> pending;

// Answers every whole request. False: the connection is to be closed.
bool answer_requests(int client, std::string& text) {
  for (std::size_t end = text.find("\r\n\r\n"); end != std::string::npos; end = text.find("\r\n\r\n")) {
    text.erase(0, end + 4);
    if (!send_all(client, answer)) return false;
    if (left <= 0) continue;  // no end was asked for
    --left;
    if (left == 0) {
      ::close(client);
      std::exit(0);
    }
  }
  return true;
}

// Reads once, or until there is no more. False: the connection is over.
bool serve(int client, bool until_empty) {
  char buffer[4096];
  do {
    const ssize_t got = ::recv(client, buffer, sizeof(buffer), 0);
    if (got < 0 && errno == EAGAIN) return true;
    if (got <= 0) return false;
    std::string& text = pending[client];
    text.append(buffer, static_cast<std::size_t>(got));
    if (!answer_requests(client, text)) return false;
  } while (until_empty);
  return true;
}

int accept_one(int server) {
  const int client = ::accept4(server, nullptr, nullptr, SOCK_NONBLOCK);
  if (client < 0 && errno != EAGAIN && errno != ECONNABORTED) give_up("accept");
  const int on = 1;
  if (client >= 0) ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return client;
}

void hang_up(int client) {
  pending.erase(client);
  ::close(client);
}

void serve_by_epoll(int server, bool edge) {
  const int set = ::epoll_create1(EPOLL_CLOEXEC);
  if (set < 0) give_up("epoll_create1");
  ::fcntl(server, F_SETFL, O_NONBLOCK);
  const std::uint32_t how = EPOLLIN | EPOLLRDHUP | (edge ? std::uint32_t{EPOLLET} : 0);
  epoll_event event{};
  event.events = how;
  event.data.fd = server;
  if (::epoll_ctl(set, EPOLL_CTL_ADD, server, &event) != 0) give_up("epoll_ctl");
  while (true) {
    epoll_event events[64];
    const int count = ::epoll_wait(set, events, 64, -1);
    if (count < 0 && errno != EINTR) give_up("epoll_wait");
    for (int i = 0; i < count; ++i) {
      const int ready = events[i].data.fd;
      if (ready != server) {
        if (!serve(ready, edge)) hang_up(ready);
        continue;
      }
      for (int client = accept_one(server); client >= 0; client = accept_one(server)) {
        event.events = how;
        event.data.fd = client;
        if (::epoll_ctl(set, EPOLL_CTL_ADD, client, &event) != 0) give_up("epoll_ctl");
      }
    }
  }
}

void serve_by_poll(int server) {
  std::vector<pollfd> all{{server, POLLIN, 0}};
  while (true) {
    if (::poll(all.data(), all.size(), -1) < 0 && errno != EINTR) give_up("poll");
    for (std::size_t i = all.size(); i-- > 1;) {
      if (all[i].revents == 0 || serve(all[i].fd, false)) continue;
      hang_up(all[i].fd);
      all.erase(all.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if ((all[0].revents & POLLIN) != 0) {
      if (const int client = accept_one(server); client >= 0) all.push_back({client, POLLIN, 0});
    }
  }
}

void serve_by_select(int server) {
  std::map<int, bool> clients;
  while (true) {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(server, &set);
    int most = server;
    for (const auto& [client, open] : clients) {
      FD_SET(client, &set);
      most = std::max(most, client);
    }
    if (::select(most + 1, &set, nullptr, nullptr, nullptr) < 0 && errno != EINTR) give_up("select");
    for (auto each = clients.begin(); each != clients.end();) {
      if (!FD_ISSET(each->first, &set) || serve(each->first, false)) {
        ++each;
        continue;
      }
      hang_up(each->first);
      each = clients.erase(each);
    }
    if (FD_ISSET(server, &set)) {
      if (const int client = accept_one(server); client >= 0) clients[client] = true;
    }
  }
}

void serve_by_threads(int server) {
  while (true) {
    const int client = ::accept(server, nullptr, nullptr);
    if (client < 0) give_up("accept");
    try {
      std::thread([client] {
        std::string text;
        char buffer[4096];
        for (ssize_t got = ::recv(client, buffer, sizeof(buffer), 0); got > 0;
             got = ::recv(client, buffer, sizeof(buffer), 0)) {
          text.append(buffer, static_cast<std::size_t>(got));
          if (!answer_requests(client, text)) break;
        }
        ::close(client);
      }).detach();
    } catch (const std::system_error&) {
      ::close(client);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const std::string how = argv[1];
  if (argc > 3) left = std::stol(argv[3]);
  const std::string body(1024, 'x');
  answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n" + body;
  const int server = listen_on(std::stoi(argv[2]));
  std::puts("ready");
  std::fflush(stdout);
  if (how == "epoll") serve_by_epoll(server, false);
  if (how == "edge") serve_by_epoll(server, true);
  if (how == "poll") serve_by_poll(server);
  if (how == "select") serve_by_select(server);
  if (how == "threads") serve_by_threads(server);
  return 2;
}
