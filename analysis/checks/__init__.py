"""Trust checks: pure functions from counts and grouped tables to :class:`Check`.

Each says in one sentence what was seen and in another what it means and what to do.
"""

from analysis.checks.balance import randomisation_balance
from analysis.checks.check import Check, CheckKey, Verdict, not_applicable
from analysis.checks.data import Kept, data_freshness, maturity, period_coverage, plan_deviation
from analysis.checks.plausibility import DayEffect, interference, novelty, twyman
from analysis.checks.rates import (
    Share,
    attrition,
    contamination,
    exposure_balance,
    fidelity,
    link_rate_balance,
)
from analysis.checks.sample_ratio import Split, log_e_value, sample_ratio, sequential_p

__all__ = [
    "Check",
    "CheckKey",
    "DayEffect",
    "Kept",
    "Share",
    "Split",
    "Verdict",
    "attrition",
    "contamination",
    "data_freshness",
    "exposure_balance",
    "fidelity",
    "interference",
    "link_rate_balance",
    "log_e_value",
    "maturity",
    "not_applicable",
    "novelty",
    "period_coverage",
    "plan_deviation",
    "randomisation_balance",
    "sample_ratio",
    "sequential_p",
    "twyman",
]
