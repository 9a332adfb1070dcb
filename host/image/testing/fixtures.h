// What the tests of images share: the programs that CMake built for them and images made of those.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "host/image/signer.h"
#include "sgx/sigstruct.h"

namespace coffer::image::testing {

inline std::filesystem::path program_path(const std::string& name) {
  return std::filesystem::path(COFFER_BUILD_DIR) / "tests/programs" / name;
}

inline std::vector<std::byte> program(const std::string& name) {
  auto content = read_file(program_path(name));
  if (!content) throw std::runtime_error(content.error().message);
  return *content;
}

// Making an RSA key takes a second or more; one serves all tests.
inline const sgx::SigningKey& signing_key() {
  static const sgx::SigningKey key = [] {
    auto made = sgx::SigningKey::generate();
    if (!made) throw std::runtime_error(made.error().message);
    return std::move(*made);
  }();
  return key;
}

inline constexpr std::uint32_t kTestDate = 0x20261122;

inline Result<UnsignedImage> build_of(ByteView application, const std::string& program_name = "program",
                                      Settings settings = {}, std::vector<MeasuredInput> files = {}) {
  auto kernel = program("image_test_kernel");
  return build_image({.kernel = kernel,
                      .program = application,
                      .program_name = program_name,
                      .settings = std::move(settings),
                      .files = std::move(files),
                      .date = kTestDate});
}
inline Result<UnsignedImage> build(const std::string& program_name, Settings settings = {},
                                   std::vector<MeasuredInput> files = {}) {
  const auto application = program(program_name);
  return build_of(application, program_name, std::move(settings), std::move(files));
}

// A small signed image with one of everything in its layout.
inline std::vector<std::byte> small_image() {
  Settings settings;
  settings.threads = 2;
  settings.heap_max = 16 << 20;
  settings.stack = 1 << 20;
  settings.mounts = {{"/data", boundary::MountKind::kEncrypted, false, MountKey::kMrSigner},
                     {"/in", boundary::MountKind::kPlain, true, MountKey::kNone}};
  settings.environment_allow = {"TZ"};
  settings.environment_set = {"HOME=/"};
  std::vector<MeasuredInput> files = {{"/etc/empty", 0444, {}},
                                      {"/etc/motd", 0444, std::vector<std::byte>(5000, std::byte{'m'})}};
  auto built = build("image_test_tiny", settings, files);
  if (!built) throw std::runtime_error(built.error().message);
  auto signed_now = sign_image(built->file, "small", signing_key());
  if (!signed_now) throw std::runtime_error(signed_now.error().message);
  return built->file;
}

}  // namespace coffer::image::testing
