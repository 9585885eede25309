"""Assignment: one unit at a time, ten million in bulk, and a list of a million drawn.

Run ``python benchmarks/assignment.py`` from the repository; ``--small`` for a quick look. The
peers of the first part are measured if they can be imported: the GrowthBook SDK (``growthbook``)
and PlanOut (``planout``). Every figure is the median of several rounds in which the candidates
take turns, so that a busy machine slows all of them alike; read the ratios, not the seconds.
"""

import collections
import collections.abc
import hashlib
import statistics
import sys
import time
from bisect import bisect_right
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from trials.definition.model import Arm, Design
from trials.designs import Roster, design_for
from trials.designs.bucketing import Split, Step, bulk, even
from trials.designs.namespace import Namespace

ARMS = ("current", "short", "call-back")


@dataclass(frozen=True)
class Row:
    """One line of the result: what, its rate, and the ratio to the peer named."""

    what: str
    per_second: float
    ratio: float | None = None
    peer: str = ""

    def __str__(self):
        beside = f"{self.ratio:8.2f} x {self.peer}" if self.ratio is not None else ""
        return f"{self.what:<58}{self.per_second:>14,.0f}/s  {beside}"


def floor():
    """The least anybody can do with SHA-256: one digest, one bisection, no record of why."""
    prefix, ends, names = b"v1|ivr|1|arm|", (0x55 << 48, 0xAA << 48), ARMS

    def assign(unit):
        digest = hashlib.sha256(prefix + unit.encode()).digest()
        return names[bisect_right(ends, int.from_bytes(digest[:7]))]

    return assign


def signpost_full():
    """Everything: namespace, both holdouts, a ramp of two steps and a list of objections."""
    held = Namespace("council-tax").claim("ivr", 0.9).held_by("ivr")
    steps = (Step(0.5, (1, 1, 1)), Step(0.95, (1, 2, 1)))
    objected = {f"ACC{i:07d}" for i in range(0, 10_000, 97)}
    return Split(
        trial="ivr", arms=ARMS, steps=steps, seed=20260401, holdout=0.02, global_holdout=0.01,
        namespace=held,
    ).assigner(lambda unit: "objected" if unit in objected else None)  # fmt: skip


def growthbook():
    """GrowthBook as its documentation calls it: an instance for each user, a feature asked for."""
    from growthbook import GrowthBook

    features = {
        "ivr": {
            "defaultValue": "current",
            "rules": [{"key": "ivr", "variations": list(ARMS), "hashVersion": 2, "coverage": 1.0}],
        }
    }

    def assign(unit):
        book = GrowthBook(
            attributes={"id": unit}, features=features, on_experiment_viewed=lambda *_a, **_k: None
        )
        return book.get_feature_value("ivr", "current")

    return assign


def growthbook_reused():
    """GrowthBook at its fastest: one instance kept, an inline experiment run."""
    from growthbook import Experiment, GrowthBook

    book = GrowthBook(attributes={"id": ""}, on_experiment_viewed=lambda *_a, **_k: None)
    experiment = Experiment(key="ivr", variations=list(ARMS), hashVersion=2)

    def assign(unit):
        book.set_attributes({"id": unit})
        return book.run(experiment).value

    return assign


def planout():
    """PlanOut's SimpleExperiment, its log sent nowhere."""
    for name in ("MutableMapping", "Mapping", "Callable", "Iterable"):
        if not hasattr(collections, name):
            setattr(collections, name, getattr(collections.abc, name))
    from planout.experiment import SimpleExperiment
    from planout.ops.random import WeightedChoice

    class Ivr(SimpleExperiment):
        def setup(self):
            self.name = "ivr"

        def assign(self, params, unit):
            params.arm = WeightedChoice(choices=list(ARMS), weights=[1, 1, 1], unit=unit)

        def log(self, _data):
            return None

        def configure_logger(self):
            return None

        def previously_logged(self):
            return False

    return lambda unit: Ivr(unit=unit).get("arm")


REUSED = "GrowthBook SDK, one instance, bare run"
"""Shown for completeness: a server that keeps one instance for all its users would mix them up."""

PEERS = {
    "GrowthBook SDK, as documented": growthbook,
    REUSED: growthbook_reused,
    "PlanOut SimpleExperiment": planout,
}


def available():
    """The peers that can be imported and answer with an arm."""
    found = {}
    for name, make in PEERS.items():
        try:
            assign = make()
            if assign("ACC0000001") in ARMS:
                found[name] = assign
        except Exception as error:  # noqa: BLE001 - a peer that is absent or broken is left out
            print(f"not measured: {name} ({type(error).__name__}: {error})", file=sys.stderr)
    return found


