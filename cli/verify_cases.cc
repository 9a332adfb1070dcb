#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "attest/detect/case.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/verbs.h"
#include "cli/verify_files.h"

namespace coffer::cli {

namespace {

constexpr std::size_t kMostFile = std::size_t{64} << 20;

// In the order of their names, so that two runs compare.
Result<std::vector<std::filesystem::path>> cases_below(const std::filesystem::path& root) {
  std::vector<std::filesystem::path> cases;
  std::error_code error;
  auto each = std::filesystem::recursive_directory_iterator(root, error);
  for (; !error && each != std::filesystem::recursive_directory_iterator(); each.increment(error)) {
    if (each->path().filename() == "expect.json") cases.push_back(each->path().parent_path());
  }
  if (error) return input_error(root.string() + ": " + error.message());
  std::ranges::sort(cases);
  return cases;
}

Result<attest::detect::CaseFiles> read_case(const std::filesystem::path& folder) {
  attest::detect::CaseFiles files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (!entry.is_regular_file()) continue;
    auto bytes = read_file(entry.path(), kMostFile);
    if (!bytes) return std::unexpected(bytes.error());
    files[entry.path().filename().string()] = std::move(*bytes);
  }
  if (error) return input_error(folder.string() + ": " + error.message());
  return files;
}

}  // namespace

int run_cases(const std::filesystem::path& root, const attest::TrustedRoots& roots, attest::UnixTime now, bool json) {
  const auto cases = cases_below(root);
  if (!cases) return report(cases.error());
  if (cases->empty()) return report({ErrorKind::kInput, root.string() + ": no directory below it has an expect.json"});
  std::size_t failed = 0;
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const auto& folder : *cases) {
    const auto files = read_case(folder);
    if (!files) return report(files.error());
    const auto outcome = attest::detect::run_case(*files, roots, now);
    failed += outcome.agrees ? 0 : 1;
    const std::string path = folder.lexically_relative(root).string();
    if (json) {
      list.push_back(
          {{"case", path}, {"agrees", outcome.agrees}, {"expected", outcome.expected}, {"got", outcome.got}});
    } else {
      fmt::print("{:4} {}: expected {}, got {}\n", outcome.agrees ? "ok" : "FAIL", one_line(path),
                 one_line(outcome.expected), one_line(outcome.got));
    }
  }
  if (json) {
    const nlohmann::ordered_json all{{"cases", cases->size()}, {"failed", failed}, {"outcomes", std::move(list)}};
    fmt::print("{}\n", all.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  } else {
    fmt::print("{} cases, {} as expected, {} not\n", cases->size(), cases->size() - failed, failed);
  }
  return failed == 0 ? 0 : 1;
}

}  // namespace coffer::cli
