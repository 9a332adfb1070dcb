// coffer.toml: what an enclave may have and do, as its author says before signing. docs/coffer-toml.md lists every key.
//
// Everything here is measured. Unknown keys and values out of range are refused with file and line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "boundary/calls.h"
#include "boundary/network.h"
#include "sgx/arch.h"

namespace coffer::image {

struct FileSetting {
  std::filesystem::path host;  // a file or a directory; relative ones stand beside coffer.toml
  std::string enclave;         // absolute path inside
};

enum class MountKey : std::uint32_t { kNone = 0, kMrEnclave = 1, kMrSigner = 2, kGiven = 3 };  // LayoutMount.key_policy

struct MountSetting {
  std::string path;  // absolute path inside
  boundary::MountKind kind = boundary::MountKind::kPlain;
  bool read_only = false;
  MountKey key = MountKey::kNone;  // encrypted mounts have one
};

struct Settings {
  std::string name;  // empty: the program file's name
  std::uint16_t product_id = 0, svn = 0;
  bool key_separation = false;  // KSS: set where either of the two ids is given
  sgx::Bytes<16> family_id{}, extended_product_id{};
  bool debug = false;
  // Whoever launches the image says whether it is DEBUG then, as SDKs for the hardware have it; coffer.toml does not
  // know this. Not with `debug`.
  bool debug_at_launch = false;
  std::uint32_t threads = 8;
  std::uint64_t stack = 8u << 20;        // bytes, of the main thread; comes from the heap
  std::uint64_t heap_max = 1024u << 20;  // bytes: heap, mappings and stacks together, committed on demand
  bool dynamic_code = false;             // the program may make memory executable
  // Whether the host may have reports made on data of its own choice; not set: where the program makes none itself.
  std::optional<bool> host_report_data;
  std::string working_directory;  // absolute path inside; empty: the root
  std::vector<FileSetting> files;
  std::vector<MountSetting> mounts;
  std::vector<std::string> environment_allow;  // names
  std::vector<std::string> environment_set;    // "NAME=value", sorted
  bool environment_any = false;                // debug images only
  std::vector<boundary::NetworkRule> network;  // what may be bound and connected to; empty: no sockets
};

inline constexpr std::uint64_t kMinStack = 64u << 10, kMaxStack = 1u << 30;
inline constexpr std::uint64_t kMinHeap = 1u << 20, kMaxHeap = std::uint64_t{1} << 39;

// `file_name` is for messages; relative paths of files are taken from `directory`.
[[nodiscard]] Result<Settings> parse_settings(std::string_view text, std::string_view file_name,
                                              const std::filesystem::path& directory);
[[nodiscard]] Result<Settings> read_settings(const std::filesystem::path& path);

// What no single value shows: debug with environment.any, a stack larger than the heap, paths given twice.
// parse_settings does it; call it again after command-line options changed something.
[[nodiscard]] Result<void> check_settings(const Settings& settings);

// Bytes from "4096", "96M", "1G" (K, M, G are powers of 1024). An error says what is wrong with the text.
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view text);

// Every key that coffer.toml knows, with its table ("environment.allow"); tests hold the documentation to it.
[[nodiscard]] std::span<const std::string_view> known_settings();

}  // namespace coffer::image