def one_at_a_time(n=20_000, rounds=5):
    """Assignments a second on one core, each candidate in turn."""
    ours = {
        "Signpost, plain split with its reason and bucket": even("ivr", ARMS).assigner(),
        "Signpost, full evaluation": signpost_full(),
    }
    candidates = {"SHA-256 and a bisection (the floor)": floor(), **ours, **available()}
    units = [f"ACC{i:07d}" for i in range(n)]
    seconds = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, assign in candidates.items():
            few = units[: n // 10] if name in PEERS else units
            began = time.process_time()
            for unit in few:
                assign(unit)
            seconds[name].append((time.process_time() - began) / len(few))
    rate = {name: 1 / statistics.median(took) for name, took in seconds.items()}
    peers = {name: rate[name] for name in rate if name in PEERS and name != REUSED}
    fastest = max(peers, key=peers.__getitem__) if peers else None
    for name, value in rate.items():
        against = value / peers[fastest] if fastest and name in ours else None
        yield Row(name, value, against, fastest or "")


def in_bulk(n=10_000_000, rounds=3):
    """Ids a second for a whole table, beside DuckDB's own SHA-256 of the same ids on one thread.

    One thread in seconds of its processor, all threads in seconds on the wall.
    """
    ids = pa.array([f"ACC{i:08d}" for i in range(n)], pa.string())
    batches = pa.table({"unit": ids}).to_batches(max_chunksize=122_880)
    table = pa.Table.from_batches(batches)
    split = even("ivr", ARMS)

    def bare(connection):
        connection.register("ids", table)
        query = (
            "SELECT count(*) FROM ids WHERE substr(sha256('v1|ivr|1|arm|' || unit), 1, 13) < '5'"
        )
        connection.execute(query).fetchone()

    candidates = {
        "DuckDB SHA-256 alone, one thread": (1, bare),
        "Signpost bulk, one thread": (1, lambda c: bulk(split, ids, c)),
        "Signpost bulk, all threads": (None, lambda c: bulk(split, ids, c)),
    }
    seconds = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, (threads, work) in candidates.items():
            with duckdb.connect(config={"threads": threads} if threads else {}) as connection:
                clock = time.process_time if threads else time.perf_counter
                began = clock()
                work(connection)
                seconds[name].append(clock() - began)
    peer = "DuckDB SHA-256 alone, one thread"
    rate = {name: n / statistics.median(took) for name, took in seconds.items()}
    for name, value in rate.items():
        yield Row(name, value, value / rate[peer] if name != peer else None, "DuckDB alone")


def lists(n=1_000_000):
    """Units a second drawn from a list, and drawn again, by design."""
    keys = [f"ACC{i:08d}" for i in range(n)]
    roster = Roster(
        keys, [(str(i % 7), str(i % 3)) for i in range(n)], [f"H{i // 3}" for i in range(n)]
    )
    arms = tuple(Arm(key=key) for key in ARMS)
    peer = numpy_shuffle(n)
    yield Row("numpy shuffle of the arms (not reproducible by key)", peer)
    for design in (
        Design(),
        Design(kind="stratified", strata=("band", "ward"), holdout=0.05),
        Design(kind="cluster", cluster="home"),
    ):
        made = design_for(design, arms)
        began = time.perf_counter()
        drawn = made.draw(roster, seed=1, trial="ivr")
        took = time.perf_counter() - began
        yield Row(f"{design.kind} draw of {n:,}", n / took)
        redraw, rng = made.redraws(drawn), np.random.default_rng(1)
        began = time.perf_counter()
        for _ in range(3):
            redraw(rng)
        again = 3 * n / (time.perf_counter() - began)
        yield Row(f"{design.kind} redraw", again, again / peer, "numpy shuffle")


def numpy_shuffle(n):
    """Units a second of the barest allocation there is."""
    codes, rng = np.arange(n) % 3, np.random.default_rng(1)
    began = time.perf_counter()
    for _ in range(3):
        rng.shuffle(codes)
    return 3 * n / (time.perf_counter() - began)


def main(small=False):
    """Print every part."""
    parts = {
        "One at a time, one core (reach 6 x the faster peer as its users call it)": lambda: (
            one_at_a_time(4000 if small else 20_000)
        ),
        "In bulk (reach 1 x)": lambda: in_bulk(200_000 if small else 10_000_000),
        "Lists": lambda: lists(50_000 if small else 1_000_000),
    }
    for title, part in parts.items():
        print(f"\n{title}")
        for row in part():
            print(row)


if __name__ == "__main__":
    main(small="--small" in sys.argv)
