#include "service/enclave/message.h"

#include <nlohmann/json.hpp>

namespace coffer::service {
namespace {

std::optional<std::string_view> first(const std::vector<std::pair<std::string, std::string>>& list,
                                      std::string_view name) {
  for (const auto& [key, value] : list) {
    if (key == name) return std::string_view(value);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string_view> Request::header(std::string_view name) const { return first(headers, name); }
std::optional<std::string_view> Request::parameter(std::string_view name) const { return first(query, name); }

Response Response::json(std::string text, unsigned status) {
  Response response;
  response.status = status;
  response.body = std::move(text);
  return response;
}

Response Response::text(std::string text, unsigned status) {
  Response response = json(std::move(text), status);
  response.content_type = "text/plain; charset=utf-8";
  return response;
}

Response Response::error(unsigned status, std::string_view code, std::string_view message) {
  nlohmann::ordered_json body;
  body["error"]["code"] = code;
  body["error"]["message"] = message;
  return json(body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), status);
}

}  // namespace coffer::service
