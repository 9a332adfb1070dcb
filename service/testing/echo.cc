// The smallest service on the kit, for the kit's tests: says what it got, and keeps notes in the sealed store.
#include <unistd.h>

#include "service/enclave/inside/serve.h"

using namespace coffer::service;

namespace {

Response stored(const coffer::Result<void>& done) {
  return done ? Response::json("{}") : Response::error(500, "StoreFailed", done.error().message);
}

coffer::Result<nlohmann::ordered_json> set_up(const nlohmann::json& settings, Environment environment, Router& router) {
  for (const auto& [name, value] : settings.items()) {
    if (name != "greeting") return coffer::input_error("the echo service has no setting '" + name + "'");
  }
  const std::string greeting = settings.value("greeting", "hello");
  router.add("GET", "/hello/{name}", [greeting](const Request&, const PathValues& values) {
    return Response::text(greeting + " " + values[0]);
  });
  router.add("POST", "/echo", [](const Request& request, const PathValues&) { return Response::text(request.body); });
  router.add("GET", "/large",
             [](const Request&, const PathValues&) { return Response::text(std::string(3 << 20, 'x')); });
  router.add("GET", "/who", [](const Request& request, const PathValues&) {
    return Response::text(request.peer + (request.client_certificate.empty() ? " without" : " with") + " certificate");
  });
  router.add("GET", "/file/{name}", [environment](const Request&, const PathValues& values) {
    const auto file = environment.host_file(values[0]);
    if (!file) return Response::error(404, "NotFound", "there is no such file");
    return Response::text({reinterpret_cast<const char*>(file->data()), file->size()});
  });
  router.add("PUT", "/notes/{name}", [environment](const Request& request, const PathValues& values) {
    std::vector<StoreChange> changes;
    changes.push_back({"notes/" + values[0], coffer::SecretBytes::copy_of(std::as_bytes(std::span(request.body)))});
    return stored(environment.store.commit(std::move(changes)));
  });
  router.add("GET", "/notes/{name}", [environment](const Request&, const PathValues& values) {
    const auto note = environment.store.get("notes/" + values[0]);
    if (!note) return Response::error(500, "StoreFailed", note.error().message);
    return *note ? Response::text(std::string((*note)->text()))
                 : Response::error(404, "NotFound", "there is no such note");
  });
  return nlohmann::ordered_json{{"greets", greeting}};
}

}  // namespace

int main() { serve_service("echo", &set_up); }
