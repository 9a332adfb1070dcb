#include "emulate/system_files.h"

#include <gtest/gtest.h>

namespace coffer::emulate {
namespace {

TEST(SystemFiles, AreKnownByTheirNames) {
  EXPECT_EQ(system_file("/dev/sgx_enclave"), SystemFile::kEnclaveDevice);
  EXPECT_EQ(system_file("/dev/sgx/provision"), SystemFile::kProvisionDevice);
  EXPECT_EQ(system_file("/sys/devices/system/node/node0/x86/sgx_total_bytes"), SystemFile::kText);
  EXPECT_EQ(system_file("/dev/sgx_vepc"), std::nullopt);
  EXPECT_EQ(system_file("sgx_enclave"), std::nullopt);
}

TEST(SystemFiles, CpuInformationGetsTheFlagsAndLosesNothing) {
  const std::string machine = "processor\t: 0\nflags\t\t: fpu vme\nbugs\t\t:\n\nprocessor\t: 1\nflags\t\t: fpu vme\n";
  EXPECT_EQ(text_of("/proc/cpuinfo", 0, machine),
            "processor\t: 0\nflags\t\t: fpu vme sgx sgx_lc sgx1 sgx2\nbugs\t\t:\n\nprocessor\t: 1\n"
            "flags\t\t: fpu vme sgx sgx_lc sgx1 sgx2\n");
}

TEST(SystemFiles, TotalBytes) {
  EXPECT_EQ(text_of("/sys/devices/system/node/node0/x86/sgx_total_bytes", 4096, ""), "4096\n");
}

TEST(EpcSize, IsWholePagesOfAtLeastAMebibyte) {
  EXPECT_EQ(parse_epc_size("64M"), std::uint64_t{64} << 20);
  EXPECT_EQ(parse_epc_size("2G"), std::uint64_t{2} << 30);
  EXPECT_EQ(parse_epc_size("1048576"), std::uint64_t{1} << 20);
  for (const char* wrong :
       {"", "M", "64m", "64MB", "-1", "1K", "1048577", "99999999999999999999", "18014398509481984K"}) {
    EXPECT_EQ(parse_epc_size(wrong), std::nullopt) << wrong;
  }
}

}  // namespace
}  // namespace coffer::emulate
