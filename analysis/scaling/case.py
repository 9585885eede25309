"""The case for scaling: one trial's posterior turned into benefits, waits, fairness and advice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analysis.estimates import Absent
from analysis.scaling.appraisal import Appraisal
from analysis.scaling.assumption import Assumption
from analysis.scaling.benefits import Effect, Stream
from analysis.scaling.decision import Findings, Recommendation, recommend
from analysis.scaling.equity import Equity, GroupEffect, assess
from analysis.scaling.evidence import Grade, grade, optimism, transfer
from analysis.scaling.facts import Facts
from analysis.scaling.information import Information, information
from analysis.scaling.mechanism import Mechanism
from analysis.scaling.model import Model
from analysis.scaling.question import CapacityRequest
from analysis.scaling.ranges import Range
from analysis.scaling.register import Register, central
from analysis.scaling.sensitivity import Bar, Threshold, thresholds, tornado
from analysis.scaling.specs import CHANNELS
from analysis.scaling.wait import WaitConsequence, consequence
from analysis.tables import Floats
from trials.errors import Invalid, Problem

_FEWEST_DRAWS = 100
_EXTRA = ("weekly_trial_cost", "working_days_per_year", "equity_harm_margin", "small_cell_minimum")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseInput:
    """Everything a case is made from, as plain data.

    ``effect`` are posterior draws of the net deflection per assigned unit (positive = fewer
    contacts) in ``channel``; ``by_channel`` the same draws split by channel for pricing. Groups
    are pre-declared; ``line`` is the line of enquiry whose queue is modelled. ``seed`` fixes the
    draws of the assumptions; ``weeks_more`` is the extension whose worth is asked.
    """

    trial: str
    effect: Floats
    channel: str
    register: Register
    facts: Facts
    by_channel: Mapping[str, Floats] = field(default_factory=dict)
    groups: tuple[GroupEffect, ...] = ()
    line: CapacityRequest | None = None
    seed: int = 0
    weeks_more: float = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseForScaling:
    """The case. Quantities are per year for the first year after roll-out unless said otherwise.

    ``quantities`` holds the contract's ranges by name (a few are absent with a reason); ``purses``
    the four purses; ``by_year`` contacts avoided and council benefit year by year. ``draws`` are
    those of the first year by name (``npv``: of all years), for adding trials up.
    """

    trial: str
    quantities: Mapping[str, Range | Absent]
    purses: Mapping[str, Range]
    by_year: tuple[Mapping[str, Range], ...]
    probability_npv_positive: float
    probability_better: float
    value_of_more_information: Information
    wait: WaitConsequence | Absent
    equity: Equity
    evidence_grade: Grade
    optimism_bias: tuple[float, float]
    mechanism: Mechanism
    sensitivity: tuple[Bar, ...]
    thresholds: tuple[Threshold, ...]
    assumptions: tuple[Assumption, ...]
    recommendation: Recommendation
    leakage: Range | None
    years: int
    draws: Mapping[str, Floats]

    @property
    def retest_after_months(self) -> float:
        """When to measure the effect again: after one half-life, at the latest in a year."""
        found = {a.name: a.value for a in self.assumptions}
        return min(found["persistence_half_life_months"], 12.0)

    @property
    def defaults_used(self) -> tuple[Assumption, ...]:
        """The assumptions nobody gave."""
        return tuple(a for a in self.assumptions if a.is_default)

    def to_json(self) -> dict[str, Any]:
        """The outside contract's document, with more beside it; no draw is written."""
        benefits, costs = self.optimism_bias
        return {
            "trial": self.trial,
            **{name: q.to_json() for name, q in self.quantities.items()},
            "probability_npv_positive": self.probability_npv_positive,
            "value_of_more_information": self.value_of_more_information.to_json(),
            "wait": self.wait.to_json(),
            "equity": self.equity.to_json(),
            "evidence_grade": self.evidence_grade.to_json(),
            "optimism_bias": {"benefits": benefits, "costs": costs},
            "sensitivity": [bar.to_json() for bar in self.sensitivity],
            "assumptions": [a.to_json() for a in self.assumptions],
            "recommendation": self.recommendation.to_json(),
            "reasons": list(self.recommendation.reasons),
            "probability_better": self.probability_better,
            "leakage": None if self.leakage is None else self.leakage.to_json(),
            "purses": {name: purse.to_json() for name, purse in self.purses.items()},
            "mechanism": {
                "kind": self.mechanism.kind,
                "says": self.mechanism.says,
                "budget_line": self.mechanism.budget_line or None,
                "agreed_by": self.mechanism.agreed_by or None,
            },
            "thresholds": [t.to_json() for t in self.thresholds],
            "by_year": [{k: v.to_json() for k, v in year.items()} for year in self.by_year],
            "horizon_years": self.years,
            "retest_after_months": self.retest_after_months,
            "defaults_used": [a.name for a in self.defaults_used],
        }


