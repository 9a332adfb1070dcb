# An enclave with several times the EPC's memory runs to its end with the right answer: on both rungs, with threads, with
# patched and with trapping paths, and with the analysis sample.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
compile churn -pthread <<'SOURCE'
// Checksummed pages: churn MEGABYTES THREADS SEED
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>
struct Page {
  std::uint64_t words[512];
};
static std::uint64_t mix(std::uint64_t x) {
  x = (x ^ x >> 33) * 0xff51afd7ed558ccdULL;
  x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53ULL;
  return x ^ x >> 33;
}
static void fill(Page& page, std::uint64_t id, std::uint64_t generation) {
  for (int i = 0; i < 512; ++i) page.words[i] = mix(id << 40 ^ generation << 16 ^ i);
}
static bool good(const Page& page, std::uint64_t id, std::uint64_t generation) {
  for (int i = 0; i < 512; ++i) {
    if (page.words[i] != mix(id << 40 ^ generation << 16 ^ i)) return false;
  }
  return true;
}
int main(int, char** arguments) {
  const std::size_t pages = std::atoi(arguments[1]) * 256;
  const std::size_t threads = std::atoi(arguments[2]);
  std::vector<Page> memory(pages);
  std::vector<std::uint32_t> generations(pages, 1);
  std::vector<std::size_t> bad(threads);
  const auto work = [&](std::size_t thread) {
    const std::size_t from = pages * thread / threads;
    const std::size_t size = pages * (thread + 1) / threads - from;
    std::uint64_t random = std::atoi(arguments[3]) + thread;
    for (std::size_t i = from; i < from + size; ++i) fill(memory[i], i, 1);
    for (std::size_t n = 0; n < size / 4; ++n) {
      random = mix(random + n);
      const std::size_t i = from + random % size;
      if (!good(memory[i], i, generations[i])) ++bad[thread];
      fill(memory[i], i, ++generations[i]);
    }
    for (std::size_t i = from; i < from + size; ++i) {
      if (!good(memory[i], i, generations[i])) ++bad[thread];
    }
  };
  std::vector<std::thread> others;
  for (std::size_t i = 1; i < threads; ++i) others.emplace_back(work, i);
  work(0);
  for (std::thread& thread : others) thread.join();
  std::uint64_t sum = 0;
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < pages; ++i) sum = mix(sum ^ memory[i].words[i % 512]);
  for (const std::size_t each : bad) wrong += each;
  std::printf("%zu pages, %zu wrong, sum %016llx\n", pages, wrong, static_cast<unsigned long long>(sum));
  return wrong != 0;
}
SOURCE
sign churn --heap-max 64M --debug
seed=$RANDOM
echo "seed $seed"
for threads in 1 3; do
  ./churn 32 "$threads" "$seed" >outside.txt
  for options in '--rung process' '--rung inline' '--rung process --no-fast-paths' '--rung inline --no-fast-paths'; do
    # shellcheck disable=SC2086
    expect_status 0 "$COFFER" run $options --epc 8M churn.enclave -- 32 "$threads" "$seed"
    cmp out.txt outside.txt
  done
done
# heap_max bounds the memory whatever the EPC is.
for epc in 8M 1G; do
  status_of "$COFFER" run --epc $epc churn.enclave -- 100 1 "$seed"
  ((status != 0)) || fail "100 MB were to be had of a heap_max of 64M with an EPC of $epc"
done
# Too small an EPC is said in one line.
expect_status 2 "$COFFER" run --epc 64K churn.enclave -- 1 1 "$seed"
expect_error_line 'larger --epc'

# A production enclave under pressure, with encrypted files.
program=$COFFER_BUILD/samples/registry-analysis
data=/usr/share/ieee-data
mkdir encrypted out
"$program" import "$data" plain.db >/dev/null
"$program" analyse plain.db >outside.txt
"$COFFER" sign "$program" --key signer.pem --config "$COFFER_ROOT/samples/registry-analysis/coffer.toml" -o a.enclave \
  >/dev/null
run=("$COFFER" run --epc 12M a.enclave --mount "$data:/input" --mount "$PWD/encrypted:/data" --mount "$PWD/out:/out" --)
"${run[@]}" import /input /data/registry.db >/dev/null
"${run[@]}" analyse /data/registry.db >inside.txt
cmp outside.txt inside.txt
