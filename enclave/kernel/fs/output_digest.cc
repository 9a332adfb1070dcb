#include "enclave/kernel/fs/output_digest.h"

#include <atomic>
#include <new>

#include "enclave/kernel/core/kernel.h"

namespace coffer::kernel::fs {

namespace {

alignas(Sha256) std::byte room[sizeof(Sha256)];  // made before the program runs, and never destroyed
Sha256* digest_so_far = nullptr;
std::atomic<bool> turn_taken{false};

bool take_turn(int tries) {
  for (int done = 0; turn_taken.exchange(true, std::memory_order_acquire); ++done) {
    if (done == tries) return false;
    call_host(boundary::Request::kYield);
  }
  return true;
}

}  // namespace

void begin_output_digest() { digest_so_far = new (room) Sha256; }
bool has_output_digest() { return digest_so_far != nullptr; }

OutputTurn::OutputTurn() {
  constexpr int kForEver = -1;
  if (digest_so_far != nullptr) (void)take_turn(kForEver);
}
OutputTurn::~OutputTurn() {
  if (digest_so_far != nullptr) turn_taken.store(false, std::memory_order_release);
}
void OutputTurn::wrote(std::span<const std::byte> bytes) {
  if (digest_so_far != nullptr) digest_so_far->update(bytes);
}

bool finish_output_digest(std::span<std::byte, kSha256Size> digest) {
  constexpr int kPatience = 10000;
  if (digest_so_far == nullptr || !take_turn(kPatience)) return false;  // and never gives it back
  digest_so_far->finish(digest);
  return true;
}

}  // namespace coffer::kernel::fs
