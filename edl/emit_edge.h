// What Coffer's own dialect and the Intel SGX SDK's have in common: stubs and bridges over <coffer/edge.h> and
// "sgx_edger8r.h", which say the same under different names.
#pragma once

#include <string>

#include "edl/ast.h"
#include "edl/marshal.h"
#include "edl/options.h"
#include "edl/text.h"

namespace coffer::edl {

class Edge {
 public:
  Edge(const Interface& interface, Dialect dialect);

  // The argument structures of all functions.
  void structures(Text& text) const;
  // edl_status_of(): the status for a mistake that the helpers found.
  void statuses(Text& text) const;
  // A call to the other side: outside an ECALL's, inside an OCALL's. In Coffer's dialect a function of the file's own,
  // with the parameters of C.
  void stub(Text& text, const Function& function, const std::string& name) const;
  // The other end: outside an OCALL's, inside an ECALL's.
  void bridge(Text& text, const Function& function) const;
  // Outside the OCALL table, inside the whole interface.
  void outside_table(Text& text) const;
  void inside_tables(Text& text) const;

  // The signature of the stub, up to and without "{".
  [[nodiscard]] std::string stub_prototype(const Function& function, const std::string& name) const;

 private:
  [[nodiscard]] bool native() const { return dialect_ == Dialect::kCoffer; }
  [[nodiscard]] std::string arguments_type(const Function& function) const;
  [[nodiscard]] std::string call_expression(const Function& function, const Marshal& marshal) const;
  void stub_call(Text& text, const Function& function, const Marshal& marshal) const;
  void run(Text& text, const Function& function, const Marshal& marshal) const;

  const Interface& interface_;
  Dialect dialect_;
  std::string status_, ok_, invalid_, no_memory_, malformed_, functions_, suffix_;
};

}  // namespace coffer::edl
