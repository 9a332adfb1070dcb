#include <lzma.h>
#include <zstd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <vector>

#include "bench/inside/clock.h"
#include "bench/inside/workloads.h"

namespace coffer::bench {

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr int kZstdLevel = 3;          // the command's default
constexpr std::uint32_t kXzLevel = 6;  // the command's default
constexpr std::size_t kXzShare = 1 << 20;

void require(bool good, const char* what) {
  if (!good) throw std::runtime_error(what);
}

const Bytes& content_of(const std::string& path) {
  static const Bytes content = [&path] {
    std::ifstream file(path, std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(file), {});
  }();
  require(!content.empty(), "there is nothing to compress");
  return content;
}

// One call of a stream that has been set up; the size of what came out.
std::size_t code_all(lzma_stream& stream, const std::uint8_t* from, std::size_t size, Bytes& into) {
  stream.next_in = from;
  stream.avail_in = size;
  stream.next_out = into.data();
  stream.avail_out = into.size();
  require(lzma_code(&stream, LZMA_FINISH) == LZMA_STREAM_END, "xz failed");
  return into.size() - stream.avail_out;
}

}  // namespace

Ticks zstd_there_and_back(const std::string& path) {
  const Bytes& content = content_of(path);
  static ZSTD_CCtx* const compressor = ZSTD_createCCtx();
  static ZSTD_DCtx* const decompressor = ZSTD_createDCtx();
  static Bytes packed(ZSTD_compressBound(content.size()));
  static Bytes back(content.size());
  const Ticks start = ticks_now();
  const std::size_t size =
      ZSTD_compressCCtx(compressor, packed.data(), packed.size(), content.data(), content.size(), kZstdLevel);
  const std::size_t again =
      ZSTD_isError(size) != 0 ? size : ZSTD_decompressDCtx(decompressor, back.data(), back.size(), packed.data(), size);
  const Ticks end = ticks_now();
  require(again == content.size() && back == content, "zstd does not give back what it got");
  return end - start;
}

Ticks xz_there_and_back(const std::string& path) {
  const Bytes& all = content_of(path);
  const std::size_t size = std::min(all.size(), kXzShare);
  // A stream that is set up again keeps its memory.
  static lzma_stream compressor = LZMA_STREAM_INIT;
  static lzma_stream decompressor = LZMA_STREAM_INIT;
  static Bytes packed(lzma_stream_buffer_bound(size));
  static Bytes back(size);
  const Ticks start = ticks_now();
  require(lzma_easy_encoder(&compressor, kXzLevel, LZMA_CHECK_CRC64) == LZMA_OK, "xz does not start");
  const std::size_t packed_size = code_all(compressor, all.data(), size, packed);
  require(lzma_stream_decoder(&decompressor, UINT64_MAX, 0) == LZMA_OK, "xz does not start");
  const std::size_t again = code_all(decompressor, packed.data(), packed_size, back);
  const Ticks end = ticks_now();
  require(again == size && std::equal(back.begin(), back.end(), all.begin()), "xz does not give back what it got");
  return end - start;
}

}  // namespace coffer::bench
