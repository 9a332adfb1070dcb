#include <coffer/attest/roots.h>

#include <array>
#include <utility>
#include <vector>

#include "attest/crypto/public_key.h"
#include "attest/x509/certificate.h"
#include "attest/x509/pem.h"
#include "attest/x509/root_keys.h"
#include "base/hex.h"

namespace coffer::attest {

namespace {

TrustedRoots make_built_in() {
  TrustedRoots roots;
  const auto point = from_hex(x509::intel_root_point());
  if (auto key = crypto::PublicKey::from_point(crypto::KeyKind::kP256, *point)) {
    roots.add(*key, RootOfTrust::kIntel, "Intel SGX Root CA");
  }
  constexpr std::array<std::byte, 3> kExponent{std::byte{1}, std::byte{0}, std::byte{1}};
  for (const x509::NamedModulus& named : x509::amd_root_moduli()) {
    const auto modulus = from_hex(named.hex);
    if (auto key = crypto::PublicKey::from_rsa(*modulus, kExponent)) {
      roots.add(*key, RootOfTrust::kAmd, std::string(named.name));
    }
  }
  return roots;
}

}  // namespace

struct TrustedRoots::State {
  std::vector<std::pair<crypto::PublicKey, Root>> roots;
};

TrustedRoots::TrustedRoots() : state_(std::make_shared<State>()) {}

const TrustedRoots& TrustedRoots::built_in() {
  static const TrustedRoots kRoots = make_built_in();
  return kRoots;
}

Result<void> TrustedRoots::add_pem(std::string_view pem, RootOfTrust kind, std::string name) {
  const auto blocks = x509::parse_pem(pem);
  if (!blocks) return std::unexpected(blocks.error());
  if (blocks->empty()) return input_error("root: there is no PEM block; give a CERTIFICATE or a PUBLIC KEY");
  const x509::PemBlock& block = blocks->back();
  if (block.label == "PUBLIC KEY") {
    const auto key = crypto::PublicKey::from_spki(block.bytes);
    if (!key) return std::unexpected(key.error());
    add(*key, kind, std::move(name));
    return {};
  }
  if (block.label != "CERTIFICATE") return input_error("root: the PEM block is neither a CERTIFICATE nor a PUBLIC KEY");
  const auto certificate = x509::Certificate::parse(block.bytes);
  if (!certificate) return std::unexpected(certificate.error());
  if (!certificate->public_key()) return std::unexpected(certificate->public_key().error());
  add(*certificate->public_key(), kind, name.empty() ? certificate->subject_name() : std::move(name));
  return {};
}

void TrustedRoots::add(const crypto::PublicKey& key, RootOfTrust kind, std::string name) {
  if (find(key) != nullptr) return;
  auto changed = std::make_shared<State>(*state_);
  changed->roots.emplace_back(key, Root{.kind = kind, .name = std::move(name)});
  state_ = std::move(changed);
}

const TrustedRoots::Root* TrustedRoots::find(const crypto::PublicKey& key) const {
  for (const auto& [trusted, root] : state_->roots) {
    if (trusted == key) return &root;
  }
  return nullptr;
}

const crypto::PublicKey* TrustedRoots::key_named(std::string_view name) const {
  for (const auto& [trusted, root] : state_->roots) {
    if (root.name == name) return &trusted;
  }
  return nullptr;
}

const crypto::PublicKey& TrustedRoots::key(std::size_t index) const { return state_->roots.at(index).first; }
std::size_t TrustedRoots::size() const { return state_->roots.size(); }

}  // namespace coffer::attest
