# The SQLite shell, built from Debian's sources, on an encrypted mount: thousands of statements of every kind give the
# same words, the same errors and the same database inside and outside, and the host sees none of it.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
debian_program sqlite3
cat >coffer.toml <<'TOML'
name = "sqlite3"
heap_max = "256M"
[[mounts]]
path = "/work"
kind = "encrypted"
key = "mrsigner"
TOML
sign sqlite3 --config coffer.toml

# The script: mostly what a seeded generator says, so that no two statements are alike, around one of each feature.
python3 - >script.sql <<'PYTHON'
import json, random
pick = random.Random(20260611)
words = "amber basalt cedar delta ember fjord garnet heron indigo juniper kelp larch maple nectar opal pine".split()
out = print
def text(n=3): return " ".join(pick.choice(words) for _ in range(n))
def quoted(value): return "'" + value.replace("'", "''") + "'"

out(""".headers on
.mode column
.nullvalue NULL
PRAGMA page_size = 4096;
PRAGMA foreign_keys = on;
CREATE TABLE owner(id INTEGER PRIMARY KEY, name TEXT NOT NULL, rank REAL CHECK(rank >= 0), UNIQUE(name));
CREATE TABLE thing(id INTEGER PRIMARY KEY AUTOINCREMENT, owner INT REFERENCES owner(id) ON DELETE CASCADE, kind TEXT,
  weight INT, note TEXT COLLATE NOCASE, pure AS (weight * 2) STORED, lower_note AS (lower(note)) VIRTUAL);
CREATE TABLE pair(a TEXT, b INT, c ANY, PRIMARY KEY(a, b)) WITHOUT ROWID, STRICT;
CREATE INDEX thing_kind ON thing(kind, weight DESC);
CREATE INDEX thing_heavy ON thing(weight) WHERE weight > 900;
CREATE INDEX thing_expression ON thing(substr(note, 1, 3));
CREATE TABLE journal(what TEXT, id INT, before TEXT, after TEXT);
CREATE TRIGGER thing_changes AFTER UPDATE OF weight ON thing WHEN old.weight <> new.weight BEGIN
  INSERT INTO journal VALUES('update', old.id, old.weight, new.weight); END;
CREATE TRIGGER thing_goes BEFORE DELETE ON thing BEGIN
  INSERT INTO journal VALUES('delete', old.id, old.note, NULL);
  SELECT RAISE(ABORT, 'this one stays') WHERE old.note = 'keep'; END;
CREATE VIEW heavy AS SELECT o.name, t.kind, t.weight FROM thing t JOIN owner o ON o.id = t.owner WHERE t.weight > 800;
CREATE TRIGGER heavy_insert INSTEAD OF INSERT ON heavy BEGIN
  INSERT INTO thing(owner, kind, weight, note) SELECT id, new.kind, new.weight, 'by view' FROM owner WHERE name = new.name; END;
CREATE VIRTUAL TABLE page USING fts5(title, body, tokenize = 'porter unicode61', prefix = '2 3');
CREATE VIRTUAL TABLE old_page USING fts4(body);
CREATE VIRTUAL TABLE place USING rtree(id, x0, x1, y0, y1);
CREATE TABLE document(id INTEGER PRIMARY KEY, body TEXT CHECK(json_valid(body)));
CREATE TABLE sample(x INT, y REAL, z BLOB);""")
for i in range(1, 41): out(f"INSERT INTO owner VALUES({i}, {quoted(text(2) + f' {i}')}, {pick.random() * 100:.3f});")
for i in range(1200):
    if i % 100 == 0: out("BEGIN;")
    out(f"INSERT INTO thing(owner, kind, weight, note) VALUES({pick.randint(1, 40)}, '{pick.choice(words)}', {pick.randint(0, 999)}, {quoted(text(5))});")
    if i % 100 == 99: out("ROLLBACK;" if i % 500 == 499 else "COMMIT;")
