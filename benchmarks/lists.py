"""A list randomised and its per-arm files written: time and peak memory, small against large.

The peer is the floor of the job: reading the same list with Python's csv module and writing it out
again. Memory is that of the whole process (``ru_maxrss``).
"""

from __future__ import annotations

import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TRIAL = """
[trial]
key = "big"
title = "A big list"
[design]
kind = "stratified"
strata = ["band"]
seed = 7
[[arms]]
key = "a"
control = true
wording = "Dear {{ name }}"
[[arms]]
key = "b"
wording = "{{ name }}: please pay £{{ amount }}"
[[metrics]]
key = "paid"
role = "primary"
kind = "proportion"
source = "outcomes"
"""


def write_list(path: Path, n: int) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["unit", "band", "name", "amount", "phone"])
        writer.writerows(
            (f"CT{i:08d}", "ABCDEFGH"[i % 8], f"Resident {i}", i % 900, f"07700 9{i:05d}"[:12])
            for i in range(n)
        )


def enrol(folder: Path, n: int) -> dict[str, float]:
    from trials import enrolment, lifecycle, registry
    from trials.definition import toml
    from trials.people.identifiers import Hasher
    from trials.store import migrate
    from trials.store.engine import Store

    store = Store.open(f"sqlite:///{folder / 'b.db'}")
    migrate.upgrade(store)
    with store.write() as session:
        registry.add(session, toml.read(TRIAL), actor="bench")
        lifecycle.launch(session, "big", actor="bench")
    began = time.perf_counter()
    request = enrolment.Request(key="big", path=folder / "list.csv", out=folder / "out")
    report = enrolment.enrol(store, request, hasher=Hasher(b"k" * 32), actor="bench")
    seconds = time.perf_counter() - began
    assert report.added == n
    return {
        "seconds": seconds,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def copy(folder: Path, _n: int) -> dict[str, float]:
    began = time.perf_counter()
    with (
        (folder / "list.csv").open(newline="") as source,
        (folder / "copy.csv").open("w", newline="") as target,
    ):
        csv.writer(target).writerows(csv.reader(source))
    return {
        "seconds": time.perf_counter() - began,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    if len(sys.argv) == 4:
        act, folder, n = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
        print(json.dumps({"enrol": enrol, "copy": copy}[act](folder, n)))
        return
    print(f"{'units':>10} {'what':28} {'seconds':>8} {'peak MB':>8}")
    for n in (10_000, 100_000, 1_000_000):
        with tempfile.TemporaryDirectory() as name:
            write_list(Path(name) / "list.csv", n)
            for act, label in (("copy", "csv in, csv out"), ("enrol", "randomised, files, store")):
                done = subprocess.run(
                    [sys.executable, __file__, act, name, str(n)],
                    capture_output=True,
                    text=True,
                    check=True,
                )
                found = json.loads(done.stdout)
                print(
                    f"{n:>10,} {label:28} {found['seconds']:8.1f} {found['peak_mb']:8.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
