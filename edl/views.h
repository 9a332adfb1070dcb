// What a parameter is in Coffer's own dialect: spans and text in place of addresses with sizes beside them.
#pragma once

#include <string>

#include "edl/ast.h"

namespace coffer::edl {

enum class View : std::uint8_t {
  kPlain,  // as in C: values, addresses
  kText,   // std::string_view, std::wstring_view
  kSpan,   // std::span of as many elements as a length parameter says, which then is none of the signature
  kFixed,  // std::span of a number of elements that the interface says
};

// Parameters whose view is kSpan are measured by one parameter.
[[nodiscard]] View view_of(const Function& function, const Declaration& parameter);
// The parameter is the length of spans, and they say it.
[[nodiscard]] bool is_span_length(const Function& function, const Declaration& parameter);

// As it stands in a signature: "std::span<const int> values".
[[nodiscard]] std::string viewed(const Function& function, const Declaration& parameter);
// std::span<const int>, std::string_view ...; of kPlain nothing.
[[nodiscard]] std::string view_type(const Function& function, const Declaration& parameter);
// How many elements a kFixed span has.
[[nodiscard]] std::string fixed_extent(const Declaration& parameter);
// The elements of a span, with const where the function is not to change them.
[[nodiscard]] std::string element_type(const Declaration& parameter);

}  // namespace coffer::edl
