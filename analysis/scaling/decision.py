"""The recommendation, by the rule in the plan, with its reasons and what would change it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from analysis.report.figures import chance
from analysis.scaling.equity import Gate
from analysis.scaling.evidence import Check
from trials.errors import SignpostError

Decision = Literal["scale", "scale-with-conditions", "extend", "adapt", "stop"]
GuardrailVerdict = Literal["pass", "inconclusive", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardrail:
    """A guardrail metric's verdict; a ``hard_stop`` that fails ends the matter."""

    key: str
    verdict: GuardrailVerdict
    title: str = ""
    says: str = ""
    hard_stop: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The plan's thresholds, all probabilities.

    ``ship_if`` and ``stop_for_harm`` are on the effect, fixed before launch; ``pays_if`` is the
    probability of a positive net present value that a plain "scale" needs.
    """

    ship_if: float = 0.95
    stop_for_harm: float = 0.95
    pays_if: float = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Everything the rule looks at.

    ``more_weeks_net`` is what carrying on is worth after its cost in pounds, ``None`` if unknown;
    ``matured`` says that every unit's window has closed.
    """

    probability_better: float
    probability_pays: float
    equity: Gate
    checks: Sequence[Check] = ()
    guardrails: Sequence[Guardrail] = ()
    more_weeks_net: float | None = None
    matured: bool = True
    fidelity_measured: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """What to do, why, on what conditions, and what would change it."""

    decision: Decision
    reasons: tuple[str, ...]
    conditions: tuple[str, ...] = ()
    would_change: str = ""

    def to_json(self) -> dict[str, Any]:
        """The recommendation as data."""
        return {
            "decision": self.decision,
            "reasons": list(self.reasons),
            "conditions": list(self.conditions),
            "would_change": self.would_change,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Dissent:
    """A decision other than the one recommended: who took it and why."""

    recommended: Decision
    decided: Decision
    reviewer: str
    reason: str


def recommend(found: Findings, rule: Rule) -> Recommendation:
    """The recommendation.

    In this order: harm stops; broken evidence is run again; a group made worse off means the
    change is adapted; immature results wait; then the plan's thresholds on effect and money.
    """
    return (
        _harm(found, rule)
        or _broken(found)
        or _unequal(found)
        or _immature(found)
        or (
            _effective(found, rule)
            if found.probability_better >= rule.ship_if
            else _unproven(found, rule)
        )
    )


def _harm(found: Findings, rule: Rule) -> Recommendation | None:
    worse = 1 - found.probability_better
    likely = f"It is {chance(worse)} likely to cause more contacts"
    failed = [g for g in found.guardrails if g.verdict == "fail"]
    hard = [g for g in failed if g.hard_stop]
    if worse >= rule.stop_for_harm:
        return Recommendation(
            decision="stop",
            reasons=(f"{likely}, at or above the {rule.stop_for_harm:.0%} set for stopping.",),
            would_change="A different version of the change, tested afresh.",
        )
    if hard:
        return Recommendation(
            decision="stop", reasons=_guardrail_reasons(hard),
            would_change=f"Evidence that {hard[0].key} is not made worse.",
        )  # fmt: skip
    if failed:
        return Recommendation(
            decision="adapt", reasons=_guardrail_reasons(failed),
            would_change=f"A version that keeps {failed[0].key} within its margin.",
        )  # fmt: skip
    return None


def _broken(found: Findings) -> Recommendation | None:
    failed = [check for check in found.checks if check.verdict == "fail"]
    if not failed:
        return None
    return Recommendation(
        decision="adapt",
        reasons=tuple(f"Check failed: {c.key}. {c.says}".strip() for c in failed),
        would_change=f"The cause of the failed check ({failed[0].key}) found, and a clean re-run.",
    )


def _unequal(found: Findings) -> Recommendation | None:
    if found.equity != "harm":
        return None
    return Recommendation(
        decision="adapt",
        reasons=("A declared group of people is made worse off.",),
        would_change="A version, or a way round it, that leaves no group worse off.",
    )


def _immature(found: Findings) -> Recommendation | None:
    if found.matured:
        return None
    return Recommendation(
        decision="extend",
        reasons=("Some people's outcome windows have not closed.",),
        would_change="The last window closing.",
    )


def _effective(found: Findings, rule: Rule) -> Recommendation:
    works = (
        f"It is {chance(found.probability_better)} likely to reduce contacts, at or above the "
        f"{rule.ship_if:.0%} the plan asks for."
    )
    pays = f"It is {chance(found.probability_pays)} likely to pay for itself."
    if found.probability_pays < rule.pays_if:
        return _does_not_surely_pay(found, rule, works, pays)
    conditions = _conditions(found)
    if conditions:
        return Recommendation(
            decision="scale-with-conditions", reasons=(works, pays), conditions=conditions,
            would_change="The conditions met: then scale. A condition refused: adapt and retest.",
        )  # fmt: skip
    return Recommendation(
        decision="scale", reasons=(works, pays),
        would_change="A holdback that shows a smaller effect than claimed.",
    )  # fmt: skip


def _does_not_surely_pay(
    found: Findings, rule: Rule, works: str, pays: str
) -> Recommendation:  # fmt: skip
    more = found.more_weeks_net
    if more is not None and more > 0:
        return Recommendation(
            decision="extend", reasons=(works, pays, _worth_waiting(more)),
            would_change=f"A probability of paying of {rule.pays_if:.0%} or more.",
        )  # fmt: skip
    if found.probability_pays >= 0.5:
        return Recommendation(
            decision="scale-with-conditions", reasons=(works, pays),
            conditions=(
                "Keep set-up within the cost assumed, and check the saving on a holdback.",
                *_conditions(found),
            ),
            would_change="A cheaper set-up, or a larger service to spread it over.",
        )  # fmt: skip
    return Recommendation(
        decision="adapt", reasons=(works, pays),
        would_change="A cheaper way of doing it, or more people for whom it is done.",
    )  # fmt: skip


def _unproven(found: Findings, rule: Rule) -> Recommendation:
    short = (
        f"It is {chance(found.probability_better)} likely to reduce contacts; the plan asks for "
        f"{rule.ship_if:.0%}."
    )
    more = found.more_weeks_net
    if more is not None and more > 0:
        return Recommendation(
            decision="extend", reasons=(short, _worth_waiting(more)),
            would_change=f"A probability of {rule.ship_if:.0%} or more, or of harm.",
        )  # fmt: skip
    waiting = (
        "More weeks would tell more, and would cost more than the answer is worth."
        if more is not None
        else "What more weeks would be worth is not known."
    )
    if found.probability_better >= 0.5:
        return Recommendation(
            decision="adapt", reasons=(short, waiting),
            would_change="A bolder version, or a larger group to test it on.",
        )  # fmt: skip
    return Recommendation(
        decision="stop", reasons=(short, waiting),
        would_change="New evidence for the idea from elsewhere.",
    )  # fmt: skip


def _conditions(found: Findings) -> tuple[str, ...]:
    conditions = [
        f"Watch ‘{g.title or g.key}’ after roll-out: the trial could not rule out harm to it."
        for g in found.guardrails
        if g.verdict == "inconclusive"
    ]
    conditions += [
        f"Look into this first: {c.says}" if c.says else f"Look into the warning on {c.key}."
        for c in found.checks
        if c.verdict == "warn"
    ]
    if found.equity == "concern":
        conditions.append("Keep another way in for the groups for whom harm is not ruled out.")
    if found.equity == "unknown":
        conditions.append("Measure the effect on digitally excluded people on a holdback.")
    if not found.fidelity_measured:
        conditions.append("Check that people really get the change as designed.")
    return tuple(conditions)


def _guardrail_reasons(failed: Sequence[Guardrail]) -> tuple[str, ...]:
    return tuple(f"Guardrail failed: ‘{g.title or g.key}’. {g.says}".strip() for g in failed)


def _worth_waiting(net: float) -> str:
    return f"Carrying on is worth £{net:,.0f} more than it costs."


def dissent(
    recommendation: Recommendation, *, decided: Decision, reviewer: str, reason: str
) -> Dissent | None:
    """The record of a decision that differs from the recommendation; ``None`` if it agrees.

    Raises:
        SignpostError: it differs without a named reviewer or a reason.
    """
    if decided == recommendation.decision:
        return None
    if not reviewer.strip() or not reason.strip():
        raise SignpostError(
            f"deciding to {decided} against a recommendation to {recommendation.decision} needs "
            "a named reviewer and a reason",
            "give both",
        )
    return Dissent(
        recommended=recommendation.decision, decided=decided, reviewer=reviewer.strip(),
        reason=reason.strip(),
    )  # fmt: skip
