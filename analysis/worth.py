"""The case for scaling of one trial, from its stored result and the assumptions given."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np

from analysis.bayesian.posterior import effect_posterior
from analysis.estimates import Absent
from analysis.scaling import assumptions as register_file
from analysis.scaling.assumption import Assumption
from analysis.scaling.case import CaseForScaling, CaseInput, make_case
from analysis.scaling.decision import Rule
from analysis.scaling.from_result import (
    arms_of,
    channel_draws,
    facts_from,
    groups_from,
    only_channel,
)
from analysis.scaling.register import Register
from analysis.tables import Floats
from trials.definition.model import Trial
from trials.definition.near import listed, nearest
from trials.errors import Conflict, SignpostError

DRAWS = 4000
NO_EMAIL = ("has_email", "no")


def case_for(
    trial: Trial, result: Mapping[str, Any], *, assumptions: str = "", arm: str | None = None,
    seed: int = 1,
) -> CaseForScaling:  # fmt: skip
    """What rolling out ``arm`` is worth, to whom, and with what doubt.

    Args:
        trial: the definition that was analysed.
        result: its stored result document.
        assumptions: the text of an assumption file; what it leaves out is a listed default.
        arm: the arm to roll out; by default the one the verdict speaks of.
        seed: for the draws.

    Raises:
        Invalid: assumptions are impossible or missing; all are named.
        Conflict: the result has no net deflection to build on.
    """
    register = register_file.read(assumptions) if assumptions.strip() else Register()
    return make_case(case_input(trial, result, register=register, arm=arm, seed=seed))


def case_input(
    trial: Trial, result: Mapping[str, Any], *, register: Register, arm: str | None = None,
    seed: int = 1,
) -> CaseInput:  # fmt: skip
    """Everything the case for rolling out ``arm`` is made from.

    Raises:
        Conflict: the result has no net deflection to build on.
    """
    chosen = _arm(trial, result, arm)
    decision = trial.analysis.decision
    rule = Rule(
        ship_if=decision.ship_if_probability, stop_for_harm=decision.stop_for_harm_probability
    )
    draws = _draws(trial, result, chosen, seed)
    return CaseInput(
        trial=trial.key, effect=draws, seed=seed, line=register.queue,
        by_channel=channel_draws(result, arm=chosen, net=draws, seed=seed),
        channel=only_channel(result, arm=chosen) or "phone",
        register=register.fallback(_volume(trial, result)),
        facts=facts_from(result, arm=chosen, rule=rule, weeks_run=_weeks(trial)),
        groups=groups_from(
            result, arm=chosen,
            excluded=NO_EMAIL if "has_email" in trial.analysis.segments else None),
    )  # fmt: skip


def _arm(trial: Trial, result: Mapping[str, Any], arm: str | None) -> str:
    known = arms_of(result)
    if not known:
        raise Conflict(
            f"the result of {trial.key!r} has no net deflection to build a case on",
            "import the contact log, give the plan a metric over contacts, and analyse again",
        )
    wanted = arm or result["verdict"].get("arm") or known[0]
    if wanted not in known:
        guess = nearest(wanted, known)
        raise SignpostError(f"there is no net deflection for arm {wanted!r}",
                            f"did you mean {guess!r}? The result has {listed(known)}")  # fmt: skip
    return str(wanted)


def _draws(trial: Trial, result: Mapping[str, Any], arm: str, seed: int) -> Floats:
    """Posterior draws of contacts saved per unit, under the plan's prior (which shrinks it)."""
    per = float(result["deflection"]["per"])
    net = next(c["net"] for c in result["deflection"]["contrasts"] if c["arm"] == arm)
    if net.get("se") is None:
        raise Conflict("net deflection is not known", net.get("why", "see the result"))
    prior = trial.analysis.prior.model_copy(update={"mean": -trial.analysis.prior.mean})
    made = effect_posterior(
        net["estimate"] / per, net["se"] / per, prior=prior, better="higher", df=net.get("df")
    )
    if isinstance(made, Absent):
        raise Conflict("net deflection is not known", made.why)
    return made.sample(DRAWS, np.random.default_rng(seed))


def _weeks(trial: Trial) -> float | None:
    about = trial.about
    if about.starts is None or about.ends is None:
        return None
    return (about.ends - about.starts + timedelta(days=1)) / timedelta(weeks=1)


def _volume(trial: Trial, result: Mapping[str, Any]) -> Assumption:
    """Units a year if intake goes on as in the trial; without dates, the trial's own units."""
    units, weeks = result["units"]["assigned"], _weeks(trial)
    year = units * 52.1775 / weeks if weeks else units
    source = "the trial's own intake, carried on for a year" if weeks else "the units of the trial"
    return Assumption(
        name="eligible_volume", value=round(year), low=round(0.8 * year), high=round(1.2 * year),
        shape="triangular", source=source, dated=str(result["run"]["at"])[:10], mark="computed",
        unit="units a year",
    )  # fmt: skip
