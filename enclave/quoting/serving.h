// Calls of fixed-size messages: checks the sizes, hands over copies.
#pragma once

#include <coffer/calls.h>

#include <cstring>
#include <type_traits>

#include "enclave/quoting/messages.h"

namespace coffer::quoting {

struct Nothing {};

template <class Order, class Answer, class Function>
std::int64_t answer(calls::IncomingCall& call, Function&& function) {
  static_assert(std::is_trivially_copyable_v<Order> && std::is_trivially_copyable_v<Answer>);
  constexpr std::size_t kOrderSize = std::is_empty_v<Order> ? 0 : sizeof(Order);
  if (call.input.size() != kOrderSize || call.output.size() < sizeof(Answer)) {
    return static_cast<std::int64_t>(Status::kMalformed);
  }
  Order order;
  if constexpr (kOrderSize != 0) std::memcpy(&order, call.input.data(), sizeof(order));
  Answer result{};
  const Status status = function(order, result);
  if (status != Status::kDone) return static_cast<std::int64_t>(status);
  std::memcpy(call.output.data(), &result, sizeof(result));
  call.written = sizeof(result);
  return 0;
}

}  // namespace coffer::quoting
