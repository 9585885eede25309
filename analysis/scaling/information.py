"""What it is worth to know more before deciding.

The choice is between rolling out (worth the expected net present value) and not (worth 0).
Perfect information is worth ``E[max(NPV, 0)] - max(E[NPV], 0)``; knowing only the effect replaces
NPV by its mean given the effect (Raiffa & Schlaifer 1961). Further weeks of trial narrow the
posterior of the effect; the means it may then have are the present draws pulled in by the share
of variance the weeks resolve (the Gaussian approximation of Jalal & Alarid-Escudero 2018).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.estimates import Absent
from analysis.scaling.model import Model
from analysis.tables import Floats

_GRID = 81
_INNER = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class MoreWeeks:
    """The trial carried on: ``worth`` in pounds before, ``net`` after what it costs to wait.

    ``cost`` is the running of the trial plus the gain put off by the delay if the roll-out is
    worth having on what is known today.
    """

    weeks: float
    worth: float
    cost: float

    @property
    def net(self) -> float:
        """What carrying on is worth after its cost."""
        return self.worth - self.cost

    def to_json(self) -> dict[str, Any]:
        """The figures as data."""
        return {"weeks": self.weeks, "worth": self.worth, "cost": self.cost, "net": self.net}


def _nothing(pounds: float) -> bool:
    """Whether a sum reads as £0."""
    return round(pounds) == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Information:
    """Expected values in pounds of knowing everything, the effect alone, and a little more."""

    perfect: float
    effect: float
    more_weeks: MoreWeeks | Absent

    @property
    def says(self) -> str:
        """The sentence for the page."""
        if isinstance(self.more_weeks, Absent):
            if _nothing(self.effect):
                return "Knowing the effect exactly would not change what is done."
            return f"Knowing the effect exactly would be worth £{self.effect:,.0f}."
        more = self.more_weeks
        verdict = "more" if more.net > 0 else "less"
        one = more.weeks == 1
        weeks = f"{more.weeks:g} more week{'' if one else 's'} of trial"
        if _nothing(more.worth):
            return (
                f"{weeks} would not be expected to change what is done, "
                f"and would cost £{more.cost:,.0f}."
            )
        weeks = f"{weeks} {'is' if one else 'are'}"
        return f"{weeks} worth £{more.worth:,.0f}, {verdict} than the £{more.cost:,.0f} of waiting."

    def to_json(self) -> dict[str, Any]:
        """``perfect``, ``effect``, ``more_weeks`` and the sentence."""
        return {
            "perfect": self.perfect,
            "effect": self.effect,
            "more_weeks": self.more_weeks.to_json(),
            "unit": "£",
            "says": self.says,
        }


def worth_of_perfect(npv: Floats) -> float:
    """Expected value of perfect information about everything, from draws of the NPV."""
    return max(0.0, float(np.maximum(npv, 0).mean()) - max(float(npv.mean()), 0.0))


def information(
    model: Model, npv: Floats, *, seed: int, weeks_run: float | None, weeks_more: float,
    standard_error: float | None, weekly_cost: float,
) -> Information:  # fmt: skip
    """All three values.

    ``npv`` are the draws of the case; ``weeks_run`` and ``standard_error`` say how much the data
    alone have told so far (without ``weeks_run`` the value of more weeks is absent; without
    ``standard_error`` the posterior's own spread stands in, which takes the prior for data).
    """
    given_effect = _Given(model, seed=seed)
    net = model.effect.net
    return Information(
        perfect=worth_of_perfect(npv),
        effect=worth_of_perfect(given_effect(net)),
        more_weeks=_more(
            given_effect, net, npv, weeks_run=weeks_run, weeks_more=weeks_more,
            standard_error=standard_error, weekly_cost=weekly_cost, years=model.years,
        ),
    )  # fmt: skip


def resolved_share(
    spread: float, *, standard_error: float, weeks_run: float, weeks_more: float
) -> float:
    """The share of the posterior variance that ``weeks_more`` at the present pace resolve.

    Each week adds ``1 / (standard_error² · weeks_run)`` to the posterior's precision.
    """
    added = weeks_more / (standard_error**2 * weeks_run)
    return added / (added + 1 / spread**2)


class _Given:
    """The expected NPV as a function of the effect, all assumptions averaged out."""

    def __init__(self, model: Model, *, seed: int) -> None:
        net = model.effect.net
        knots = np.quantile(net, np.linspace(0, 1, _GRID))
        self._grid = np.unique(np.append(knots, 0.0) if net.min() < 0 < net.max() else knots)
        v = model.values(size=_INNER, seed=seed)
        shape = (len(self._grid), 1)
        tiled = {k: np.tile(x, shape).ravel() for k, x in v.items()}
        npv = model.appraise(np.repeat(self._grid, _INNER), tiled).npv
        self._npv = npv.reshape(len(self._grid), _INNER).mean(axis=1)

    def __call__(self, net: Floats) -> Floats:
        return np.asarray(np.interp(net, self._grid, self._npv), dtype=np.float64)


def _more(
    given_effect: _Given, net: Floats, npv: Floats, *, weeks_run: float | None, weeks_more: float,
    standard_error: float | None, weekly_cost: float, years: int,
) -> MoreWeeks | Absent:  # fmt: skip
    if not weeks_run or weeks_run <= 0:
        return Absent("weeks-unknown", "how many weeks the trial has run is not known")
    spread = float(net.std())
    if spread <= 1e-12 * float(np.abs(net).max()):
        return Absent("no-uncertainty", "the effect is taken as known, so nothing can be learnt")
    share = resolved_share(
        spread, standard_error=standard_error or spread, weeks_run=weeks_run, weeks_more=weeks_more
    )
    then = net.mean() + (net - net.mean()) * math.sqrt(share)
    put_off = max(float(npv.mean()), 0.0) * weeks_more / (52 * years)
    return MoreWeeks(
        weeks=weeks_more,
        worth=worth_of_perfect(given_effect(then)),
        cost=weekly_cost * weeks_more + put_off,
    )
