// A process with files for tests: the kernel's file layer over a temporary directory that the real FileService serves.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "enclave/kernel/fs/files.h"
#include "enclave/kernel/testing/call.h"
#include "enclave/kernel/testing/fake_host.h"
#include "host/files/file_service.h"
#include "host/network/network_service.h"

namespace coffer::kernel::testing {

class ServiceHost : public FakeHost {
 public:
  ServiceHost(host::FileService& service, host::NetworkService& network) : service_(service), network_(network) {}
  Answer serve(boundary::Request request, const std::array<std::uint64_t, 4>& arguments,
               std::span<std::byte> exchange) override {
    const host::Answer answer = host::NetworkService::serves(request)
                                    ? network_.serve(request, arguments, exchange, thread_index())
                                    : service_.serve(request, arguments, exchange);
    return {answer.result, {answer.extra[0], answer.extra[1], answer.extra[2]}};
  }

 private:
  host::FileService& service_;
  host::NetworkService& network_;
};

// Mounts /data (read-write) and /fixed (read-only), both the host's directory `shared`; the file /image/measured.
class FileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/coffer-kernel-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    shared = name;
    ASSERT_EQ(::pipe2(input.data(), O_CLOEXEC), 0);
    ASSERT_EQ(::pipe2(output.data(), O_CLOEXEC), 0);
    service = std::make_unique<host::FileService>(host::FileService::Streams{input[0], output[1], output[1]});
    ASSERT_TRUE(service->add_mount(1, shared, false));
    ASSERT_TRUE(service->add_mount(2, shared, true));
    network = std::make_unique<host::NetworkService>(host::FileService::Streams{input[0], output[1], output[1]});
    network->allow(network_rules());
    honest = std::make_unique<ServiceHost>(*service, *network);
    use_host(honest.get());
    start();
  }
  void TearDown() override {
    for (const int number : fs::files().descriptors.open_numbers()) {
      static_cast<void>(fs::files().descriptors.close(number));
    }
    use_host(nullptr);
    for (const int number : {input[0], input[1], output[0], output[1]}) ::close(number);
    std::filesystem::remove_all(shared);
  }

  virtual void adjust(fs::FilesSetup& /*setup*/) {}
  // What the image declares, to both sides.
  virtual std::vector<boundary::NetworkRule> network_rules() { return {}; }

  void start() {
    const fs::ImageFile image_files[] = {{"/image/measured", std::as_bytes(std::span(kMeasured)), 0555}};
    const fs::MountSetup mounts[] = {
        {"/data", boundary::MountKind::kPlain, 1, false, nullptr},
        {"/fixed", boundary::MountKind::kPlain, 2, true, nullptr},
    };
    const std::string_view arguments[] = {"program", "two words"};
    const std::string_view environment[] = {"HOME=/tmp"};
    fs::FilesSetup setup;
    setup.image_files = image_files;
    setup.mounts = mounts;
    setup.program = "/image/measured";
    setup.arguments = arguments;
    setup.environment = environment;
    setup.descriptor_limit = 64;
    setup.temporary_limit = 4 << 20;
    setup.current_thread_index = thread_index;
    setup.view.cpu_count = 2;
    const auto rules = network_rules();
    setup.network = rules;
    adjust(setup);
    fs::init_files(setup);
    // A kernel's files never end, and each test has its own: here they stay known, so that a leak is something else.
    static auto* all_of_them = new std::vector<fs::Files*>;
    all_of_them->push_back(&fs::files());
  }

  std::string on_host(const std::string& name) const {
    std::ifstream in(shared / name);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void make_on_host(const std::string& name, std::string_view content) const {
    std::ofstream(shared / name) << content;
  }
  static std::int64_t open(const char* path, int flags = O_RDONLY, int mode = 0644) {
    return call(SYS_openat, AT_FDCWD, path, flags, mode);
  }
  // The whole content of a file, read through the system calls.
  static std::string content(const char* path) {
    const auto fd = open(path);
    if (fd < 0) return "error " + std::to_string(-fd);
    std::string text;
    char piece[100];
    std::int64_t count = 0;
    while ((count = call(SYS_read, fd, piece, sizeof(piece))) > 0) text.append(piece, static_cast<std::size_t>(count));
    call(SYS_close, fd);
    return count < 0 ? "error " + std::to_string(-count) : text;
  }
  static std::int64_t store(const char* path, std::string_view text) {
    const auto fd = open(path, O_CREAT | O_TRUNC | O_WRONLY);
    if (fd < 0) return fd;
    const auto count = call(SYS_write, fd, text.data(), text.size());
    call(SYS_close, fd);
    return count;
  }

  static constexpr std::string_view kMeasured = "measured content";
  std::filesystem::path shared;
  std::array<int, 2> input{}, output{};
  std::unique_ptr<host::FileService> service;
  std::unique_ptr<host::NetworkService> network;
  std::unique_ptr<ServiceHost> honest;
};

}  // namespace coffer::kernel::testing
