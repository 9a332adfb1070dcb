#include "cli/attribute_names.h"

#include <fmt/format.h>

#include "sgx/arch.h"

namespace coffer::cli {
namespace {

struct Name {
  std::uint64_t bits;
  const char* name;
};
constexpr Name kFlagNames[] = {{sgx::attribute::kInit, "INIT"},
                               {sgx::attribute::kDebug, "DEBUG"},
                               {sgx::attribute::kMode64Bit, "MODE64BIT"},
                               {sgx::attribute::kProvisionKey, "PROVISIONKEY"},
                               {sgx::attribute::kEinitTokenKey, "EINITTOKEN_KEY"},
                               {sgx::attribute::kCet, "CET"},
                               {sgx::attribute::kKss, "KSS"},
                               {sgx::attribute::kAexNotify, "AEXNOTIFY"}};
constexpr Name kFeatureNames[] = {{0x1, "x87"},      {0x2, "SSE"},    {0x4, "AVX"},    {0x18, "MPX"},
                                  {0xe0, "AVX-512"}, {0x200, "PKRU"}, {0x1800, "CET"}, {0x60000, "AMX"}};

template <std::size_t Count>
std::vector<std::string> names_of(const Name (&names)[Count], std::uint64_t value) {
  std::vector<std::string> found;
  for (const Name& name : names) {
    if ((value & name.bits) == name.bits) found.emplace_back(name.name);
    value &= ~name.bits;
  }
  if (value != 0) found.push_back(fmt::format("{:#x}", value));
  return found;
}

}  // namespace

std::vector<std::string> names_of_flags(std::uint64_t flags) { return names_of(kFlagNames, flags); }
std::vector<std::string> names_of_features(std::uint64_t xfrm) { return names_of(kFeatureNames, xfrm); }

}  // namespace coffer::cli
