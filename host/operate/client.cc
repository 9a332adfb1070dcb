#include "host/operate/client.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/local_socket.h"
#include "host/operate/places.h"

namespace coffer::operate {

namespace {

constexpr int kPatience = 2000;  // ms
constexpr std::size_t kAnswerLimit = std::size_t{4} << 20;

struct Answer {
  int error = 0;  // of connecting
  int pid = 0;    // 0: not to be believed
  bool whole = false;
  std::string head, body;
};

Answer ask(const std::filesystem::path& path, const std::string& request) {
  const Connected connected = connect_to(path, SocketKind::kStream);
  if (!connected.socket) return {.error = connected.error, .head = {}, .body = {}};
  Answer answer{.pid = trusted_peer(connected.socket.get()), .head = {}, .body = {}};
  if (answer.pid == 0) return answer;
  set_timeout(connected.socket.get(), kPatience);
  std::string text;
  if (!send_whole(connected.socket.get(), request + " HTTP/1.0\r\n\r\n") ||
      !receive_whole(connected.socket.get(), kAnswerLimit, text)) {
    return answer;
  }
  const std::size_t end = text.find("\r\n\r\n");
  if (end == std::string::npos) return answer;
  answer.whole = true;
  answer.head = text.substr(0, text.find("\r\n"));
  answer.body = text.substr(end + 4);
  return answer;
}

// Sockets of processes that died while they made one stay under their early name.
bool is_old(const std::filesystem::path& path) {
  constexpr std::int64_t kOld = 60;
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0 && status.st_mtime + kOld < now_ms() / 1000;
}

std::int64_t first_start(const RunningProcess& process) {
  return process.status.enclaves.empty() ? 0 : process.status.enclaves.front().started_ms;
}

}  // namespace

Result<std::vector<RunningProcess>> list_running() {
  auto folder = run_folder();
  if (!folder) return std::unexpected(folder.error());
  std::vector<RunningProcess> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(*folder, error)) {
    const std::filesystem::path& path = entry.path();
    if (path.extension() != ".socket") continue;
    if (path.filename().string().starts_with('.')) {
      if (is_old(path)) ::unlink(path.c_str());
      continue;
    }
    const Answer answer = ask(path, "GET /status");
    if (answer.error == ECONNREFUSED) ::unlink(path.c_str());
    if (answer.pid == 0) continue;
    RunningProcess process{.status = {.pid = answer.pid}, .socket = path, .answering = false};
    if (auto status = parse_status(answer.body); answer.whole && status) {
      process.status = std::move(*status);
      process.status.pid = answer.pid;
      process.answering = true;
    }
    found.push_back(std::move(process));
  }
  if (error) return system_error("cannot read " + folder->string(), error.value());
  std::ranges::sort(found, {}, [](const RunningProcess& p) { return std::pair(first_start(p), p.status.pid); });
  return found;
}

Result<Running> find_running(const std::vector<RunningProcess>& processes, const std::string& wanted) {
  constexpr std::size_t kShortest = 3;
  std::vector<Running> exact;
  std::vector<Running> begins;
  for (const RunningProcess& process : processes) {
    for (const EnclaveStatus& enclave : process.status.enclaves) {
      if (enclave.id == wanted || enclave.name == wanted) exact.push_back({&process, &enclave});
      if (wanted.size() >= kShortest && enclave.id.starts_with(wanted)) begins.push_back({&process, &enclave});
    }
  }
  const std::vector<Running>& found = exact.empty() ? begins : exact;
  if (found.size() == 1) return found.front();
  if (found.empty()) return input_error("no enclave " + wanted + " is running; `coffer ps` lists them");
  return input_error(std::to_string(found.size()) + " running enclaves are called " + wanted +
                     "; give the id that `coffer ps` shows");
}

Result<void> ask_to_stop(const RunningProcess& process, const std::string& id) {
  const Answer answer = ask(process.socket, "POST /stop/" + id);
  if (answer.whole && answer.head.find(" 202 ") != std::string::npos) return {};
  if (answer.whole) return input_error("the enclave " + id + " has ended already");
  return fail(ErrorKind::kSystem, "process " + std::to_string(process.status.pid) + " does not answer");
}

}  // namespace coffer::operate
