// The kernel's core for hosted tests of the file layer: call_host() goes to an object of the test, each thread has an
// exchange area of its own, and threads really park. Link testing/fake_host.cc and testing/panic_hosted.cc.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "enclave/kernel/core/kernel.h"

namespace coffer::kernel::testing {

class FakeHost {
 public:
  virtual ~FakeHost() = default;
  // kPark, kUnpark, kYield and kClock: nothing where threads are to park really and time is the machine's.
  virtual std::optional<Answer> serve_local(boundary::Request /*request*/,
                                            const std::array<std::uint64_t, 4>& /*arguments*/) {
    return std::nullopt;
  }
  // Every other request.
  virtual Answer serve(boundary::Request request, const std::array<std::uint64_t, 4>& arguments,
                       std::span<std::byte> exchange) = 0;
};

// The host that requests go to from now on; nullptr: -ENOSYS for each.
void use_host(FakeHost* host);

// A number of the calling thread, as a TCS index is one.
std::uint32_t thread_index();

}  // namespace coffer::kernel::testing
