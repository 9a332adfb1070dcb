# Streams, arguments, exit statuses and deaths of a program pass through coffer run.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
compile program <<'SOURCE'
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "exit") return std::atoi(argv[2]);
  if (what == "abort") std::abort();
  if (what == "fault") return *reinterpret_cast<volatile int*>(16);
  if (what == "throw") throw std::runtime_error("nobody catches this");
  if (what == "catch") {
    try { throw std::runtime_error("caught"); } catch (const std::exception& error) { std::cout << error.what() << '\n'; }
    return 0;
  }
  if (what == "upper") {
    for (std::string line; std::getline(std::cin, line);) {
      for (char& c : line) c = static_cast<char>(std::toupper(c));
      std::cout << line << '\n';
    }
    return 0;
  }
  for (int i = 1; i < argc; ++i) std::cout << '[' << argv[i] << ']';
  std::cout << std::endl;
  std::cerr << "to stderr" << std::endl;
}
SOURCE
sign program
for rung in process inline; do
  if [[ $rung == inline ]]; then
    expect_status 1 "$COFFER" run --rung inline program.enclave -- exit 0
    expect_error_line 'inline'
    sign program --debug
  fi
  run=("$COFFER" run --rung "$rung" program.enclave --)
  for code in 0 1 2 42 255; do expect_status $code "${run[@]}" exit $code; done
  expect_status 0 "${run[@]}" 'two words' '' --option '[a,b]' -- '[:x:]'
  expect_output '[two words][][--option][[a,b]][--][[:x:]]'
  grep -qx 'to stderr' err.txt || fail "stderr does not pass through: $(cat err.txt)"
  expect_status 0 "${run[@]}" catch
  expect_output caught
  printf 'one\ntwo\n' >in.txt
  status=0
  "${run[@]}" upper <in.txt >out.txt || status=$?
  ((status == 0)) || fail "upper: exit status $status"
  expect_output $'ONE\nTWO'
  # 128 + the signal's number, as a shell says it.
  expect_status 134 "${run[@]}" abort
  expect_status 139 "${run[@]}" fault
  expect_status 134 "${run[@]}" throw
  grep -q 'nobody catches this' err.txt || fail "the C++ library's last words are lost: $(cat err.txt)"
done
