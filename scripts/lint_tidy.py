"""Runs clang-tidy over the compilation database in parallel; see scripts/lint-tidy."""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "release"
CACHE = ROOT / "build" / "tidy"
TIDY = "clang-tidy-19"


def changed_files(base):
    """Files that differ from `base`, or nothing where this is no checkout."""
    command = ["git", "-C", str(ROOT), "diff", "--name-only", base]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:  # no git here
        return set()
    return set(result.stdout.split("\n")) if result.returncode == 0 else set()


def compiled_sources():
    """Our own sources in the compilation database, each once."""
    entries = json.loads((BUILD / "compile_commands.json").read_text())
    sources = {}
    for entry in entries:
        path = pathlib.Path(entry["directory"], entry["file"]).resolve()
        if ROOT in path.parents and BUILD not in path.parents and path.suffix == ".cc":
            sources.setdefault(path.relative_to(ROOT), entry)
    return sources


def headers_digest():
    """One digest over every header and the settings: a change of either makes all results stale."""
    digest = hashlib.sha256()
    rooms = ["attest", "base", "boundary", "sgx", "processor", "emulate", "enclave", "edl", "host", "node", "cli", "compat", "include",
             "samples"]
    headers = sorted(header for room in rooms for header in (ROOT / room).rglob("*.h"))
    for path in [ROOT / ".clang-tidy", *headers]:
        digest.update(path.read_bytes())
    return digest.digest()


def check(source, entry, shared):
    """None where the file is clean, else clang-tidy's words."""
    key = hashlib.sha256(shared + (ROOT / source).read_bytes() + entry["command"].encode()).hexdigest()
    mark = CACHE / key
    if mark.exists():
        return None
    # GCC's -Wshadow is on; clang's also means a capture that gives a structured binding its own name.
    extra = ["-Wno-unknown-warning-option", "-Wno-shadow"]
    if "-mgeneral-regs-only" in entry["command"]:
        # GCC lets headers declare what takes a long double as long as nothing calls it; clang refuses the declaration.
        extra += ["-mx87", "-msse2"]
    checks = []
    if source.name.endswith("_test.cc") or "testing" in source.parts:
        # The path-sensitive analyzer takes five times as long as all else together, and tests do wrong on purpose.
        checks = ["--checks=-clang-analyzer-*"]
    command = [TIDY, "-p", str(BUILD), "--quiet", *checks, *(f"--extra-arg={flag}" for flag in extra), str(ROOT / source)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode == 0:
        mark.touch()
        return None
    return result.stdout + "\n".join(line for line in result.stderr.splitlines() if "warnings generated" not in line)


def main():
    parser = argparse.ArgumentParser(prog="lint-tidy")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--base", default="HEAD~20")
    options = parser.parse_args()
    if not (BUILD / "compile_commands.json").exists():
        sys.exit("lint-tidy: build/release/compile_commands.json: no such file; run scripts/build first")
    CACHE.mkdir(parents=True, exist_ok=True)

    sources = compiled_sources()
    changed = changed_files(options.base)
    order = sorted(sources, key=lambda source: (str(source) not in changed, str(source)))
    shared = headers_digest()
    end = time.monotonic() + options.seconds
    left_out, findings = 0, 0

    def run(source):
        return "late" if time.monotonic() > end else check(source, sources[source], shared)

    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for source, answer in zip(order, pool.map(run, order)):
            if answer == "late":
                left_out += 1
            elif answer is not None:
                findings += 1
                print(f"--- {source}\n{answer}", flush=True)
    print(f"lint-tidy: {len(order) - left_out} files checked, {findings} with findings, {left_out} left out for time")
    sys.exit(1 if findings else 0)


main()
