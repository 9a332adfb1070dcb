# The pages say what the code says: the system calls are those of the kernel's tables, and every link leads somewhere.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
"$COFFER_ROOT/scripts/list-syscalls" --check

# The check sees a table that has changed, and one that cannot be read.
mkdir -p copy/enclave/kernel copy/docs
cp -r "$COFFER_ROOT/scripts" copy/
cp -r "$COFFER_ROOT/enclave/kernel/syscalls" copy/enclave/kernel/
cp "$COFFER_ROOT/docs/system-calls.md" copy/docs/
table=copy/enclave/kernel/syscalls/time.cc
expect_status 0 copy/scripts/list-syscalls --check
sed -i 's/"wake-ups at any time"/"anything at all"/' "$table"
expect_status 1 copy/scripts/list-syscalls --check
expect_error_line 'docs/system-calls.md is not up to date'
sed -i 's/{35, "nanosleep"/{36, "nanosleep"/' "$table"
expect_status 1 copy/scripts/list-syscalls --check
expect_error_line 'nanosleep: its number is not'
sed -i 's/"anything at all"/anything()/' "$table"
expect_status 1 copy/scripts/list-syscalls --check
expect_error_line 'only [0-9]+ entries could be read'

python3 - "$COFFER_ROOT" <<'PYTHON' || fail 'docs/dependencies.md does not name every package that scripts/setup installs'
import pathlib, re, sys
root = pathlib.Path(sys.argv[1])
lists = re.findall(r"^\w*packages=\(([^)]*)\)", (root / "scripts/setup").read_text(), re.M)
packages = " ".join(lists).split()
reasons = (root / "docs/dependencies.md").read_text()
missing = [package for package in packages if f"`{package}`" not in reasons]
assert len(packages) > 15 and not missing, missing
PYTHON

# The tables of both SDKs' functions have each function that their headers declare, and say of it what our headers say: that it
# is absent, or that it is there.
PYTHONDONTWRITEBYTECODE=1 python3 - "$COFFER_ROOT" <<'PYTHON' || fail 'a table of functions is not what the headers say'
import pathlib, re, sys
root = pathlib.Path(sys.argv[1])
fixtures = root / "tests/acceptance/fixtures"
sys.path.insert(0, str(fixtures))
from declared_functions import declared

def public(header):  # not: what Open Enclave's own tests include, the C library's other names, what EDL's code uses
    return not {"internal", "corelibc", "edger8r", "host"} & set(header.parts) and header.name != "coffer_string_extras.h"

wrong = []
for page, names, headers in (("openenclave", "openenclave-functions.txt", root / "compat/openenclave/include/openenclave"),
                             ("intel-sgx-sdk", "intel-sgx-sdk-functions.txt", root / "compat/sgxsdk/include")):
    listed = [line.split() for line in (fixtures / names).read_text().splitlines() if not line.startswith("#")]
    every = (root / f"docs/sdk/{page}.md").read_text().split("## Every function", 1)[1].split("\n## ", 1)[0]
    said = {}
    for functions, here in re.findall(r"^\| \S+\.h \| (.*?) \| (.*?) \|$", every, re.M):
        said |= {name: here for name in re.findall(r"`(\w+)`", functions)}
    ours = set().union(*(declared(header) for header in headers.rglob("*.h")))
    shown = set().union(*(declared(header) for header in headers.rglob("*.h") if public(header.relative_to(headers))))
    shown = {name for name in shown if re.match("(oe|sgx)_", name) and not name.startswith("sgx_edge_")}
    assert len(listed) > 100 and len(shown) > 80, (len(listed), len(shown))
    for header, name in listed:
        if name not in said: wrong.append(f"{page}.md does not list {name} of {header}")
    for name, here in said.items():
        if here.startswith("absent") == (name in ours): wrong.append(f"{page}.md says of {name}: {here}")
    wrong += [f"{page}.md does not list {name}, which our headers declare" for name in shown - set(said)]
assert not wrong, "\n".join(wrong)
PYTHON

# What the pages of the SDK show is compiled or run by a test: each block has a name that a test asks for, or is EDL, all of
# which test_edl compiles.
python3 - "$COFFER_ROOT" <<'PYTHON' || fail 'docs/sdk shows something that no test tries'
import pathlib, re, sys
root = pathlib.Path(sys.argv[1])
tests = "".join(test.read_text() for test in (root / "tests/acceptance").glob("test_*.sh"))
untried, shown = [], 0
for page in sorted((root / "docs/sdk").glob("*.md")):
    lines = page.read_text().split("\n")
    inside = False
    for above, line in zip([""] + lines, lines):
        if not line.startswith("```"): continue
        inside = not inside
        if not inside: continue
        shown += 1
        name = re.fullmatch(r"<!-- snippet: (\S+) -->", above)
        # Names with a folder are files of the tutorial's project, which are all built.
        tried = name and f"docs/sdk/{page.name}" in tests and (name[1] in tests or "/" in name[1])
        if not tried and line != "```edl": untried.append(f"{page.name}: {line} under '{above}'")
assert shown > 12 and not untried, untried
PYTHON

python3 - "$COFFER_ROOT" <<'PYTHON' || fail 'a page links to a file that is not there'
import pathlib, re, sys
root = pathlib.Path(sys.argv[1])
pages = [*root.glob("*.md"), *root.glob("docs/**/*.md")]
links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#\s]+)", page.read_text()) if "://" not in link]
dead = [f"{page.relative_to(root)}: {link}" for page, link in links if not (page.parent / link).exists()]
assert len(links) > 8 and not dead, dead
PYTHON
