"""Adding the benefits of several trials without counting a call twice.

Two trials that act on one line do not add: the call one has prevented is not there for the other.
So within each set of overlapping trials only those are counted that share no line with a larger
one, which understates the whole rather than overstates it. Losses always count.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.scaling.ranges import Range
from analysis.tables import Floats
from trials.errors import Invalid, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialBenefit:
    """Draws of one trial's benefit (contacts or pounds a year) and the lines it acts on."""

    key: str
    lines: frozenset[str]
    draws: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A trial left out of the total, and the counted trial it overlaps with."""

    key: str
    overlaps: str
    lines: tuple[str, ...]

    @property
    def says(self) -> str:
        """Why it is not added."""
        return f"{self.key} is not added: it acts on {', '.join(self.lines)} with {self.overlaps}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """The sum of the counted trials over draws, beside the sum that ignores overlaps."""

    total: Range
    draws: Floats
    counted: tuple[str, ...]
    left_out: tuple[Left, ...]
    ignoring_overlaps: Range

    def to_json(self) -> dict[str, Any]:
        """The total as data."""
        return {
            "total": self.total.to_json(),
            "counted": list(self.counted),
            "left_out": [
                {"trial": x.key, "overlaps": x.overlaps, "lines": list(x.lines), "says": x.says}
                for x in self.left_out
            ],
            "ignoring_overlaps": self.ignoring_overlaps.to_json(),
        }


def add(trials: Sequence[TrialBenefit], *, unit: str, seed: int) -> Total:
    """The portfolio's benefit.

    Trials are taken in order of expected benefit; their draws are matched at random, being
    independent. Trials with different numbers of draws, without lines, or twice in the list are
    refused with :class:`~trials.errors.Invalid`.
    """
    _check(trials)
    counted: list[TrialBenefit] = []
    left: list[Left] = []
    for trial in sorted(trials, key=lambda t: (-float(t.draws.mean()), t.key)):
        rival = _overlapping(trial, counted) if trial.draws.mean() > 0 else None
        if rival is None:
            counted.append(trial)
        else:
            shared = tuple(sorted(trial.lines & rival.lines))
            left.append(Left(key=trial.key, overlaps=rival.key, lines=shared))
    draws = _sum(counted, seed)
    return Total(
        total=Range.of(draws, unit),
        draws=draws,
        counted=tuple(t.key for t in counted),
        left_out=tuple(left),
        ignoring_overlaps=Range.of(_sum(trials, seed), unit),
    )


def spared(trials: Sequence[TrialBenefit], *, unit: str, seed: int) -> Range | None:
    """What it spares not to roll out the trials that are expected to lose; ``None``: there is none.

    Unlike gains, losses that share a line are added: each would be met if each were rolled out.
    """
    losing = [t for t in trials if t.draws.mean() < 0]
    return Range.of(-_sum(losing, seed), unit) if losing else None


def _overlapping(trial: TrialBenefit, counted: Sequence[TrialBenefit]) -> TrialBenefit | None:
    return next((other for other in counted if other.lines & trial.lines), None)


def _sum(trials: Sequence[TrialBenefit], seed: int) -> Floats:
    if not trials:
        return np.zeros(1)
    total = np.zeros(len(trials[0].draws))
    for trial in trials:
        # A stream of its own: a trial adds the same draws whatever it is added to.
        rng = np.random.default_rng([seed, zlib.crc32(trial.key.encode())])
        total = total + rng.permutation(trial.draws)
    return total


def _check(trials: Sequence[TrialBenefit]) -> None:
    problems = [
        Problem(t.key, "names no line, so its overlaps are not known", "name its lines")
        for t in trials
        if not t.lines
    ]
    keys = [t.key for t in trials]
    problems += [
        Problem(key, "is in the portfolio twice", "remove one")
        for key in dict.fromkeys(keys)
        if keys.count(key) > 1
    ]
    if len({len(t.draws) for t in trials}) > 1:
        problems.append(Problem("draws", "trials have different numbers of draws", "use one"))
    if problems:
        raise Invalid("the portfolio", problems)
