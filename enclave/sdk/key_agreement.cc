#include "enclave/sdk/key_agreement.h"

namespace coffer::sdk {
namespace {

using KeyPointer = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)>;

}  // namespace

bool EphemeralKey::generate() {
  key_.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519"));
  std::size_t size = public_key_.size();
  return key_ != nullptr &&
         EVP_PKEY_get_raw_public_key(key_.get(), reinterpret_cast<unsigned char*>(public_key_.data()), &size) == 1 &&
         size == public_key_.size();
}

bool EphemeralKey::agree(const PublicKey& other, Key256& shared) const {
  const KeyPointer theirs(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, reinterpret_cast<const unsigned char*>(other.data()),
                                  other.size()),
      EVP_PKEY_free);
  if (theirs == nullptr || key_ == nullptr) return false;
  const KeyContext context(EVP_PKEY_CTX_new(key_.get(), nullptr), EVP_PKEY_CTX_free);
  std::size_t size = shared.bytes().size();
  return context != nullptr && EVP_PKEY_derive_init(context.get()) == 1 &&
         EVP_PKEY_derive_set_peer(context.get(), theirs.get()) == 1 &&
         EVP_PKEY_derive(context.get(), reinterpret_cast<unsigned char*>(shared.bytes().data()), &size) == 1 &&
         size == shared.bytes().size();
}

}  // namespace coffer::sdk
