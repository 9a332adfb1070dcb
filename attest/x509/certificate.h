// X.509 certificates (RFC 5280) in the profiles of Intel, AMD and the makers of TPMs. A certificate is an immutable
// value that owns its bytes; copies share them, and every span that it gives points into them and lives as long as any
// copy. Safe to use from several threads at once.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <coffer/attest/time.h>

#include "attest/crypto/public_key.h"
#include "attest/x509/parts.h"

namespace coffer::attest::x509 {

class Certificate {
 public:
  // kInput where the bytes are not exactly one certificate in DER, with what is wrong. Its signature is not looked at,
  // nor its time.
  [[nodiscard]] static Result<Certificate> parse(ByteView der);

  [[nodiscard]] ByteView der() const;
  [[nodiscard]] ByteView signed_part() const;  // tbsCertificate, whole
  [[nodiscard]] ByteView signature() const;
  // How it is signed; nothing where the algorithm is none of those, and then no signature fits.
  [[nodiscard]] std::optional<crypto::SignatureScheme> scheme() const;

  [[nodiscard]] unsigned version() const;  // 1, 2 or 3
  [[nodiscard]] ByteView serial() const;   // the INTEGER's contents
  [[nodiscard]] ByteView issuer() const;   // the Name, whole: equal names are equal bytes
  [[nodiscard]] ByteView subject() const;
  [[nodiscard]] std::string issuer_name() const;  // its common name; empty where it has none
  [[nodiscard]] std::string subject_name() const;
  [[nodiscard]] UnixTime not_before() const;  // both ends belong to the window
  [[nodiscard]] UnixTime not_after() const;

  // The subject's key, prepared when it was parsed; an error where it is of a kind that is not known.
  [[nodiscard]] const Result<crypto::PublicKey>& public_key() const;

  [[nodiscard]] const std::vector<Extension>& extensions() const;
  // By the contents of its object identifier (oid() in parts.h). Null where there is none.
  [[nodiscard]] const Extension* extension(ByteView oid) const;
  [[nodiscard]] bool is_authority() const;                         // basicConstraints says CA
  [[nodiscard]] std::optional<std::uint64_t> path_length() const;  // of basicConstraints
  // keyUsage: bit 0 digitalSignature, bit 5 keyCertSign, bit 6 cRLSign. Nothing where it has none.
  [[nodiscard]] std::optional<std::uint16_t> key_usage() const;

  // Whether this certificate is signed by `issuer`.
  [[nodiscard]] bool signed_by(const crypto::PublicKey& issuer) const;
  bool operator==(const Certificate& other) const;  // the same bytes

 private:
  struct State;
  explicit Certificate(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  static std::optional<std::string_view> read(State& state);
  static std::optional<std::string_view> read_constraints(State& state);
  std::shared_ptr<const State> state_;
};

inline constexpr std::uint16_t kMayCertify = 1U << 5U;
inline constexpr std::uint16_t kMayRevoke = 1U << 6U;

// The certificates of a PEM text, in its order. Zero bytes at its end are padding. kInput where there is none, another
// kind of block, or more than `most`.
[[nodiscard]] Result<std::vector<Certificate>> parse_certificates(std::string_view pem, std::size_t most = 8);

}  // namespace coffer::attest::x509
