// The three dialects of generated code. Each gives the files' names and texts; nothing is written here.
#pragma once

#include <string>
#include <vector>

#include "edl/ast.h"
#include "edl/options.h"
#include "edl/text.h"

namespace coffer::edl {

struct GeneratedFile {
  std::string path;
  std::string text;
};

[[nodiscard]] std::vector<GeneratedFile> emit_coffer(const Interface& interface, const Options& options);
[[nodiscard]] std::vector<GeneratedFile> emit_open_enclave(const Interface& interface, const Options& options);
[[nodiscard]] std::vector<GeneratedFile> emit_sgx(const Interface& interface, const Options& options);

// The files of the dialect that `options` names.
[[nodiscard]] std::vector<GeneratedFile> emit(const Interface& interface, const Options& options);

// --- what the dialects share

[[nodiscard]] std::string in_folder(const std::string& folder, const std::string& name);
[[nodiscard]] std::string upper(std::string_view text);
// A name that no parameter of the function has.
[[nodiscard]] std::string free_name(const Function& function, const std::string& wanted);

// The interface's own types as C, each behind a guard that begins with `guard`, so that several interfaces may have
// imported the same.
void emit_c_types(Text& text, const Interface& interface, std::string_view guard);
// "(int a, char* b)", beginning with what is in `first`; "(void)" where there is nothing.
[[nodiscard]] std::string parameter_list(const std::vector<std::string>& first, const Function& function);

}  // namespace coffer::edl
