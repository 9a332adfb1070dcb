#include "attest/dcap/pck_chain.h"

#include <algorithm>
#include <list>
#include <map>
#include <mutex>
#include <utility>

#include "attest/dcap/collateral.h"

namespace coffer::attest::dcap {

namespace {

// Intel's chains stand with the leaf first; where they do not, they are put into that order.
std::vector<x509::Certificate> in_order(std::vector<x509::Certificate> chain) {
  const auto is_pck = [](const x509::Certificate& certificate) {
    return certificate.subject_name().find("SGX PCK Certificate") != std::string::npos;
  };
  const auto leaf = std::ranges::find_if(chain, is_pck);
  if (leaf == chain.end() || leaf == chain.begin()) return chain;
  auto ordered = x509::order_chain(*leaf, chain);
  return ordered.size() == chain.size() ? ordered : chain;
}

std::string wrong_name(const x509::Certificate& certificate, std::string_view phrase) {
  return "\"" + certificate.subject_name() + "\" is no " + std::string(phrase);
}

// The names that Intel's profile has, by the phrase in them.
std::string why_not_of_form(const std::vector<x509::Certificate>& chain) {
  if (chain.size() != 3) return "the chain has " + std::to_string(chain.size()) + " certificates, not 3";
  constexpr std::array<std::string_view, 3> kPhrases{"SGX PCK Certificate", "CA", "SGX Root CA"};
  for (std::size_t i = 0; i < chain.size(); ++i) {
    if (chain[i].subject_name().find(kPhrases.at(i)) == std::string::npos) return wrong_name(chain[i], kPhrases.at(i));
    if (const auto missing = missing_extension(chain[i])) {
      return "\"" + chain[i].subject_name() + "\" has no " + std::string(*missing);
    }
  }
  return {};
}

PckChain make_chain(ByteView data, const TrustedRoots& roots) {
  PckChain made;
  made.verified = {.fault = x509::ChainFault::kEmpty, .detail = "it could not be read", .root = {}, .window = {}};
  auto chain = x509::parse_certificates({reinterpret_cast<const char*>(data.data()), data.size()});
  if (!chain) {
    made.form_error = chain.error().message;
    return made;
  }
  auto ordered = in_order(std::move(*chain));
  made.form_error = why_not_of_form(ordered);
  if (!made.form_error.empty()) return made;
  auto platform = parse_pck_extensions(ordered.front());
  if (!platform) {
    made.form_error = platform.error().message;
    return made;
  }
  made.platform = *platform;
  made.verified = x509::verify_chain(ordered, roots);
  made.certificates = std::move(ordered);
  return made;
}

std::string key_of(ByteView data, const Collateral::State& collateral) {
  const crypto::Digest digest = crypto::digest(crypto::Hash::kSha256, {collateral.roots_id, data});
  return {reinterpret_cast<const char*>(digest.bytes().data()), digest.size()};
}

}  // namespace

struct ChainCache::State {
  using Entry = std::pair<std::string, std::shared_ptr<const PckChain>>;
  mutable std::mutex mutex;
  std::size_t most = 0;
  std::list<Entry> entries;  // the one used last in front
  std::map<std::string, std::list<Entry>::iterator> by_key;

  std::shared_ptr<const PckChain> find(const std::string& key) {
    const std::lock_guard lock(mutex);
    const auto found = by_key.find(key);
    if (found == by_key.end()) return nullptr;
    entries.splice(entries.begin(), entries, found->second);
    return found->second->second;
  }
  void add(const std::string& key, std::shared_ptr<const PckChain> chain) {
    const std::lock_guard lock(mutex);
    if (most == 0 || by_key.contains(key)) return;
    entries.emplace_front(key, std::move(chain));
    by_key.emplace(key, entries.begin());
    if (entries.size() <= most) return;
    by_key.erase(entries.back().first);
    entries.pop_back();
  }
};

ChainCache::ChainCache(std::size_t most) : state_(std::make_unique<State>()) { state_->most = most; }
ChainCache::~ChainCache() = default;

std::size_t ChainCache::size() const {
  const std::lock_guard lock(state_->mutex);
  return state_->entries.size();
}

std::shared_ptr<const PckChain> read_pck_chain(ByteView data, const Collateral::State& collateral, ChainCache* cache) {
  const std::string key = cache != nullptr ? key_of(data, collateral) : std::string();
  if (cache != nullptr) {
    if (auto known = cache->state().find(key)) return known;
  }
  auto made = std::make_shared<const PckChain>(make_chain(data, collateral.roots));
  // What is refused is not kept: whoever sends it could push out the good ones.
  if (cache != nullptr && made->verified.good()) cache->state().add(key, made);
  return made;
}

}  // namespace coffer::attest::dcap
