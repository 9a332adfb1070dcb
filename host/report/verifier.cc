#include "host/report/verifier.h"

#include <coffer/host.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <string>

#include "base/file.h"
#include "base/hex.h"
#include "host/parts.h"

namespace coffer::host {
namespace {

constexpr std::size_t kMostOutput = 4096;

struct Answer {
  int status = 0;
  std::vector<std::byte> output;

  [[nodiscard]] bool says(std::string_view text) const {
    return std::string_view(reinterpret_cast<const char*>(output.data()), output.size()) == text;
  }
};

// A stream in memory: whatever the verifier writes, nobody has to read at the same time.
Result<FileDescriptor> memory_stream(ByteView content) {
  FileDescriptor fd(::memfd_create("report", MFD_CLOEXEC));
  if (!fd) return system_error("cannot make a memory file", errno);
  if (::pwrite(fd.get(), content.data(), content.size(), 0) != static_cast<ssize_t>(content.size())) {
    return system_error("cannot write a memory file", errno);
  }
  return fd;
}

Result<Answer> ask(const char* order, ByteView input) {
  auto path = find_part("report-verifier.enclave");
  if (!path) return std::unexpected(path.error());
  auto standard_input = memory_stream(input);
  if (!standard_input) return std::unexpected(standard_input.error());
  auto standard_output = memory_stream({});
  if (!standard_output) return std::unexpected(standard_output.error());
  auto enclave = Enclave::load(*path);
  if (!enclave) return std::unexpected(enclave.error());
  RunOptions run;
  run.arguments = {order};
  run.standard_input = standard_input->get();
  run.standard_output = standard_output->get();
  auto ended = enclave->run(run);
  if (!ended) return std::unexpected(ended.error());
  if (ended->signal != 0) {
    return fail(ErrorKind::kLost,
                path->string() + " died of signal " + std::to_string(ended->signal) + " " + ended->detail);
  }
  Answer answer{.status = ended->code, .output = std::vector<std::byte>(kMostOutput)};
  const ssize_t size = ::pread(standard_output->get(), answer.output.data(), answer.output.size(), 0);
  if (size < 0) return system_error("cannot read the report verifier's answer", errno);
  answer.output.resize(static_cast<std::size_t>(size));
  return answer;
}

std::unexpected<Error> no_answer() {
  return fail(ErrorKind::kSystem,
              "the report verifier gave no answer; reinstall Coffer, its parts do not fit together");
}

// The digits of a text of nothing but digits and white space.
std::optional<std::string> hex_digits(ByteView text) {
  std::string digits;
  for (const std::byte byte : text) {
    const char character = static_cast<char>(byte);
    if (std::strchr(" \t\r\n", character) != nullptr && character != '\0') continue;
    if (std::strchr("0123456789abcdefABCDEF", character) == nullptr || character == '\0') return std::nullopt;
    digits += character;
  }
  return digits;
}

}  // namespace

Result<sgx::TargetInfo> verifier_target() {
  auto answer = ask("target", {});
  if (!answer) return std::unexpected(answer.error());
  sgx::TargetInfo target;
  if (answer->status != 0 || answer->output.size() != sizeof(target)) return no_answer();
  std::memcpy(&target, answer->output.data(), sizeof(target));
  return target;
}

Result<bool> is_genuine(const sgx::Report& report) {
  auto answer = ask("verify", bytes_of(report));
  if (!answer) return std::unexpected(answer.error());
  // Both have to say it, so that no half answer passes for a yes.
  if (answer->status == 0 && answer->says("genuine\n")) return true;
  if (answer->status == 1 && answer->says("not genuine\n")) return false;
  return no_answer();
}

Result<sgx::Report> parse_report(ByteView file, std::string_view name) {
  sgx::Report report;
  if (file.size() == sizeof(report)) {
    std::memcpy(&report, file.data(), sizeof(report));
    return report;
  }
  const auto digits = hex_digits(file);
  const auto bytes = digits ? from_hex(*digits) : std::nullopt;
  if (!bytes || bytes->size() != sizeof(report)) {
    const std::string found =
        digits ? std::to_string(digits->size()) + " digits" : std::to_string(file.size()) + " bytes";
    return input_error(std::string(name) +
                       ": not a report: a REPORT is 432 bytes or 864 hexadecimal digits, these are " + found);
  }
  std::memcpy(&report, bytes->data(), sizeof(report));
  return report;
}

}  // namespace coffer::host
