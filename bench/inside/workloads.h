// What the program that runs inside and outside can be asked to do. Each function does its work once and returns how
// long the part that counts took, in ticks of the time stamp counter, which is the same clock on both sides.
#pragma once

#include <cstdint>
#include <string>

namespace coffer::bench {

using Ticks = std::uint64_t;

// Computing. The data is made and touched before the clock starts, and kept for the next time.
Ticks sha256_64mb();      // one pass
Ticks aes_gcm_64mb();     // AES-256-GCM, encryption
Ticks sqlite_query_1m();  // one query that visits all of a table of 1,000,000 rows in memory
Ticks sort_10m();         // std::sort of 10,000,000 integers in random order

// Programs that others wrote, with the content of a file where they need one.
Ticks zstd_there_and_back(const std::string& path);  // all of it
Ticks xz_there_and_back(const std::string& path);    // its first megabyte
Ticks lua_suite();                                   // calls, floating point, strings, tables, closures

// System calls, `count` of them.
Ticks call_getpid(std::uint64_t count);
Ticks read_one_byte(std::uint64_t count, const std::string& path);  // pread of one byte
Ticks stat_file(std::uint64_t count, const std::string& path);

// Sealing and unsealing 1 KiB, inside only: what it is made of, with a Sealer each time, and by the functions.
Ticks gcm_and_egetkey(std::uint64_t count);
Ticks seal_with_sealer(std::uint64_t count);
Ticks seal_by_functions(std::uint64_t count);

// Memory and threads.
Ticks touch_pages(std::uint64_t count);      // first touches of fresh pages, one after another
Ticks create_threads(std::uint64_t count);   // create and join, one after another
Ticks hand_over_mutex(std::uint64_t count);  // round trips between two threads, over a mutex and condition variables

// Paging. The memory of the first two is touched before the clock starts, and kept.
Ticks walk_pages(std::uint64_t count);     // a word of each page is read and written, upwards
Ticks jump_in_pages(std::uint64_t count);  // a word of pages at random is read, anywhere in what walk_pages() touched
Ticks seal_pages(std::uint64_t count);     // AES-256-GCM of each page, there and back

// A file of 32 MiB, block by block, upwards or in an order that looks random, each block once and always in the same
// order, so that a cache that holds a part of the file has none of the block that comes; or its first 4 MiB at random,
// eight times. A write ends with fsync().
enum class Order { kUpwards, kAtRandom, kPartAtRandom };
Ticks write_file(std::uint64_t block_size, const std::string& path, Order how);
Ticks read_file(std::uint64_t block_size, const std::string& path, Order how);
// The same with AES-256-GCM of each block by the program itself. What is read must have been written by this process.
Ticks seal_and_write_file(std::uint64_t block_size, const std::string& path, Order how);
Ticks read_and_open_file(std::uint64_t block_size, const std::string& path, Order how);

}  // namespace coffer::bench
