// Which root keys are trusted. Keys, not certificates: a root that was issued again with the same key stays the same
// root.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <coffer/attest/verification.h>
#include <coffer/result.h>

namespace coffer::attest {

namespace crypto {
class PublicKey;
}

// A set of keys, each with whose it is. A value; copies are cheap. Const functions are safe to call from several
// threads.
class TrustedRoots {
 public:
  // Of nobody: for those who trust only what they add.
  TrustedRoots();
  // The makers' keys that are built in: Intel's for SGX and TDX ("Intel SGX Root CA"), AMD's for SEV-SNP ("ARK-Milan",
  // "ARK-Genoa", "ARK-Turin").
  [[nodiscard]] static const TrustedRoots& built_in();

  // Adds the key of a PEM text: a certificate (its subject's key; several blocks: the last one's, where chains have
  // their root) or a PUBLIC KEY. `name` is for people; where it is empty, the certificate's common name. kInput where
  // the text is neither.
  [[nodiscard]] Result<void> add_pem(std::string_view pem, RootOfTrust kind, std::string name = {});
  // A key that is there already keeps its first kind and name.
  void add(const crypto::PublicKey& key, RootOfTrust kind, std::string name);

  struct Root {
    RootOfTrust kind = RootOfTrust::kNone;
    std::string name;
  };
  // Null where the key is not trusted. Valid as long as this set is not changed.
  [[nodiscard]] const Root* find(const crypto::PublicKey& key) const;
  // A trusted key by its name; the first of them, or null.
  [[nodiscard]] const crypto::PublicKey* key_named(std::string_view name) const;
  [[nodiscard]] std::size_t size() const;
  // In the order in which they were added; `index` is below size().
  [[nodiscard]] const crypto::PublicKey& key(std::size_t index) const;

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

}  // namespace coffer::attest
