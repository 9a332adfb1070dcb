// Certificate revocation lists (RFC 5280, 5), complete and direct ones: each says of one issuer's certificates which
// are revoked. An immutable value that owns its bytes; copies share them. Safe to use from several threads at once.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attest/x509/certificate.h"

namespace coffer::attest::x509 {

class RevocationList {
 public:
  // kInput where the bytes are not exactly one list in DER, or it is a delta or indirect list. Its signature and time
  // are not looked at.
  [[nodiscard]] static Result<RevocationList> parse(ByteView der);
  // DER, PEM, or DER as hexadecimal or Base64 text, which one is seen from the bytes: the forms in which Intel's
  // services and their caches hand lists out. Zero bytes after text are padding.
  [[nodiscard]] static Result<RevocationList> parse_any(ByteView bytes);

  [[nodiscard]] ByteView der() const;
  [[nodiscard]] ByteView issuer() const;  // the Name, whole
  [[nodiscard]] std::string issuer_name() const;
  [[nodiscard]] UnixTime this_update() const;
  [[nodiscard]] std::optional<UnixTime> next_update() const;
  [[nodiscard]] std::optional<ByteView> number() const;  // the cRLNumber's magnitude, big-endian
  [[nodiscard]] bool complete() const;                   // it has the extensions that it must: number, issuer's key id
  [[nodiscard]] std::size_t size() const;                // revoked certificates
  // The serial number as Certificate::serial() gives it.
  [[nodiscard]] bool revokes(ByteView serial) const;
  [[nodiscard]] bool signed_by(const crypto::PublicKey& issuer) const;

 private:
  struct State;
  explicit RevocationList(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  static std::optional<std::string_view> read(State& state);
  std::shared_ptr<const State> state_;
};

}  // namespace coffer::attest::x509
