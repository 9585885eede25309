"""How long a what-if takes: one change of a slider, one fit, one case for scaling.

Run: ``.venv/bin/python -m benchmarks.capacity``. Prints medians over repeated runs, with the cache
of solved lines emptied before each, so that every run solves its queue afresh. The peer for Erlang
C is pyworkforce, in a Python of its own, on the same lines; it has no Erlang A, no call-backs and
no fit. How far its answers are from ours is printed too.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
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
from benchmarks.environment import with_packages

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

WITHIN = 20.0
ERLANG_C = {"October 2022, 39 agents": (33592 / (21 * 8), 666.0, 39),
            "100,000 calls an hour, 5,010 agents": (100_000.0, 180.0, 5010)}  # fmt: skip
"""Calls an hour, handling time in seconds, agents: share answered within 20 seconds."""
SHARE = 0.8

PEER = """
import json, statistics, sys, time
from pyworkforce.queuing import ErlangC
found = {}
for name, (calls, aht, agents) in json.loads(sys.argv[1]).items():
    def once(f):
        times = []
        for _ in range(15):
            start = time.perf_counter()
            value = f()
            times.append(time.perf_counter() - start)
        return [1000 * statistics.median(times), value]
    line = ErlangC(transactions=calls, aht=aht / 60, asa=float(sys.argv[2]) / 60, interval=60)
    share = float(sys.argv[3])
    found[name] = {"level": once(lambda: line.service_level(agents)),
                   "agents": once(lambda: line.required_positions(share)["raw_positions"])}
print(json.dumps(found))
"""


def ours(calls: float, aht: float, agents: int) -> dict[str, tuple[float, float]]:
    """Milliseconds and answer of the same two questions, solved afresh."""
    load = calls * aht / 3600

    def level(n: int) -> float:
        return erlang.steady(load, n, aht=aht, patience=None, within=WITHIN).service_level

    def fewest() -> int:
        low, high = int(load), 2 * int(load) + 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if level(middle) >= SHARE else (middle, high)
        return high

    return {
        "level": (median_milliseconds(lambda: level(agents)), level(agents)),
        "agents": (median_milliseconds(fewest), fewest()),
    }


def beside_pyworkforce() -> list[str]:
    """Both answers, both times and the ratio, a line for each question."""
    with tempfile.TemporaryDirectory() as kept:
        python = with_packages(Path(kept), "pyworkforce==0.5.1")
        if python is None:
            return ["pyworkforce could not be installed: Erlang C has no peer in this run"]
        command = [python, "-c", PEER, json.dumps(ERLANG_C), str(WITHIN), str(SHARE)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    peer, lines = json.loads(done.stdout), []
    for name, line in ERLANG_C.items():
        for question, (ms, value) in ours(*line).items():
            theirs, said = peer[name][question]
            what = "within 20 s" if question == "level" else "agents for 80%"
            lines.append(f"{name + ', ' + what:<52}{ms:>9.3f} ms {value:.6f}   pyworkforce "
                         f"{theirs:>9.3f} ms {said:.6f}   {theirs / ms:>6.2f} x")  # fmt: skip
    return lines


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
    print("\nErlang C beside pyworkforce")
    print("\n".join(beside_pyworkforce()))


if __name__ == "__main__":
    main()
