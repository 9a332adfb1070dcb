#include "cli/verify_files.h"

#include <unistd.h>

#include <array>
#include <chrono>
#include <memory>

#include <coffer/attest/openenclave.h>

#include "base/file.h"
#include "base/hex.h"
#include "node/collateral/local.h"
#include "node/quoting/platform.h"

namespace coffer::cli {

namespace {

constexpr std::size_t kMostBytes = std::size_t{64} << 20;

Result<std::vector<std::byte>> read_standard_input() {
  std::vector<std::byte> bytes;
  std::array<std::byte, 65536> piece{};
  while (true) {
    const ssize_t count = ::read(STDIN_FILENO, piece.data(), piece.size());
    if (count < 0) {
      if (errno == EINTR) continue;
      return system_error("cannot read standard input", errno);
    }
    if (count == 0) return bytes;
    if (bytes.size() + static_cast<std::size_t>(count) > kMostBytes) return input_error("standard input: over 64 MiB");
    bytes.insert(bytes.end(), piece.begin(), piece.begin() + count);
  }
}

std::string_view text_of(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

Error named(const std::string& path, Error error) {
  error.message = path + ": " + error.message;
  return error;
}

}  // namespace

Result<std::vector<std::byte>> read_evidence_file(const std::string& path) {
  return path == "-" ? read_standard_input() : read_file(path, kMostBytes);
}

Result<std::unique_ptr<VerifyFiles>> VerifyFiles::read(const VerifyOptions& options,
                                                       const attest::TrustedRoots& roots) {
  std::unique_ptr<VerifyFiles> files(new VerifyFiles);
  attest::EvidenceParts& parts = files->parts_;
  struct Part {
    const std::string& path;
    std::span<const std::byte>& bytes;
  };
  const std::array wanted{
      Part{options.evidence, parts.evidence},     Part{options.vek, parts.snp.vek},
      Part{options.chain, parts.snp.chain},       Part{options.crl, parts.snp.crl},
      Part{options.signature, parts.signature},   Part{options.attestation_key, parts.attestation_key},
      Part{options.hcl_report, parts.hcl_report}, Part{options.event_log, parts.event_log},
  };
  files->held_.reserve(wanted.size());
  for (const Part& part : wanted) {
    if (part.path.empty()) continue;
    auto bytes = read_evidence_file(part.path);
    if (!bytes) return std::unexpected(bytes.error());
    if (bytes->empty()) return input_error(part.path + ": it is empty");
    files->held_.push_back(std::move(*bytes));
    part.bytes = files->held_.back();
  }
  if (!options.collateral.empty()) {
    if (const auto read = files->read_collateral(options.collateral, roots); !read)
      return std::unexpected(read.error());
  }
  if (options.collateral.empty() && options.cases.empty()) files->find_collateral(roots);
  if (!options.pcrs.empty()) {
    const auto bytes = read_evidence_file(options.pcrs);
    if (!bytes) return std::unexpected(bytes.error());
    auto values = attest::PcrValues::parse(*bytes);
    if (!values) return std::unexpected(named(options.pcrs, values.error()));
    parts.pcrs = std::move(*values);
  }
  if (!options.nonce.empty()) {
    auto nonce = from_hex(options.nonce);
    if (!nonce) return input_error("--nonce " + options.nonce + ": not hexadecimal");
    if (nonce->size() > 64) return input_error("--nonce: more than 64 bytes");
    files->held_.push_back(std::move(*nonce));
    parts.nonce = files->held_.back();
  }
  return files;
}

// Of a quote for which none was given: what this machine has of its own. Without, verification says what is missing.
void VerifyFiles::find_collateral(const attest::TrustedRoots& roots) {
  const auto evidence = attest::detect_evidence(parts_.evidence);
  if (!evidence ||
      (evidence->kind != attest::EvidenceKind::kSgxQuote && evidence->kind != attest::EvidenceKind::kTdxQuote)) {
    return;
  }
  const auto answers = node::local_collateral(evidence->bytes);
  if (answers.empty()) return;
  auto collateral = attest::dcap::Collateral::parse_answers(answers, roots);
  if (!collateral) return;
  collateral_ = std::move(*collateral);
  parts_.collateral = &*collateral_;
}

// A file of all, or a folder with a file for each answer of a service.
Result<void> VerifyFiles::read_collateral(const std::filesystem::path& path, const attest::TrustedRoots& roots) {
  std::error_code error;
  std::vector<std::string> texts;
  if (std::filesystem::is_directory(path, error)) {
    constexpr std::size_t kMostFiles = 256;
    for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
      if (!entry.is_regular_file() || texts.size() >= kMostFiles) continue;
      const auto bytes = read_file(entry.path(), kMostBytes);
      if (!bytes) return std::unexpected(bytes.error());
      texts.emplace_back(text_of(*bytes));
    }
    if (error) return input_error(path.string() + ": " + error.message());
  } else {
    const auto bytes = read_evidence_file(path);
    if (!bytes) return std::unexpected(bytes.error());
    texts.emplace_back(text_of(*bytes));
  }
  auto collateral = attest::dcap::Collateral::parse_answers(texts, roots);
  if (!collateral && texts.size() == 1) {
    // Open Enclave's endorsements are collateral too; where they are not that either, the first words are the better
    // ones.
    auto endorsements = attest::openenclave::parse_endorsements(std::as_bytes(std::span(texts[0])), roots);
    if (endorsements) collateral = std::move(endorsements);
  }
  if (!collateral) return std::unexpected(named(path, collateral.error()));
  collateral_ = std::move(*collateral);
  parts_.collateral = &*collateral_;
  return {};
}

Result<attest::TrustedRoots> roots_of(const VerifyOptions& options) {
  attest::TrustedRoots roots = attest::TrustedRoots::built_in();
  // The root of this machine's own software platform, where there is one that can be read.
  if (const auto local = node::local_software_root(); local && *local) {
    if (const auto added = roots.add_pem(**local, attest::RootOfTrust::kSoftware); !added)
      return std::unexpected(added.error());
  }
  for (const std::string& path : options.roots) {
    const auto bytes = read_evidence_file(path);
    if (!bytes) return std::unexpected(bytes.error());
    const auto added = roots.add_pem(text_of(*bytes), attest::RootOfTrust::kGiven);
    if (!added) return std::unexpected(named(path, added.error()));
  }
  return roots;
}

Result<attest::UnixTime> time_of(const VerifyOptions& options) {
  if (options.at.empty()) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return attest::UnixTime{std::chrono::duration_cast<std::chrono::seconds>(now).count()};
  }
  const auto time = attest::parse_iso8601(options.at);
  if (!time) return input_error("--at " + options.at + ": not a time like 2025-06-15T00:00:00Z");
  return *time;
}

}  // namespace coffer::cli
