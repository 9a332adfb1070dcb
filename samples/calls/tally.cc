// Inside the enclave: counts votes that the host passes in and cannot look at, and gives the result only when enough
// are in, so that no single vote can be told from the sums.
#include <coffer/enclave.h>

#include <array>
#include <cstring>
#include <vector>

#include "votes.h"

int main() {
  std::array<std::uint64_t, kChoices> sums{};
  std::uint64_t count = 0;
  std::vector<std::byte> buffer(8192);
  coffer::serve(buffer, [&](const coffer::Call& call, std::span<std::byte> output, std::size_t& written) -> long {
    switch (call.index) {
      case kVote:
        if (call.input.size() != 1 || std::to_integer<std::size_t>(call.input[0]) >= kChoices) return kRefused;
        ++sums[std::to_integer<std::size_t>(call.input[0])];
        ++count;
        return kDone;
      case kResult:
        if (count < kEnough || output.size() < sizeof(sums)) return kRefused;
        std::memcpy(output.data(), sums.data(), sizeof(sums));
        written = sizeof(sums);
        return kDone;
      default:
        return kRefused;
    }
  });
}
