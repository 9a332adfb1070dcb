#include "node/quoting/platform.h"

#include <openssl/rand.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/hex.h"
#include "base/secret.h"
#include "node/quoting/store.h"

namespace coffer::node {
namespace {

using Json = nlohmann::ordered_json;

constexpr Seconds kDay = 86400;
constexpr Seconds kYear = 365 * kDay;
constexpr Seconds kRootEnd = 2524607999;  // 2049-12-31T23:59:59Z: the last moment that UTCTime can say
// Collateral lives as long as Intel's, and is issued again when half of that is over.
constexpr Seconds kCollateralLife = 30 * kDay, kRenewBefore = 15 * kDay;
// Clocks of others may be a little behind.
constexpr Seconds kClockSlack = 300;

// Where Intel's caching service stands by default; `coffer platform serve-collateral` answers these paths.
constexpr std::string_view kRootCrlUrl = "https://localhost:8081/sgx/certification/v4/rootcacrl";
constexpr std::string_view kPckCrlUrl = "https://localhost:8081/sgx/certification/v4/pckcrl?ca=platform&encoding=der";

constexpr const char* kFolder = "platform";

Seconds now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

template <std::size_t Size>
bool random_bytes(sgx::Bytes<Size>& bytes) {
  return RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1;
}

template <class Bytes>
std::string hex(const Bytes& bytes) {
  return to_hex(bytes_of(bytes));
}

template <std::size_t Size>
Result<sgx::Bytes<Size>> bytes_from(const Json& json, const char* member) {
  const auto decoded = from_hex(json.at(member).get<std::string>());
  sgx::Bytes<Size> bytes{};
  if (!decoded || decoded->size() != Size) return input_error(std::string("\"") + member + "\" is damaged");
  std::memcpy(bytes.data(), decoded->data(), Size);
  return bytes;
}

std::vector<std::byte> to_vector(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}
std::vector<std::byte> to_vector(ByteView bytes) { return {bytes.begin(), bytes.end()}; }
std::string to_text(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Json to_json(const PlatformFacts& facts) {
  Json json;
  json["version"] = 1;
  json["created"] = facts.created;
  json["ppid"] = hex(facts.ppid);
  json["instance"] = hex(facts.instance);
  json["cpu_svn"] = hex(facts.cpu_svn);
  json["generation"] = facts.generation;
  json["crl_number"] = facts.crl_number;
  json["enclave_signer"] = hex(facts.enclave_signer.bytes);
  json["quoting_svn"] = facts.quoting_svn;
  json["revoked"] = Json::array();
  for (const Revoked& revoked : facts.revoked) {
    json["revoked"].push_back({{"serial", revoked.serial}, {"date", revoked.date}});
  }
  json["tcb"] = node::to_json(facts.tcb);
  return json;
}

Result<PlatformFacts> facts_from(const Json& json) {
  PlatformFacts facts;
  if (json.at("version").get<int>() != 1) return input_error("it is of another version of Coffer");
  facts.created = json.at("created").get<Seconds>();
  const auto ppid = bytes_from<16>(json, "ppid");
  const auto instance = bytes_from<16>(json, "instance");
  const auto cpu_svn = bytes_from<16>(json, "cpu_svn");
  const auto signer = bytes_from<32>(json, "enclave_signer");
  if (!ppid) return std::unexpected(ppid.error());
  if (!instance) return std::unexpected(instance.error());
  if (!cpu_svn) return std::unexpected(cpu_svn.error());
  if (!signer) return std::unexpected(signer.error());
  facts.ppid = *ppid;
  facts.instance = *instance;
  facts.cpu_svn = *cpu_svn;
  facts.enclave_signer.bytes = *signer;
  facts.generation = json.at("generation").get<std::uint64_t>();
  facts.crl_number = json.at("crl_number").get<std::uint64_t>();
  facts.quoting_svn = json.at("quoting_svn").get<std::uint16_t>();
  for (const Json& revoked : json.at("revoked")) {
    facts.revoked.push_back(
        {.serial = revoked.at("serial").get<std::string>(), .date = revoked.at("date").get<Seconds>()});
  }
  auto tcb = settings_from_json(json.at("tcb"));
  if (!tcb) return std::unexpected(tcb.error());
  facts.tcb = std::move(*tcb);
  return facts;
}

struct KeyFile {  // attestation-key.certified: what certifies the sealed key
  sgx::ReportBody report;
  quoting::Signature certification{};
};
static_assert(sizeof(KeyFile) == 448);

Validity from_now(Seconds length) { return {.from = now() - kDay, .to = now() + length}; }

}  // namespace

// Reading and writing the folder.
class Platform::Store {
 public:
  static Result<Platform> read(const FolderStore& store);
  static Result<void> write(const FolderStore& store, const Platform& platform);
};

Result<Platform> Platform::Store::read(const FolderStore& store) {
  Platform platform;
  Error problem;
  const auto bytes = [&store, &problem](const char* name) -> std::vector<std::byte> {
    auto content = store.read(name);
    if (content) return std::move(*content);
    if (problem.message.empty()) problem = content.error();
    return {};
  };
  const auto text = [&bytes](const char* name) { return to_text(bytes(name)); };
  auto& made = platform.certificates_;
  made = {.root = text("root-ca.pem"),
          .platform_ca = text("platform-ca.pem"),
          .tcb_signing = text("tcb-signing.pem"),
          .pck = text("pck.pem"),
          .root_crl = bytes("root-ca.crl"),
          .pck_crl = bytes("pck.crl"),
          .tcb_info = text("tcb-info.json"),
          .qe_identity = text("qe-identity.json")};
  platform.root_key_ = text("root-ca.key");
  platform.platform_ca_key_ = text("platform-ca.key");
  platform.tcb_signing_key_ = text("tcb-signing.key");
  platform.enclave_key_ = text("enclaves.key");
  platform.key_.sealed = bytes("attestation-key.sealed");
  const auto certified = bytes("attestation-key.certified");
  const std::string facts_text = text("platform.json");
  if (!problem.message.empty()) return std::unexpected(problem);
  const auto damaged = [&store](const std::string& why) {
    return input_error(store.folder().string() + " is damaged (" + why +
                       "); restore it from a backup, or remove the folder to begin anew: quotes of before are then "
                       "another platform's");
  };
  if (certified.size() != sizeof(KeyFile)) return damaged("attestation-key.certified");
  KeyFile key_file;
  std::memcpy(&key_file, certified.data(), sizeof(key_file));
  platform.key_.report = key_file.report;
  platform.key_.certification = key_file.certification;
  try {
    auto facts = facts_from(Json::parse(facts_text));
    if (!facts) return damaged("platform.json: " + facts.error().message);
    platform.facts_ = std::move(*facts);
  } catch (const nlohmann::json::exception&) {
    return damaged("platform.json");
  }
  return platform;
}

Result<void> Platform::Store::write(const FolderStore& store, const Platform& platform) {
  const PlatformCertificates& made = platform.certificates_;
  const KeyFile key_file{.report = platform.key_.report, .certification = platform.key_.certification};
  constexpr unsigned kPublic = 0644;
  return store.replace({
      {"platform.json", to_vector(to_json(platform.facts_).dump(2) + "\n")},
      {"root-ca.pem", to_vector(made.root), kPublic},
      {"platform-ca.pem", to_vector(made.platform_ca), kPublic},
      {"tcb-signing.pem", to_vector(made.tcb_signing), kPublic},
      {"pck.pem", to_vector(made.pck), kPublic},
      {"root-ca.crl", made.root_crl, kPublic},
      {"pck.crl", made.pck_crl, kPublic},
      {"tcb-info.json", to_vector(made.tcb_info), kPublic},
      {"qe-identity.json", to_vector(made.qe_identity), kPublic},
      {"root-ca.key", to_vector(platform.root_key_)},
      {"platform-ca.key", to_vector(platform.platform_ca_key_)},
      {"tcb-signing.key", to_vector(platform.tcb_signing_key_)},
      {"enclaves.key", to_vector(platform.enclave_key_)},
      {"attestation-key.sealed", platform.key_.sealed},
      {"attestation-key.certified", to_vector(bytes_of(key_file))},
  });
}

TcbSettings Platform::default_tcb(const PlatformFacts& facts) {
  TcbSettings settings;
  settings.levels =
      levels_for(facts.cpu_svn, kCertifierSvn, "UpToDate", {}, iso8601(facts.created - facts.created % kDay));
  return settings;
}

// The PCK and attestation key of the generation, and the PCK's certificate.
Result<void> Platform::renew_keys() {
  const auto signer = enclave_key();
  if (!signer) return std::unexpected(signer.error());
  auto certifier = CertifyingEnclave::load(*signer);
  if (!certifier) return std::unexpected(certifier.error());
  auto quoter = QuotingEnclave::load(*signer);
  if (!quoter) return std::unexpected(quoter.error());
  const auto target = certifier->target();
  if (!target) return std::unexpected(target.error());
  auto made = quoter->make_key(*target);
  if (!made) return std::unexpected(made.error());
  const auto certification = certifier->certify(facts_.generation, made->report);
  if (!certification) return std::unexpected(certification.error());
  key_ = {.sealed = std::move(made->sealed), .report = made->report.body, .certification = *certification};
  facts_.enclave_signer = key_.report.mrsigner;
  facts_.quoting_svn = key_.report.isv_svn;
  facts_.cpu_svn = key_.report.cpu_svn;

  const auto public_key = certifier->public_key(facts_.generation);
  if (!public_key) return std::unexpected(public_key.error());
  const SgxExtension extension{.ppid = facts_.ppid,
                               .components = facts_.cpu_svn,
                               .pce_svn = kCertifierSvn,
                               .cpu_svn = facts_.cpu_svn,
                               .pce_id = kSoftwarePceId,
                               .fmspc = kSoftwareFmspc,
                               .platform_instance = facts_.instance};
  const auto issuer_key = AuthorityKey::from_pem(platform_ca_key_);
  if (!issuer_key) return std::unexpected(issuer_key.error());
  auto pck = make_pck("Coffer SGX PCK Certificate", *public_key, extension, {certificates_.platform_ca, &*issuer_key},
                      from_now(7 * kYear), kPckCrlUrl);
  if (!pck) return std::unexpected(pck.error());
  certificates_.pck = std::move(*pck);
  return {};
}

Result<void> Platform::issue_collateral() {
  const auto root_key = AuthorityKey::from_pem(root_key_);
  const auto ca_key = AuthorityKey::from_pem(platform_ca_key_);
  const auto signing_key = AuthorityKey::from_pem(tcb_signing_key_);
  if (!root_key) return std::unexpected(root_key.error());
  if (!ca_key) return std::unexpected(ca_key.error());
  if (!signing_key) return std::unexpected(signing_key.error());
  const Seconds at = now() - kClockSlack;
  const Validity list_life{.from = at, .to = at + kCollateralLife};
  ++facts_.crl_number;
  auto root_crl = make_revocation_list({certificates_.root, &*root_key}, {}, list_life, facts_.crl_number);
  auto pck_crl =
      make_revocation_list({certificates_.platform_ca, &*ca_key}, facts_.revoked, list_life, facts_.crl_number);
  Issue issue{.issued = at, .next_update = at + kCollateralLife};
  if (facts_.tcb.issued != 0) issue.issued = facts_.tcb.issued;
  if (facts_.tcb.next_update != 0) issue.next_update = facts_.tcb.next_update;
  auto tcb_info = make_tcb_info(facts_.tcb, kSoftwareFmspc, kSoftwarePceId, issue, *signing_key);
  auto qe_identity = make_qe_identity(facts_.tcb, facts_.enclave_signer, facts_.quoting_svn, issue, *signing_key);
  if (!root_crl) return std::unexpected(root_crl.error());
  if (!pck_crl) return std::unexpected(pck_crl.error());
  if (!tcb_info) return std::unexpected(tcb_info.error());
  if (!qe_identity) return std::unexpected(qe_identity.error());
  certificates_.root_crl = std::move(*root_crl);
  certificates_.pck_crl = std::move(*pck_crl);
  certificates_.tcb_info = std::move(*tcb_info);
  certificates_.qe_identity = std::move(*qe_identity);
  return {};
}

Result<Platform> Platform::make() {
  Platform platform;
  PlatformFacts& facts = platform.facts_;
  PlatformCertificates& made = platform.certificates_;
  facts.created = now();
  if (!random_bytes(facts.ppid) || !random_bytes(facts.instance)) {
    return fail(ErrorKind::kSystem, "no random numbers for the platform's names");
  }
  const auto enclaves = sgx::SigningKey::generate();
  auto root = AuthorityKey::generate();
  auto ca = AuthorityKey::generate();
  auto signing = AuthorityKey::generate();
  if (!enclaves) return std::unexpected(enclaves.error());
  for (const auto* key : {&root, &ca, &signing}) {
    if (!*key) return std::unexpected(key->error());
  }
  const std::pair<Result<std::string>, std::string*> parts[] = {
      {enclaves->private_pem(), &platform.enclave_key_},
      {root->private_pem(), &platform.root_key_},
      {ca->private_pem(), &platform.platform_ca_key_},
      {signing->private_pem(), &platform.tcb_signing_key_},
      {make_root(kRootName, *root, {.from = facts.created - kDay, .to = kRootEnd}, kRootCrlUrl), &made.root}};
  for (const auto& [pem, place] : parts) {
    if (!pem) return std::unexpected(pem.error());
    *place = *pem;
  }
  const Issuer issuer{made.root, &*root};
  auto ca_certificate = make_platform_ca("Coffer SGX PCK Platform CA", *ca, issuer, from_now(15 * kYear), kRootCrlUrl);
  auto signing_certificate = make_signer("Coffer SGX TCB Signing", *signing, issuer, from_now(15 * kYear), kRootCrlUrl);
  if (!ca_certificate) return std::unexpected(ca_certificate.error());
  if (!signing_certificate) return std::unexpected(signing_certificate.error());
  made.platform_ca = std::move(*ca_certificate);
  made.tcb_signing = std::move(*signing_certificate);
  if (auto renewed = platform.renew_keys(); !renewed) return std::unexpected(renewed.error());
  facts.tcb = default_tcb(facts);
  if (auto issued = platform.issue_collateral(); !issued) return std::unexpected(issued.error());
  return platform;
}

// The first end among the lists and, where the owner has not given them dates, TCB info and QE identity.
Result<Seconds> Platform::collateral_end() const {
  const auto root = next_update_of(certificates_.root_crl);
  const auto pck = next_update_of(certificates_.pck_crl);
  if (!root) return root;
  if (!pck) return pck;
  return std::min(*root, *pck);
}

Result<std::optional<Platform>> Platform::look(const std::filesystem::path& state) {
  const auto store = FolderStore::open(state, kFolder, FolderStore::Access::kRead);
  if (!store) return std::unexpected(store.error());
  const auto there = store->there();
  if (!there) return std::unexpected(there.error());
  if (!*there) return std::nullopt;
  auto platform = Store::read(*store);
  if (!platform) return std::unexpected(platform.error());
  return std::move(*platform);
}

Result<Platform> Platform::open() {
  const auto state = state_directory();
  if (!state) return std::unexpected(state.error());
  return open(*state);
}

Result<Platform> Platform::open(const std::filesystem::path& state) {
  // Mostly nothing is to be done: then readers do not wait for each other.
  if (auto found = look(state); found && *found) {
    const auto end = (*found)->collateral_end();
    if (end && *end > now() + kRenewBefore) return std::move(**found);
  }
  const auto store = FolderStore::open(state, kFolder, FolderStore::Access::kChange);
  if (!store) return std::unexpected(store.error());
  const auto there = store->there();
  if (!there) return std::unexpected(there.error());
  auto platform = *there ? Store::read(*store) : make();
  if (!platform) return platform;
  if (*there) {
    const auto end = platform->collateral_end();
    if (end && *end > now() + kRenewBefore) return platform;  // another process was first
    if (auto issued = platform->issue_collateral(); !issued) return std::unexpected(issued.error());
  }
  if (auto written = Store::write(*store, *platform); !written) return std::unexpected(written.error());
  return platform;
}

Result<Platform> Platform::rotate(const std::filesystem::path& state) {
  if (auto opened = open(state); !opened) return opened;
  const auto store = FolderStore::open(state, kFolder, FolderStore::Access::kChange);
  if (!store) return std::unexpected(store.error());
  auto platform = Store::read(*store);
  if (!platform) return platform;
  const auto serial = serial_of(platform->certificates_.pck);
  if (!serial) return std::unexpected(serial.error());
  platform->facts_.revoked.push_back({.serial = *serial, .date = now()});
  ++platform->facts_.generation;
  const bool default_levels = platform->facts_.tcb == default_tcb(platform->facts_);
  if (auto renewed = platform->renew_keys(); !renewed) return std::unexpected(renewed.error());
  if (default_levels) platform->facts_.tcb = default_tcb(platform->facts_);
  if (auto issued = platform->issue_collateral(); !issued) return std::unexpected(issued.error());
  if (auto written = Store::write(*store, *platform); !written) return std::unexpected(written.error());
  return platform;
}

Result<Platform> Platform::change_tcb(const std::filesystem::path& state,
                                      const std::function<Result<void>(PlatformFacts&)>& change) {
  if (auto opened = open(state); !opened) return opened;
  const auto store = FolderStore::open(state, kFolder, FolderStore::Access::kChange);
  if (!store) return std::unexpected(store.error());
  auto platform = Store::read(*store);
  if (!platform) return platform;
  if (auto changed = change(platform->facts_); !changed) return std::unexpected(changed.error());
  if (auto issued = platform->issue_collateral(); !issued) return std::unexpected(issued.error());
  if (auto written = Store::write(*store, *platform); !written) return std::unexpected(written.error());
  return platform;
}

Result<std::optional<std::string>> local_software_root() {
  const auto state = state_directory();
  if (!state) return std::unexpected(state.error());
  const auto platform = Platform::look(*state);
  if (!platform) return std::unexpected(platform.error());
  if (!*platform) return std::nullopt;
  return (*platform)->certificates().root;
}

}  // namespace coffer::node
