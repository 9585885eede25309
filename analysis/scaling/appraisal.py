"""Net present value, benefit-cost ratio and payback of a stream, draw by draw.

Years are counted from 0, as in the Green Book: the first year's flows and the set-up cost are not
discounted (``NPV = Σ (B_t - C_t) / (1 + r)^t``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.scaling.benefits import Stream
from analysis.tables import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Appraisal:
    """One entry a draw: pounds of today, and months (infinite if never paid back).

    ``npv`` counts what the council gains; ``npv_cash`` only what leaves its ledger; ``npv_public``
    adds other public bodies and ``npv_social`` the customers' time. ``bcr`` is infinite or zero
    where there are no costs.
    """

    benefits: Floats
    costs: Floats
    npv: Floats
    npv_cash: Floats
    npv_public: Floats
    npv_social: Floats
    bcr: Floats
    payback_months: Floats


def appraise(flows: Stream, rate: Floats) -> Appraisal:
    """The appraisal of ``flows`` at the real discount ``rate`` (a fraction a year)."""
    years = np.arange(len(flows.contacts), dtype=np.float64)[:, None]
    factor = (1 + rate[None, :]) ** -years
    benefits = (flows.council * factor).sum(axis=0)
    costs = flows.setup + (flows.running * factor).sum(axis=0)
    other = (flows.other_public * factor).sum(axis=0)
    customer = (flows.customer * factor).sum(axis=0)
    npv = benefits - costs
    return Appraisal(
        benefits=benefits,
        costs=costs,
        npv=npv,
        npv_cash=(flows.cash * factor).sum(axis=0) - costs,
        npv_public=npv + other,
        npv_social=npv + other + customer,
        bcr=_ratio(benefits, costs),
        payback_months=payback_months(flows.setup, flows.council - flows.running),
    )


def payback_months(setup: Floats, net: Floats) -> Floats:
    """Months until the set-up cost is earned back by ``net`` (years × draws), undiscounted.

    Within a year gains come evenly; infinite where the years counted do not earn it back.
    """
    left = np.array(setup, dtype=np.float64)
    months = np.where((left <= 0) & (net[0] >= 0), 0.0, np.inf)
    for year, gain in enumerate(net):
        safe = np.where(gain > 0, gain, 1.0)
        here = np.isinf(months) & (gain > 0) & (left <= gain)
        months = np.where(here, 12 * (year + left / safe), months)
        left = left - gain
    return np.asarray(months, dtype=np.float64)


def _ratio(benefits: Floats, costs: Floats) -> Floats:
    safe = np.where(costs > 0, costs, 1.0)
    free = np.where(benefits > 0, np.inf, np.where(benefits < 0, -np.inf, 0.0))
    return np.asarray(np.where(costs > 0, benefits / safe, free), dtype=np.float64)
