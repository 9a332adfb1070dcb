#include "attest/testing/issue.h"

#include <openssl/evp.h>

#include <array>

#include "attest/core/json_text.h"
#include "attest/der/writer.h"
#include "attest/x509/parts.h"
#include "base/hex.h"

namespace coffer::attest::testing {

namespace {

using x509::oid;

constexpr auto kOrganization = oid(0x55, 0x04, 0x0a);
constexpr auto kEcdsaSha256 = oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02);
constexpr auto kSgx = oid(0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01);

Bytes joined(std::initializer_list<ByteView> parts) {
  Bytes out;
  for (const ByteView part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

Bytes attribute(ByteView type, std::string_view value) {
  const Bytes pair = der::element(der::kSequence, {der::object_identifier(type), der::text(der::kUtf8String, value)});
  return der::element(der::kSet, {pair});
}

Bytes name(std::string_view common_name) {
  return der::element(der::kSequence, {attribute(x509::kCommonName, common_name), attribute(kOrganization, "Coffer")});
}

Bytes algorithm() { return der::element(der::kSequence, {der::object_identifier(kEcdsaSha256)}); }

Bytes extension(ByteView type, bool critical, ByteView value) {
  const Bytes flag = critical ? der::boolean_value(true) : Bytes{};
  return der::element(der::kSequence, {der::object_identifier(type), flag, der::octet_string(value)});
}

Bytes key_id(const crypto::PublicKey& key) {
  const crypto::Digest digest = crypto::digest(crypto::Hash::kSha1, key.value());
  return joined({digest});
}

Bytes signed_whole(const Bytes& body, const crypto::PrivateKey& key) {
  return der::element(der::kSequence, {body, algorithm(), der::bit_string(key.sign_der(body))});
}

Bytes extensions_of(const CertificateRequest& request) {
  const Bytes authority_id = der::element(
      der::kSequence, {der::element(der::context_primitive(0), {key_id(request.issuer_key->public_key())})});
  const std::string url = "https://localhost/crl";
  const Bytes point =
      der::element(der::context(0), {der::element(der::context(0), {der::text(der::context_primitive(6), url)})});
  const Bytes points = der::element(der::kSequence, {der::element(der::kSequence, {point})});
  // digitalSignature and nonRepudiation of leaves, keyCertSign and cRLSign of authorities: Intel's.
  const std::array<std::byte, 2> usage{std::byte{static_cast<std::uint8_t>(request.authority ? 1 : 6)},
                                       std::byte{static_cast<std::uint8_t>(request.authority ? 0x06 : 0xc0)}};
  const Bytes limit = request.path_length ? der::integer(*request.path_length) : Bytes{};
  const Bytes constraints =
      der::element(der::kSequence, {request.authority ? der::boolean_value(true) : Bytes{}, limit});
  const Bytes platform = request.platform ? extension(kSgx, false, encode(*request.platform)) : Bytes{};
  const Bytes list =
      der::element(der::kSequence, {extension(x509::kAuthorityKeyId, false, authority_id),
                                    extension(x509::kCrlDistributionPoints, false, points),
                                    extension(x509::kSubjectKeyId, false, der::octet_string(key_id(*request.key))),
                                    extension(x509::kKeyUsage, true, der::element(der::kBitString, {usage})),
                                    extension(x509::kBasicConstraints, true, constraints), platform});
  return der::element(der::context(3), {list});
}

// { kSgx + numbers, value }
Bytes entry(std::initializer_list<std::uint8_t> numbers, ByteView value) {
  Bytes type(kSgx.begin(), kSgx.end());
  for (const std::uint8_t number : numbers) type.push_back(std::byte{number});
  return der::element(der::kSequence, {der::object_identifier(type), value});
}

void write_advisories(JsonText& json, const std::vector<std::string>& ids) {
  if (ids.empty()) return;
  json.name("advisoryIDs");
  json.begin_array();
  for (const std::string& id : ids) json.value(id);
  json.end_array();
}

void write_common(JsonText& json, std::uint32_t version, UnixTime issued, UnixTime next) {
  json.name("version");
  json.value(std::uint64_t{version});
  json.name("issueDate");
  json.value(to_iso8601(issued));
  json.name("nextUpdate");
  json.value(to_iso8601(next));
}

void write_hex(JsonText& json, std::string_view member, ByteView bytes) {
  json.name(member);
  json.value(to_hex(bytes));
}

template <class Level>
void write_status(JsonText& json, const Level& level) {
  json.name("tcbDate");
  json.value(to_iso8601(level.date));
  json.name("tcbStatus");
  json.value(name_of(level.status));
  write_advisories(json, level.advisory_ids);
}

void write_components(JsonText& json, std::string_view member, const dcap::Svns& svns) {
  json.name(member);
  json.begin_array();
  for (const std::uint8_t svn : svns) {
    json.begin_object();
    json.name("svn");
    json.value(std::uint64_t{svn});
    json.end_object();
  }
  json.end_array();
}

void write_svn_levels(JsonText& json, const std::vector<dcap::SvnLevel>& levels) {
  json.name("tcbLevels");
  json.begin_array();
  for (const dcap::SvnLevel& level : levels) {
    json.begin_object();
    json.name("tcb");
    json.begin_object();
    json.name("isvsvn");
    json.value(std::uint64_t{level.isvsvn});
    json.end_object();
    write_status(json, level);
    json.end_object();
  }
  json.end_array();
}

void write_level(JsonText& json, const dcap::TcbLevel& level, const dcap::TcbInfo& info) {
  json.begin_object();
  json.name("tcb");
  json.begin_object();
  if (info.version == 2) {
    for (std::size_t i = 0; i < level.sgx.size(); ++i) {
      const std::string number = std::to_string(i + 1);
      json.name("sgxtcbcomp" + std::string(number.size() == 1 ? "0" : "") + number + "svn");
      json.value(std::uint64_t{level.sgx.at(i)});
    }
  } else {
    write_components(json, "sgxtcbcomponents", level.sgx);
    if (info.tdx) write_components(json, "tdxtcbcomponents", level.tdx);
  }
  json.name("pcesvn");
  json.value(std::uint64_t{level.pcesvn});
  json.end_object();
  write_status(json, level);
  json.end_object();
}

void write_module(JsonText& json, const dcap::TdxModule& module) {
  json.begin_object();
  if (!module.id.empty()) {
    json.name("id");
    json.value(module.id);
  }
  write_hex(json, "mrsigner", module.mrsigner);
  write_hex(json, "attributes", module.attributes);
  write_hex(json, "attributesMask", module.attributes_mask);
  if (!module.levels.empty()) write_svn_levels(json, module.levels);
  json.end_object();
}

std::array<std::byte, 4> big_endian(std::uint32_t value) {
  std::array<std::byte, 4> bytes{};
  for (unsigned i = 0; i < 4; ++i) bytes.at(3 - i) = static_cast<std::byte>(value >> (8 * i));
  return bytes;
}

}  // namespace

Bytes encode(const dcap::PckExtensions& platform) {
  Bytes tcb;
  for (std::uint8_t i = 0; i < 16; ++i) {
    const Bytes one = entry({2, static_cast<std::uint8_t>(i + 1)}, der::integer(platform.components.at(i)));
    tcb.insert(tcb.end(), one.begin(), one.end());
  }
  const Bytes levels = der::element(der::kSequence, {tcb, entry({2, 17}, der::integer(platform.pcesvn)),
                                                     entry({2, 18}, der::octet_string(platform.cpusvn))});
  Bytes type = der::integer(platform.sgx_type);
  type.front() = std::byte{der::kEnumerated};
  Bytes more;
  if (platform.platform_instance_id) more = entry({6}, der::octet_string(*platform.platform_instance_id));
  if (platform.configuration) {
    const dcap::PckConfiguration& flags = *platform.configuration;
    const Bytes list = der::element(der::kSequence, {entry({7, 1}, der::boolean_value(flags.dynamic_platform)),
                                                     entry({7, 2}, der::boolean_value(flags.cached_keys)),
                                                     entry({7, 3}, der::boolean_value(flags.smt_enabled))});
    more = joined({more, entry({7}, list)});
  }
  return der::element(der::kSequence, {entry({1}, der::octet_string(platform.ppid)), entry({2}, levels),
                                       entry({3}, der::octet_string(platform.pce_id)),
                                       entry({4}, der::octet_string(platform.fmspc)), entry({5}, type), more});
}

Bytes issue_certificate(const CertificateRequest& request) {
  const Bytes version = der::element(der::context(0), {der::integer(2)});
  const Bytes validity =
      der::element(der::kSequence, {der::time_value(request.not_before), der::time_value(request.not_after)});
  const Bytes body = der::element(
      der::kSequence, {version, der::integer(request.serial), algorithm(), name(request.issuer), validity,
                       name(request.subject), request.key->spki(), request.plain ? Bytes{} : extensions_of(request)});
  return signed_whole(body, *request.issuer_key);
}

Bytes issue_revocation_list(const RevocationRequest& request) {
  Bytes entries;
  for (const Bytes& serial : request.serials) {
    const Bytes entry = der::element(der::kSequence, {der::integer(serial), der::time_value(request.this_update)});
    entries.insert(entries.end(), entry.begin(), entry.end());
  }
  const Bytes list = entries.empty() ? Bytes{} : der::element(der::kSequence, {entries});
  const Bytes issuer_id = der::element(
      der::kSequence, {der::element(der::context_primitive(0), {key_id(request.issuer_key->public_key())})});
  const Bytes extensions = der::element(
      der::context(0), {der::element(der::kSequence, {extension(x509::kCrlNumber, false, der::integer(1)),
                                                      extension(x509::kAuthorityKeyId, false, issuer_id)})});
  const Bytes body = der::element(
      der::kSequence, {der::integer(1), algorithm(), name(request.issuer), der::time_value(request.this_update),
                       der::time_value(request.next_update), list, extensions});
  return signed_whole(body, *request.issuer_key);
}

std::string to_pem(ByteView der, std::string_view label) {
  std::string base64(der.size() * 2 + 4, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(base64.data()),
                                   reinterpret_cast<const unsigned char*>(der.data()), static_cast<int>(der.size()));
  base64.resize(static_cast<std::size_t>(size));
  std::string pem = "-----BEGIN " + std::string(label) + "-----\n";
  for (std::size_t i = 0; i < base64.size(); i += 64) pem += base64.substr(i, 64) + "\n";
  return pem + "-----END " + std::string(label) + "-----\n";
}

std::string to_json(const dcap::TcbInfo& info) {
  JsonText json;
  json.begin_object();
  if (info.version >= 3) {
    json.name("id");
    json.value(info.tdx ? "TDX" : "SGX");
  }
  write_common(json, info.version, info.issue_date, info.next_update);
  write_hex(json, "fmspc", info.fmspc);
  if (info.pce_id) write_hex(json, "pceId", *info.pce_id);
  json.name("tcbType");
  json.value(std::uint64_t{0});
  json.name("tcbEvaluationDataNumber");
  json.value(std::uint64_t{info.evaluation_data_number});
  if (info.tdx_module) {
    json.name("tdxModule");
    write_module(json, *info.tdx_module);
  }
  if (!info.tdx_module_identities.empty()) {
    json.name("tdxModuleIdentities");
    json.begin_array();
    for (const dcap::TdxModule& module : info.tdx_module_identities) write_module(json, module);
    json.end_array();
  }
  json.name("tcbLevels");
  json.begin_array();
  for (const dcap::TcbLevel& level : info.levels) write_level(json, level, info);
  json.end_array();
  json.end_object();
  return json.take();
}

std::string to_json(const dcap::EnclaveIdentity& identity) {
  JsonText json;
  json.begin_object();
  json.name("id");
  json.value(identity.id);
  write_common(json, identity.version, identity.issue_date, identity.next_update);
  json.name("tcbEvaluationDataNumber");
  json.value(std::uint64_t{identity.evaluation_data_number});
  write_hex(json, "miscselect", big_endian(identity.miscselect));
  write_hex(json, "miscselectMask", big_endian(identity.miscselect_mask));
  write_hex(json, "attributes", identity.attributes);
  write_hex(json, "attributesMask", identity.attributes_mask);
  write_hex(json, "mrsigner", identity.mrsigner);
  json.name("isvprodid");
  json.value(std::uint64_t{identity.isv_prod_id});
  write_svn_levels(json, identity.levels);
  json.end_object();
  return json.take();
}

}  // namespace coffer::attest::testing
