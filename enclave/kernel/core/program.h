// Starting the application: its stack as the System V ABI for x86-64 (section 3.4.1) lays it out. Freestanding.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace coffer::kernel {

// The auxiliary vector, as pairs; pointers to strings are filled in by build_stack().
std::vector<std::uint64_t> auxiliary_vector();

// Maps the main thread's stack and fills it; returns the first stack pointer, or 0 where there is no memory.
[[nodiscard]] std::uint64_t build_stack(const std::vector<std::string_view>& arguments,
                                        const std::vector<std::string_view>& environment,
                                        std::vector<std::uint64_t>& auxiliary, std::string_view program);

// Where the main thread's stack begins; 0 before build_stack().
[[nodiscard]] std::uint64_t main_stack_begin();

}  // namespace coffer::kernel
