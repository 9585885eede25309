"""How long a what-if takes: one change of a slider, one fit, one case for scaling.

Run: ``.venv/bin/python benchmarks/capacity.py``. Prints medians over repeated runs, with the cache
of solved lines emptied before each, so that every run solves its queue afresh.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from analysis.scaling import erlang
from analysis.scaling.assumption import Assumption
from analysis.scaling.capacity import answer
from analysis.scaling.case import CaseInput, make_case
from analysis.scaling.facts import Facts
from analysis.scaling.question import CapacityRequest, Interval, Observed
from analysis.scaling.register import Register

OCTOBER = CapacityRequest(offered=33592, days=21, hours=8, aht=666, agents=33, patience=1780)
LARGE = CapacityRequest(offered=100_000, days=1, hours=1, aht=180, agents=4800, patience=300)
DAY = tuple(Interval(label=f"{h}:00", hours=0.5, share=1 / 16) for h in range(16))
VOLUME = Assumption(name="eligible_volume", value=60_000, source="benchmark", dated="2026-01-01")
CASE = CaseInput(
    trial="benchmark",
    effect=np.random.default_rng(1).normal(0.02, 0.006, 4000),
    channel="phone",
    register=Register(given={"eligible_volume": VOLUME}),
    facts=Facts(locked=True, matured=True, weeks_run=6, standard_error=0.006),
    line=replace(OCTOBER, retry=0.87),
)

TASKS: dict[str, Callable[[], object]] = {
    "waits of one line": lambda: answer(OCTOBER),
    "what if demand falls 2%, with call-backs": lambda: answer(
        replace(OCTOBER, retry=0.87, demand_change=-0.02)
    ),
    "the same for 16 half-hours": lambda: answer(
        replace(OCTOBER, retry=0.87, demand_change=-0.02, profile=DAY)
    ),
    "fit agents and patience": lambda: answer(
        replace(OCTOBER, agents=None, patience=None, fit=Observed(wait=242, abandoned=0.1311))
    ),
    "5,000 agents, 100,000 calls an hour": lambda: answer(LARGE),
    "the same, what if with call-backs": lambda: answer(
        replace(LARGE, retry=0.87, demand_change=-0.02)
    ),
    "a case for scaling, 4,000 draws": lambda: make_case(CASE),
}


def median_milliseconds(task: Callable[[], object], runs: int = 15) -> float:
    """The median time of one run."""
    times = []
    for _ in range(runs):
        erlang._solve.cache_clear()  # noqa: SLF001 - an honest time solves afresh
        start = time.perf_counter()
        task()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def main() -> None:
    """Time every task and print one line each, or JSON with ``--json``."""
    found = {name: round(median_milliseconds(task), 2) for name, task in TASKS.items()}
    if "--json" in sys.argv:
        print(json.dumps({"unit": "ms", "medians": found}))
        return
    for name, ms in found.items():
        print(f"{name:<44}{ms:>10.2f} ms")


if __name__ == "__main__":
    main()
