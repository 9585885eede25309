"""Power by simulation: draw, let outcomes happen, analyse, many times over.

:func:`simulate_power` takes any three functions, so that it can use a design's own draw, outcomes
re-drawn from history, and the very estimator that will judge the trial. The planner's own answer is
checked that way in :mod:`analysis.planning.rehearse`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from analysis.estimates import Absent, Estimate

Drawn = TypeVar("Drawn")
Data = TypeVar("Data")


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """What happened over ``n_sims`` simulated trials.

    ``power`` is the share that succeeded (p at most alpha unless told otherwise) and ``mcse`` its
    Monte Carlo standard error; ``coverage`` the share of intervals that held the truth (``None``
    if it was not given); ``mean_estimate`` the average estimate; ``absent`` the share that gave no
    answer, which count as failures.
    """

    n_sims: int
    power: float
    mcse: float
    coverage: float | None
    mean_estimate: float | None
    absent: float

    def to_json(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "n_sims": self.n_sims, "power": self.power, "mcse": self.mcse,
            "coverage": self.coverage, "mean_estimate": self.mean_estimate, "absent": self.absent,
        }  # fmt: skip


def simulate_power(
    draw: Callable[[np.random.Generator], Drawn],
    analyse: Callable[[Data], Estimate | Absent],
    outcome_model: Callable[[Drawn, np.random.Generator], Data],
    *,
    n_sims: int,
    rng: np.random.Generator,
    alpha: float = 0.05,
    truth: float | None = None,
    success: Callable[[Estimate], bool] | None = None,
) -> Simulated:
    """The power (or, without an effect, the false-positive rate) of an analysis under a design.

    Args:
        draw: makes one assignment.
        analyse: turns data into an estimate with a p-value.
        outcome_model: makes the data of one trial from its assignment.
        n_sims: how many trials.
        rng: where all chance comes from.
        alpha: the level p is judged at.
        truth: the true effect, to measure coverage.
        success: what counts as success, where it is not p at most alpha.

    Raises:
        ValueError: ``n_sims`` is below 1.
    """
    if n_sims < 1:
        raise ValueError("at least one trial must be simulated")
    found = [analyse(outcome_model(draw(rng), rng)) for _ in range(n_sims)]
    known = [e for e in found if isinstance(e, Estimate)]
    succeeds = success or (lambda e: e.p is not None and e.p <= alpha)
    hits = sum(1 for e in known if succeeds(e))
    held = [e.low <= truth <= e.high for e in known] if truth is not None else []
    power = hits / n_sims
    return Simulated(
        n_sims=n_sims,
        power=power,
        mcse=float(np.sqrt(max(power * (1 - power), 0.25 / n_sims) / n_sims)),
        coverage=float(np.mean(held)) if held else None,
        mean_estimate=float(np.mean([e.estimate for e in known])) if known else None,
        absent=1 - len(known) / n_sims,
    )
