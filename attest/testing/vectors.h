// The repository's evidence of real machines (tests/vectors/attestation), for tests.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "attest/x509/certificate.h"
#include "attest/x509/pem.h"
#include "base/bytes.h"

namespace coffer::attest::testing {

inline std::filesystem::path vectors() {
  return std::filesystem::path(COFFER_SOURCE_DIR) / "tests/vectors/attestation";
}

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline std::vector<std::byte> read_bytes(const std::filesystem::path& path) {
  const std::string text = read_text(path);
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

inline nlohmann::json read_json(const std::filesystem::path& path) { return nlohmann::json::parse(read_text(path)); }

// The folders of a tree of cases, sorted.
inline std::vector<std::filesystem::path> cases(const std::string& folder) {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(vectors() / folder)) {
    if (std::filesystem::exists(entry.path() / "expect.json")) found.push_back(entry.path());
  }
  std::ranges::sort(found);
  return found;
}

// Every certificate that stands in the vectors, in DER, each once.
inline std::set<std::vector<std::byte>> every_certificate() {
  std::set<std::vector<std::byte>> found;
  const auto take = [&](std::string_view text) {
    const std::size_t begin = text.find("-----BEGIN CERTIFICATE-----");
    if (begin == std::string_view::npos) return;
    if (const auto blocks = x509::parse_pem(text.substr(begin), 100)) {
      for (const auto& block : *blocks) found.insert(block.bytes);
    }
  };
  for (const auto& entry : std::filesystem::recursive_directory_iterator(vectors())) {
    const auto& path = entry.path();
    if (path.extension() == ".pem") take(read_text(path));
    if (path.extension() == ".der") found.insert(read_bytes(path));
    if (path.filename() == "collateral.json") {
      const auto json = read_json(path);
      for (const auto& [name, value] : json.items()) {
        if (value.is_string()) take(value.get<std::string>());
      }
    }
    if (path.filename() == "quote.bin" && path.parent_path().parent_path().filename() == "dcap") {
      std::string text = read_text(path);
      const std::size_t end = text.rfind("-----END CERTIFICATE-----");
      if (end != std::string::npos) take(text.substr(0, end + 25));
    }
  }
  return found;
}

// Every revocation list that stands in the vectors' collateral, as it stands there.
inline std::set<std::string> every_revocation_list() {
  std::set<std::string> found;
  for (const auto& path : cases("dcap")) {
    const auto json = read_json(path / "collateral.json");
    found.insert(json.at("root_ca_crl").get<std::string>());
    found.insert(json.at("pck_crl").get<std::string>());
  }
  return found;
}

}  // namespace coffer::attest::testing
