// coffer collateral: what verifying quotes needs besides the quote, fetched and kept.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/file.h"
#include "cli/verbs.h"
#include "node/collateral/cache.h"
#include "node/collateral/local.h"
#include "node/quoting/tcb.h"

namespace coffer::cli {
namespace {

using node::CollateralCache;
using node::PlatformKind;

struct Options {
  std::string quote, from = node::kIntelService, cache;
  unsigned within = 7;  // days
  bool json = false;
};

constexpr std::int64_t kDay = 86400;

std::int64_t now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Result<std::filesystem::path> cache_of(const Options& options) {
  if (!options.cache.empty()) return options.cache;
  return node::default_cache();
}

// The quote's platform, or, without a quote, all that the cache knows.
Result<std::vector<PlatformKind>> kinds_of(const Options& options, const std::filesystem::path& cache) {
  if (options.quote.empty()) return node::cached_kinds(cache);
  constexpr std::size_t kMostQuote = std::size_t{1} << 20;
  const auto bytes = read_file(options.quote, kMostQuote);
  if (!bytes) return std::unexpected(bytes.error());
  const auto kind = node::kind_of_quote(*bytes);
  if (!kind) return input_error(options.quote + ": " + kind.error().message);
  return std::vector<PlatformKind>{*kind};
}

std::string when(const node::CachedPart& part) {
  if (!part.there) return "missing";
  const std::int64_t left = part.expires - now();
  const std::string end = node::iso8601(part.expires);
  if (left < 0) return end + ", ended";
  return fmt::format("{}, {} days left", end, left / kDay);
}

nlohmann::ordered_json to_json(const CollateralCache& cache) {
  nlohmann::ordered_json json;
  json["folder"] = cache.folder().string();
  const std::int64_t end = cache.expires();
  json["complete"] = end != 0;
  json["valid"] = end > now();
  json["valid_until"] = end == 0 ? nlohmann::ordered_json() : nlohmann::ordered_json(node::iso8601(end));
  json["items"] = nlohmann::ordered_json::array();
  for (const auto& part : cache.parts()) {
    nlohmann::ordered_json item;
    item["name"] = part.name;
    item["there"] = part.there;
    item["expires"] = part.there ? nlohmann::ordered_json(node::iso8601(part.expires)) : nlohmann::ordered_json();
    json["items"].push_back(item);
  }
  return json;
}

// Shows them; 1 where one is not complete and valid.
int show_all(const Options& options, const std::filesystem::path& cache, const std::vector<PlatformKind>& kinds) {
  bool good = true;
  auto json = nlohmann::ordered_json::array();
  for (const PlatformKind& kind : kinds) {
    const CollateralCache one(cache, kind);
    good = good && one.expires() > now();
    json.push_back(to_json(one));
    if (options.json) continue;
    fmt::print("{}\n", one.folder().string());
    for (const auto& part : one.parts()) fmt::print("  {:<12} {}\n", part.name, when(part));
  }
  if (options.json) std::puts(json.dump(2).c_str());
  std::fflush(stdout);
  if (!good) {
    return report({ErrorKind::kRefused, "collateral is missing or has ended; `coffer collateral refresh` fetches it"});
  }
  return 0;
}

int show(const Options& options) {
  const auto cache = cache_of(options);
  if (!cache) return report(cache.error());
  const auto kinds = kinds_of(options, *cache);
  if (!kinds) return report(kinds.error());
  if (kinds->empty()) {
    return report(
        {ErrorKind::kRefused, cache->string() + ": there is no collateral; `coffer collateral fetch` gets some"});
  }
  return show_all(options, *cache, *kinds);
}

// `due` tells which to fetch.
template <class Due>
int fetch_where(const Options& options, Due&& due) {
  const auto cache = cache_of(options);
  if (!cache) return report(cache.error());
  const auto kinds = kinds_of(options, *cache);
  if (!kinds) return report(kinds.error());
  for (const PlatformKind& kind : *kinds) {
    const CollateralCache one(*cache, kind);
    if (!due(one)) continue;
    const auto fetched = one.fetch(options.from);
    if (fetched) continue;
    // What is there is good for a while longer.
    const std::int64_t end = one.expires();
    if (end <= now()) return report(fetched.error());
    std::fprintf(stderr, "coffer: note: %s; what is kept is good until %s\n", fetched.error().message.c_str(),
                 node::iso8601(end).c_str());
  }
  return show_all(options, *cache, *kinds);
}

int fetch(const Options& options) {
  return fetch_where(options, [](const CollateralCache&) { return true; });
}

int refresh(const Options& options) {
  const std::int64_t limit = now() + options.within * kDay;
  return fetch_where(options, [limit](const CollateralCache& cache) { return cache.expires() < limit; });
}

CLI::App* add_part(CLI::App& parent, const char* name, const char* what, const std::shared_ptr<Options>& options,
                   int& status, int (*work)(const Options&)) {
  CLI::App* verb = parent.add_subcommand(name, what);
  verb->callback([options, &status, work] { status = work(*options); });
  verb->add_option("--cache", options->cache, "The folder that it is kept in (default: of the state directory)")
      ->type_name("DIR");
  verb->add_flag("--json", options->json, "Print JSON for machines");
  return verb;
}

void add_source(CLI::App& verb, Options& options) {
  verb.add_option("--from", options.from, "The service, up to and with its version (default: Intel's)")
      ->type_name("URL");
}

}  // namespace

void add_collateral(CLI::App& app, int& status) {
  CLI::App* verb = app.add_subcommand("collateral", "Fetch and keep what verifying quotes needs");
  verb->require_subcommand(1);
  verb->footer(
      "Examples:\n"
      "  coffer collateral fetch quote.bin\n"
      "  coffer collateral fetch quote.bin --from https://pccs.example:8081/sgx/certification/v4\n"
      "  coffer collateral refresh\n"
      "  coffer collateral show --json\n\n"
      "Collateral (TCB info, the quoting enclave's identity, revocation lists) is signed and ends after some weeks. It "
      "is\n"
      "fetched from Intel's service or a PCCS and kept, so that `coffer verify` works without a network.");
  auto options = std::make_shared<Options>();
  CLI::App* part = add_part(*verb, "fetch", "Fetch the collateral of a quote's platform", options, status, fetch);
  part->footer(
      "Examples:\n  coffer collateral fetch quote.bin\n"
      "  coffer collateral fetch quote.bin --from http://127.0.0.1:8081/sgx/certification/v4 --cache collateral\n\n"
      "Nothing is kept unless all parts came. Where the service does not answer and what is kept is still valid, that "
      "is\n"
      "said, and the exit status is 0. Else: 1 what there is has ended, 2 usage, input, or no answer.");
  part->add_option("QUOTE", options->quote, "An SGX or TDX quote")->required();
  add_source(*part, *options);
  part = add_part(*verb, "show", "What is kept, and when it ends", options, status, show);
  part->footer(
      "Examples:\n  coffer collateral show\n  coffer collateral show quote.bin --json\n\n"
      "Exit status: 0 all is complete and valid, 1 something is missing or has ended, 2 usage or input.");
  part->add_option("QUOTE", options->quote, "Of this quote's platform only");
  part = add_part(*verb, "refresh", "Fetch again what ends soon", options, status, refresh);
  part->footer(
      "Examples:\n  coffer collateral refresh\n  coffer collateral refresh --within 14\n\n"
      "For a timer: it fetches what ends within some days, and says when the rest does. Exit status as of fetch.");
  part->add_option("QUOTE", options->quote, "Of this quote's platform only");
  part->add_option("--within", options->within, "Days before the end (7)")
      ->check(CLI::Range(0u, 3650u).description(""))
      ->type_name("DAYS");
  add_source(*part, *options);
}

}  // namespace coffer::cli
