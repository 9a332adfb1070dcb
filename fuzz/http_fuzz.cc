// Hostile HTTP after TLS: any bytes, in any pieces, to the parser and a router with routes of every form; and the bytes
// as a batch of blobs. What comes out begins with an answer of HTTP.
#include <cstdlib>
#include <string_view>

#include "service/enclave/http_connection.h"
#include "service/enclave/router.h"
#include "service/wire/blob_batch.h"

using namespace coffer::service;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Limits limits{.header_bytes = 2048, .body_bytes = 4096, .pending_bytes = 16384};
  static const Router router = [] {
    Router made;
    const auto echo = [](const Request& request, const PathValues& values) {
      return Response::text(request.body + (values.empty() ? "" : values[0]));
    };
    made.add("GET", "/policies/{type}", echo);
    made.add("POST", "/policies/{type}:reset", echo);
    made.add("POST", "/attest/SgxEnclave", echo);
    return made;
  }();
  (void)coffer::service::decode_batch(std::as_bytes(std::span(data, size)));
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::size_t piece = data[0] + std::size_t{1};
  HttpConnection connection(limits);
  std::string out;
  for (std::size_t at = 0; at < bytes.size() && !connection.finished(); at += piece) {
    std::string answer;
    connection.receive(
        bytes.substr(at, piece), [](Request& request) { return router.route(request).response; }, answer);
    if (out.empty()) out = answer;
  }
  if (!out.empty() && !std::string_view(out).starts_with("HTTP/1.1 ")) std::abort();
  return 0;
}
