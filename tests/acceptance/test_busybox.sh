# BusyBox, built from Debian's sources: a hundred and more lines of applets say and leave the same inside and outside. Those that
# start other processes are not among them: there is no fork inside.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
debian_program busybox
sign_with_work busybox 128M <<'TOML'
[environment.set]
TZ = "UTC"
TOML

# What the applets work on: text, numbers, bytes of every value, a tree.
make_work() {
  rm -rf "$work"
  mkdir -p "$work/tree/deep/deeper"
  python3 - "$work" <<'PYTHON'
import random, sys
pick = random.Random(20261122)
words = "amber basalt cedar delta ember fjord garnet heron indigo juniper kelp larch".split()
with open(sys.argv[1] + "/words", "w") as file:
    for i in range(2000): file.write(" ".join(pick.choice(words) for _ in range(6)) + f"\t{pick.randint(0, 99999)}\n")
with open(sys.argv[1] + "/numbers", "w") as file:
    for i in range(3000): file.write(f"{pick.randint(-10**6, 10**6)}\n")
with open(sys.argv[1] + "/bytes", "wb") as file:
    file.write(bytes(range(256)) * 40 + pick.randbytes(70000))
PYTHON
  printf 'one\ntwo\nthree\nfour\n' >"$work/tree/left"
  printf 'one\n2\nthree\nfive\n' >"$work/tree/right"
  printf 'a\n' >"$work/tree/deep/a"
  printf 'b b\n' >"$work/tree/deep/deeper/b"
  printf 'scale = 30\ne(1)\nl(2)\ndefine f(n) { if (n < 2) return n; return f(n-1) + f(n-2); }\nf(18)\n2^521-1\n' \
    >"$work/program.bc"
  printf 'a b\nb c\na d\nd c\n' >"$work/pairs"
  printf -- '--- patched\n+++ patched\n@@ -1,4 +1,4 @@\n one\n-two\n+2\n three\n-four\n+five\n' >"$work/change.diff"
  chmod -R u=rwX,go=rX "$work"
  find "$work" -exec touch -h -d '2026-01-02 03:04:05 UTC' {} +
}

