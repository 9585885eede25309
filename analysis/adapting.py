"""Moving the shares of a trial towards the better arms: Thompson sampling from the log so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis import facts, reading
from analysis.bayesian.closed_form import binomial_posterior
from analysis.bayesian.priors import effect_prior
from analysis.bayesian.thompson import thompson_weights
from analysis.estimates import Absent
from analysis.tables import Floats, Grouped
from trials import clock, lifecycle, registry
from trials.definition.model import Trial
from trials.errors import Conflict
from trials.online import adaptive
from trials.store.engine import Store

DRAWS = 4000


@dataclass(frozen=True, slots=True)
class Moved:
    """The new shares by arm and how many outcomes they rest on; or ``why`` they stay."""

    batch: int
    shares: dict[str, float]
    known: dict[str, int]
    why: str = ""


def move(store: Store, key: str, *, actor: str) -> Moved:
    """Begin a new batch of trial ``key`` with shares by the outcomes known now.

    Only units whose window has closed count. Nothing moves before each arm has an outcome.

    Raises:
        NotFound: there is no such trial.
        Conflict: its shares are fixed, or it takes nobody on.
    """
    with store.read() as session:
        record = registry.load(session, key)
        trial, floor = record.definition, record.definition.design.adaptive
        if floor is None:
            raise Conflict(f"the shares of trial {key!r} are fixed", "see [design] of its plan")
        if record.state != "live":
            says = f"trial {key!r} is {record.state} and takes nobody on"
            raise Conflict(says, "shares move only while it is live")
        arms = facts.arm_names(session, record.id)
        known = reading.known(session, record.id)
        seed = lifecycle.seed_of(session, record.id)
        batch, present = adaptive.current(session, record.id)
    table = reading.read(store, record, list(arms), known, cutoff=clock.epoch(clock.now())).tables[
        trial.primary.key
    ]
    found = shares(trial, table, seed=[seed, batch])
    keys = [arm.key for arm in trial.arms]
    if isinstance(found, Absent):
        return Moved(batch, dict(zip(keys, present, strict=True)), {}, found.why)
    assert isinstance(table, Grouped)
    counts = dict(zip(keys, table.per_arm()[0].astype(int).tolist(), strict=True))
    with store.write() as session:
        number = adaptive.move(session, key, dict(zip(keys, found.tolist(), strict=True)), counts,
                               actor=actor)  # fmt: skip
        return Moved(number, dict(zip(keys, adaptive.current(session, record.id)[1], strict=True)),
                     counts)  # fmt: skip


def shares(trial: Trial, table: Grouped | Absent, *, seed: list[int]) -> Floats | Absent:
    """The next shares of a trial's arms by its main measure, in the plan's order.

    Rates under the plan's prior, by quadrature; counts and means by their own normal posterior.
    """
    if isinstance(table, Absent):
        return table
    if trial.design.adaptive is None:
        raise ValueError("the shares are fixed")
    n = table.per_arm()[0]
    if (n < 2).any():
        return Absent("arm-empty", "Not every version has two known outcomes yet.")
    levels = _levels(trial, table, np.random.default_rng(seed))
    if isinstance(levels, Absent):
        return levels
    return thompson_weights(levels, better=trial.primary.better, floor=trial.design.adaptive.floor)


def _levels(trial: Trial, table: Grouped, rng: np.random.Generator) -> Floats | Absent:
    """Joint posterior draws of the arms' means (draws × arms)."""
    if trial.primary.kind == "proportion":
        prior = trial.analysis.prior
        made = binomial_posterior(table, prior=effect_prior(prior), better=trial.primary.better,
                                  seed=int(rng.integers(2**31)))  # fmt: skip
        return made if isinstance(made, Absent) else made.levels
    n, y, yy = table.per_arm()
    mean = y / n
    se = np.sqrt(np.maximum(yy - n * mean**2, 0.0) / (n - 1) / n)
    return np.asarray(rng.normal(mean, se, (DRAWS, len(n))))
