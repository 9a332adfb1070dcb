// The patterns of [network] in coffer.toml and of `coffer run --bind` and `--connect`:
//
//   tcp:ADDRESS:PORT, udp:ADDRESS:PORT   ADDRESS: * (any), 192.0.2.1, 10.0.0.0/8, [::1], [2001:db8::]/32
//                                        PORT: 443, 8000-8099, *
//   unix:/run/app.sock, unix:/run/app/   a path; one with a slash at the end stands for what is directly in there
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "boundary/network.h"

namespace coffer::image {

// Input error: what is wrong with the pattern and how to write one.
[[nodiscard]] Result<boundary::NetworkRule> parse_network_rule(std::string_view pattern,
                                                               boundary::NetworkDirection direction);
// The pattern of a rule, for people.
[[nodiscard]] std::string network_pattern(const boundary::NetworkRule& rule);
// Whether a rule of an image is one that the above could have made.
[[nodiscard]] bool is_network_rule(const boundary::NetworkRule& rule);

}  // namespace coffer::image
