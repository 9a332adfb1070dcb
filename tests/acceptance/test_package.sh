# The Debian packages: made by CPack, right in their parts, installed by dpkg, used, removed without a trace.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
((EUID == 0)) || skip 'installing packages needs root'
for tool in cpack dpkg dpkg-shlibdeps; do command -v "$tool" >/dev/null || skip "no $tool"; done
cpack -G DEB --config "$COFFER_BUILD/CPackConfig.cmake" -B "$PWD/packages" >cpack.txt 2>&1 || fail "$(tail -20 cpack.txt)"
main=$(echo packages/coffer_*.deb)
development=$(echo packages/libcoffer-dev_*.deb)
[[ -f $main && -f $development ]] || fail "no packages: $(ls packages)"

field() { dpkg-deb -f "$1" "$2"; }
[[ $(field "$main" Package) == coffer && $(field "$main" Architecture) == amd64 ]] || fail 'wrong control fields'
for library in libdw1 libc6 libstdc++6 libfmt libzydis; do
  field "$main" Depends | grep -qi "$library" || fail "no dependency on $library: $(field "$main" Depends)"
done
field "$development" Depends | grep -q 'coffer (= ' || fail 'the development files go with any version of the command'
# What lintian asks for: a copyright, a changelog, compressed pages, no file outside /usr, sane modes and owners.
dpkg-deb -c "$main" >list.txt
for file in usr/bin/coffer usr/libexec/coffer/coffer-cell usr/libexec/coffer/enclave-kernel.elf \
  usr/libexec/coffer/report-verifier.enclave usr/libexec/coffer/file-sealer.enclave usr/libexec/coffer/libcoffer-emulate.so usr/share/man/man1/coffer-run.1.gz usr/share/doc/coffer/copyright \
  usr/share/doc/coffer/changelog.gz usr/share/bash-completion/completions/coffer usr/share/zsh/vendor-completions/_coffer \
  usr/sbin/cofferd usr/lib/systemd/system/cofferd.service usr/lib/sysusers.d/coffer.conf usr/share/man/man8/cofferd.8.gz \
  usr/share/bash-completion/completions/cofferd usr/share/zsh/vendor-completions/_cofferd; do
  grep -q " \./$file$" list.txt || fail "the package lacks $file"
done
awk '$6 !~ /^\.\/(usr\/.*)?$/ { print; found = 1 } END { exit found }' list.txt || fail 'files outside /usr'
awk '$2 != "root/root" { print; found = 1 } END { exit found }' list.txt || fail 'files that are not root'"'"'s'
awk '$1 ~ /^.....w|^........w|s/ { print; found = 1 } END { exit found }' list.txt || fail 'files that others may write'

dpkg-deb --ctrl-tarfile "$main" | tar -tv >control.txt
for script in postinst prerm postrm; do grep -Eq "^-rwxr-xr-x.* \./$script$" control.txt || fail "no $script: $(cat control.txt)"; done

# Installed beside nothing else of the machine: an own root with its own database, over the machine's libraries.
root=$PWD/root
mkdir -p "$root/var/lib/dpkg"/{updates,info,triggers}
touch "$root/var/lib/dpkg"/{status,available}
package() { dpkg --root="$root" --force-depends --force-script-chrootless --log=/dev/null "$@" >dpkg.txt 2>&1 || fail "dpkg $*: $(cat dpkg.txt)"; }
mkdir "$root/etc" && touch "$root/etc"/{passwd,group,shadow,gshadow}
package -i "$main" "$development"
# The daemon has its user, and its unit names what was installed and is right; nobody enabled or started it.
grep -q '^coffer:.*:/var/lib/coffer:/usr/sbin/nologin$' "$root/etc/passwd" || fail "no user coffer: $(cat "$root/etc/passwd")"
grep -qx 'ExecStart=/usr/sbin/cofferd' "$root/usr/lib/systemd/system/cofferd.service" || fail 'the unit starts something else'
[[ -z $(find "$root/etc" -name '*.service') && ! -e $root/run/coffer ]] || fail 'the daemon is enabled or started'
if command -v systemd-analyze >/dev/null; then
  sed "s|=/usr/sbin|=$root/usr/sbin|; /^Documentation=/d" "$root/usr/lib/systemd/system/cofferd.service" >cofferd.service
  systemd-analyze verify "$PWD/cofferd.service" >verify.txt 2>&1 || fail "the unit: $(cat verify.txt)"
  grep -q 'cofferd.service' verify.txt && fail "the unit: $(cat verify.txt)"
fi
compile hello <<'SOURCE'
#include <cstdio>
int main() { std::puts("inside"); }
SOURCE
COFFER=$root/usr/bin/coffer
sign hello
expect_status 0 env -u COFFER_LIBEXEC "$COFFER" run --quiet hello.enclave
expect_output inside
grep -q 'static' <(file -L "$root/usr/libexec/coffer/coffer-cell") || fail 'the cell depends on libraries'
cp -r "$COFFER_ROOT/samples/calls" outside
cmake -S outside -B build -DCMAKE_PREFIX_PATH="$root/usr" >cmake.txt 2>&1 || fail "configuring: $(tail -20 cmake.txt)"
cmake --build build >build.txt 2>&1 || fail "building: $(tail -20 build.txt)"
expect_status 0 build/vote build/tally.enclave
# Removing keeps what the daemon has made; purging does not.
mkdir -p "$root/var/lib/coffer" "$root/etc/coffer"
touch "$root/var/lib/coffer/fuses" "$root/etc/coffer/cofferd.toml"
package -r libcoffer-dev coffer
[[ -e $root/var/lib/coffer/fuses && -e $root/etc/coffer/cofferd.toml ]] || fail 'removing took the keys or the settings'
package -P coffer
[[ ! -e $root/var/lib/coffer && ! -e $root/etc/coffer ]] || fail 'purging left state behind'
grep -q '^coffer:' "$root/etc/passwd" && fail 'purging left the user behind'
[[ -z $(find "$root/usr" -type f -o -type l 2>/dev/null) ]] || fail "left behind: $(find "$root/usr" -type f)"
