# A program whose standard streams are closed finds them unusable, and nothing else in their place; what comes of the
# environment in a debug image that lets all of it pass; what is no file is no input.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
compile streams <<'SOURCE'
#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <string>
#include <unistd.h>
int main(int argc, char** argv) {
  char byte;
  // The exit status tells: each stream that cannot do its work is a bit.
  int closed = 0;
  if (argc > 1 && std::string(argv[1]) == "read" && read(0, &byte, 1) < 0 && errno == EBADF) closed |= 1;
  if (write(1, "out\n", 4) < 0 && errno == EBADF) closed |= 2;
  if (write(2, "err\n", 4) < 0 && errno == EBADF) closed |= 4;
  if (const char* given = std::getenv("GIVEN")) closed |= std::string(given) == "by the host" ? 8 : 16;
  return closed;
}
SOURCE
sign streams
run=(timeout 20 "$COFFER" run --quiet streams.enclave --)
for closed in '' '0' '1' '2' '0 1' '1 2' '0 1 2'; do
  outside=0
  inside=0
  (for stream in $closed; do eval "exec $stream>&-"; done; exec ./streams read) </dev/null >out.outside 2>err.outside || outside=$?
  (for stream in $closed; do eval "exec $stream>&-"; done; exec "${run[@]}" read) </dev/null >out.inside 2>err.inside || inside=$?
  ((inside == outside)) || fail "closed '$closed': exit status $inside instead of $outside"
  cmp out.outside out.inside || fail "closed '$closed': another output"
  cmp err.outside err.inside || fail "closed '$closed': stderr: $(cat err.inside)"
done
((outside == 7)) || fail "the program outside says $outside"

GIVEN='by the host' expect_status 0 "${run[@]}"
printf 'debug = true\nenvironment.any = true\n' >coffer.toml
sign streams --config coffer.toml
GIVEN='by the host' expect_status 8 "${run[@]}"

expect_status 2 timeout 20 "$COFFER" inspect /dev/zero
expect_error_line '/dev/zero is a device'