for i in range(300): out(f"INSERT OR IGNORE INTO pair VALUES('{pick.choice(words)}', {pick.randint(0, 40)}, {pick.choice(['1', '2.5', quoted(text(1)), 'NULL', chr(120) + quoted('c0ffee')])});")
out("BEGIN;")
for i in range(400): out(f"INSERT INTO page VALUES({quoted(text(3))}, {quoted(text(40))}); INSERT INTO old_page VALUES({quoted(text(20))});")
for i in range(300):
    x, y = pick.randint(0, 1000), pick.randint(0, 1000)
    out(f"INSERT INTO place VALUES({i}, {x}, {x + pick.randint(1, 50)}, {y}, {y + pick.randint(1, 50)});")
for i in range(300):
    body = {"name": text(2), "tags": [pick.choice(words) for _ in range(pick.randint(0, 4))], "size": {"w": pick.randint(1, 99), "h": pick.random()}, "none": None}
    out(f"INSERT INTO document(body) VALUES({quoted(json.dumps(body))});")
out("COMMIT;")
out("INSERT INTO sample WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT i, i * 0.5, zeroblob(i % 50) FROM n;")

def predicate(): return pick.choice([f"weight > {pick.randint(0, 999)}", f"kind = '{pick.choice(words)}'", f"note LIKE '%{pick.choice(words)}%'", f"owner IN (SELECT id FROM owner WHERE rank < {pick.randint(1, 100)})", f"weight BETWEEN {pick.randint(0, 500)} AND {pick.randint(501, 999)}", f"note GLOB '{pick.choice(words)}*'", "pure % 3 = 0"])
def condition(): return f" {pick.choice(['AND', 'OR'])} ".join(predicate() for _ in range(pick.randint(1, 3)))
kinds = [
    lambda: f"SELECT count(*), sum(weight), round(avg(weight), 6), min(note), max(kind) FROM thing WHERE {condition()};",
    lambda: f"SELECT kind, count(*) c, total(weight) FROM thing WHERE {condition()} GROUP BY kind HAVING c > 1 ORDER BY c DESC, kind LIMIT 5;",
    lambda: f"SELECT o.name, t.kind, t.weight FROM owner o LEFT JOIN thing t ON t.owner = o.id AND {condition()} ORDER BY o.id, t.id LIMIT 5 OFFSET {pick.randint(0, 30)};",
    lambda: f"SELECT id, weight, row_number() OVER w, rank() OVER w, lag(weight, 2, -1) OVER w, sum(weight) OVER (PARTITION BY kind ORDER BY weight, id ROWS BETWEEN 3 PRECEDING AND CURRENT ROW) FROM thing WHERE {condition()} WINDOW w AS (PARTITION BY kind ORDER BY weight, id) ORDER BY id LIMIT 4;",
    lambda: f"SELECT ntile(4) OVER (ORDER BY weight, id), first_value(kind) OVER (ORDER BY id RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW), id FROM thing WHERE {condition()} ORDER BY id LIMIT 3;",
    lambda: f"WITH RECURSIVE chain(id, depth) AS (SELECT {pick.randint(1, 600)}, 0 UNION SELECT (id * 7 + 3) % 997, depth + 1 FROM chain WHERE depth < {pick.randint(3, 20)}) SELECT count(*), sum(c.id), group_concat(t.kind) FROM chain c LEFT JOIN thing t USING(id);",
    lambda: f"SELECT kind FROM thing WHERE {condition()} {pick.choice(['UNION', 'INTERSECT', 'EXCEPT', 'UNION ALL'])} SELECT kind FROM thing WHERE {condition()} ORDER BY 1 LIMIT 6;",
    lambda: f"SELECT rowid, title, highlight(page, 0, '[', ']'), round(bm25(page), 9) FROM page WHERE page MATCH '{pick.choice(words)} {pick.choice(['AND', 'OR', 'NOT'])} {pick.choice(words)[:3]}*' ORDER BY bm25(page), rowid LIMIT 3;",
    lambda: f"SELECT rowid, snippet(page, 1, '<', '>', '..', 6) FROM page WHERE page MATCH 'body: \"{pick.choice(words)} {pick.choice(words)}\"' ORDER BY rowid LIMIT 3;",
    lambda: f"SELECT docid, snippet(old_page) FROM old_page WHERE body MATCH '{pick.choice(words)} NEAR/3 {pick.choice(words)}' ORDER BY docid LIMIT 2;",
    lambda: f"SELECT id, x0, y1 FROM place WHERE x0 > {pick.randint(0, 700)} AND x1 < {pick.randint(300, 1000)} AND y0 > {pick.randint(0, 900)} ORDER BY id LIMIT 4;",
    lambda: f"SELECT d.id, json_extract(body, '$.name'), t.value, body ->> '$.size.w' FROM document d, json_each(d.body, '$.tags') t WHERE t.value = '{pick.choice(words)}' ORDER BY d.id, t.key LIMIT 3;",
    lambda: f"SELECT json_group_array(json_object('i', id, 'n', json_extract(body, '$.size.h'))), json_set(min(body), '$.new', json_array(1, {pick.randint(0, 9)})) FROM (SELECT * FROM document WHERE id % {pick.randint(20, 90)} = 0 ORDER BY id);",
    lambda: f"UPDATE thing SET weight = (weight + {pick.randint(1, 300)}) % 1000 WHERE {condition()}; SELECT changes();",
    lambda: f"INSERT INTO pair VALUES('{pick.choice(words)}', {pick.randint(0, 40)}, 'up') ON CONFLICT DO UPDATE SET c = coalesce(c, '') || excluded.c RETURNING a, b, c;",
    lambda: f"DELETE FROM thing WHERE id = {pick.randint(1, 1200)} RETURNING id, kind;",
    lambda: f"SAVEPOINT s; UPDATE sample SET y = y + {pick.randint(1, 9)} WHERE x % {pick.randint(50, 500)} = 0; {pick.choice(['RELEASE s', 'ROLLBACK TO s; RELEASE s'])}; SELECT sum(y) FROM sample;",
    lambda: f"INSERT INTO heavy VALUES((SELECT name FROM owner WHERE id = {pick.randint(1, 40)}), '{pick.choice(words)}', {pick.randint(800, 999)}); SELECT count(*), max(weight) FROM heavy;",
    lambda: f"SELECT printf('%08.3f|%x|%s', {pick.random() * 1000}, {pick.randint(0, 1 << 40)}, quote({quoted(text(2))})), hex({quoted(text(1))}), instr({quoted(text(4))}, 'e'), round({pick.random()} * {pick.randint(1, 999)}, 4), date('2024-02-28', '+{pick.randint(0, 900)} days', 'weekday {pick.randint(0, 6)}'), soundex('{pick.choice(words)}');",
    lambda: f"SELECT sin({pick.random()}), exp({pick.random()}), log({pick.random() + 1});",
    # What is wrong has to be wrong in the same words.
    lambda: pick.choice([f"INSERT INTO owner VALUES({pick.randint(1, 40)}, 'twice', 1);", "INSERT INTO owner VALUES(NULL, 'below', -1);", "INSERT INTO thing(owner) VALUES(4711);", "INSERT INTO document(body) VALUES('{');", "INSERT INTO pair VALUES('x', 'no number', 1);", f"SELECT no_such_{pick.choice(words)} FROM thing;", "SELEKT 1;", "SELECT json('[1,');"]),
]
for i in range(2000): out(pick.choice(kinds)())
out("""EXPLAIN QUERY PLAN SELECT * FROM thing WHERE kind = 'opal' AND weight > 3;
ANALYZE;
SELECT tbl, idx, stat FROM sqlite_stat1 ORDER BY 1, 2;
SELECT count(*) FROM journal;
ALTER TABLE owner ADD COLUMN extra TEXT DEFAULT 'none';
ALTER TABLE owner RENAME COLUMN rank TO standing;
ALTER TABLE pair RENAME TO couple;
DROP INDEX thing_heavy;
DELETE FROM owner WHERE id % 3 = 0;
PRAGMA foreign_key_check;
INSERT INTO page(page) VALUES('optimize');
INSERT INTO page(page) VALUES('integrity-check');
REINDEX;
DELETE FROM sample WHERE x % 3 = 0;
PRAGMA page_count;
VACUUM;
PRAGMA page_count;
PRAGMA integrity_check;""")
# Every way of keeping a transaction, and what a rollback of one leaves.
for mode in ("delete", "truncate", "persist", "memory", "off", "delete"):
    out(f"PRAGMA journal_mode = {mode};\nBEGIN; UPDATE sample SET y = y + 1; COMMIT;")
    if mode != "off": out("BEGIN IMMEDIATE; DELETE FROM sample; ROLLBACK;")
    out("SELECT count(*), sum(y) FROM sample;")
