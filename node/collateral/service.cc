#include "node/collateral/service.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/hex.h"

namespace coffer::node {
namespace {

using Parameters = std::map<std::string, std::string, std::less<>>;

// Nothing where it is malformed: a name twice, a bad percent sign.
std::optional<Parameters> parse_query(std::string_view query) {
  Parameters parameters;
  while (!query.empty()) {
    const std::string_view part = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(part.size() + 1, query.size()));
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    auto value = percent_decode(part.substr(equals + 1));
    if (!value || !parameters.emplace(part.substr(0, equals), std::move(*value)).second) return std::nullopt;
  }
  return parameters;
}

HttpAnswer plain(unsigned status, std::string_view text) {
  return {.status = status, .headers = {{"Content-Type", "text/plain"}}, .body = std::string(text) + "\n"};
}
HttpAnswer not_found(std::string_view text) { return plain(404, text); }

// Whether a parameter has the platform's value in hexadecimal; an absent one agrees where it may be left out.
bool agrees(const Parameters& parameters, std::string_view name, ByteView value, bool needed) {
  const auto found = parameters.find(name);
  if (found == parameters.end()) return !needed;
  const auto bytes = from_hex(found->second);
  return bytes && std::ranges::equal(*bytes, value);
}

std::string as_text(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

HttpAnswer json_answer(const std::string& body, const char* chain_header, const std::string& chain) {
  return {.status = 200,
          .headers = {{"Content-Type", "application/json"}, {chain_header, percent_encode(chain)}},
          .body = body};
}

HttpAnswer pck_certificate(const Platform& platform, const Parameters& parameters) {
  const PlatformFacts& facts = platform.facts();
  // A cache asks by the platform's names; which of them it has depends on how it was set up.
  if (!parameters.contains("qeid") && !parameters.contains("encrypted_ppid")) return plain(400, "qeid is missing");
  if (!agrees(parameters, "pceid", bytes_of(kSoftwarePceId), true)) return not_found("no such platform");
  if (!agrees(parameters, "cpusvn", bytes_of(facts.cpu_svn), true)) return not_found("no certificate of that cpusvn");
  std::string tcb;
  {
    const auto component_bytes = bytes_of(facts.cpu_svn);
    tcb = to_hex(component_bytes) + "0100";
  }
  HttpAnswer answer{
      .status = 200,
      .headers = {{"Content-Type", "application/x-pem-file"},
                  {"SGX-PCK-Certificate-Issuer-Chain", percent_encode(platform.certificates().platform_ca_chain())},
                  {"SGX-TCBm", tcb},
                  {"SGX-FMSPC", to_hex(bytes_of(kSoftwareFmspc))},
                  {"SGX-PCK-Certificate-CA-Type", "platform"}},
      .body = platform.certificates().pck};
  return answer;
}

HttpAnswer pck_list(const Platform& platform, const Parameters& parameters) {
  const auto ca = parameters.find("ca");
  if (ca == parameters.end()) return plain(400, "ca is missing: processor or platform");
  if (ca->second != "platform") return not_found("this platform has no processor CA");
  const auto encoding = parameters.find("encoding");
  const bool der = encoding != parameters.end() && encoding->second == "der";
  if (encoding != parameters.end() && !der && encoding->second != "pem") return plain(400, "encoding is pem or der");
  // Intel's caches answer in hexadecimal where no encoding is asked for; readers know all three.
  const auto& list = platform.certificates().pck_crl;
  return {.status = 200,
          .headers = {{"Content-Type", der ? "application/pkix-crl" : "text/plain"},
                      {"SGX-PCK-CRL-Issuer-Chain", percent_encode(platform.certificates().platform_ca_chain())}},
          .body = der ? as_text(list) : to_hex(list)};
}

HttpAnswer tcb_info(const Platform& platform, const Parameters& parameters) {
  if (!parameters.contains("fmspc")) return plain(400, "fmspc is missing");
  if (!agrees(parameters, "fmspc", bytes_of(kSoftwareFmspc), true)) return not_found("no TCB info of that fmspc");
  return json_answer(platform.certificates().tcb_info, "TCB-Info-Issuer-Chain",
                     platform.certificates().tcb_signing_chain());
}

}  // namespace

HttpAnswer answer_collateral(const Platform& platform, std::string_view target) {
  const std::size_t question = std::min(target.find('?'), target.size());
  const std::string_view path = target.substr(0, question);
  const auto parameters = parse_query(target.substr(std::min(question + 1, target.size())));
  if (!parameters) return plain(400, "the query is malformed");
  if (!path.starts_with(kServicePath)) return not_found("nothing here; see /sgx/certification/v4");
  const std::string_view what = path.substr(kServicePath.size());
  if (what == "/pckcert") return pck_certificate(platform, *parameters);
  if (what == "/pckcrl") return pck_list(platform, *parameters);
  if (what == "/tcb") {
    HttpAnswer answer = tcb_info(platform, *parameters);
    // Both names are in use: the service's own and that of older versions.
    if (answer.status == 200) answer.headers.emplace_back("SGX-TCB-Info-Issuer-Chain", answer.headers.back().second);
    return answer;
  }
  if (what == "/qe/identity") {
    return json_answer(platform.certificates().qe_identity, "SGX-Enclave-Identity-Issuer-Chain",
                       platform.certificates().tcb_signing_chain());
  }
  if (what == "/rootcacrl") {
    return {
        .status = 200, .headers = {{"Content-Type", "text/plain"}}, .body = to_hex(platform.certificates().root_crl)};
  }
  return not_found("this platform has no such collateral");
}

}  // namespace coffer::node
