# GoogleTest's own tests, from Debian's sources, linked statically: the same tests pass inside as outside. Death tests make
# processes, which an enclave cannot: GoogleTest then aborts, and nothing hangs.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source=/usr/src/googletest/googletest
[[ -f $source/test/gtest_unittest.cc ]] || skip 'googletest is not installed'
# Each of these is a test program of its own there, and several can share one here.
files=(src/gtest-all.cc src/gtest_main.cc test/gtest_unittest.cc test/googletest-message-test.cc
  test/googletest-test-part-test.cc test/googletest-printers-test.cc)
for file in "${files[@]}"; do
  g++ -std=c++17 -O0 -w -I"$source" -I"$source/include" -c "$source/$file" -o "$(basename "$file").o"
done
g++ -static-pie -pthread -o program ./*.o
sign program --threads 64 --heap-max 256M
# Times, random seeds and source paths differ by nature.
summary() { grep -E '^\[ +(OK|FAILED|PASSED|SKIPPED|DISABLED) +\]' "$1" | sed 's/ ([0-9]* ms)$//; s/ ([0-9]* ms total)$//'; }
# By name, and one that is not called so.
filter='--gtest_filter=-*DeathTest*:*.GetTestProperty:*.FilterBad:*.OutputEmpty'
./program "$filter" >outside.txt 2>&1 || fail "outside: $(tail -n 20 outside.txt)"
"$COFFER" run --quiet --counters counters.json program.enclave -- "$filter" >inside.txt 2>&1 || fail "inside: $(grep -A20 Failure inside.txt | head -n 60; tail -n 20 inside.txt)"
diff <(summary outside.txt) <(summary inside.txt) || fail 'inside differs from outside'
(($(grep -c '^\[       OK' inside.txt) > 400)) || fail "only $(grep -c '^\[       OK' inside.txt) tests"
grep PASSED inside.txt
expect_past_the_trap counters.json
# A death test where no process can be made: GoogleTest gives up by abort, at once.
compile dying gtest-all.cc.o gtest_main.cc.o -pthread <<'SOURCE'
#include <gtest/gtest.h>
TEST(SomeDeathTest, Dies) { EXPECT_DEATH(std::abort(), ""); }
TEST(Ordinary, Passes) { EXPECT_EQ(1, 1); }
SOURCE
sign dying
status_of timeout 60 "$COFFER" run --quiet dying.enclave
((status == 134)) || fail "a death test ends with status $status: $(cat out.txt err.txt)"