# A line each, as a shell would split it. W is the folder. Not here: lists in the order of the host's file system.
cat >lines <<'LINES'
md5sum W/bytes W/words
sha1sum W/bytes
sha256sum W/bytes W/words W/numbers
sha512sum W/bytes
sha3sum W/bytes
cksum W/bytes
crc32 W/bytes
sum W/words
wc W/words W/numbers W/bytes
wc -L W/words
head -n 7 W/words
head -c 100 W/words
tail -n 5 W/words
tail -c +159900 W/words
sort W/words
sort -n W/numbers
sort -rn -u W/numbers
sort -k2,2 -k1,1r W/words
sort -t "	" -k2,2n W/words
uniq -c W/numbers
cut -d " " -f 2,4- W/words
cut -c 3-9 W/words
tac W/numbers
rev W/words
nl W/tree/left
paste -d : W/tree/left W/tree/right
fold -w 20 -s W/words
expand W/words
unexpand -a W/words
comm W/tree/left W/tree/right
cmp W/tree/left W/tree/right
cmp -l W/tree/left W/tree/right
diff W/tree/left W/tree/right
diff -u -L left -L right W/tree/left W/tree/right
grep -c amber W/words
grep -n "amber.*fjord" W/words
grep -E "^(kelp|larch) [a-h]+ .*[0-9]{5}$" W/words
grep -v -i AMBER W/words
grep -o "[0-9]*$" W/words
grep -r b W/tree
fgrep -w heron W/words
sed -n "s/amber/AMBER/gp" W/words
sed -e "1,10d" -e "/basalt/!d" -e "y/abc/xyz/" W/words
sed -n "$=" W/words
sed -E "s/([a-z]+) ([a-z]+)/\2 \1/2" W/words
awk "{ n[$1]++; s += $NF } END { for (w in n) t += n[w]; print t, s }" W/words
awk -F "\t" "$2 % 97 == 0 { printf \"%05d %s\n\", $2, toupper(substr($1, 1, 5)) }" W/words
awk "BEGIN { for (i = 1; i < 20; i++) printf \"%.6f %d\n\", sin(i) * exp(i / 7), i ^ 5 }"
awk "{ gsub(/[aeiou]/, \"\"); if (match($0, /[0-9]+/)) print RSTART, RLENGTH, $0 }" W/words
od -A x -t x1z W/bytes
od -t d4 W/bytes
hexdump -C W/bytes
hexdump -e "8/2 \"%04x \" \"\n\"" W/bytes
xxd W/bytes
xxd -p -c 32 W/bytes
base64 W/bytes
base32 W/bytes
uuencode -m W/bytes name
strings -n 6 W/bytes
gzip -k -9 W/words
gzip -c W/bytes
gunzip -c W/words.gz
gunzip -t W/words.gz
bzip2 -k W/words
bzcat W/words.bz2
bunzip2 -c W/words.bz2
lzop -c W/numbers
unlzma -c W/absent
tar -c -f W/tree.tar -C W tree
tar -t -f W/tree.tar
tar -x -f W/tree.tar -C W/tree
rm W/tree.tar
cp -r W/tree W/copy
cp -a W/tree W/again
mv W/copy/left W/copy/moved
rm W/copy/right
rm -r W/copy/deep
rm W/absent
mkdir -p W/made/a/b/c
mkdir W/made
rmdir W/made/a/b/c
rmdir W/made
touch -d "2020-02-02 02:02:02" W/made/touched
stat -c "%Y %a" W/made/touched
touch -r W/tree/left W/made/touched
stat -c "%Y" W/made/touched
chmod 640 W/made/touched
chmod u+x,g-r,o+w W/made/touched
stat -c "%a %A" W/made/touched
chmod 4755 W/absent
ln W/tree/left W/made/hard
ln W/tree/left W/made/hard
stat -c "%h" W/made/hard
ln -s ../tree/left W/made/soft
ln -s W/tree/deep W/made/absolute
ln -s nowhere W/made/dangling
readlink W/made/soft
readlink -f W/made/absolute/deeper
realpath W/made/absolute/a
cat W/made/soft W/made/hard W/made/absolute/a
cat W/made/dangling
ls -l W/made/dangling/
stat -c "%F %s %N" W/made/soft W/made/dangling
cp -a W/made/soft W/made/absolute W/made/copies
mkdir W/made/copies
cp -a W/made/soft W/made/absolute W/made/copies
cp -L W/made/soft W/made/copies/followed
mv W/made/dangling W/made/copies
ln -sf ../copies/followed W/made/soft
tar -c -f W/links.tar -C W made
mkdir W/again/out
tar -x -p -f W/links.tar -C W/again/out
rm W/links.tar
find W/again/out -type l
find W/again/out -perm 701
unix2dos W/again/left
dos2unix W/again/left
sed -i "s/one/eins/" W/again/right
rm -r W/again/out/made/absolute W/made/absolute
mktemp -u -d W/made/temporary.same
install -m 751 W/tree/left W/made/installed
stat -c "%a" W/made/installed
stat -c "%n %s %f %h %Y" W/words W/tree/left
ls -l --full-time W/absent
find W/tree/deep -type f
find W/tree -name left
ls -1R W/tree/deep
find W -size +100k
du -b W/absent
dd if=W/bytes bs=1000 skip=3 count=5
dd if=W/bytes of=W/made/dd bs=512 seek=7 count=9 conv=notrunc
truncate -s 12345 W/made/truncated
fallocate -l 8192 W/made/fallocated
split -l 700 W/words W/made/part.
split -b 50000 W/bytes W/made/bytes.
tee W/made/tee
tr a-z A-Z
seq 3 7 100
seq -w 8 12
factor 123456789 1000000007 18446744073709551557
expr 17 \* 3 + 4
expr length "a longer text"
expr match "version-12" ".*-\([0-9]*\)"
bc -l W/program.bc
dc -e "20k 2v p 7 3 ^ p 100 17 % p"
cal 2 2024
date -u -d "2026-11-22 10:11:12" "+%A %d %B %Y %H:%M:%S %j %U"
date -u -d @1000000000
printf "%5.2f|%-8s|%08x|%o\n" 3.14159 text 48879 511
echo -e "a\tb\\n\x41"
test 3 -lt 5
test -f W/absent
[ W/words -nt W/absent ]
basename W/tree/left ft
dirname W/tree/left
true
false
yes-is-no-applet
uname -m
nproc-is-no-applet
cat -A W/tree/left W/tree/right
cat W/bytes
shuf -n 0 W/words
tsort W/pairs
usleep 1000
sleep 0.01
timeout
which
getopt -o ab: -l long -- -a -b x --long rest
ipcalc -n -b -m 192.168.37.5/20
mkpasswd -m sha512 -S saltsalt secret
cryptpw -m md5 -S saltsalt secret
patch -p0 -i W/change.diff W/made/patched
cpio -t -F W/absent
ed -s W/made/tee
ash -c "i=0; while [ $i -lt 1000 ]; do i=$((i + 7)); done; echo $i ${#i}; case $i in 1*) echo one;; esac"
ash -c "f() { local x=$1; [ $x -le 1 ] && r=1 && return; f $((x - 1)); r=$((r * x)); }; f 15; echo $r"
ash -c "read a b; echo $b-$a; set -- 1 2 3; shift; echo $# $*; exit 7"
LINES

