"""Simulation-based calibration of every sampled model (Talts et al. 2018).

A true effect is drawn from the prior, data from the model given it, and the model is fitted to the
data. If density, prior and sampler are right, the truth's rank among the posterior draws is uniform
and intervals cover what they say. Ranked are the effect, the control's level and, where a model has
them, gross deflection and the effect in one segment. Also counted: how many runs pass the
diagnostics at the first and at the second attempt.

Run ``python -m benchmarks.sbc [--replicates 200] [--models counts,paths] [--kept FOLDER]``. Ranks
are kept as they come, so that a run that was stopped goes on where it was; ``--write`` puts what is
kept into docs/calibration.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import special, stats

from analysis.bayesian import sampler
from analysis.bayesian.diagnostics import diagnose
from analysis.bayesian.fits import RETRY_ACCEPT, RETRY_TUNE
from analysis.bayesian.models import MODELS
from analysis.bayesian.models.base import ModelData, Params
from analysis.tables import Floats
from benchmarks.calibration_page import Share, with_posteriors
from benchmarks.sbc_designs import designs

COVERAGE = (0.5, 0.8, 0.95)
SETTINGS = sampler.Settings()  # as in reports
CAREFUL = dataclasses.replace(SETTINGS, target_accept=RETRY_ACCEPT, tune=RETRY_TUNE * SETTINGS.tune)
LEAST_P, ERRORS = 0.001, 3.0
"""Ranks are off below this p, a share when it misses by more than so many Monte Carlo errors."""
FOLDER = Path("build") / "sbc"
TOLD = {"effect": "effect", "level": "level of the control", "gross": "gross deflection",
        "segment_effect": "effect in one segment"}  # fmt: skip
HEAD = ("model", "ranked", "truths", "ranks uniform, p", *(f"{c:.0%} holds" for c in COVERAGE),
        "reliable at once", "after the second run", "")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one design's runs showed of one quantity; ``p`` is Kolmogorov's and Smirnov's."""

    design: str
    ranked: str
    runs: int
    p: float
    covered: tuple[Share, ...]
    first: float
    second: float

    def cells(self) -> tuple[str, ...]:
        """The row of the printed table."""
        return (
            self.design, TOLD[self.ranked], str(self.runs), f"{self.p:.2g}",
            *(share.text() for share in self.covered), f"{self.first:.0%}", f"{self.second:.0%}",
            self.verdict(),
        )  # fmt: skip

    def verdict(self) -> str:
        """What breaks the promise, or nothing."""
        words = ["**ranks not uniform**"] if self.p < LEAST_P else []
        for promise, share in zip(COVERAGE, self.covered, strict=True):
            allowed = ERRORS * np.sqrt(promise * (1 - promise) / share.of)
            if abs(share.value - promise) > allowed:
                words.append(f"**{promise:.0%} off**")
        return ", ".join(words)


def usable(data: ModelData) -> bool:
    """Whether drawn data are such as the model would be given at all."""
    if data.model == "hurdle-lognormal":
        return bool(data.arrays["positive"].min() >= 2)
    if data.model == "negative-binomial":
        return bool(data.arrays["value"].max() > 0)
    if data.model == "piecewise-exponential":
        return bool(data.arrays["events"].sum() > 0)
    return True


def truths(truth: Params, data: ModelData) -> dict[str, float]:
    """The drawn values of what is ranked, the first of each."""
    out = {name: float(truth[name][0]) for name in ("effect", "level", "gross") if name in truth}
    if data.levels and "heterogeneity" in truth:
        out["segment_effect"] = _in_first_segment(truth, data.arrays)
    return out


def _in_first_segment(truth: Params, a: Any) -> float:
    segment = a["mix_segment"]
    base = truth["alpha"] + truth["stratum"][a["mix_stratum"]] + truth["segment_baseline"][segment]
    new = base + truth["beta"][0] + truth["heterogeneity"][0, segment]
    return float(a["mix_within"][0] @ (special.expit(new) - special.expit(base)))


