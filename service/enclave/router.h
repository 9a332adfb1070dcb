// Which handler answers which method and path. Filled before the first request; then const and safe from any thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "service/enclave/message.h"

namespace coffer::service {

// What stood in the braces of a pattern, decoded, in its order.
using PathValues = std::vector<std::string>;
// May throw: the answer is 500 then, and the exception's text goes nowhere.
using RouteHandler = std::function<Response(const Request&, const PathValues&)>;

class Router {
 public:
  // "/policies/{type}:reset": braces stand for one or more characters of one segment; only at the segment's begin.
  void add(std::string method, std::string pattern, RouteHandler handler);

  struct Routed {
    Response response;
    std::string_view pattern;  // for metrics and logs; "none" where nothing fits
  };
  // 404 where no pattern fits, 405 with Allow where the method does not. HEAD is GET.
  [[nodiscard]] Routed route(const Request& request) const;

 private:
  struct Route {
    std::string method, pattern;
    RouteHandler handler;
  };
  std::vector<Route> routes_;
};

// Whether `path` fits, and the values of its braces.
[[nodiscard]] bool match_path(std::string_view pattern, std::string_view path, PathValues& values);

}  // namespace coffer::service
