# zstd and xz, linked statically from Debian's libraries: what goes in comes out, and the compressed bytes are the same
# inside and outside, with the libraries' own threads too.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
[[ -f /usr/lib/x86_64-linux-gnu/libzstd.a && -f /usr/lib/x86_64-linux-gnu/liblzma.a ]] || skip 'libzstd-dev or liblzma-dev is not installed'
compile program -l:libzstd.a -l:liblzma.a -pthread <<'SOURCE'
#include <lzma.h>
#include <zstd.h>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>
using Bytes = std::vector<std::uint8_t>;
namespace {
std::uint64_t digest(const Bytes& bytes) {  // FNV-1a
  std::uint64_t hash = 14695981039346656037ull;
  for (std::uint8_t b : bytes) hash = (hash ^ b) * 1099511628211ull;
  return hash;
}
void report(const char* what, const Bytes& packed, bool same) {
  std::printf("%s %zu %016llx %s\n", what, packed.size(), static_cast<unsigned long long>(digest(packed)),
              same ? "same" : "DIFFERENT");
}
void zstd(const Bytes& input, int level, int workers) {
  Bytes packed(ZSTD_compressBound(input.size()));
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  if (workers != 0) ZSTD_CCtx_setParameter(context, ZSTD_c_nbWorkers, workers);
  packed.resize(ZSTD_compress2(context, packed.data(), packed.size(), input.data(), input.size()));
  ZSTD_freeCCtx(context);
  Bytes back(input.size());
  const bool same = ZSTD_decompress(back.data(), back.size(), packed.data(), packed.size()) == input.size() && back == input;
  report("zstd", packed, same);
}
void xz(const Bytes& input, std::uint32_t preset, std::uint32_t threads) {
  Bytes packed(lzma_stream_buffer_bound(input.size()) + (1 << 16));
  lzma_stream stream = LZMA_STREAM_INIT;
  lzma_mt options{};
  options.threads = threads;
  options.block_size = 1 << 20;
  options.preset = preset;
  options.check = LZMA_CHECK_CRC64;
  if (lzma_stream_encoder_mt(&stream, &options) != LZMA_OK) return;
  stream.next_in = input.data();
  stream.avail_in = input.size();
  stream.next_out = packed.data();
  stream.avail_out = packed.size();
  const bool done = lzma_code(&stream, LZMA_FINISH) == LZMA_STREAM_END;
  packed.resize(packed.size() - stream.avail_out);
  lzma_end(&stream);
  Bytes back(input.size());
  std::uint64_t limit = UINT64_MAX;
  std::size_t in = 0, out = 0;
  const bool same = done && lzma_stream_buffer_decode(&limit, 0, nullptr, packed.data(), &in, packed.size(), back.data(), &out,
                                                      back.size()) == LZMA_OK && out == input.size() && back == input;
  report("xz", packed, same);
}
}  // namespace
int main(int, char** argv) {
  std::ifstream file(argv[1], std::ios::binary);
  const Bytes text((std::istreambuf_iterator<char>(file)), {});
  Bytes noise(300'000);
  std::uint32_t state = 1;
  for (auto& b : noise) b = static_cast<std::uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  std::printf("%zu\n", text.size());
  for (const Bytes* input : {&text, static_cast<const Bytes*>(&noise)}) {
    zstd(*input, 1, 0);
    zstd(*input, 9, 0);
    zstd(*input, 3, 2);
    xz(*input, 1, 1);
    xz(*input, 3, 2);
  }
}
SOURCE
# Two megabytes that every machine has.
mkdir input
head -c 2000000 "$COFFER_BUILD/libexec/coffer/coffer-cell" >input/data
cat >coffer.toml <<'TOML'
name = "compressors"
heap_max = "256M"
threads = 8
[[mounts]]
path = "/input"
kind = "plain"
read_only = true
TOML
sign program --config coffer.toml
./program input/data >outside.txt
"$COFFER" run --quiet --counters counters.json program.enclave --mount "$PWD/input:/input" -- /input/data >inside.txt
cmp outside.txt inside.txt
(($(grep -c same inside.txt) == 10)) || fail "$(cat inside.txt)"
expect_past_the_trap counters.json