def drawn(run: sampler.Sampled, name: str) -> Floats:
    """The draws of the same quantity."""
    values = run.flat(name)
    return np.asarray(values.reshape(len(values), -1)[:, 0])


def replicate(design: ModelData, seed: int, number: int) -> dict[str, Any] | None:
    """One truth, its data and the ranks; ``None`` where the data are not such as are fitted."""
    rng, model = np.random.default_rng([seed, number]), MODELS[design.model]
    truth = model.draw_prior(design, rng)
    data = model.replicate(truth, design, rng)
    if not usable(data):
        return None
    started, own = time.perf_counter(), int(rng.integers(2**31))
    passed = []
    for attempt, settings in enumerate((SETTINGS, CAREFUL)):
        run = sampler.sample(design.model, data, own + attempt, settings=settings)
        passed.append(diagnose(run, model.watch).reliable)
        if passed[-1]:
            break
    ranks = {
        name: float((drawn(run, name) < value).mean())
        for name, value in truths(truth, design).items()
    }
    return {"number": number, "ranks": ranks, "first": passed[0], "second": passed[-1],
            "seconds": time.perf_counter() - started}  # fmt: skip


def calibrate(name: str, design: ModelData, replicates: int, seed: int, folder: Path) -> None:
    """Go on until so many runs of a design are kept."""
    path = file_of(folder, name)
    found = kept(path)
    number = max((one["number"] for one in found), default=-1)
    if len(found) < replicates:
        sampler.warm(design.model, design)
    while len(found) < replicates:
        number += 1
        made = replicate(design, seed, number)
        if made is None:
            continue
        found.append(made)
        with path.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(made) + "\n")
        print(f"{name}: {len(found)}/{replicates}, {made['seconds']:.1f} s", file=sys.stderr)


def file_of(folder: Path, name: str) -> Path:
    """Where a design's runs are kept."""
    return folder / (name.replace(",", "").replace(" ", "-") + ".jsonl")


def kept(path: Path) -> list[dict[str, Any]]:
    """The runs kept so far."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def rows_of(name: str, found: list[dict[str, Any]]) -> list[Row]:
    """One row for each quantity that was ranked."""
    return [_row(name, ranked, found) for ranked in (found[0]["ranks"] if found else ())]


def _row(name: str, ranked: str, found: list[dict[str, Any]]) -> Row:
    rank = np.array([one["ranks"][ranked] for one in found])
    size = len(rank)
    covered = tuple(Share(float((np.abs(rank - 0.5) <= c / 2).mean()), size) for c in COVERAGE)
    return Row(
        design=name, ranked=ranked, runs=size, p=float(stats.kstest(rank, "uniform").pvalue),
        covered=covered, first=float(np.mean([one["first"] for one in found])),
        second=float(np.mean([one["second"] for one in found])),
    )  # fmt: skip


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = [HEAD, tuple("---" for _ in HEAD), *(row.cells() for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> int:
    """Run, print and write; exit code 1 where a model is not calibrated."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--replicates", type=int, default=200)
    parser.add_argument("--models", default="", help="parts of names, comma-separated")
    parser.add_argument("--kept", type=Path, default=FOLDER)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="into docs/calibration.md")
    given = parser.parse_args()
    given.kept.mkdir(parents=True, exist_ok=True)
    wanted = [w.strip() for w in given.models.split(",") if w.strip()]
    rows: list[Row] = []
    for name, design in designs().items():
        if isinstance(design, ModelData) and (not wanted or any(w in name for w in wanted)):
            calibrate(name, design, given.replicates, given.seed, given.kept)
            found = kept(file_of(given.kept, name))
            rows += rows_of(name, found)
            spent = np.median([one["seconds"] for one in found]) if found else 0.0
            print(f"{name}: median {spent:.1f} s at a load of {os.getloadavg()[0]:.0f}", flush=True)
    print(table(rows))
    if given.write:
        with_posteriors(table(rows), seed=given.seed)
    return int(any(row.verdict() for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
