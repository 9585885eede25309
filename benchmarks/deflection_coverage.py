"""Do the intervals of deflection cover what was planted, at the rate they claim?

Every specimen is drawn many times and analysed as its design asks (strata, clusters, and for the
confounded trial the epochs of allocation). Printed for each contrast: how often the 95% interval
holds the truth, with the Monte Carlo error of that share, how often leakage is given at all, and
its own coverage where it is. The last rows show what goes wrong when the epochs are not looked at.

    python benchmarks/deflection_coverage.py --draws 2000
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections import defaultdict

import numpy as np

from analysis.deflection import DeflectionTables, deflect
from analysis.estimates import BARELY, Absent, Estimate
from analysis.joint import Joint
from analysis.tables import Key
from trials.simulate import wychbridge
from trials.simulate.repeat import Counted, Repeated


def key(name: str, codes: np.ndarray) -> Key:
    return Key(name=name, codes=codes, levels=tuple(map(str, range(int(codes.max()) + 1))))


def tables(drawn: Counted, arms: list[str], days: float, *, epochs: bool) -> DeflectionTables:
    """The joint moments of one draw, under the design's strata and clusters."""
    stratum = drawn.epoch if epochs and drawn.epoch.any() else drawn.stratum
    joint = Joint.from_units(
        {"gross": drawn.gross, "net": drawn.net}, drawn.arm, arms=arms,
        stratum=key("stratum", stratum) if stratum.any() else None,
        cluster=None if drawn.cluster is None else key("cluster", drawn.cluster),
    )  # fmt: skip
    return DeflectionTables(window_days=days, joint=joint)


class Score:
    """How often intervals held the truth, by figure."""

    def __init__(self) -> None:
        self.hits: dict[str, int] = defaultdict(int)
        self.shown: dict[str, int] = defaultdict(int)

    def add(self, figure: str, found: Estimate | Absent, truth: float | None) -> None:
        if truth is None or isinstance(found, Absent):
            return
        self.shown[figure] += 1
        self.hits[figure] += found.low <= truth <= found.high

    def row(self, draws: int) -> dict[str, float]:
        found: dict[str, float] = {}
        for figure, n in self.shown.items():
            share = self.hits[figure] / n
            found[figure] = round(share, 4)
            found[f"{figure}_error"] = round(math.sqrt(0.95 * 0.05 / n), 4)
            found[f"{figure}_shown"] = round(n / draws, 4)
        return found


def coverage(name: str, draws: int, *, units: int | None, seed: int, epochs: bool = True) -> dict:
    """Coverage of gross, net and leakage for every contrast of a specimen."""
    rehearsal = wychbridge.rehearsal(name)
    if units:
        plan = rehearsal.plan.model_copy(update={"units": units})
        rehearsal = rehearsal.model_copy(update={"plan": plan})
    arms = [arm.key for arm in rehearsal.trial.arms]
    scores: dict[str, Score] = defaultdict(Score)
    for drawn in Repeated(rehearsal).draws(draws, seed=seed):
        found = deflect(tables(drawn, arms, rehearsal.window_days, epochs=epochs), per=1)
        for contrast, planted in zip(found.contrasts, drawn.truth["contrasts"], strict=True):
            truth = planted["recorded"]
            score = scores[contrast.arm]
            score.add("gross", contrast.gross, truth["gross"])
            score.add("net", contrast.net, truth["net"])
            score.add("leakage", contrast.leakage, truth["leakage"])
            if isinstance(contrast.leakage, Estimate):
                noted = BARELY in contrast.leakage.notes
                score.add("leakage_noted" if noted else "leakage_plain",
                          contrast.leakage, truth["leakage"])  # fmt: skip
    return {arm: score.row(draws) for arm, score in scores.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--units", type=int, help="units a draw (default: the specimen's own)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=list(wychbridge.SPECIMENS))
    asked = parser.parse_args()
    for name in asked.only:
        began = time.perf_counter()
        found = coverage(name, asked.draws, units=asked.units, seed=asked.seed)
        print(json.dumps({"trial": name, "coverage": found,
                          "seconds": round(time.perf_counter() - began, 1)}))  # fmt: skip
    if "missed-bin-page" in asked.only:
        naive = coverage("missed-bin-page", min(asked.draws, 200), units=asked.units,
                         seed=asked.seed, epochs=False)  # fmt: skip
        print(json.dumps({"trial": "missed-bin-page", "without epochs": naive}))


if __name__ == "__main__":
    main()
