// The program that is measured: one static-pie binary, the same inside an enclave and outside.
//
//   bench-program work     reads lines "NAME [COUNT [PATH]]" from standard input, answers each with the ticks it took
//   bench-program serve    serves calls (inside only): every call returns at once
//   bench-program nothing     ends
//   bench-program touch-heap  touches 64 MB and ends
#include <coffer/enclave.h>

#include <array>
#include <cstdio>
#include <exception>
#include <iostream>
#include <sstream>
#include <string>
#include <string_view>

#include "bench/inside/workloads.h"

namespace {

using namespace coffer::bench;

// Throws where the work fails or nobody knows it.
Ticks work(const std::string& line) {
  std::istringstream words(line);
  std::string name;
  std::string path;
  std::uint64_t count = 1;
  words >> name >> count >> path;
  if (name == "sha256") return sha256_64mb();
  if (name == "aes-gcm") return aes_gcm_64mb();
  if (name == "sqlite") return sqlite_query_1m();
  if (name == "sort") return sort_10m();
  if (name == "zstd") return zstd_there_and_back(path);
  if (name == "xz") return xz_there_and_back(path);
  if (name == "lua") return lua_suite();
  if (name == "getpid") return call_getpid(count);
  if (name == "read") return read_one_byte(count, path);
  if (name == "stat") return stat_file(count, path);
  if (name == "touch") return touch_pages(count);
  if (name == "walk") return walk_pages(count);
  if (name == "jump") return jump_in_pages(count);
  if (name == "seal-pages") return seal_pages(count);
  if (name == "thread") return create_threads(count);
  if (name == "gcm-key") return gcm_and_egetkey(count);
  if (name == "sealer") return seal_with_sealer(count);
  if (name == "seal") return seal_by_functions(count);
  if (name == "file-write") return write_file(count, path, Order::kUpwards);
  if (name == "file-write-random") return write_file(count, path, Order::kAtRandom);
  if (name == "file-read") return read_file(count, path, Order::kUpwards);
  if (name == "file-read-random") return read_file(count, path, Order::kAtRandom);
  if (name == "file-read-part") return read_file(count, path, Order::kPartAtRandom);
  if (name == "gcm-file-write") return seal_and_write_file(count, path, Order::kUpwards);
  if (name == "gcm-file-write-random") return seal_and_write_file(count, path, Order::kAtRandom);
  if (name == "gcm-file-read") return read_and_open_file(count, path, Order::kUpwards);
  if (name == "gcm-file-read-random") return read_and_open_file(count, path, Order::kAtRandom);
  if (name == "gcm-file-read-part") return read_and_open_file(count, path, Order::kPartAtRandom);
  if (name == "mutex") return hand_over_mutex(count);
  throw std::invalid_argument("unknown work");
}

int answer_lines() {
  for (std::string line; std::getline(std::cin, line);) {
    try {
      std::cout << "ok " << work(line) << '\n' << std::flush;
    } catch (const std::exception& error) {
      std::cout << "failed " << error.what() << '\n' << std::flush;
    }
  }
  return 0;
}

[[noreturn]] void serve_empty_calls() {
  static std::array<std::byte, 8192> buffer;
  coffer::serve(buffer, [](const coffer::Call&, std::span<std::byte>, std::size_t&) { return 0L; });
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc == 2 ? argv[1] : "";
  if (what == "nothing") return 0;
  if (what == "touch-heap") {
    touch_pages((std::uint64_t{64} << 20) / 4096);
    return 0;
  }
  if (what == "work") return answer_lines();
  if (what == "serve" && coffer::inside()) serve_empty_calls();
  std::fputs("usage: bench-program work | nothing | touch-heap, or inside an enclave: serve\n", stderr);
  return 2;
}
