"""Do sampled posteriors find what was planted in the demonstration? And what does a night cost?

Every specimen of Wychbridge is drawn, loaded and analysed by both schools with its models sampled,
and the 95 % intervals of net and gross deflection and of the primary effect are held against the
truth its rehearsal computes exactly. Two specimens are built to deceive (a confounded trial, a
broken split): there the interval is expected to miss and a check to fail.

Run ``python -m benchmarks.recovery [--night 100]``. ``--night`` then analyses so many trials (the
specimens in turn, each time with another seed, so that nothing is taken from a store) in the one
warm process, as a worker does.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis import study
from trials.people.identifiers import Hasher
from trials.simulate import wychbridge
from trials.store import migrate
from trials.store.engine import Store
from web import demonstration

KEY = b"a key that only this benchmark knows, 32 bytes"


@dataclass(frozen=True, slots=True)
class Held:
    """One quantity of one arm: its truth and its interval (``None``: withheld)."""

    trial: str
    what: str
    model: str
    truth: float
    low: float | None
    high: float | None

    @property
    def holds(self) -> bool | None:
        """Whether the interval holds the truth."""
        if self.low is None or self.high is None:
            return None
        return self.low <= self.truth <= self.high

    def cells(self) -> tuple[str, ...]:
        """The row of the printed table."""
        ends = "withheld" if self.low is None else f"{self.low:+.4f} to {self.high:+.4f}"
        word = {True: "yes", False: "**no**", None: "–"}[self.holds]
        return (self.trial, self.what, self.model, f"{self.truth:+.4f}", ends, word)


def loaded(store: Store) -> dict[str, dict[str, Any]]:
    """Every specimen loaded as the demonstration loads it; answers the truths by key."""
    migrate.upgrade(store)
    hasher = Hasher(KEY)
    return {
        key: demonstration.rehearse(store, hasher, wychbridge.rehearsal(key))
        for key in wychbridge.SPECIMENS
    }


def held(truth: dict[str, Any], result: dict[str, Any]) -> Iterator[Held]:
    """Everything of one trial that has both a truth and a posterior."""
    document, trial = result["bayesian"], result["trial"]
    planted = {one["arm"]: one["recorded"] for one in truth["contrasts"]}
    for one in document["deflection"]:
        for what in ("net", "gross"):
            model = "ways of a contact" if one["sampled"] else "joint normal"
            if planted[one["arm"]].get(what) is not None:
                yield Held(trial, f"{what}, {one['arm']}", model, planted[one["arm"]][what],
                           one[what].get("low"), one[what].get("high"))  # fmt: skip
    arms = {one["arm"]: one["recorded"]["metrics"] for one in truth["arms"]}
    for one in document["measures"]:
        new, old = (arms[one[side]].get(one["metric"]) for side in ("arm", "versus"))
        if one["role"] != "primary" or new is None or old is None:
            continue
        found = one["posterior"] or {}
        yield Held(trial, f"effect, {one['arm']}", found.get("model", "–").split(",")[0],
                   new - old, found.get("low"), found.get("high"))  # fmt: skip


def analysed(store: Store, key: str, seed: int) -> tuple[dict[str, Any], float, float]:
    """One plan run by both schools with its models sampled; wall and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = study.analyse(store, study.Order(key=key, seed=seed, sampling=True))
    return result, time.perf_counter() - wall, time.process_time() - cpu


def night(store: Store, keys: list[str], trials: int) -> None:
    """So many plans in one warm process."""
    spent = [analysed(store, keys[i % len(keys)], 1000 + i)[1:] for i in range(trials)]
    wall, cpu = [w for w, _ in spent], [c for _, c in spent]
    print(
        f"\na night of {trials} trials by both schools: {sum(wall):.0f} s, {sum(cpu):.0f} s CPU; "
        f"median {statistics.median(wall):.1f} s, slowest {max(wall):.1f} s; {_load()}", flush=True,
    )  # fmt: skip


def _load() -> str:
    return "load {:.1f}, {:.1f}, {:.1f}".format(*os.getloadavg())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--night", type=int, default=0, help="trials of a nightly run")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(f"sqlite:///{Path(folder) / 'signpost.db'}")
        truths = loaded(store)
        print("| trial | quantity | model | truth | 95 % interval | holds it |")
        print("|---|---|---|---|---|---|", flush=True)
        timed = []
        for key, truth in truths.items():
            result, wall, cpu = analysed(store, key, 1)
            timed.append(f"{key}: {wall:.1f} s, {cpu:.1f} s CPU")
            for one in held(truth, result):
                print("| " + " | ".join(one.cells()) + " |", flush=True)
        print("\nfirst runs, models compiled in them: " + "; ".join(timed), flush=True)
        if given.night:
            night(store, list(truths), given.night)
        store.close()


if __name__ == "__main__":
    main()
