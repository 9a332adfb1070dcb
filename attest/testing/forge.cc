#include "attest/testing/forge.h"

#include <algorithm>

#include "attest/core/json_text.h"
#include "base/hex.h"

namespace coffer::attest::testing {

namespace {

constexpr std::int64_t kDay = 24 * 60 * 60;

crypto::PrivateKey new_key() { return crypto::PrivateKey::generate().value(); }

void append(Bytes& to, ByteView bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }
template <class T>
void append_number(Bytes& to, T value) {
  append(to, bytes_of(value));
}

std::size_t size_of(dcap::BodyType type) {
  switch (type) {
    case dcap::BodyType::kSgx:
      return dcap::kSgxReportSize;
    case dcap::BodyType::kTd10:
      return dcap::kTdReport10Size;
    case dcap::BodyType::kTd15:
      return dcap::kTdReport15Size;
    case dcap::BodyType::kTd15Extended:
      return dcap::kTdReport15ExtendedSize;
  }
  return 0;
}

dcap::TcbLevel level(std::uint8_t svn, std::uint16_t pcesvn, TcbStatus status, std::vector<std::string> advisories) {
  dcap::TcbLevel made{
      .pcesvn = pcesvn, .date = {1'700'000'000}, .status = status, .advisory_ids = std::move(advisories)};
  made.sgx.fill(svn);
  made.tdx.fill(svn);
  return made;
}

}  // namespace

Forge::Forge(std::uint16_t version_of_quote, dcap::BodyType type)
    : version(version_of_quote),
      body_type(type),
      tee(type == dcap::BodyType::kSgx ? dcap::kTeeSgx : dcap::kTeeTdx),
      vendor_id(dcap::intel_vendor_id().begin(), dcap::intel_vendor_id().end()),
      body(size_of(type)),
      qe_report(dcap::kSgxReportSize),
      qe_authentication_data(32, std::byte{0x20}),
      root_key(new_key()),
      authority_key(new_key()),
      pck_key(new_key()),
      signer_key(new_key()),
      attestation_key(new_key()),
      quote_signed_by(attestation_key),
      qe_report_signed_by(pck_key),
      pck_signed_by(authority_key),
      authority_signed_by(root_key),
      root_signed_by(root_key),
      signer_signed_by(root_key),
      tcb_info_signed_by(signer_key),
      qe_identity_signed_by(signer_key),
      root_crl_signed_by(root_key),
      pck_crl_signed_by(authority_key),
      now{1'750'000'000} {
  const Window years{.first = {now.seconds - 1000 * kDay}, .last = {now.seconds + 1000 * kDay}};
  root_window = authority_window = pck_window = signer_window = years;
  const Window days{.first = {now.seconds - 10 * kDay}, .last = {now.seconds + 20 * kDay}};
  root_crl_window = pck_crl_window = days;
  platform.ppid.fill(std::byte{0x11});
  platform.components.fill(5);
  platform.pcesvn = 13;
  platform.fmspc.fill(std::byte{0x42});
  platform.platform_instance_id.emplace().fill(std::byte{0x33});
  platform.configuration = dcap::PckConfiguration{.dynamic_platform = true, .cached_keys = true, .smt_enabled = false};
  const bool tdx = tee == dcap::kTeeTdx;
  tcb_info = {.version = 3,
              .tdx = tdx,
              .issue_date = days.first,
              .next_update = days.last,
              .fmspc = platform.fmspc,
              .pce_id = platform.pce_id,
              .evaluation_data_number = 17};
  tcb_info.levels = {level(5, 13, TcbStatus::kUpToDate, {}),
                     level(4, 11, TcbStatus::kSwHardeningNeeded, {"INTEL-SA-00002"}),
                     level(2, 5, TcbStatus::kOutOfDate, {"INTEL-SA-00002", "INTEL-SA-00001"})};
  if (tdx) {
    tcb_info.tdx_module.emplace();
    dcap::TdxModule module{.id = "TDX_01"};
    module.levels = {{.isvsvn = 4, .date = {1'710'000'000}, .status = TcbStatus::kUpToDate},
                     {.isvsvn = 2, .date = {1'690'000'000}, .status = TcbStatus::kOutOfDate}};
    tcb_info.tdx_module_identities = {module};
    std::fill_n(body.begin(), 16, std::byte{5});  // TEE_TCB_SVN
    body[1] = std::byte{1};                       // of TDX module 1
    if (type >= dcap::BodyType::kTd15) std::copy_n(body.begin(), 16, body.begin() + dcap::kTdReport10Size);
  }
  qe_identity = {.id = tdx ? "TD_QE" : "QE",
                 .version = 2,
                 .issue_date = days.first,
                 .next_update = days.last,
                 .evaluation_data_number = 17,
                 .miscselect_mask = 0xffff'ffff,
                 .isv_prod_id = 2};
  qe_identity.attributes[0] = std::byte{0x11};
  qe_identity.attributes_mask[0] = std::byte{0xfb};
  qe_identity.mrsigner.fill(std::byte{0x77});
  qe_identity.levels = {
      {.isvsvn = 6, .date = {1'700'000'000}, .status = TcbStatus::kUpToDate},
      {.isvsvn = 4, .date = {1'680'000'000}, .status = TcbStatus::kOutOfDate, .advisory_ids = {"INTEL-SA-00003"}}};
  qe_report[48] = std::byte{0x15};  // ATTRIBUTES, with a bit that the mask leaves out
  std::fill_n(qe_report.begin() + 128, 32, std::byte{0x77});
  qe_report[256] = std::byte{2};  // ISVPRODID
  qe_report[258] = std::byte{6};  // ISVSVN
}

TrustedRoots Forge::roots() const {
  TrustedRoots trusted;
  trusted.add(root_key.public_key(), RootOfTrust::kGiven, root_name);
  return trusted;
}

Bytes Forge::root_certificate() const {
  return issue_certificate({.subject = root_name,
                            .issuer = root_name,
                            .serial = {std::byte{1}},
                            .not_before = root_window.first,
                            .not_after = root_window.last,
                            .key = &root_key.public_key(),
                            .issuer_key = &root_signed_by,
                            .authority = true,
                            .path_length = 1});
}

std::string Forge::pck_chain() const {
  const Bytes leaf = issue_certificate({.subject = pck_name,
                                        .issuer = authority_name,
                                        .serial = pck_serial(),
                                        .not_before = pck_window.first,
                                        .not_after = pck_window.last,
                                        .key = &pck_key.public_key(),
                                        .issuer_key = &pck_signed_by,
                                        .platform = platform,
                                        .plain = pck_is_plain});
  const Bytes authority =
      issue_certificate({.subject = authority_name,
                         .issuer = root_name,
                         .serial = authority_serial(),
                         .not_before = authority_window.first,
                         .not_after = authority_window.last,
                         .key = &authority_key.public_key(),
                         .issuer_key = &authority_signed_by,
                         .authority = authority_is_one,
                         .path_length = authority_is_one ? std::optional<std::uint64_t>(0) : std::nullopt});
  return to_pem(leaf, "CERTIFICATE") + to_pem(authority, "CERTIFICATE") + to_pem(root_certificate(), "CERTIFICATE");
}

// QE report, signature, authentication data, certification data.
Bytes Forge::qe_part() const {
  Bytes report = qe_report;
  const crypto::Digest hash =
      crypto::digest(crypto::Hash::kSha256, {attestation_key.public_key().value(), qe_authentication_data});
  Bytes data(hash.bytes().begin(), hash.bytes().end());
  data.resize(64);
  std::ranges::copy(qe_report_data.value_or(data), report.begin() + 320);
  Bytes out = report;
  append(out, qe_report_signed_by.sign(report));
  append_number(out, static_cast<std::uint16_t>(qe_authentication_data.size()));
  append(out, qe_authentication_data);
  const std::string chain = pck_chain() + '\0';
  append_number(out, certification_type);
  append_number(out, static_cast<std::uint32_t>(chain.size()));
  append(out, std::as_bytes(std::span(chain)));
  return out;
}

Bytes Forge::quote() const {
  Bytes out;
  append_number(out, version);
  append_number(out, attestation_key_type);
  append_number(out, tee);
  append_number(out, std::uint32_t{0});
  append(out, vendor_id);
  append(out, Bytes(20));
  if (version >= 5) {
    append_number(out, static_cast<std::uint16_t>(body_type));
    append_number(out, static_cast<std::uint32_t>(body.size()));
  }
  append(out, body);
  Bytes data;
  append(data, quote_signed_by.sign(out));
  append(data, attestation_key.public_key().value());
  const Bytes part = qe_part();
  if (version >= 4) {
    append_number(data, std::uint16_t{6});
    append_number(data, static_cast<std::uint32_t>(part.size()));
  }
  append(data, part);
  append_number(out, static_cast<std::uint32_t>(data.size()));
  append(out, data);
  append(out, padding);
  return out;
}

dcap::Collateral::Texts Forge::texts() const {
  const Bytes signer = issue_certificate({.subject = signer_name,
                                          .issuer = root_name,
                                          .serial = signer_serial(),
                                          .not_before = signer_window.first,
                                          .not_after = signer_window.last,
                                          .key = &signer_key.public_key(),
                                          .issuer_key = &signer_signed_by});
  const std::string chain = to_pem(signer, "CERTIFICATE") + to_pem(root_certificate(), "CERTIFICATE");
  const std::string info = to_json(tcb_info);
  const std::string identity = to_json(qe_identity);
  const auto signature = [](const crypto::PrivateKey& key, const std::string& text) {
    return to_hex(key.sign(std::as_bytes(std::span(text))));
  };
  const Bytes root_crl = issue_revocation_list({.issuer = root_name,
                                                .issuer_key = &root_crl_signed_by,
                                                .this_update = root_crl_window.first,
                                                .next_update = root_crl_window.last,
                                                .serials = revoked_by_root});
  const Bytes pck_crl = issue_revocation_list({.issuer = pck_crl_issuer.empty() ? authority_name : pck_crl_issuer,
                                               .issuer_key = &pck_crl_signed_by,
                                               .this_update = pck_crl_window.first,
                                               .next_update = pck_crl_window.last,
                                               .serials = revoked_by_authority});
  const std::string whole = pck_chain();
  const std::string issuers = whole.substr(whole.find("-----BEGIN", 1));  // without the leaf
  return {.tcb_info = info,
          .tcb_info_signature = signature(tcb_info_signed_by, info),
          .tcb_info_issuer_chain = chain,
          .qe_identity = identity,
          .qe_identity_signature = signature(qe_identity_signed_by, identity),
          .qe_identity_issuer_chain = chain,
          .root_ca_crl = to_hex(root_crl),
          .pck_crl = to_hex(pck_crl),
          .pck_crl_issuer_chain = issuers};
}

std::string Forge::collateral_json() const {
  const dcap::Collateral::Texts parts = texts();
  JsonText json;
  json.begin_object();
  const auto member = [&](std::string_view name, const std::string& value) {
    json.name(name);
    json.value(value);
  };
  member("tcb_info", parts.tcb_info);
  member("tcb_info_signature", parts.tcb_info_signature);
  member("tcb_info_issuer_chain", parts.tcb_info_issuer_chain);
  member("qe_identity", parts.qe_identity);
  member("qe_identity_signature", parts.qe_identity_signature);
  member("qe_identity_issuer_chain", parts.qe_identity_issuer_chain);
  member("root_ca_crl", parts.root_ca_crl);
  member("pck_crl", parts.pck_crl);
  member("pck_crl_issuer_chain", parts.pck_crl_issuer_chain);
  json.end_object();
  return json.take();
}

Result<Verification> Forge::verify(dcap::ChainCache* cache) const {
  const auto collateral = dcap::Collateral::parse(texts(), roots());
  if (!collateral) return std::unexpected(collateral.error());
  return dcap::verify(quote(), *collateral, now, cache);
}

}  // namespace coffer::attest::testing
