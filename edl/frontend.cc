#include "edl/frontend.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "edl/checks.h"
#include "edl/parser.h"

namespace coffer::edl {
namespace {

constexpr std::uintmax_t kMaximumFileSize = 16 << 20;
constexpr std::size_t kMaximumDepth = 100;

}  // namespace

std::optional<std::string> FrontEnd::read_file(const std::string& path) {
  std::error_code failed;
  if (!std::filesystem::is_regular_file(path, failed)) return std::nullopt;
  if (std::filesystem::file_size(path, failed) > kMaximumFileSize || failed) return std::nullopt;
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::optional<FrontEnd::Found> FrontEnd::find(const std::string& name, const Place& place) const {
  std::vector<std::string> candidates{name};
  if (!std::filesystem::path(name).is_absolute()) {
    for (const std::string& folder : options_.search_paths) {
      candidates.push_back(fmt::format("{}{}{}", folder, folder.ends_with('/') ? "" : "/", name));
    }
    if (place.file) {
      const auto folder = std::filesystem::path(place.file->path).parent_path();
      if (!folder.empty()) candidates.push_back((folder / name).string());
    }
  }
  // The Intel SDK's compiler has the current folder among its search paths, and last.
  if (options_.dialect == Dialect::kSgx) std::rotate(candidates.begin(), candidates.begin() + 1, candidates.end());
  for (std::string& candidate : candidates) {
    if (auto text = reader_(candidate)) return Found{std::move(candidate), std::move(*text)};
  }
  return std::nullopt;
}

std::shared_ptr<const Interface> FrontEnd::load(const std::string& name) {
  auto result = load(name, Place{});
  if (result) check_whole(*result, options_, diagnostics_);
  return diagnostics_.has_errors() ? nullptr : result;
}

std::shared_ptr<const Interface> FrontEnd::load(const std::string& name, const Place& place) {
  auto found = find(name, place);
  if (!found) {
    diagnostics_.add({Severity::kError, place, fmt::format("file not found within search paths: {}", name),
                      options_.search_paths.empty() ? "--search-path FOLDER adds a folder to look in"
                                                    : "it is in none of the folders of --search-path",
                      true});
    return nullptr;
  }
  const std::string path = std::filesystem::path(found->path).lexically_normal().string();
  if (std::find(importing_.begin(), importing_.end(), path) != importing_.end() || importing_.size() > kMaximumDepth) {
    std::string chain;
    for (const std::string& each : importing_) chain += each + " -> ";
    diagnostics_.add({Severity::kError, place, "recursive import detected", chain + path, true});
    return nullptr;
  }
  if (const auto known = known_.find(path); known != known_.end()) return known->second;
  if (observer_) observer_(found->path);

  const auto file = std::make_shared<const SourceFile>(SourceFile{found->path, std::move(found->text)});
  importing_.push_back(path);
  ParseContext context{options_.defined, diagnostics_,
                       [this](const std::string& imported, const Place& at) { return load(imported, at); }};
  auto result = parse(file, std::filesystem::path(path).stem().string(), context);
  importing_.pop_back();
  if (!result) return nullptr;
  check_file(*result, *file, options_, diagnostics_);
  if (diagnostics_.has_errors()) return nullptr;
  known_[path] = result;
  return result;
}

}  // namespace coffer::edl
