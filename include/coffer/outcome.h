// What the enclave's library returns where something can fail. C++20 is enough: std::expected came with C++23.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <utility>
#include <variant>

namespace coffer {

enum class EnclaveError : std::uint8_t {
  kOutside,    // not in an enclave, or in one whose kernel lacks the call
  kInvalid,    // the caller's arguments make no sense together
  kMalformed,  // the bytes are not what they should be: no blob, no message of this version, cut short
  kRefused,    // well-formed, and not authentic here: changed, or another enclave's, or another platform's
  kDowngrade,  // made for a higher security version than this enclave or platform has
  kIdentity,   // authentic, and from somebody whom the caller's policy does not accept
  kNotFound,   // no such thing, or not this enclave's
  kExhausted,  // no room or no numbers left
  kUsedUp,     // this object has done its work, or failed for good
  kDamaged,    // the platform's stored state is damaged
  kSystem,     // no memory, no random numbers, a file that cannot be read or written
};

// One line for people; never a secret.
[[nodiscard]] constexpr std::string_view describe(EnclaveError error) {
  switch (error) {
    case EnclaveError::kOutside:
      return "this program does not run in an enclave that offers this";
    case EnclaveError::kInvalid:
      return "the arguments make no sense together";
    case EnclaveError::kMalformed:
      return "the bytes are not of the expected form, or cut short";
    case EnclaveError::kRefused:
      return "not authentic for this enclave on this platform: changed, or sealed or made for another";
    case EnclaveError::kDowngrade:
      return "made for a higher security version than this enclave has";
    case EnclaveError::kIdentity:
      return "the other enclave is not one that the policy accepts";
    case EnclaveError::kNotFound:
      return "there is no such thing, or it belongs to another enclave";
    case EnclaveError::kExhausted:
      return "there is no room left";
    case EnclaveError::kUsedUp:
      return "this object cannot be used any more";
    case EnclaveError::kDamaged:
      return "the platform's stored state is damaged";
    case EnclaveError::kSystem:
      return "the system refused: memory, random numbers or files";
  }
  return "unknown error";
}

// A value or an EnclaveError. Asking for what is not there ends the program: an enclave has nothing better to do with a
// mistake of its own.
//
//   const auto blob = coffer::seal(secret);
//   if (!blob) return fail(coffer::describe(blob.error()));
//   store(*blob);
template <class T>
class [[nodiscard]] Outcome {
 public:
  Outcome(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Outcome(EnclaveError error) : state_(std::in_place_index<1>, error) {}

  [[nodiscard]] bool has_value() const { return state_.index() == 0; }
  [[nodiscard]] explicit operator bool() const { return has_value(); }
  [[nodiscard]] EnclaveError error() const { return get<1>(state_); }

  [[nodiscard]] T& operator*() & { return get<0>(state_); }
  [[nodiscard]] const T& operator*() const& { return get<0>(state_); }
  [[nodiscard]] T&& operator*() && { return std::move(get<0>(state_)); }
  [[nodiscard]] T* operator->() { return &get<0>(state_); }
  [[nodiscard]] const T* operator->() const { return &get<0>(state_); }

 private:
  template <std::size_t Index, class State>
  static auto& get(State& state) {
    auto* found = std::get_if<Index>(&state);
    if (found == nullptr) std::abort();
    return *found;
  }
  std::variant<T, EnclaveError> state_;
};

template <>
class [[nodiscard]] Outcome<void> {
 public:
  Outcome() = default;
  Outcome(EnclaveError error) : failed_(true), error_(error) {}

  [[nodiscard]] bool has_value() const { return !failed_; }
  [[nodiscard]] explicit operator bool() const { return !failed_; }
  [[nodiscard]] EnclaveError error() const {
    if (!failed_) std::abort();
    return error_;
  }

 private:
  bool failed_ = false;
  EnclaveError error_ = EnclaveError::kSystem;
};

}  // namespace coffer
