// Collateral as a PCCS or PCS answers it, file by file.
#include <algorithm>
#include <optional>

#include "attest/dcap/collateral.h"
#include "attest/dcap/json.h"
#include "attest/x509/chain.h"

namespace coffer::attest::dcap {

namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

// The headers of an answer, in front of its body or alone.
struct Answer {
  std::vector<std::pair<std::string, std::string_view>> headers;  // names in lower case
  std::string_view body;
};

Answer take_apart(std::string_view text) {
  if (!text.starts_with("HTTP/")) return {.headers = {}, .body = text};
  Answer answer;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) {
      // Where the request was sent on, another answer follows.
      if (text.starts_with("HTTP/")) continue;
      break;
    }
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos) {
      answer.headers.emplace_back(lower(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
    }
  }
  answer.body = text;
  return answer;
}

// One part, of which there is only one.
Result<void> put(std::string& part, std::string_view text, std::string_view what) {
  if (!part.empty() && trimmed(part) != trimmed(text)) {
    return input_error("collateral: there are two different " + std::string(what) + "; keep the one of this platform");
  }
  part = text;
  return {};
}

Result<void> put_headers(const Answer& answer, Collateral::Texts& texts) {
  for (const auto& [name, value] : answer.headers) {
    std::string* part = nullptr;
    if (name == "tcb-info-issuer-chain" || name == "sgx-tcb-info-issuer-chain") part = &texts.tcb_info_issuer_chain;
    if (name == "sgx-enclave-identity-issuer-chain") part = &texts.qe_identity_issuer_chain;
    if (name == "sgx-pck-crl-issuer-chain") part = &texts.pck_crl_issuer_chain;
    if (part == nullptr) continue;
    if (auto done = put(*part, value, name); !done) return done;
  }
  return {};
}

Result<void> put_chain(std::string_view pem, Collateral::Texts& texts) {
  const auto chain = x509::parse_certificates(pem);
  if (!chain) return {};
  const std::string name = chain->front().subject_name();
  if (name.find("TCB Signing") != std::string::npos) {
    if (texts.tcb_info_issuer_chain.empty()) texts.tcb_info_issuer_chain = pem;
    if (texts.qe_identity_issuer_chain.empty()) texts.qe_identity_issuer_chain = pem;
  } else if (name.find("PCK") != std::string::npos && name.find("CA") != std::string::npos) {
    texts.pck_crl_issuer_chain = pem;
  }
  return {};
}

// Every member of a file that has all in one.
void put_all(const JsonValue& object, Collateral::Texts& texts) {
  for (const auto& [name, part] : members_of(texts)) {
    const auto member = object.find(name);
    if (member) *part = member->unescaped().value_or(std::string(member->raw()));
  }
}

Result<void> put_body(std::string_view body, Collateral::Texts& texts) {
  const std::string_view text = trimmed(body);
  if (text.empty()) return {};
  if (text.front() == '{') {
    const auto document = JsonDocument::parse(text, "collateral");
    if (!document) return {};
    const JsonValue object = document->root();
    if (object.find("tcbInfo")) return put(texts.tcb_info, text, "TCB infos");
    if (object.find("enclaveIdentity")) return put(texts.qe_identity, text, "enclave identities");
    if (object.find("tcb_info")) put_all(object, texts);
    return {};
  }
  if (text.starts_with("-----BEGIN CERTIFICATE")) return put_chain(text, texts);
  const auto list = x509::RevocationList::parse_any(std::as_bytes(std::span(body)));
  if (!list) return {};
  const bool root = list->issuer_name().find("Root CA") != std::string::npos;
  return put(root ? texts.root_ca_crl : texts.pck_crl, body, "revocation lists of one issuer");
}

}  // namespace

Result<Collateral> Collateral::parse_answers(std::span<const std::string> files, const TrustedRoots& roots) {
  Texts texts;
  for (const std::string& file : files) {
    const Answer answer = take_apart(file);
    if (auto done = put_headers(answer, texts); !done) return std::unexpected(done.error());
    if (auto done = put_body(answer.body, texts); !done) return std::unexpected(done.error());
  }
  // One signer signs both; caches that drop the headers of one answer are common.
  if (texts.qe_identity_issuer_chain.empty()) texts.qe_identity_issuer_chain = texts.tcb_info_issuer_chain;
  if (texts.tcb_info_issuer_chain.empty()) texts.tcb_info_issuer_chain = texts.qe_identity_issuer_chain;
  return parse(texts, roots);
}

}  // namespace coffer::attest::dcap
