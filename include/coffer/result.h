// The result type of everything that can be expected to fail outside the enclave kernel.
//
// An Error is one line for a person (what is wrong, where, what to do) and a kind for a program. The kinds map to
// the command's exit status: kRefused is 1 ("the answer is no"), every other kind is 2.
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace coffer {

enum class ErrorKind {
  kInput,    // the caller's data or options are malformed
  kRefused,  // well-formed, and the answer is no: a signature, a measurement, a policy
  kSystem,   // the machine said no: files, memory, processes
  kLost,     // the enclave has gone (killed, crashed, destroyed) and cannot be entered any more
};

struct Error {
  ErrorKind kind = ErrorKind::kInput;
  std::string message;
};

template <class T>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(ErrorKind kind, std::string message) {
  return std::unexpected(Error{kind, std::move(message)});
}
[[nodiscard]] inline std::unexpected<Error> input_error(std::string message) {
  return fail(ErrorKind::kInput, std::move(message));
}
[[nodiscard]] inline std::unexpected<Error> refused(std::string message) {
  return fail(ErrorKind::kRefused, std::move(message));
}
// Appends strerror(errno_value) to the message.
[[nodiscard]] std::unexpected<Error> system_error(std::string message, int errno_value);

}  // namespace coffer
