"""Do the intervals hold what they promise? Repeats made-up trials and writes docs/calibration.md.

Run ``python -m benchmarks.calibrate`` (long form) or with ``--repeats 200 --only clusters`` for a
look; ``--output -`` prints the table instead of writing it.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import scenarios
from benchmarks.calibration_page import PAGE, Share, posteriors
from benchmarks.harder import HARDER
from benchmarks.scenarios import Scenario

SCENARIOS = (*scenarios.SCENARIOS, *HARDER)
COVERAGE, SIZE = 0.95, 0.05
ERRORS = 3.0
"""A share further than this many Monte Carlo errors from its promise breaks it."""

HEAD = """# Calibration

Made-up trials with a known truth, each repeated {repeats:,} times with an effect (does the 95 %
interval hold it?) and {repeats:,} times without (does the test reject more than 5 %?). In brackets
the Monte Carlo standard error of the share, in percentage points. A share further than three of
these from its promise is marked: **short** where the interval holds the truth too rarely, **fires**
where the test rejects too often, *wide* and *quiet* where the method is more cautious than it need
be. Rows that are known to fail are kept so that nobody has to find out again.

Written by `make calibrate`, seed {seed}.

| trial | method | interval holds the truth | test rejects under the null | |
|---|---|---|---|---|
"""

FOOT = """
What the failures mean:

* **Zero-inflated, heavy-tailed cost**: with a few hundred people the mean rests on a handful of
  them and no interval of the mean is to be trusted. Cap the metric in the plan and read the share
  with any cost beside it.
* **Eight very unequal clusters by the wild bootstrap**: it rejects a true null a little too often, in
  6.0 % of 10,000 trials (standard error 0.2) although each cluster's errors are taken from the fit
  without it, and in 6.5 % if they are not. So a plan that names the bootstrap gets CR2, which holds,
  where fewer than a dozen clusters vary in size by more than half their mean. The randomisation
  p-value given beside is exact.
* **Very unequal arms and rare events**: the robust interval is short in the small arm. Read
  Newcombe's, which is given beside it.
* **Looking every day at an ordinary interval** finds an effect in about one clean trial in four.
  The live band is a confidence sequence for this reason.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A scenario's coverage and size; ``None`` where it has no interval or no test."""

    scenario: Scenario
    coverage: Share | None
    size: Share | None

    def verdict(self) -> str:
        """What breaks the promise, or nothing."""
        words = []
        for share, promise, low, high in (
            (self.coverage, COVERAGE, "**short**", "*wide*"),
            (self.size, SIZE, "*quiet*", "**fires**"),
        ):
            if share is None:
                continue
            if share.value < promise - self._allowed(promise, share):
                words.append(low)
            if share.value > promise + self._allowed(promise, share):
                words.append(high)
        return ", ".join(words)

    def _allowed(self, promise: float, share: Share) -> float:
        return ERRORS * math.sqrt(promise * (1 - promise) / share.of)

    @property
    def broken(self) -> bool:
        """Whether the interval is short or the test fires."""
        return "**" in self.verdict()


def measure(scenario: Scenario, repeats: int, seed: int) -> Row:
    """Repeat a scenario with and without an effect, from a seed of its own."""
    stream = np.random.SeedSequence([seed, *scenario.key.encode()])
    with_effect, without = (np.random.default_rng(s) for s in stream.spawn(2))
    covered = [scenario.run(with_effect, True).covered for _ in range(repeats)]
    rejected = [scenario.run(without, False).rejected for _ in range(repeats)]
    return Row(scenario, _share(covered), _share(rejected))


def table(rows: list[Row], repeats: int, seed: int) -> str:
    """The page."""
    lines = [
        f"| {r.scenario.trial} | {r.scenario.method} | {_cell(r.coverage)} | {_cell(r.size)} | {_word(r)} |"
        for r in rows
    ]
    return HEAD.format(repeats=repeats, seed=seed) + "\n".join(lines) + "\n" + FOOT


def _word(row: Row) -> str:
    verdict = row.verdict()
    return f"{verdict} (known)" if row.broken and row.scenario.aim == "known to fail" else verdict


def _cell(share: Share | None) -> str:
    return "–" if share is None else share.text()


def _share(found: list[bool | None]) -> Share | None:
    known = [f for f in found if f is not None]
    return Share(float(np.mean(known)), len(known)) if known else None


def _work(job: tuple[int, int, int]) -> tuple[int, Share | None, Share | None]:
    """One scenario, in whichever process; a warning of NumPy's is a defect."""
    index, repeats, seed = job
    warnings.simplefilter("error", RuntimeWarning)
    row = measure(SCENARIOS[index], repeats, seed)
    return index, row.coverage, row.size


def _all(chosen: list[int], repeats: int, seed: int, workers: int) -> list[Row]:
    begin, rows = time.perf_counter(), []
    with ProcessPoolExecutor(workers) as pool:
        for index, coverage, size in pool.map(_work, [(i, repeats, seed) for i in chosen]):
            rows.append(Row(SCENARIOS[index], coverage, size))
            print(f"{time.perf_counter() - begin:7.1f} s  {SCENARIOS[index].key}", file=sys.stderr)
    return rows


def main(argv: list[str] | None = None) -> int:
    """Run and write; exit code 1 where a promise breaks that was not known to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=20260401)
    parser.add_argument("--only", default="", help="scenarios whose key contains this")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--output", default=str(PAGE))
    given = parser.parse_args(argv)
    chosen = [i for i, s in enumerate(SCENARIOS) if given.only in s.key]
    rows = _all(chosen, given.repeats, given.seed, given.workers)
    page = table(rows, given.repeats, given.seed)
    if given.output == "-":
        print(page)
    else:
        Path(given.output).write_text(page + posteriors(), encoding="utf-8")
    return int(any(r.broken and r.scenario.aim != "known to fail" for r in rows))


if __name__ == "__main__":
    raise SystemExit(main())
