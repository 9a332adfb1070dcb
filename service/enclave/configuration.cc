#include "service/enclave/configuration.h"

#include <algorithm>

#include "base/text.h"

namespace coffer::service {
namespace {

using nlohmann::json;

constexpr std::size_t kMostNames = 64;

std::unexpected<Error> wrong(const std::string& where, const char* what) {
  return input_error("the configuration's " + one_line(where, 64) + " " + what);
}

template <class T>
bool number(const json& value, T& into, double least, double most) {
  if (!value.is_number() || value.get<double>() < least || value.get<double>() > most) return false;
  into = value.get<T>();
  return true;
}

bool limit(const std::string& name, const json& value, Limits& limits) {
  constexpr double kDay = 86'400'000;
  if (name == "header_bytes") return number(value, limits.header_bytes, 256, 1 << 20);
  if (name == "body_bytes") return number(value, limits.body_bytes, 0, 64 << 20);
  if (name == "pending_bytes") return number(value, limits.pending_bytes, 1024, 16 << 20);
  if (name == "connections") return number(value, limits.connections, 1, 100'000);
  if (name == "requests_per_connection") return number(value, limits.requests_per_connection, 1, 1e9);
  if (name == "handshake_time") return number(value, limits.handshake_time, 1, kDay);
  if (name == "header_time") return number(value, limits.header_time, 1, kDay);
  if (name == "body_time") return number(value, limits.body_time, 1, kDay);
  if (name == "idle_time") return number(value, limits.idle_time, 1, kDay);
  if (name == "requests_per_second") return number(value, limits.requests_per_second, 0, 1e9);
  if (name == "burst") return number(value, limits.burst, 0, 1e9);
  return false;
}

bool text(const json& value, std::string& into) {
  if (!value.is_string()) return false;
  into = value.get<std::string>();
  return true;
}

bool names(const json& value, std::vector<std::string>& into) {
  if (!value.is_array() || value.empty() || value.size() > kMostNames) return false;
  return std::ranges::all_of(value, [&](const json& name) { return text(name, into.emplace_back()); });
}

}  // namespace

Result<Configuration> parse_configuration(std::string_view given) {
  const json parsed = json::parse(given, nullptr, false);
  if (!parsed.is_object()) return input_error("the configuration is not a JSON object");
  Configuration configuration;
  for (const auto& [name, value] : parsed.items()) {
    if (name == "names") {
      if (!names(value, configuration.names)) return wrong(name, "is not a list of names");
    } else if (name == "limits") {
      if (!value.is_object()) return wrong(name, "is not an object");
      for (const auto& [which, most] : value.items()) {
        if (!limit(which, most, configuration.limits)) return wrong("limits." + which, "is unknown or out of range");
      }
    } else if (name == "client_roots" || name == "certificate" || name == "key") {
      std::string& into = name == "key"           ? configuration.key
                          : name == "certificate" ? configuration.certificate
                                                  : configuration.client_roots;
      if (!text(value, into)) return wrong(name, "is not a text");
    } else if (name == "service") {
      if (!value.is_object()) return wrong(name, "is not an object");
      configuration.service = value;
    } else {
      return wrong(name, "is not known");
    }
  }
  if (configuration.names.empty()) return wrong("names", "is missing");
  if (configuration.certificate.empty() != configuration.key.empty()) {
    return input_error("the configuration has a certificate without a key, or a key without a certificate");
  }
  return configuration;
}

}  // namespace coffer::service
