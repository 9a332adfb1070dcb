// Outside: loads the enclave named on the command line, votes, and prints the result.
#include <coffer/host.h>

#include <array>
#include <cstdio>

#include "votes.h"

namespace {

int fail(const coffer::Error& error) {
  std::fprintf(stderr, "vote: %s\n", error.message.c_str());
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: vote tally.enclave\n", stderr);
    return 2;
  }
  auto enclave = coffer::Enclave::load(argv[1]);
  if (!enclave) return fail(enclave.error());
  if (auto started = enclave->start({}); !started) return fail(started.error());

  std::array<std::uint64_t, kChoices> sums{};
  const auto early = enclave->call(kResult, {}, std::as_writable_bytes(std::span(sums)));
  if (!early) return fail(early.error());
  std::printf("before the votes: %s\n", early->status == kRefused ? "no result" : "a result");
  for (std::size_t i = 0; i < 100; ++i) {
    const std::array choice = {static_cast<std::byte>(i % 5 % kChoices)};
    const auto counted = enclave->call(kVote, choice, {});
    if (!counted) return fail(counted.error());
    if (counted->status != kDone) return fail({coffer::ErrorKind::kRefused, "a vote was refused"});
  }
  const auto result = enclave->call(kResult, {}, std::as_writable_bytes(std::span(sums)));
  if (!result) return fail(result.error());
  for (std::size_t i = 0; i < kChoices; ++i) {
    std::printf("choice %zu: %llu\n", i, static_cast<unsigned long long>(sums[i]));
  }
}
