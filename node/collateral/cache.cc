#include "node/collateral/cache.h"

#include <openssl/evp.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include <coffer/attest/time.h>

#include "attest/dcap/pck_certificate.h"
#include "attest/dcap/quote.h"
#include "attest/x509/certificate.h"
#include "attest/x509/revocation_list.h"
#include "base/file.h"
#include "base/hex.h"
#include "node/quoting/certificates.h"
#include "node/quoting/platform.h"

namespace coffer::node {
namespace {

struct PartInfo {
  const char* name;
  bool list;           // a revocation list; else signed JSON
  const char* member;  // of the JSON
};
constexpr PartInfo kParts[] = {{"tcb", false, "tcbInfo"},
                               {"qe-identity", false, "enclaveIdentity"},
                               {"pckcrl", true, ""},
                               {"rootcacrl", true, ""}};
// Intel hands out its root's list elsewhere; a cache has it beside the rest.
constexpr const char* kIntelRootList = "https://certificates.trustedservices.intel.com";
constexpr const char* kIntelRootListTarget = "/IntelSGXRootCA.der";

std::filesystem::path file_of(const std::filesystem::path& folder, const PartInfo& part) {
  return folder / (std::string(part.name) + ".http");
}

std::string target_of(const PartInfo& part, const PlatformKind& kind) {
  const std::string_view name = part.name;
  if (name == "tcb") return "/tcb?fmspc=" + kind.fmspc;
  if (name == "qe-identity") return "/qe/identity";
  if (name == "pckcrl") return "/pckcrl?ca=" + kind.ca + "&encoding=der";
  return "/rootcacrl";
}

std::string_view body_of(std::string_view file) {
  const std::size_t end = file.find("\r\n\r\n");
  return end == std::string_view::npos ? file : file.substr(end + 4);
}

// When a part ends; nothing where it is not of its form.
std::optional<std::int64_t> end_of(const PartInfo& part, std::string_view body) {
  if (part.list) {
    const auto list = attest::x509::RevocationList::parse_any(std::as_bytes(std::span(body)));
    if (!list || !list->next_update()) return std::nullopt;
    return list->next_update()->seconds;
  }
  const auto json = nlohmann::json::parse(body, nullptr, false);
  if (!json.is_object() || !json.contains(part.member) || !json[part.member].is_object()) return std::nullopt;
  const auto& object = json[part.member];
  if (!object.contains("nextUpdate") || !object["nextUpdate"].is_string()) return std::nullopt;
  const auto time = attest::parse_iso8601(object["nextUpdate"].get<std::string>());
  if (!time) return std::nullopt;
  return time->seconds;
}

}  // namespace

std::string as_cached_file(const HttpAnswer& answer) {
  std::string file = "HTTP/1.1 200 OK\r\n";
  for (const char* name : {"Content-Type", "TCB-Info-Issuer-Chain", "SGX-TCB-Info-Issuer-Chain",
                           "SGX-Enclave-Identity-Issuer-Chain", "SGX-PCK-CRL-Issuer-Chain"}) {
    const std::string_view value = answer.header(name);
    if (!value.empty()) file += std::string(name) + ": " + std::string(value) + "\r\n";
  }
  return file + "\r\n" + answer.body;
}

std::string root_name(std::string_view certificate) {
  const auto der = to_der(certificate);
  unsigned char digest[32];
  std::size_t size = 0;
  if (!der || EVP_Q_digest(nullptr, "SHA256", nullptr, der->data(), der->size(), digest, &size) != 1) return {};
  return to_hex(std::as_bytes(std::span(digest))).substr(0, 16);
}

namespace {

Result<HttpAnswer> ask(const Url& service, const PartInfo& part, const PlatformKind& kind) {
  auto answer = http_get(service, target_of(part, kind));
  const bool intel = service.host.ends_with("trustedservices.intel.com");
  if (answer && answer->status == 404 && intel && std::string_view(part.name) == "rootcacrl") {
    const auto place = parse_url(kIntelRootList);
    if (!place) return std::unexpected(place.error());
    answer = http_get(*place, kIntelRootListTarget);
  }
  if (!answer) return answer;
  if (answer->status == 200 && end_of(part, answer->body)) return answer;
  const std::string from = service.host + ":" + service.port + service.path + target_of(part, kind);
  if (answer->status == 404) return fail(ErrorKind::kSystem, from + ": there is no such collateral (404)");
  if (answer->status != 200) return fail(ErrorKind::kSystem, from + ": status " + std::to_string(answer->status));
  return fail(ErrorKind::kSystem, from + ": the answer is not collateral");
}

}  // namespace

Result<PlatformKind> kind_of_quote(ByteView bytes) {
  const auto quote = attest::dcap::parse_quote(bytes);
  if (!quote) return std::unexpected(quote.error());
  constexpr std::uint16_t kPckChain = 5;
  if (quote->certification_type != kPckChain) {
    return input_error("the quote holds no PCK certificates; whose platform it is cannot be seen");
  }
  const auto chain = attest::x509::parse_certificates(
      {reinterpret_cast<const char*>(quote->certification_data.data()), quote->certification_data.size()});
  if (!chain) return std::unexpected(chain.error());
  const auto extensions = attest::dcap::parse_pck_extensions(chain->front());
  if (!extensions) return std::unexpected(extensions.error());
  std::string root;
  if (std::ranges::equal(extensions->fmspc, bytes_of(kSoftwareFmspc))) {
    const ByteView der = chain->back().der();
    unsigned char digest[32];
    std::size_t size = 0;
    if (EVP_Q_digest(nullptr, "SHA256", nullptr, der.data(), der.size(), digest, &size) == 1) {
      root = to_hex(std::as_bytes(std::span(digest))).substr(0, 16);
    }
  }
  const bool platform = chain->front().issuer_name().find("Platform") != std::string::npos;
  return PlatformKind{.fmspc = to_hex(extensions->fmspc), .ca = platform ? "platform" : "processor", .root = root};
}

std::vector<CachedPart> CollateralCache::parts() const {
  std::vector<CachedPart> result;
  for (const PartInfo& part : kParts) {
    CachedPart cached{.name = part.name};
    const auto content = read_file(file_of(folder_, part), kMostAnswer + kMostHeaders);
    if (content) {
      const auto end = end_of(part, body_of({reinterpret_cast<const char*>(content->data()), content->size()}));
      cached.there = end.has_value();
      cached.expires = end.value_or(0);
    }
    result.push_back(std::move(cached));
  }
  return result;
}

std::int64_t CollateralCache::expires() const {
  std::int64_t first = 0;
  for (const CachedPart& part : parts()) {
    if (!part.there) return 0;
    first = first == 0 ? part.expires : std::min(first, part.expires);
  }
  return first;
}

Result<void> CollateralCache::fetch(const std::string& url) const {
  const auto service = parse_url(url);
  if (!service) return std::unexpected(service.error());
  // All first, so that a service that breaks down half-way leaves what was there.
  std::vector<std::string> files;
  for (const PartInfo& part : kParts) {
    const auto answer = ask(*service, part, kind_);
    if (!answer) return std::unexpected(answer.error());
    files.push_back(as_cached_file(*answer));
  }
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error) return system_error("cannot make " + folder_.string(), error.value());
  for (std::size_t at = 0; at < files.size(); ++at) {
    const auto written = write_file_atomically(file_of(folder_, kParts[at]), std::as_bytes(std::span(files[at])));
    if (!written) return written;
  }
  return {};
}

std::vector<PlatformKind> cached_kinds(const std::filesystem::path& cache) {
  std::vector<PlatformKind> kinds;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(cache, error)) {
    const std::string name = entry.path().filename();
    const std::size_t dash = name.find('-');
    if (!entry.is_directory(error) || dash != 12) continue;
    const std::size_t second = std::min(name.find('-', dash + 1), name.size());
    const std::string ca = name.substr(dash + 1, second - dash - 1);
    const std::string root = name.substr(std::min(second + 1, name.size()));
    if (!from_hex(name.substr(0, dash)) || (ca != "platform" && ca != "processor") || !from_hex(root)) continue;
    kinds.push_back({.fmspc = name.substr(0, dash), .ca = ca, .root = root});
  }
  std::ranges::sort(kinds, {}, &PlatformKind::folder_name);
  return kinds;
}

}  // namespace coffer::node
