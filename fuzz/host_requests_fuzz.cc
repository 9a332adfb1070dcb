// Hostile enclaves at the host's services: any request for files and sockets, with any arguments over any exchange
// area. Whatever is asked has an answer that the boundary allows, and nothing outside of the mounts is touched.
//
// Input: for each request its number, four arguments of a byte and a kind, and bytes that are laid over the area.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include "base/bytes.h"
#include "host/files/file_service.h"
#include "host/network/network_service.h"

namespace {

using namespace coffer;
using boundary::Request;

constexpr int kMostRequests = 40;

// A folder of this process with the mount in it, and beside the mount what no request may reach.
struct World {
  std::filesystem::path root, mount, outside;
  std::array<int, 2> streams{};
  struct stat before{};
  World() {
    char name[] = "/tmp/coffer-fuzz-XXXXXX";
    if (::mkdtemp(name) == nullptr || ::pipe2(streams.data(), O_CLOEXEC | O_NONBLOCK) != 0) std::abort();
    root = name;
    mount = root / "mount";
    outside = root / "outside";
    std::ofstream(outside) << "untouched";
    if (::lstat(outside.c_str(), &before) != 0) std::abort();
    std::atexit([] { std::filesystem::remove_all(the().root); });
  }
  static World& the() {
    static World world;
    return world;
  }
  // Whatever rights requests have taken from folders.
  static void open_up(const std::filesystem::path& folder) {
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all);
    for (const auto& each : std::filesystem::directory_iterator(folder)) {
      if (each.symlink_status().type() == std::filesystem::file_type::directory) open_up(each);
    }
  }
  void renew() const {
    if (std::filesystem::exists(mount)) open_up(mount);
    std::filesystem::remove_all(mount);
    std::filesystem::create_directories(mount / "d/e");
    std::ofstream(mount / "a") << "some content";
    std::ofstream(mount / "d/b") << std::string(5000, 'x');
    std::filesystem::create_symlink("../outside", mount / "up");
    std::filesystem::create_symlink("a", mount / "link");
  }
  void check() const {
    struct stat status{};
    std::size_t entries = 0;
    for (const auto& each : std::filesystem::directory_iterator(root)) entries += each.exists() ? 1 : 0;
    if (::lstat(outside.c_str(), &status) != 0 || status.st_size != 9 || status.st_nlink != 1 || entries != 2) {
      std::abort();
    }
    const bool touched = status.st_mode != before.st_mode || status.st_mtim.tv_sec != before.st_mtim.tv_sec ||
                         status.st_mtim.tv_nsec != before.st_mtim.tv_nsec;
    if (touched) std::abort();
  }
};

class Enclave {
 public:
  Enclave()
      : files_({w_.streams[0], w_.streams[1], w_.streams[1]}), network_({w_.streams[0], w_.streams[1], w_.streams[1]}) {
    if (!files_.add_mount(1, w_.mount, false) || !files_.add_mount(2, w_.mount, true)) std::abort();
    std::vector<boundary::NetworkRule> rules;
    for (const auto direction : {boundary::NetworkDirection::kBind, boundary::NetworkDirection::kConnect}) {
      for (const auto transport : {boundary::NetworkTransport::kTcp, boundary::NetworkTransport::kUdp}) {
        rules.push_back({direction, transport, boundary::NetworkFamily::kV4, 8, 0, 65535, {127}, {}});
      }
    }
    network_.allow(rules);
    files_.cancel_waits();  // nothing waits
    network_.cancel_waits();
  }

  void ask(ByteReader& input) {
    const auto head = input.read<std::array<std::uint8_t, 12>>();
    if (!head) return;
    std::array<std::uint64_t, 4> arguments{};
    for (std::size_t i = 0; i < 4; ++i) arguments[i] = argument((*head)[1 + 2 * i], (*head)[2 + 2 * i]);
    const std::size_t offset = (*head)[9] % 4 == 0 ? boundary::kSocketDataOffset : 0;
    if (const auto bytes = input.take(std::min<std::size_t>((*head)[10], input.remaining()))) {
      std::memcpy(area_.data() + offset, bytes->data(), bytes->size());
    }
    constexpr std::uint64_t kFirst = static_cast<std::uint64_t>(Request::kFileOpen);
    const auto request = static_cast<Request>(kFirst + (*head)[0] % 50);
    const bool network = host::NetworkService::serves(request);
    if (!network && !host::FileService::serves(request)) return;
    const host::Answer answer =
        network ? network_.serve(request, arguments, area_, (*head)[11] % 4) : files_.serve(request, arguments, area_);
    if (answer.result < -4095) std::abort();
    const bool handle = request == Request::kFileOpen || request == Request::kSocketOpen ||
                        request == Request::kSocketAccept || request == Request::kPollerOpen;
    if (handle && answer.result >= 0) opened_[next_++ % opened_.size()] = static_cast<std::uint64_t>(answer.result);
  }

 private:
  // Half of what a real enclave would say, so that the checks behind the first are reached.
  [[nodiscard]] std::uint64_t argument(std::uint8_t kind, std::uint8_t value) const {
    constexpr std::array<std::uint64_t, 10> kEdges = {
        ~std::uint64_t{0},           ~std::uint64_t{0} >> 1,
        std::uint64_t{1} << 63,      boundary::kExchangeSize,
        boundary::kExchangeSize + 1, boundary::kSocketWait,
        std::uint64_t{1} << 32,      boundary::kExchangeSize - boundary::kSocketDataOffset,
        boundary::kMaxPath,          0xffffffff};
    switch (kind % 5) {
      case 0:
        return value % 8;
      case 1:
        return value;
      case 2:
        return opened_[value % opened_.size()];
      case 3:
        return kEdges[value % kEdges.size()];
      default:
        return std::uint64_t{value} << (kind / 5 % 57);
    }
  }

  const World& w_ = World::the();
  host::FileService files_;
  host::NetworkService network_;
  std::vector<std::byte> area_ = std::vector<std::byte>(boundary::kExchangeSize);
  std::array<std::uint64_t, 8> opened_ = {0, 1, 2, 3, 4, boundary::kFirstSocketHandle, 1 << 21, 5};
  std::size_t next_ = 3;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  World& world = World::the();
  world.renew();
  {
    Enclave enclave;
    ByteReader input(std::as_bytes(std::span(data, size)));
    for (int i = 0; i < kMostRequests && input.remaining() > 0; ++i) enclave.ask(input);
  }
  world.check();
  return 0;
}