out(""".mode list
PRAGMA auto_vacuum = incremental;
VACUUM;
DELETE FROM sample WHERE x > 10000;
PRAGMA incremental_vacuum;
PRAGMA freelist_count;
VACUUM INTO 'copy.db';
ATTACH 'copy.db' AS copy;
SELECT count(*), (SELECT count(*) FROM copy.sample) FROM main.sample;
BEGIN; INSERT INTO main.sample VALUES(-1, 0, NULL); INSERT INTO copy.sample VALUES(-1, 0, NULL); COMMIT;
SELECT m.x FROM main.sample m JOIN copy.sample c USING(x) WHERE x < 0;
DETACH copy;
PRAGMA temp_store = file;
PRAGMA cache_size = 10;
CREATE TEMP TABLE scratch AS SELECT *, hex(z) h FROM sample ORDER BY y DESC, h;
SELECT count(*), min(x), max(length(h)) FROM scratch;
SELECT name, sum(pgsize) > 0 FROM dbstat WHERE name = 'sample' GROUP BY 1;
.mode csv
.output things.csv
SELECT id, kind, weight, note FROM thing ORDER BY id;
.output
.import --csv things.csv imported
SELECT count(*), sum(weight) FROM imported;
.mode json
SELECT * FROM imported LIMIT 3;
.mode insert other
SELECT * FROM imported LIMIT 3;
.mode box
SELECT * FROM imported LIMIT 3;
.mode markdown
SELECT * FROM owner LIMIT 3;
.mode list
.schema thing
.tables
.indexes
.backup backup.db
.sha3sum
.output dump.sql
.dump
.output
.open restored.db
.read dump.sql
.sha3sum
PRAGMA integrity_check;
.open backup.db
.sha3sum
PRAGMA quick_check;
.archive --create --file things.sqlar things.csv dump.sql
.archive --list --file things.sqlar
-- With the index of the log in memory; the other way has a script of its own.
PRAGMA locking_mode = exclusive;
PRAGMA journal_mode = wal;""")
for i in range(200): out(f"INSERT INTO journal VALUES('wal', {i}, {quoted(text(2))}, NULL);" + (" PRAGMA wal_checkpoint(passive);" if i % 50 == 49 else ""))
out("""PRAGMA wal_checkpoint(truncate);
SELECT count(*) FROM journal;
PRAGMA journal_mode = delete;
PRAGMA integrity_check;
.sha3sum""")
PYTHON
(($(grep -o ';' script.sql | wc -l) > 5000)) || fail 'the script is too small'

