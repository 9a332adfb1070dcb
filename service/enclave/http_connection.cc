#include "service/enclave/http_connection.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/serializer.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>

#include "service/enclave/uri.h"

namespace coffer::service {
namespace {

namespace http = boost::beast::http;
namespace net = boost::asio;

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}
std::string lower(boost::beast::string_view text) { return lower(std::string_view(text.data(), text.size())); }

bool fits_a_field(std::string_view value) {
  return std::ranges::none_of(value, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

// The name of a server, without its port; nothing where it is none.
std::optional<std::string> host_of(std::string_view field) {
  if (field.empty() || field.size() > 255) return std::nullopt;
  const std::size_t end = field.front() == '[' ? field.find(']') : field.find(':');
  const std::string name =
      lower(field.substr(0, field.front() == '[' && end != std::string_view::npos ? end + 1 : end));
  for (const char c : name) {
    const bool known = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' ||
                       c == '[' || c == ']' || c == ':';
    if (!known) return std::nullopt;
  }
  return name;
}

}  // namespace

struct HttpConnection::Parser {
  http::request_parser<http::string_body> beast;
  bool continued = false;  // 100 Continue was sent
};

HttpConnection::HttpConnection(const Limits& limits) : limits_(limits) {}
HttpConnection::~HttpConnection() = default;

HttpConnection::Phase HttpConnection::phase() const {
  if (parser_ != nullptr && parser_->beast.is_header_done()) return Phase::kBody;
  return buffer_.empty() ? Phase::kIdle : Phase::kHeader;
}

void HttpConnection::receive(std::string_view bytes, const Handler& handler, std::string& out) {
  if (finished_) return;
  buffer_.append(bytes);
  waiting_ = false;
  bool more = true;
  while (more && !finished_ && !buffer_.empty()) {
    if (out.size() >= limits_.pending_bytes) {
      waiting_ = true;
      return;
    }
    step(handler, out, more);
  }
  if (finished_) buffer_.clear();
}

// One turn of the parser; `more` is false where it needs bytes that are not here.
void HttpConnection::step(const Handler& handler, std::string& out, bool& more) {
  if (parser_ == nullptr) {
    // Empty lines before a request are ignored (RFC 9112, 2.2).
    const std::size_t begin = buffer_.find_first_not_of("\r\n");
    buffer_.erase(0, std::min(begin, buffer_.size()));
    if (buffer_.empty()) return;
    parser_ = std::make_unique<Parser>();
    parser_->beast.eager(true);
    parser_->beast.header_limit(static_cast<std::uint32_t>(limits_.header_bytes));
    parser_->beast.body_limit(limits_.body_bytes);
  }
  auto& parser = parser_->beast;
  boost::beast::error_code error;
  const std::size_t used = parser.put(net::const_buffer(buffer_.data(), buffer_.size()), error);
  buffer_.erase(0, used);
  if (error == http::error::need_more) error = {};
  if (error == http::error::header_limit) return refuse(431, "HeaderTooLarge", "the header is too large", out);
  if (error == http::error::body_limit) return refuse(413, "BodyTooLarge", "the body is too large", out);
  if (error) return refuse(400, "BadRequest", "this is not a well-formed HTTP/1.1 request", out);
  if (parser.is_done()) return serve(handler, out);
  more = used != 0 && !buffer_.empty();
  if (!parser.is_header_done() || parser_->continued) return;
  // The header is here and the body is not: the client may wait for a word.
  parser_->continued = true;
  if (lower(parser.get()[http::field::expect]) == "100-continue") out += "HTTP/1.1 100 Continue\r\n\r\n";
}

void HttpConnection::serve(const Handler& handler, std::string& out) {
  const std::unique_ptr<Parser> parser = std::move(parser_);
  const auto& message = parser->beast.get();
  // What is neither chunked nor of a known length could be read in two ways by two servers.
  if (message.count(http::field::transfer_encoding) != 0 && !parser->beast.chunked()) {
    return refuse(501, "NotImplemented", "of transfer encodings only chunked is understood", out);
  }
  if (message.count(http::field::host) > 1) return refuse(400, "BadRequest", "there is more than one Host", out);
  Request request;
  const auto host_field = message[http::field::host];
  if (!host_field.empty() || message.version() >= 11) {
    auto host = host_of(std::string_view(host_field.data(), host_field.size()));
    if (!host) return refuse(400, "BadRequest", "the field Host is missing or malformed", out);
    request.host = std::move(*host);
  }
  const std::string_view target(message.target().data(), message.target().size());
  if (!split_target(target, request.path, request.query)) {
    return refuse(400, "BadRequest", "the target is not a path", out);
  }
  request.method = std::string(message.method_string());
  for (const auto& field : message) {
    request.headers.emplace_back(lower(field.name_string()), std::string(field.value()));
  }
  request.body = message.body();
  request.trace = begin_trace(request.header("traceparent"));
  Response response = handler(request);
  response.headers.emplace_back("x-request-id", request.trace.request_id);
  response.headers.emplace_back("traceparent", request.trace.parent());
  ++served_;
  const bool keep_alive = message.keep_alive() && !closing_ && served_ < limits_.requests_per_connection;
  answer(response, keep_alive, request.method == "HEAD", out);
}

void HttpConnection::answer(const Response& response, bool keep_alive, bool head_only, std::string& out) {
  http::response<http::string_body> message{static_cast<http::status>(response.status), 11};
  for (const auto& [name, value] : response.headers) {
    if (fits_a_field(value) && fits_a_field(name)) message.insert(name, value);
  }
  if (!response.body.empty()) message.set(http::field::content_type, response.content_type);
  message.keep_alive(keep_alive);
  if (!keep_alive) finished_ = true;
  message.content_length(response.body.size());
  if (!head_only) message.body() = response.body;
  http::response_serializer<http::string_body> serializer{message};
  serializer.split(head_only);
  boost::beast::error_code error;
  while (!error && !(head_only ? serializer.is_header_done() : serializer.is_done())) {
    serializer.next(error, [&](boost::beast::error_code&, const auto& buffers) {
      std::size_t size = 0;
      for (const net::const_buffer part : boost::beast::buffers_range_ref(buffers)) {
        out.append(static_cast<const char*>(part.data()), part.size());
        size += part.size();
      }
      serializer.consume(size);
    });
  }
}

void HttpConnection::refuse(unsigned status, std::string_view code, std::string_view message, std::string& out) {
  parser_.reset();
  answer(Response::error(status, code, message), false, false, out);
}

void HttpConnection::time_out(std::string& out) {
  if (!finished_ && phase() != Phase::kIdle) refuse(408, "RequestTimeout", "the request took too long", out);
  finished_ = true;
}

}  // namespace coffer::service
