// The file sealer: the enclave that `coffer seal` and `coffer unseal` run, from standard input to standard output.
//
//   file-sealer seal mrenclave|mrsigner READABLE BOUND     READABLE and BOUND in hexadecimal
//   file-sealer unseal BOUND
//
// Exit status: 0 done; kErrorStatus + EnclaveError where the library refused; kReadStatus, kWriteStatus: a stream
// failed; 2 usage. What it wrote before it failed is to be thrown away.
#include <coffer/sealing.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <optional>
#include <string_view>
#include <vector>

namespace {

// As host/sealing/file_sealer.cc reads them.
constexpr int kErrorStatus = 16, kReadStatus = 40, kWriteStatus = 41;

int failed_stream = 0;

coffer::Outcome<std::size_t> read_input(std::span<std::byte> room) {
  while (true) {
    const ssize_t got = ::read(STDIN_FILENO, room.data(), room.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno == EINTR) continue;
    failed_stream = kReadStatus;
    return coffer::EnclaveError::kSystem;
  }
}

coffer::Outcome<void> write_output(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      failed_stream = kWriteStatus;
      return coffer::EnclaveError::kSystem;
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

std::optional<unsigned> digit(char character) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const std::size_t value = kDigits.find(character);
  if (value == std::string_view::npos) return std::nullopt;
  return static_cast<unsigned>(value);
}

std::optional<std::vector<std::byte>> from_hex(std::string_view text) {
  std::vector<std::byte> bytes;
  if (text.size() % 2 != 0) return std::nullopt;
  for (std::size_t at = 0; at < text.size(); at += 2) {
    const auto high = digit(text[at]);
    const auto low = digit(text[at + 1]);
    if (!high || !low) return std::nullopt;
    bytes.push_back(static_cast<std::byte>(*high << 4 | *low));
  }
  return bytes;
}

int status_of(coffer::EnclaveError error) {
  return failed_stream != 0 ? failed_stream : kErrorStatus + static_cast<int>(error);
}

int usage() {
  std::fputs("file-sealer: started by `coffer seal` and `coffer unseal`, not by hand\n", stderr);
  return 2;
}

int seal(std::string_view policy, std::string_view readable_text, std::string_view bound_text) {
  const auto readable = from_hex(readable_text);
  const auto bound = from_hex(bound_text);
  if (!readable || !bound || (policy != "mrenclave" && policy != "mrsigner")) return usage();
  coffer::SealTo to;
  to.policy = policy == "mrsigner" ? coffer::SealPolicy::kMrSigner : coffer::SealPolicy::kMrEnclave;
  const auto sealed = coffer::seal_stream(read_input, write_output, to, {.readable = *readable, .bound = *bound});
  return sealed ? 0 : status_of(sealed.error());
}

int unseal(std::string_view bound_text) {
  const auto bound = from_hex(bound_text);
  if (!bound) return usage();
  const auto opened = coffer::unseal_stream(read_input, write_output, *bound);
  return opened ? 0 : status_of(opened.error());
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view order = argc > 1 ? argv[1] : "";
  if (order == "seal" && argc == 5) return seal(argv[2], argv[3], argv[4]);
  if (order == "unseal" && argc == 3) return unseal(argv[2]);
  return usage();
}
