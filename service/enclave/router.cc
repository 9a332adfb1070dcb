#include "service/enclave/router.h"

#include <algorithm>
#include <exception>

#include "service/enclave/uri.h"

namespace coffer::service {
namespace {

std::string_view next_segment(std::string_view& rest) {
  const std::size_t end = std::min(rest.find('/'), rest.size());
  const std::string_view segment = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return segment;
}

bool match_segment(std::string_view pattern, std::string_view segment, PathValues& values) {
  if (!pattern.starts_with('{')) return pattern == segment;
  const std::string_view suffix = pattern.substr(pattern.find('}') + 1);
  if (!segment.ends_with(suffix) || segment.size() == suffix.size()) return false;
  const std::string_view value = segment.substr(0, segment.size() - suffix.size());
  // What a suffix would follow is another route's.
  if (suffix.empty() && value.find(':') != std::string_view::npos) return false;
  auto decoded = decode_percent(value);
  if (!decoded) return false;
  values.push_back(std::move(*decoded));
  return true;
}

}  // namespace

bool match_path(std::string_view pattern, std::string_view path, PathValues& values) {
  values.clear();
  if (std::ranges::count(pattern, '/') != std::ranges::count(path, '/')) return false;
  while (!pattern.empty() || !path.empty()) {
    if (!match_segment(next_segment(pattern), next_segment(path), values)) return false;
  }
  return true;
}

void Router::add(std::string method, std::string pattern, RouteHandler handler) {
  routes_.push_back({std::move(method), std::move(pattern), std::move(handler)});
}

Router::Routed Router::route(const Request& request) const {
  PathValues values;
  std::string allowed;
  std::string_view known = "none";
  for (const Route& route : routes_) {
    if (!match_path(route.pattern, request.path, values)) continue;
    if (route.method != request.method && !(route.method == "GET" && request.method == "HEAD")) {
      allowed += (allowed.empty() ? "" : ", ") + route.method;
      known = route.pattern;
      continue;
    }
    try {
      return {route.handler(request, values), route.pattern};
    } catch (const std::exception&) {
      return {Response::error(500, "InternalError", "the service failed; its log has the request's number"),
              route.pattern};
    }
  }
  if (allowed.empty()) return {Response::error(404, "NotFound", "there is nothing at this path"), "none"};
  Response response = Response::error(405, "MethodNotAllowed", "this path does not take this method");
  response.headers.emplace_back("Allow", allowed);
  return {std::move(response), known};
}

}  // namespace coffer::service
