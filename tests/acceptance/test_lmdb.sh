# LMDB's own test programs, built from Debian's sources, pass inside: shared mappings of a file that is also written with
# pwrite, locks between threads, and what they print but for addresses and random numbers.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for test in mtest mtest2 mtest3 mtest4 mtest5; do
  debian_program "lmdb-$test"
  printf '[[mounts]]\npath = "/testdb"\nkind = "plain"\n' >coffer.toml
  sign "lmdb-$test" --config coffer.toml
  mkdir testdb
  expect_status 0 timeout 60 "$COFFER" run --quiet "lmdb-$test.enclave" --mount testdb:/testdb
  (($(grep -c '^key: ' out.txt) > 20)) || fail "$test printed too little: $(head -n 5 out.txt)"
  [[ -s testdb/data.mdb ]] || fail "$test left no database"
  mv out.txt inside.txt
  # What is in the database is what a reader outside finds in it: the format has no idea of enclaves.
  debian_program lmdb-mdb_stat
  expect_status 0 ./lmdb-mdb_stat -e testdb
  grep -Eq 'Number of readers used: [0-9]' out.txt || fail "$test: $(cat out.txt)"
  rm -r testdb
done
