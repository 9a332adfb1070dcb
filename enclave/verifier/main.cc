// The report verifier: the enclave that `coffer report` asks. Only the target of a report can derive the key of its MAC
// (Intel SDM volume 3D, EREPORT and EGETKEY), so checking reports on a platform takes an enclave of that platform.
//
//   report-verifier target           writes its TARGETINFO, 512 bytes
//   report-verifier verify <REPORT   writes "genuine" or "not genuine"
//
// Exit status: 0 done or genuine, 1 not genuine, 2 the input is no report or there is no enclave.
#include <coffer/enclave.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <span>
#include <string_view>

namespace {

bool write_all(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return true;
}

// How many bytes standard input holds, up to the size of `bytes`.
std::size_t read_up_to(std::span<std::byte> bytes) {
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = read(STDIN_FILENO, bytes.data() + filled, bytes.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    filled += static_cast<std::size_t>(got);
  }
  return filled;
}

int fail(const char* message) {
  std::fprintf(stderr, "report-verifier: %s\n", message);
  return 2;
}

int write_target() {
  const auto target = coffer::own_target_info();
  if (!target) return fail("not in an enclave: run it with `coffer report target`");
  return write_all(*target) ? 0 : fail("standard output cannot be written");
}

int verify() {
  coffer::Report report{};
  std::byte one_more;
  if (read_up_to(report) != report.size() || read_up_to({&one_more, 1}) != 0) {
    return fail("standard input does not hold a REPORT of 432 bytes");
  }
  if (!coffer::inside()) return fail("not in an enclave: run it with `coffer report verify`");
  const bool genuine = coffer::verify_report(report);
  const std::string_view verdict = genuine ? "genuine\n" : "not genuine\n";
  if (!write_all(std::as_bytes(std::span(verdict)))) return fail("standard output cannot be written");
  return genuine ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view order = argc == 2 ? argv[1] : "";
  if (order == "target") return write_target();
  if (order == "verify") return verify();
  return fail("usage: report-verifier target | verify");
}