printf 'stand on the shoulders\nof giants\n' >input
# The same as shell: one call of `applet` for each.
python3 - "$work" >lines.sh <<'PYTHON'
import shlex, sys
for line in open("lines"):
    words = [sys.argv[1] if word == "W" else word.replace("W/", sys.argv[1] + "/") for word in shlex.split(line)]
    print("applet", shlex.quote(line.strip()), *map(shlex.quote, words))
PYTHON

# applet LINE WORD...: appends what $command says of the words to $name.txt.
applet() {
  local line=$1 status=0
  shift
  [[ $line == patch* ]] && cp "$work/tree/left" "$work/made/patched"
  TZ=UTC "${command[@]}" "$@" <input >out.bin 2>err.bin || status=$?
  printf '== %s\nstatus %d\n' "$line" "$status" | cat - out.bin err.bin >>"$name.txt"
}
# everything NAME COMMAND...: all lines by the command in a fresh folder; leaves NAME.txt, and the folder as NAME.tree.
everything() {
  name=$1
  shift
  command=("$@")
  make_work
  . ./lines.sh
  chmod -R u+rwX "$work"
  (
    cd "$work"
    find . -type f -exec sha256sum {} + | sort -k 2
    find . ! -type f -printf '%p %y %l\n' | sort
  ) >"$name.tree"
  rm -rf "$work"
}
everything outside "$PWD/busybox"
runs=0
counted() { "$COFFER" run --quiet --counters "counters.$((++runs)).json" busybox.enclave --mount "$work:$work" -- "$@"; }
everything inside counted

# Which applets differ, and in what first.
python3 - <<'PYTHON' || fail 'not the same'
import sys
def sections(name):
    return open(name, "rb").read().split(b"\n== ")
outside, inside = sections("outside.txt"), sections("inside.txt")
differ = [(a, b) for a, b in zip(outside, inside) if a != b]
for a, b in differ:
    print(a.split(b"\n")[0].decode())
    lines = [(x, y) for x, y in zip(a.split(b"\n") + [b""], b.split(b"\n") + [b""]) if x != y]
    for x, y in lines[:2]: print("  outside:", x[:160], "\n  inside: ", y[:160])
sys.exit(len(differ) > 0 or len(outside) != len(inside))
PYTHON
diff outside.tree inside.tree || fail 'not the same files'
(($(grep -ac '^status 0$' inside.txt) >= 105)) || fail "few applets ran: $(grep -ac '^status 0$' inside.txt)"
expect_past_the_trap counters.*.json
