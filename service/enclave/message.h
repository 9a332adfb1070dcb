// A request and its answer, as handlers see them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "service/enclave/trace.h"

namespace coffer::service {

struct Request {
  std::string method;  // "GET"
  std::string path;    // as it was sent, without the query: "/policies/SgxEnclave:reset"
  std::string host;    // the field Host, lower-case, without a port
  std::vector<std::pair<std::string, std::string>> query;    // decoded, in order
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case, in order
  std::string body;
  std::string peer;                // the client's address: the host's word
  std::string client_certificate;  // DER, of one that was verified; empty where there is none
  Trace trace;

  // The first field of that (lower-case) name; nothing where there is none.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
  [[nodiscard]] std::optional<std::string_view> parameter(std::string_view name) const;
};

struct Response {
  unsigned status = 200;
  std::string content_type = "application/json; charset=utf-8";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;

  [[nodiscard]] static Response json(std::string text, unsigned status = 200);
  [[nodiscard]] static Response text(std::string text, unsigned status = 200);
  // {"error":{"code":...,"message":...}}. The message is for the client: never a secret of another.
  [[nodiscard]] static Response error(unsigned status, std::string_view code, std::string_view message);
};

}  // namespace coffer::service
