# What the README shows is what there is: its program and settings are the sample's, and its commands work as written.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
ln -s "$COFFER_ROOT/samples" samples
python3 - "$COFFER_ROOT/README.md" <<'PYTHON' || fail 'README.md shows another program than samples/hello'
import pathlib, re, sys
blocks = re.findall(r"^```(\w*)\n(.*?)^```", pathlib.Path(sys.argv[1]).read_text(), re.M | re.S)
program, settings = ("".join(text for kind, text in blocks if kind == want) for want in ("cpp", "toml"))
commands = "".join(text for kind, text in blocks if text.startswith("g++ "))
pathlib.Path("commands.sh").write_text(commands)
assert program and pathlib.Path("samples/hello/main.cc").read_text().endswith(program)
assert settings == pathlib.Path("samples/hello/coffer.toml").read_text()
assert commands.count("coffer ") >= 4
PYTHON
export PATH=$COFFER_BUILD/bin:$PATH
expect_status 0 bash -e commands.sh
[[ $(tail -n 1 out.txt) == 'Hello, Ada. You are number 1.' ]] || fail "$(cat out.txt err.txt)"
expect_status 0 coffer run hello.enclave --mount names:/data -- /data/names.txt Ada
expect_output 'Hello again, Ada.'
if grep -rqaF Ada names; then fail 'the name stands in plain text'; fi