mkdir outside mount
outside_status=0 inside_status=0
# Errors are part of the answers; the exit status says that there were some, on both sides.
(cd outside && ../sqlite3 --batch work.db <../script.sql >../outside.txt 2>../outside.err) || outside_status=$?
"$COFFER" run --quiet --counters counters.json sqlite3.enclave --mount "$PWD/mount:/work" -- \
  --batch -cmd '.cd /work' work.db <script.sql >inside.txt 2>inside.err || inside_status=$?
cmp outside.txt inside.txt || fail "$(diff outside.txt inside.txt | head -n 20; diff outside.err inside.err | head -n 20)"
cmp outside.err inside.err || fail "$(diff outside.err inside.err | head -n 20)"
[[ $outside_status == "$inside_status" ]] || fail "exit status $inside_status instead of $outside_status"
(($(wc -l <inside.txt) > 8000)) || fail "only $(wc -l <inside.txt) lines of answers"
(($(grep -c '^ok$\|^ok *$' inside.txt) >= 4)) || fail 'the database was not always whole'
(($(wc -l <inside.err) > 50)) || fail 'what is wrong was not refused'
expect_past_the_trap counters.json

# A write-ahead log whose index is a file that several connections map shared: two readers keep what they saw while a third
# connection writes, and wait for nobody.
python3 - >log.sql <<'PYTHON'
import random
pick = random.Random(7)
out = print
out(""".connection 0
.open log.db
PRAGMA journal_mode = WAL;
PRAGMA locking_mode;
PRAGMA wal_autocheckpoint = 50;
CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT, n INT);
CREATE INDEX t_n ON t(n);
.connection 1
.open log.db
PRAGMA journal_mode;
.connection 2
.open log.db
PRAGMA busy_timeout = 0;""")
for turn in range(40):
    out(".connection 1\nBEGIN;\nSELECT 'reader', count(*), sum(n) FROM t;\n.connection 0\nBEGIN IMMEDIATE;")
    for i in range(60): out(f"INSERT INTO t(v, n) VALUES('{'x' * pick.randint(0, 700)}', {pick.randint(0, 10**6)});")
    out(f"UPDATE t SET n = n + 1 WHERE n % 7 = {turn % 7};\nDELETE FROM t WHERE id % 13 = {turn % 13};")
    out(".connection 2\nINSERT INTO t(v) VALUES('while another writes');\nSELECT 'third', count(*) FROM t;")
    out(".connection 0\nROLLBACK;" if turn % 9 == 8 else ".connection 0\nCOMMIT;")
    out(".connection 1\nSELECT 'snapshot', count(*), sum(n) FROM t;\nCOMMIT;\nSELECT 'after', count(*), sum(n) FROM t;")
    if turn % 10 == 9: out(f"PRAGMA wal_checkpoint({['PASSIVE', 'FULL', 'RESTART', 'TRUNCATE'][turn // 10]});")
out("""PRAGMA integrity_check;
.connection close 2
.connection 0
.connection close 1
PRAGMA journal_mode = DELETE;
.sha3sum""")
PYTHON
(cd outside && ../sqlite3 --batch <../log.sql >../log.outside.txt 2>&1) || true
"$COFFER" run --quiet sqlite3.enclave --mount "$PWD/mount:/work" -- --batch -cmd '.cd /work' <log.sql >log.inside.txt 2>&1 || true
cmp log.outside.txt log.inside.txt || fail "$(diff log.outside.txt log.inside.txt | head -n 20)"
(($(grep -c 'database is locked' log.inside.txt) == 40)) || fail 'two wrote at once'
grep -qx ok log.inside.txt || fail 'the database was not whole'

# What a later run of the same enclave finds, and what the host sees.
"$COFFER" run --quiet sqlite3.enclave --mount "$PWD/mount:/work" -- --batch /work/work.db .sha3sum >again.txt
(cd outside && ../sqlite3 --batch work.db .sha3sum) >expected.txt
cmp expected.txt again.txt
grep -rqa 'juniper' outside || fail 'the word is not even in the ordinary database'
! grep -rqaE 'juniper|SQLite format' mount || fail 'the host can read the database'
