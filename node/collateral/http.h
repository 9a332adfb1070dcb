// As much of HTTP/1.1 as the REST form of collateral needs: small GET requests and small answers.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace coffer::node {

inline constexpr std::size_t kMostAnswer = std::size_t{4} << 20;    // bytes of a body
inline constexpr std::size_t kMostHeaders = std::size_t{64} << 10;  // certificates travel in them

struct HttpAnswer {
  unsigned status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;

  // The value of the first header of that name, whatever its case; empty where there is none.
  [[nodiscard]] std::string_view header(std::string_view name) const;
};

// "https://host:port/path": whatever stands before the path, and the path ("" for none). kInput where it is neither
// http nor https, or has no host.
struct Url {
  bool secure = false;
  std::string host, port, path;
};
[[nodiscard]] Result<Url> parse_url(std::string_view text);

// GET. https with the system's authorities; redirects are not followed. kSystem where there is no answer in time.
// Statuses other than 200 are answers too.
[[nodiscard]] Result<HttpAnswer> http_get(const Url& url, std::string_view target,
                                          std::chrono::milliseconds timeout = std::chrono::seconds(15));

// A percent-encoded text, as PEM chains stand in headers; and back. kInput where a '%' is not followed by two digits.
[[nodiscard]] std::string percent_encode(std::string_view text);
[[nodiscard]] Result<std::string> percent_decode(std::string_view text);

}  // namespace coffer::node
