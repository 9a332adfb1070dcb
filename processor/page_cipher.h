// How EWB protects a page outside of the EPC: AES-256-GCM under a key made at random for one processor's life, the
// version of the VA slot as the nonce, the page's PCMD, address and enclave authenticated with it (Intel SDM volume 3D,
// 40.3, EWB).
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/result.h"
#include "sgx/arch.h"

struct evp_cipher_ctx_st;

namespace coffer::processor {

// What EWB authenticates beside the page's content: the MAC header.
struct PageIdentity {
  sgx::Secinfo secinfo;
  std::uint64_t enclave_id = 0;
  std::uint64_t linear_address = 0;
};

// Not thread-safe.
class PageCipher {
 public:
  // Makes the key. Where the process has a secret heap (secret_heap.h), the key never stands outside of it. Works
  // without new memory, files or system calls of any rare kind from then on.
  [[nodiscard]] static Result<std::unique_ptr<PageCipher>> make();

  // `version` is never 0 and is used for one page only. False: the cryptographic library failed.
  [[nodiscard]] bool encrypt(const PageIdentity& identity, std::uint64_t version,
                             std::span<const std::byte, sgx::kPageSize> page,
                             std::span<std::byte, sgx::kPageSize> sealed, sgx::Bytes<16>& mac);
  // False where the MAC does not verify; `page` holds zeros then.
  [[nodiscard]] bool decrypt(const PageIdentity& identity, std::uint64_t version,
                             std::span<const std::byte, sgx::kPageSize> sealed, const sgx::Bytes<16>& mac,
                             std::span<std::byte, sgx::kPageSize> page);

  struct FreeContext {
    void operator()(evp_cipher_ctx_st* context) const;
  };
  using Context = std::unique_ptr<evp_cipher_ctx_st, FreeContext>;

 private:
  PageCipher(Context encrypting, Context decrypting)
      : encrypting_(std::move(encrypting)), decrypting_(std::move(decrypting)) {}

  Context encrypting_, decrypting_;
};

}  // namespace coffer::processor