def make_case(given: CaseInput) -> CaseForScaling:
    """The case for scaling.

    Raises:
        Invalid: the draws cannot be used, or assumptions are missing; all are named.
    """
    of, model = _model(given)
    extra = model.register.resolve(_EXTRA)
    v = model.values(size=len(given.effect), seed=given.seed)
    flows = model.flows(given.effect, v)
    value = model.appraise(given.effect, v)
    quantities = _quantities(flows, value, years=model.years)
    known = information(
        model, value.npv, seed=given.seed, weeks_run=given.facts.weeks_run,
        weeks_more=given.weeks_more, standard_error=given.facts.standard_error,
        weekly_cost=extra["weekly_trial_cost"].value,
    )  # fmt: skip
    equity = _equity(given, model, extra)
    better, pays = float((given.effect > 0).mean()), float((value.npv > 0).mean())
    return CaseForScaling(
        trial=given.trial,
        quantities=quantities,
        purses=_purses(flows),
        by_year=_by_year(flows),
        probability_npv_positive=pays,
        probability_better=better,
        value_of_more_information=known,
        wait=_wait(given, flows, extra),
        equity=equity,
        evidence_grade=of,
        optimism_bias=(
            model.assumptions["optimism_bias_benefits"].value,
            model.assumptions["optimism_bias_costs"].value,
        ),
        mechanism=model.register.mechanism,
        sensitivity=tornado(model),
        thresholds=thresholds(model),
        assumptions=(*model.assumptions.values(), *extra.values()),
        recommendation=_recommendation(given.facts, equity, known, better=better, pays=pays),
        leakage=given.facts.leakage,
        years=model.years,
        draws={
            "contacts": flows.contacts[0],
            "npv": value.npv,
            "benefits": flows.council[0],
            "hours": flows.hours[0],
            "cash": flows.cash[0],
            **{name: found[0] for name, found in _purse_flows(flows).items()},
        },
    )


def rests_on(given: CaseInput) -> tuple[str, ...]:
    """The names of the assumptions behind a case, found without making it.

    Raises:
        Invalid: as :func:`make_case`.
    """
    _, model = _model(given)
    return (*model.assumptions, *model.register.resolve(_EXTRA))


def _model(given: CaseInput) -> tuple[Grade, Model]:
    """The grade of the evidence, and the model with the defaults that follow from it."""
    _check(given)
    of = grade(given.facts.evidence, locked=given.facts.locked, checks=given.facts.checks)
    register = given.register.fallback(*optimism(of), *transfer(given.facts.evidence))
    effect = Effect(net=given.effect, channel=given.channel, by_channel=given.by_channel)
    return of, Model.of(register, effect)


def _check(given: CaseInput) -> None:
    problems = []
    if given.effect.ndim != 1 or len(given.effect) < _FEWEST_DRAWS:
        remedy = f"give at least {_FEWEST_DRAWS} in a row"
        problems.append(Problem("effect", f"has {given.effect.size} draws", remedy))
    if not np.isfinite(given.effect).all():
        problems.append(Problem("effect", "has draws that are not numbers", "sample it again"))
    for channel, draws in given.by_channel.items():
        if draws.shape != given.effect.shape or not np.isfinite(draws).all():
            remedy = "give one number a draw"
            problems.append(Problem(f"effect in {channel}", "does not match the effect", remedy))
    problems += [
        Problem("channel", f"{channel} is not a channel", f"use one of {', '.join(CHANNELS)}")
        for channel in {given.channel, *given.by_channel} - set(CHANNELS)
    ]
    if problems:
        raise Invalid("the case for scaling", problems)


