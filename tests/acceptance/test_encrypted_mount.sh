# What an enclave keeps in an encrypted mount: the next run reads it, another enclave, a changed file or an exchanged one
# is refused, and nothing wrong is ever given out.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
compile program <<'SOURCE'
#include <fstream>
#include <iostream>
#include <string>
int main(int argc, char** argv) {
  if (argc == 4) {
    std::ofstream file(argv[2]);
    for (int i = 0; i < 2000; ++i) file << argv[3] << ' ' << i << '\n';
    file.close();
    return file ? 0 : 3;
  }
  std::ifstream file(argv[2]);
  if (!file) return 3;
  std::string line, first;
  int lines = 0;
  while (std::getline(file, line)) {
    if (lines++ == 0) first = line;
  }
  if (file.bad()) return 3;
  std::cout << first << ' ' << lines << std::endl;
}
SOURCE
cat >settings.toml <<'SETTINGS'
[[mounts]]
path = "/data"
kind = "encrypted"
key = "mrenclave"
SETTINGS
sign program --config settings.toml
mkdir store
run() {
  local image=$1
  shift
  status_of "$COFFER" run "$image.enclave" --mount "$PWD/store:/data" -- "$@"
}
run program write /data/a alpha-secret
((status == 0)) || fail "write: $(cat err.txt)"
run program write /data/b beta-secret
run program read /data/a
expect_output 'alpha-secret 0 2000'
run program read /data/b
expect_output 'beta-secret 0 2000'
if grep -rqaF -e secret store; then fail 'plain text in the store'; fi

# Another enclave: another measurement, another key.
sign program --config settings.toml --threads 5
run program read /data/a
((status != 0)) && [[ ! -s out.txt ]] || fail "another enclave reads it: $(cat out.txt)"
sign program --config settings.toml
run program read /data/a
expect_output 'alpha-secret 0 2000'

# Every file of the store with a bit flipped, cut short, or put back to an older state: refused or harmless.
cp -a store good
harmless() {
  run program read /data/a
  ((status != 0)) || [[ $(cat out.txt) == 'alpha-secret 0 2000' ]] || fail "$1: wrong content: $(cat out.txt)"
}
changed=0
while IFS= read -r file; do
  size=$(stat -c %s "good/$file")
  ((size > 0)) || continue
  for at in 0 $((size - 1)) $(seq $((size / 17 + 1)) $((size / 12 + 1)) $((size - 1))); do
    flip_bit "good/$file" "store/$file" "$at"
    harmless "$file, bit of byte $at"
    ((status == 0)) || changed=$((changed + 1))
  done
  head -c $((size / 2)) "good/$file" >"store/$file"
  harmless "$file cut in half"
  rm -rf store
  cp -a good store
done < <(cd good && find . -type f)
((changed > 0)) || fail 'no flipped bit was ever refused'

# The two largest files exchanged: they are of one size and both valid, only their names differ.
mapfile -t largest < <(find store -type f -printf '%s %p\n' | sort -rn | head -n 2 | cut -d' ' -f2)
mv "${largest[0]}" swap && mv "${largest[1]}" "${largest[0]}" && mv swap "${largest[1]}"
harmless 'exchanged'
((status != 0)) || fail 'exchanged files are not noticed'
