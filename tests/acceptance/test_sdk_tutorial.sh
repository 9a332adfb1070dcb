# The tutorial of the SDK, as a reader follows it: every file that it shows is built, every claim that it makes is tried.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cmake --install "$COFFER_BUILD" --prefix "$PWD/prefix" >install.txt 2>&1 || fail "$(tail -5 install.txt)"
COFFER=$PWD/prefix/bin/coffer
unset COFFER_LIBEXEC COFFER_RUNG
export CMAKE_PREFIX_PATH=$PWD/prefix

# The first commands that it shows.
PATH=$PWD/prefix/bin:$PATH
snippet docs/sdk/tutorial.md first.sh >first.sh
bash -e first.sh >first.txt 2>&1 || fail "the first commands: $(tail -20 first.txt)"
grep -q '100% tests passed' first.txt || fail "its first tests: $(tail -20 first.txt)"
mrenclave() { "$COFFER" inspect --json words/build/words.enclave | grep -o '"mrenclave": *"[0-9a-f]*"'; }
before=$(mrenclave)

# The files that the page shows, each named in a comment above it.
python3 - "$COFFER_ROOT/docs/sdk/tutorial.md" <<'PYTHON' || fail 'the page shows no files'
import pathlib, re, sys
text = pathlib.Path(sys.argv[1]).read_text()
snippets = re.findall(r"<!-- snippet: (\S+/\S+) -->\n```\w+\n(.*?)```", text, re.S)
for path, content in snippets:
    pathlib.Path(path).write_text(content)
assert len(snippets) == 3, snippets
PYTHON
# Its commands afterwards, as the page has them, in the project's folder.
snippet docs/sdk/tutorial.md again.sh >again.sh
(cd words && bash -e ../again.sh) >again.txt 2>&1 || fail "the commands: $(tail -20 again.txt)"
[[ $(tail -n 1 again.txt) == 'the longest word is remember' ]] || fail "the commands printed: $(tail -20 again.txt)"
rm words/words.sealed
[[ $(mrenclave) != "$before" ]] || fail 'the enclave did not change'
(cd words/build && ctest --output-on-failure) >ctest.txt 2>&1 || fail "its tests: $(tail -20 ctest.txt)"

words() { words/build/words words/build/words.enclave "$@"; }
expect_status 0 words remember this
expect_output $'enclave: a longer word than all before\nthe longest word is remember'
expect_status 0 words
expect_output 'the longest word is remember'
expect_status 0 env COFFER_RUNG=process words/build/words words/build/words.enclave short
expect_output 'the longest word is remember'
grep -q remember words.sealed && fail 'the blob shows the secret'
printf x | dd of=words.sealed bs=1 seek=150 conv=notrunc 2>/dev/null
expect_status 2 words
expect_error_line 'not what this enclave sealed'
