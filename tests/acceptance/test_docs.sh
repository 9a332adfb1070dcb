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
