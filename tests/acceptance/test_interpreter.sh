# CPython, linked statically from Debian's library, passes the same of its own tests inside as outside: eighteen
# modules of its regression suite, more than sixteen hundred tests; and its own signal handlers and threads work.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
library=/usr/lib/python3.11/config-3.11-x86_64-linux-gnu/libpython3.11-pic.a
[[ -f $library && -f /usr/lib/python3.11/test/test_dict.py ]] ||
  skip 'libpython3.11-dev or libpython3.11-testsuite is not installed'
cat >python.c <<'SOURCE'
#include <Python.h>
int main(int argc, char** argv) { return Py_BytesMain(argc, argv); }
SOURCE
gcc -O1 -I/usr/include/python3.11 python.c -o python -static-pie "$library" -lexpat -lz -lm 2>/dev/null
cat >coffer.toml <<'TOML'
name = "python"
heap_max = "1G"
threads = 128
stack = "8M"
[[mounts]]
path = "/usr/lib/python3.11"
kind = "plain"
read_only = true
TOML
sign python --config coffer.toml
# Without what makes processes, inside and outside.
cat >suite.py <<'PYTHON'
import os, sys, unittest
del os.fork
os.chdir("/tmp")
processes = ("test_check_encoding_errors", "test_struct_cleans_up_at_runtime_shutdown")
def cases(suite):
    for part in suite:
        if isinstance(part, unittest.TestSuite): yield from cases(part)
        elif not part.id().endswith(processes): yield part
modules = """dict list string re struct generators decorators heapq bisect array complex collections thread threading_local
             grammar with scope unicode""".split()
suite = unittest.TestSuite(cases(unittest.defaultTestLoader.loadTestsFromNames(["test.test_" + m for m in modules])))
sys.exit(not unittest.TextTestRunner().run(suite).wasSuccessful())
PYTHON
cat >own.py <<'PYTHON'
# What the interpreter makes of signals itself.
import os, signal, threading, time
seen = []
signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
os.kill(os.getpid(), signal.SIGUSR1)
threading.Timer(0.05, lambda: signal.raise_signal(signal.SIGUSR1)).start()
while len(seen) < 2: time.sleep(0.01)
signal.signal(signal.SIGALRM, lambda number, frame: seen.append(number))
signal.setitimer(signal.ITIMER_REAL, 0.02, 0.01)
while len(seen) < 5: signal.pause()
signal.setitimer(signal.ITIMER_REAL, 0)
signal.signal(signal.SIGALRM, signal.SIG_IGN)  # what is still on its way
# No exception out of the handler: CPython 3.11 now and then misses the try around an endless loop, outside too.
signal.signal(signal.SIGALRM, lambda number, frame: seen.append("late"))
signal.alarm(1)
while "late" not in seen: seen.count(0)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
os.kill(os.getpid(), signal.SIGUSR2)
seen.append(int(signal.sigwait([signal.SIGUSR2])))
print(seen[:5], seen[5:])
try: os.fork()
except OSError as error: print("fork", error.strerror)
PYTHON
# "Ran N tests in ..." and the result; how long it took is nobody's business.
summary() { grep -E '^(Ran|OK|FAILED|ERROR|FAIL)' "$1" | sed 's/ in [0-9.]*s$//'; }
./python -B -c "$(cat suite.py)" >/dev/null 2>outside.txt || fail "outside: $(tail -n 30 outside.txt)"
"$COFFER" run --quiet --counters counters.json python.enclave --mount /usr/lib/python3.11:/usr/lib/python3.11 -- -B -c "$(cat suite.py)" \
  >/dev/null 2>inside.txt || fail "inside: $(grep -E '^(ERROR|FAIL)' inside.txt; tail -n 60 inside.txt)"
[[ $(summary outside.txt) == "$(summary inside.txt)" ]] || fail "outside: $(summary outside.txt) inside: $(summary inside.txt)"
summary inside.txt
"$COFFER" run --quiet python.enclave --mount /usr/lib/python3.11:/usr/lib/python3.11 -- -B -c "$(cat own.py)" >own.txt
[[ $(cat own.txt) == "[10, 10, 14, 14, 14] ['late', 12]"$'\n''fork Function not implemented' ]] || fail "$(cat own.txt)"
expect_past_the_trap counters.json
