// Much computing of different kinds, with system calls in between; prints what must be the same wherever it runs.
#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

namespace {

std::uint64_t next(std::uint64_t& state) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

std::uint64_t fold(std::uint64_t hash, std::uint64_t value) { return (hash ^ value) * 0x100000001b3; }

}  // namespace

int main() {
  std::uint64_t state = 0x9e3779b97f4a7c15;
  std::vector<std::uint64_t> numbers(400'000);
  for (auto& n : numbers) n = next(state);
  std::sort(numbers.begin(), numbers.end());
  std::uint64_t hash = 0xcbf29ce484222325;
  for (auto n : numbers) hash = fold(hash, n);
  std::printf("sorted %016" PRIx64 "\n", hash);

  double sum = 0;
  for (int i = 1; i < 300'000; ++i) sum += std::sin(i) * std::sqrt(i) / std::log(i + 1.0);
  std::printf("sum %.17g\n", sum);

  std::map<std::string, int> words;
  for (int i = 0; i < 60'000; ++i) ++words["word" + std::to_string(next(state) % 5000)];
  for (const auto& [word, count] : words) {
    for (char c : word) hash = fold(hash, static_cast<std::uint64_t>(c));
    hash = fold(hash, static_cast<std::uint64_t>(count));
  }
  std::printf("words %zu %016" PRIx64 "\n", words.size(), hash);

  std::vector<float> a(512 * 512), b(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(next(state) % 1000) / 7;
  for (int round = 0; round < 20; ++round) {
    for (std::size_t i = 1; i + 1 < a.size(); ++i) b[i] = (a[i - 1] + a[i] + a[i + 1]) / 3;
    std::swap(a, b);
    std::printf("round %d %.9g\n", round, static_cast<double>(a[a.size() / 2]));
    std::fflush(stdout);
  }
  return 0;
}