def _quantities(flows: Stream, value: Appraisal, *, years: int) -> dict[str, Range | Absent]:
    """The contract's ranges, in its order; flows are those of the first year."""
    a_year = {
        "contacts_avoided_per_year": (flows.contacts, "contacts a year"),
        "handling_hours": (flows.hours, "hours a year"),
        "fte_capacity": (flows.fte, _fte_unit(flows)),
        "cash_releasing": (flows.cash, "£ a year"),
        "non_cash_releasing": (flows.non_cash, "£ a year"),
        "customer_time": (flows.customer, "£ a year"),
        "customer_hours": (flows.customer_hours, "hours a year"),
    }
    money = {
        "npv": value.npv,
        "npv_cash": value.npv_cash,
        "npv_public": value.npv_public,
        "npv_social": value.npv_social,
    }
    return {
        "reach": Range.of(flows.reach, "units a year"),
        **{name: Range.of(draws[0], unit) for name, (draws, unit) in a_year.items()},
        **{name: Range.of(draws, "£") for name, draws in money.items()},
        "bcr": _bcr(value),
        "payback_months": _payback(value.payback_months, years),
    }


def _fte_unit(flows: Stream) -> str:
    """Whole posts only when there is at least one to speak of."""
    whole = float(np.median(flows.fte[0])) >= 1.0
    return "full-time posts" if whole else "full-time posts' worth of capacity"


def _bcr(value: Appraisal) -> Range | Absent:
    if not np.isfinite(value.bcr).all():
        return Absent("no-costs", "some draws have no costs, so there is no ratio to them")
    return Range.of(value.bcr, "£ of benefit per £ of cost")


def _payback(months: Floats, years: int) -> Range | Absent:
    never = float(np.isinf(months).mean())
    if never == 1:
        return Absent("never-pays-back", f"in no draw are the costs recovered within {years} years")
    note = f"{never:.0%} of draws never pay back within {years} years" if never else ""
    return Range.of(months, "months", note)


def _purse_flows(flows: Stream) -> dict[str, Floats]:
    return {
        "contact_centre": flows.contact_centre,
        "back_office": flows.back_office,
        "other_public_bodies": flows.other_public,
        "customer": flows.customer,
    }


def _purses(flows: Stream) -> dict[str, Range]:
    return {
        name: Range.of(draws[0], "£ a year") for name, draws in _purse_flows(flows).items()
    }  # fmt: skip


def _by_year(flows: Stream) -> tuple[dict[str, Range], ...]:
    return tuple(
        {
            "contacts_avoided": Range.of(contacts, "contacts"),
            "council_benefit": Range.of(benefit, "£"),
        }
        for contacts, benefit in zip(flows.contacts, flows.council, strict=True)
    )


def _equity(given: CaseInput, model: Model, extra: Mapping[str, Assumption]) -> Equity:
    """Effects by group; their contacts are those of the first year at central assumptions."""
    v = central(model.assumptions)
    return assess(
        given.groups,
        margin=extra["equity_harm_margin"].value,
        minimum=int(extra["small_cell_minimum"].value),
        contacts=lambda effect: float(model.flows(np.array([effect]), v).contacts[0, 0]),
    )


def _wait(
    given: CaseInput, flows: Stream, extra: Mapping[str, Assumption]
) -> WaitConsequence | Absent:
    if given.line is None:
        return Absent("no-line", "no line was described, so its queue is not modelled")
    contacts = Range.of(flows.contacts[0], "contacts a year")
    return consequence(
        given.line, contacts, working_days=extra["working_days_per_year"].value
    )  # fmt: skip


def _recommendation(
    facts: Facts, equity: Equity, known: Information, *, better: float, pays: float
) -> Recommendation:
    more = known.more_weeks
    found = Findings(
        probability_better=better,
        probability_pays=pays,
        equity=equity.gate,
        checks=facts.checks,
        guardrails=facts.guardrails,
        more_weeks_net=None if isinstance(more, Absent) else more.net,
        matured=facts.matured,
        fidelity_measured=facts.fidelity_measured,
    )
    return recommend(found, facts.rule)
